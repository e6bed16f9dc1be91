"""Find the device that models run on, without loading CTranslate2 into the service."""

from __future__ import annotations

from dataclasses import dataclass

from dictograph.engine.gpu import has_gpu
from dictograph.models.weights import cuda_devices
from dictograph.settings.model import Settings


@dataclass(frozen=True, slots=True)
class Hardware:
    """A device (`cpu` or `cuda`) and the compute type that CTranslate2 uses on it."""

    device: str
    compute_type: str


async def find_hardware(settings: Settings) -> Hardware:
    """Return the device and compute type of the settings, with `auto` resolved: int8 on CPU, float16 on a GPU."""
    device: str = settings.device
    if device == "auto":
        device = "cuda" if has_gpu() and await cuda_devices() else "cpu"
    natural = "float16" if device == "cuda" else "int8"
    return Hardware(device, natural if settings.compute_type == "auto" else settings.compute_type)

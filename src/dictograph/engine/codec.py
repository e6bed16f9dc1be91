"""Encode engine requests and answers for the way between parent and child: JSON headers, samples as raw bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from dictograph.engine.protocol import Capabilities, EngineSpec, Window, WindowOptions

_SAMPLES = np.dtype("<i2")


def pack_windows(windows: Sequence[Window]) -> tuple[list[dict[str, Any]], bytes]:
    """Return the header's list `[{"start": seconds, "samples": count, "spans": […]}, …]` and the body: all samples."""
    header = [{"start": window.start, "samples": len(window.samples), "spans": window.spans} for window in windows]
    return header, b"".join(window.samples.astype(_SAMPLES, copy=False).tobytes() for window in windows)


def unpack_windows(header: Sequence[Mapping[str, Any]], body: bytes) -> list[Window]:
    """Return the windows again. Raises ValueError when the body has not exactly the announced samples."""
    samples = np.frombuffer(body, _SAMPLES)
    if sum(int(window["samples"]) for window in header) != len(samples):
        raise ValueError("the samples of a request are not as many as its header says")
    windows, position = [], 0
    for window in header:
        end = position + int(window["samples"])
        given = samples[position:end].astype(np.int16, copy=False)
        windows.append(Window(given, float(window["start"]), _spans(window.get("spans"))))
        position = end
    return windows


def _spans(shape: Sequence[Sequence[float]] | None) -> tuple[tuple[float, float], ...] | None:
    return None if shape is None else tuple((float(first), float(last)) for first, last in shape)


def spec_as_dict(spec: EngineSpec) -> dict[str, Any]:
    """Return a spec as a JSON object."""
    return asdict(spec)


def spec_from_dict(shape: Mapping[str, Any]) -> EngineSpec:
    """Return a spec from its JSON object."""
    return EngineSpec(**shape)


def options_from_dict(shape: Mapping[str, Any]) -> WindowOptions:
    """Return the options of a batch from their JSON object."""
    language = shape.get("language")
    return WindowOptions(**{**shape, "language": tuple(language) if isinstance(language, list) else language})


def capabilities_as_dict(capabilities: Capabilities) -> dict[str, Any]:
    """Return capabilities as a JSON object; sets become sorted lists."""
    shape = asdict(capabilities)
    return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in shape.items()}


def capabilities_from_dict(shape: Mapping[str, Any]) -> Capabilities:
    """Return capabilities from their JSON object."""
    sets = {name: frozenset(value) for name, value in shape.items() if isinstance(value, list)}
    return Capabilities(**{**shape, **sets})

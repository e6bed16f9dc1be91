"""Find out whether this machine has a GPU, from the files of its driver."""

from __future__ import annotations

from pathlib import Path

#: NVIDIA's driver on Linux and in WSL 2, AMD's.
_SIGNS = ("/dev/nvidiactl", "/proc/driver/nvidia", "/dev/dxg", "/dev/kfd")


def has_gpu() -> bool:
    """Return whether there is a GPU driver, as far as that can be seen without loading a library."""
    return any(Path(sign).exists() for sign in _SIGNS)

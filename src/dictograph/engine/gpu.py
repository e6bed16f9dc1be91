"""Whether this machine has a GPU at all, told by what its driver puts into the file system."""

from __future__ import annotations

from pathlib import Path

#: NVIDIA's driver on Linux and in WSL 2, AMD's.
_SIGNS = ("/dev/nvidiactl", "/proc/driver/nvidia", "/dev/dxg", "/dev/kfd")


def has_gpu() -> bool:
    """Whether one can be used, as far as that shows without loading a library."""
    return any(Path(sign).exists() for sign in _SIGNS)

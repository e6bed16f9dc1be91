"""What is to survive a power cut: a file's bytes, and a folder's names."""

from __future__ import annotations

import os
from pathlib import Path


def sync_file(path: Path) -> None:
    """Have a file's bytes on the disk when this returns. Raises OSError."""
    _sync(path)


def sync_folder(folder: Path) -> None:
    """Have a folder's names on the disk when this returns: a new file may be lost without it. Raises OSError."""
    _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

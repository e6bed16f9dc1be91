"""Syncs to the disk what must survive a power cut: a file's bytes, and a folder's names."""

from __future__ import annotations

import os
from pathlib import Path


def sync_file(path: Path) -> None:
    """Write a file's bytes to the disk before returning. Raises OSError."""
    _sync(path)


def sync_folder(folder: Path) -> None:
    """Write a folder's names to the disk before returning; without it a new file may be lost. Raises OSError."""
    _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Disks of a few megabytes, which can be full without harming anybody."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.needs import missing

_BLOCK = 64 * 1024


class Disk:
    """A file system of its own. A file of ours takes what is to be taken."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    @property
    def free(self) -> int:
        """Bytes."""
        return shutil.disk_usage(self.folder).free

    def fill(self, leave: int = 0) -> None:
        """Take all but so many bytes; give back what is too much."""
        with self._filler.open("ab") as file:
            while (left := self.free - leave) > 0:
                try:
                    file.write(b"x" * min(left, _BLOCK))
                    file.flush()
                except OSError:  # what is left is less than a block of the file system
                    return

    def empty(self) -> None:
        """Give back what `fill` took."""
        self._filler.unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Disk]:
    """A disk of `size` bytes at `folder`; to mount one takes root's rights on Linux."""
    if sys.platform != "linux" or os.geteuid() != 0:
        missing("a disk can be mounted by root on Linux only")
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        missing(f"no disk can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)

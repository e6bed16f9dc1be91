"""The last of a disk is not for audio: were it, the database could not even write down that a job was removed."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def check_room(where: int | Path, size: int, reserve: int) -> None:
    """Whether `size` bytes more can be written at `where` and `reserve` bytes are still free then.

    Args:
        where: a descriptor, or a path that exists.
        size: bytes.
        reserve: bytes; 0: nothing is looked at, the disk itself will tell.

    Raises:
        OSError: ENOSPC when they cannot, as if the disk itself had said so; or what the system says.
    """
    if not reserve:
        return
    disk = os.statvfs(where)
    # Some file systems do not say how large they are.
    if disk.f_blocks and disk.f_bavail * disk.f_frsize < size + reserve:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

"""Queries of a disk: how much space is free on it, and what time its clock shows.

Audio may not fill a disk completely: the database could then not even record that a job was removed.
"""

from __future__ import annotations

import errno
import os
import tempfile
import time
from pathlib import Path

#: The system's errors for lack of space: on the disk, or in this user's quota.
FULL = (errno.ENOSPC, errno.EDQUOT)


def check_room(where: int | Path, size: int, reserve: int) -> None:
    """Check that `size` more bytes can be written at `where` and that `reserve` bytes are still free then.

    Args:
        where: a descriptor, or a path that exists.
        size: bytes.
        reserve: bytes; 0: nothing is checked, the write itself will fail.

    Raises:
        OSError: ENOSPC if they cannot, as from the disk itself; or the system's own error.
    """
    if not reserve:
        return
    disk = os.statvfs(where)
    # Some file systems do not report their size.
    if disk.f_blocks and disk.f_bavail * disk.f_frsize < size + reserve:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def time_of_files(folder: Path) -> float:
    """Return the current time, in seconds since 1970, by the clock that stamps the files of this folder.

    A network file system has the clock of its server, not that of a machine that mounts it. So a file is made here and
    removed again: only its time stamp shows how old other files are. On a full disk no file can be made. Then this
    machine's clock is used: the caller is about to remove old files, and could otherwise never free space again.

    Raises:
        OSError: no file can be made there, for another reason.
    """
    try:
        with tempfile.TemporaryFile(dir=folder, prefix=".clock-") as file:
            return os.fstat(file.fileno()).st_mtime
    except OSError as error:
        if error.errno not in FULL:
            raise
        return time.time()

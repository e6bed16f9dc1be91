"""What a disk must be asked: how much room is left on it, and what time it is there.

The last of a disk is not for audio: were it, the database could not even write down that a job was removed.
"""

from __future__ import annotations

import errno
import os
import tempfile
import time
from pathlib import Path

#: What the system says when there is no room: none on the disk, or none for this user.
FULL = (errno.ENOSPC, errno.EDQUOT)


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


def time_of_files(folder: Path) -> float:
    """Now, in seconds since 1970, by the clock that stamps the files of this folder.

    That of a network file system is its server's, and no machine's that mounts it: how old a file is can be told
    only by another file, which is made and removed for it. On a full disk none can be made, and this machine's clock
    has to do: whoever asks is about to remove what is old, and would otherwise never make room again.

    Raises:
        OSError: none can be made there, for another reason.
    """
    try:
        with tempfile.TemporaryFile(dir=folder, prefix=".clock-") as file:
            return os.fstat(file.fileno()).st_mtime
    except OSError as error:
        if error.errno not in FULL:
            raise
        return time.time()

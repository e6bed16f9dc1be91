"""Files and folders that only their user may read, whatever the umask of the process.

A group gets the rights that it has in the folder above. So an operator who gives a group rights to a folder
(`chmod g+rx`) also gives them to everything made in it. Dictograph needs no setting for that.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

#: The rights of the owner, of the group and of all others in a mode.
_OWNER, _GROUP, _OTHERS = 0o700, 0o070, 0o007

#: A file needs no right to enter it.
_ENTER = 0o111


def group_rights(folder: Path) -> int:
    """Return the rights of a folder's group, as bits of a mode; none in a folder where every user may write."""
    mode = os.stat(folder).st_mode
    return 0 if mode & stat.S_IWOTH else mode & _GROUP


def rights_given(folder: Path) -> int:
    """Return the rights that a folder's group was given on purpose. Rights that every user has came from a umask."""
    return _given(os.stat(folder).st_mode)


def make_private_folder(folder: Path, group: int | None = None) -> None:
    """Make a folder and the missing folders above it. An existing folder stays unchanged.

    Args:
        folder: the folder.
        group: the rights of its group, as bits of a mode; None: the rights given on the folder above it.

    Raises:
        OSError: the folder cannot be made.
    """
    if folder.is_dir():
        return
    if folder.parent.exists() and not folder.parent.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    make_private_folder(folder.parent)
    try:
        folder.mkdir(_OWNER)
    except FileExistsError:
        if not folder.is_dir():
            raise
        return
    _set(folder, _OWNER | (rights_given(folder.parent) if group is None else group))


def make_private_file(path: Path) -> None:
    """Make an empty file; as root, give it the owner of its folder. Raises FileExistsError, OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        folder = os.stat(path.parent)
        if os.geteuid() == 0 and folder.st_uid != 0:
            os.fchown(descriptor, folder.st_uid, folder.st_gid)
        _set(descriptor, 0o600 | _given(folder.st_mode) & ~_ENTER)
    finally:
        os.close(descriptor)


def private(group: int = 0) -> Callable[[str, int], int]:
    """Return an opener for `open` that makes a file with these rights for its group, as bits of a mode."""

    def opener(path: str, flags: int) -> int:
        descriptor = os.open(path, flags, 0o600)
        try:
            if os.fstat(descriptor).st_uid == os.geteuid():
                _set(descriptor, 0o600 | group & ~_ENTER)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    return opener


def close_to_others(path: Path, group: int | None = None) -> bool:
    """Take the rights to a file or folder of ours from other users. Return whether there were any.

    Args:
        path: a file or a folder; a missing one or a link is left alone.
        group: the rights that its group may keep, as bits of a mode; None: the rights that it was given.

    Raises:
        OSError: the path cannot be read or changed.
    """
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return False
    mode = stat.S_IMODE(status.st_mode)
    kept = mode & ~(_GROUP | _OTHERS) | mode & (_given(mode) if group is None else group)
    if status.st_uid != os.geteuid() or stat.S_ISLNK(status.st_mode) or kept == mode:
        return False
    path.chmod(kept)
    return True


def open_to_others(path: Path) -> bool:
    """Return whether users other than a file's owner and group have a right to it. Raises OSError."""
    return bool(os.stat(path).st_mode & _OTHERS)


def _given(mode: int) -> int:
    return 0 if mode & _OTHERS and not mode & stat.S_ISGID else mode & _GROUP


def _set(place: int | Path, mode: int) -> None:
    """Set the rights, and leave the other bits (such as an inherited group) unchanged."""
    now = stat.S_IMODE(os.stat(place).st_mode)
    if now & 0o777 != mode:
        os.chmod(place, now & ~0o777 | mode)

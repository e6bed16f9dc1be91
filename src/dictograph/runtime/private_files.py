"""Files and folders that only their user may read, whatever the umask of the process is.

A group is let in where it was let into the folder above. So an operator who gives a group rights to a folder
(`chmod g+rx`) gives them to what is made in it, and nobody has to tell Dictograph.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

#: The rights of the owner, of the group and of everybody else in a mode.
_OWNER, _GROUP, _OTHERS = 0o700, 0o070, 0o007

#: Nobody enters a file.
_ENTER = 0o111


def group_rights(folder: Path) -> int:
    """Return the rights that a folder's group has, as bits of a mode; none in a folder where everybody may write."""
    mode = os.stat(folder).st_mode
    return 0 if mode & stat.S_IWOTH else mode & _GROUP


def rights_given(folder: Path) -> int:
    """Return the rights that a folder's group was given on purpose: those that everybody has came from an umask."""
    return _given(os.stat(folder).st_mode)


def make_private_folder(folder: Path, group: int | None = None) -> None:
    """Make a folder, and those above it that are missing; one that is there stays as it is.

    Args:
        folder: the folder.
        group: the rights of its group, as bits of a mode; None: those given on the folder above it.

    Raises:
        OSError: it cannot be made.
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
    """Make an empty file, with the owner of its folder if this is root. Raises FileExistsError, OSError."""
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
    """Take what others may do with a file or folder from them, if it is ours; says whether there was something.

    Args:
        path: a file, or a folder; one that is not there, or is a link, is left alone.
        group: the rights that its group may keep, as bits of a mode; None: those that it was given.

    Raises:
        OSError: it cannot be seen or changed.
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
    """Whether others than a file's user and group may do something with it. Raises OSError."""
    return bool(os.stat(path).st_mode & _OTHERS)


def _given(mode: int) -> int:
    return 0 if mode & _OTHERS and not mode & stat.S_ISGID else mode & _GROUP


def _set(place: int | Path, mode: int) -> None:
    """Set the rights, and leave the other bits (a group that is inherited) as they are."""
    now = stat.S_IMODE(os.stat(place).st_mode)
    if now & 0o777 != mode:
        os.chmod(place, now & ~0o777 | mode)

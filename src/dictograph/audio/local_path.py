"""Open a file of this machine that a client named, if it is under an allowed root."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from dictograph.errors import PathNotAllowed

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A named pipe must not make the opening wait; it is refused afterwards.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def open_allowed(path: str, roots: Sequence[Path]) -> BinaryIO:
    """Open the regular file `path` (absolute) for reading.

    `..` is resolved in the text alone, so that no folder outside is read on the way. Then symbolic links are
    resolved; they must lead to a place under one of `roots`. The real path is walked from the root's
    descriptor without following any link: so a link that is made in between has no effect.

    Raises:
        PathNotAllowed: with the same message for a path outside, one that is missing, one that may not be
            read, and one that is no regular file. Only errors in the text of the path (`why_never`) have
            other messages.
    """
    if refusal := why_never(path, roots):
        raise PathNotAllowed(refusal)
    try:
        return _open(path, roots)
    except (OSError, ValueError, RuntimeError) as error:
        raise PathNotAllowed(
            "The path is no readable file under a folder that this service may read from (DICTOGRAPH_PATH_ROOTS)."
        ) from error


def why_never(path: str, roots: Sequence[Path]) -> str:
    """Return why there can be no file at this path, judged by its text alone; "" if there can.

    The disk is not read, so the answer reveals nothing about files outside the roots.
    """
    if not os.path.isabs(path):
        return "The path is relative: give an absolute path."
    if os.path.normpath(path) in map(str, roots):
        return "The path is a folder: give that of a file in it."
    return ""


def lies_under(path: str, roots: Sequence[Path]) -> bool:
    """Return whether the path leads to a place under one of `roots`, whether or not a file is there."""
    try:
        _root_of(_real(path, strict=False), roots)
    except (OSError, ValueError, RuntimeError):
        return False
    return True


def _open(path: str, roots: Sequence[Path]) -> BinaryIO:
    real = _real(path, strict=True)
    root = _root_of(real, roots)
    descriptor = _walk(root, real.relative_to(root).parts)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError("not a regular file")
    return os.fdopen(descriptor, "rb")


def _real(path: str, *, strict: bool) -> Path:
    if not os.path.isabs(path):
        raise ValueError("the path is relative")
    return Path(os.path.normpath(path)).resolve(strict=strict)


def _root_of(real: Path, roots: Sequence[Path]) -> Path:
    for root in roots:
        resolved = root.resolve()
        if real != resolved and real.is_relative_to(resolved):
            return resolved
    raise ValueError("under no allowed root")


def _walk(root: Path, parts: Sequence[str]) -> int:
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts[:-1]:
            inner = os.open(part, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        return os.open(parts[-1], _FILE, dir_fd=folder)
    finally:
        os.close(folder)

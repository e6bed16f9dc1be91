"""The file of a SQLite database: created only on purpose, and checked while it is open.

This module never opens the file: a process that closes any descriptor of a database's file loses the locks of all
its connections (https://www.sqlite.org/howtocorrupt.html, 2.2).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dictograph.errors import DatabaseMissing, DatabaseReplaced, DatabaseUnavailable
from dictograph.runtime.private_files import make_private_file, make_private_folder

#: Device and inode: they stay the same when a file is moved.
Identity = tuple[int, int]

_MISSING = "The database is not there; none is made in its place. Put its file back."
_REPLACED = (
    "Another file lies where the database was opened, and nothing is written to it. Put the right one back, or restart "
    "the service to work on what lies there now."
)


class OpenedFile:
    """The file that the connections of one database have open, known by its device and inode."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._identity: Identity | None = None

    def check(self) -> None:
        """Check that the path still leads to the file that was opened.

        Raises:
            DatabaseMissing, DatabaseReplaced: the path leads nowhere, or to another file.
            DatabaseUnavailable: the path cannot be inspected.
        """
        found = self._found()
        if self._identity is not None and found != self._identity:
            raise DatabaseReplaced(_REPLACED, detail=str(self.path))

    @contextmanager
    def opening(self) -> Iterator[None]:
        """Remember the file that is opened in this context; later contexts accept no other. Raises like `check`."""
        self.check()
        before = self._found()
        yield
        if self._found() != before:
            raise DatabaseReplaced(_REPLACED, detail=str(self.path))
        self._identity = before

    def _found(self) -> Identity:
        try:
            status = os.stat(self.path)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise DatabaseMissing(_MISSING, detail=str(self.path)) from error
        except OSError as error:
            raise DatabaseUnavailable(
                f"The database cannot be seen: {error.strerror}.", detail=str(self.path)
            ) from error
        return status.st_dev, status.st_ino


def make_file(path: Path) -> None:
    """Create an empty file, and its folder, where there is none. Raises DatabaseUnavailable."""
    try:
        make_private_folder(path.parent)
    except OSError as error:
        raise DatabaseUnavailable(f"The database's folder {path.parent} cannot be made: {error.strerror}.") from error
    try:
        make_private_file(path)
    except FileExistsError:
        return
    except OSError as error:
        raise DatabaseUnavailable(f"The database {path} cannot be made: {error.strerror}.") from error

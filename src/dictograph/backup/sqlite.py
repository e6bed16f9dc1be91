"""A SQLite database in a backup: one file, copied while other processes write."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from dictograph.errors import BackupFailed
from dictograph.runtime.fsync import sync_file, sync_folder
from dictograph.runtime.private_files import make_private_file, make_private_folder
from dictograph.store.backends.dialects import file_of

NAME = "dictograph.db"

#: The number of pages that are copied before other processes may use the database again (16 MiB).
_STEP = 4096


def save(url: str, folder: Path) -> None:
    """Copy the database into `folder` as it is at one moment. Other processes may write meanwhile.

    Uses SQLite's online backup (https://www.sqlite.org/backup.html). The copy is checked before it gets its name.
    """
    target = folder / NAME
    _copy(_file(url), target)


def load(folder: Path, url: str) -> None:
    """Put the saved database in its place. No database may be there."""
    target = _file(url)
    make_private_folder(target.parent)
    _copy(folder / NAME, target)


def is_free(url: str) -> bool:
    """Return whether there is no database yet."""
    return not _file(url).exists()


def _copy(source: Path, target: Path) -> None:
    if not source.is_file():
        raise BackupFailed(f"There is no database {source}.")
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    make_private_file(part)
    with _told(source):
        with closing(sqlite3.connect(source, timeout=60)) as here, closing(sqlite3.connect(part)) as there:
            here.backup(there, pages=_STEP)
            # A copy needs no write-ahead log beside it: it is one file that can be moved.
            there.execute("PRAGMA journal_mode=DELETE")
            _check(there, source)
        sync_file(part)
        os.replace(part, target)
        sync_folder(target.parent)


def _check(copy: sqlite3.Connection, source: Path) -> None:
    verdict = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise BackupFailed(f"The database {source} is damaged ({verdict}).")


@contextmanager
def _told(source: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise BackupFailed(f"The database {source} cannot be copied: {error}.") from error


def _file(url: str) -> Path:
    file = file_of(url)
    assert file is not None, "this is no SQLite database"
    return file

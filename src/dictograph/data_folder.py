"""The data folder and its contents: closed to the other users of the machine."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from dictograph.runtime.private_files import close_to_others, open_to_others, rights_given
from dictograph.settings.model import Settings
from dictograph.store.backends.dialects import file_of

log = logging.getLogger(__name__)

#: The names that Dictograph and the operator of a service put into the data folder. A folder with other names in it is
#: a home or a project too, so it is not closed.
_OURS = ("dictograph.*", "blobs", "scratch", "uploads", "processes", "models", "config.ini", "lost+found", ".*")


def close_data_folder(settings: Settings) -> None:
    """Take the rights of other users to the data folder and to our files in it, and log it.

    Earlier versions left these rights to the umask. A group keeps the rights that it was given. Files in other places,
    or of another user, stay as they are. Stored objects do too: they are in a folder that others can no longer enter.
    """
    folder = settings.data_dir
    try:
        closed = [folder] if _has_only_our_names(folder) and close_to_others(folder) else []
        closed += [path for path in places(settings) if _is_beneath(path, folder) and _close(path, folder)]
    except OSError as error:
        log.warning("what others may read in %s cannot be changed: %s", folder, error)
        return
    if closed:
        log.warning("closed to other users of this machine, who could read it: %s", ", ".join(map(str, closed)))


def places(settings: Settings) -> Iterator[Path]:
    """Return the files and folders that others should not read, whether they exist or not."""
    yield from (settings.scratch, settings.path_uploads, settings.processes)
    if settings.storage is not None:
        yield settings.storage
    if (file := file_of(settings.database)) is not None:
        yield from (file.with_name(file.name + suffix) for suffix in ("", "-wal", "-shm"))


def readable_by_others(settings: Settings) -> list[Path]:
    """Return the files and folders that other users of this machine can reach now. Raises OSError."""
    return [path for path in (settings.data_dir, *places(settings)) if path.exists() and _can_be_reached(path)]


def _can_be_reached(path: Path) -> bool:
    return open_to_others(path) and all(folder.stat().st_mode & 0o001 for folder in path.resolve().parents)


def _close(path: Path, data_dir: Path) -> bool:
    return close_to_others(path, rights_given(data_dir))


def _is_beneath(path: Path, folder: Path) -> bool:
    return path != folder and path.is_relative_to(folder)


def _has_only_our_names(folder: Path) -> bool:
    return all(any(fnmatch(path.name, name) for name in _OURS) for path in folder.iterdir())

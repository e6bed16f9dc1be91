"""The data folder, and what lies in it: closed to the other users of the machine."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from dictograph.runtime.private_files import close_to_others, open_to_others, rights_given
from dictograph.settings.model import Settings
from dictograph.store.backends.dialects import file_of

log = logging.getLogger(__name__)

#: What Dictograph and the operator of a service put into the data folder. One with other names in it is somebody's
#: home or project too, and not only ours to close.
_OURS = ("dictograph.*", "blobs", "scratch", "uploads", "processes", "models", "config.ini", "lost+found", ".*")


def close_data_folder(settings: Settings) -> None:
    """Take the rights of others to the data folder and what we made in it from them, and say so in the log.

    Earlier versions left them to the umask. A group keeps what it was given. What lies elsewhere, or belongs to
    another user, stays as it is; so do stored objects, which lie in a folder that nobody enters then.
    """
    folder = settings.data_dir
    try:
        closed = [folder] if _is_ours_alone(folder) and close_to_others(folder) else []
        closed += [path for path in places(settings) if _is_beneath(path, folder) and _close(path, folder)]
    except OSError as error:
        log.warning("what others may read in %s cannot be changed: %s", folder, error)
        return
    if closed:
        log.warning("closed to other users of this machine, who could read it: %s", ", ".join(map(str, closed)))


def places(settings: Settings) -> Iterator[Path]:
    """Return the files and folders that hold what nobody else should read, there or not."""
    yield from (settings.storage, settings.scratch, settings.path_uploads, settings.processes)
    if (file := file_of(settings.database)) is not None:
        yield from (file.with_name(file.name + suffix) for suffix in ("", "-wal", "-shm"))


def readable_by_others(settings: Settings) -> list[Path]:
    """Return what other users of this machine can get at now. Raises OSError."""
    return [path for path in (settings.data_dir, *places(settings)) if path.exists() and _can_be_reached(path)]


def _can_be_reached(path: Path) -> bool:
    return open_to_others(path) and all(folder.stat().st_mode & 0o001 for folder in path.resolve().parents)


def _close(path: Path, data_dir: Path) -> bool:
    return close_to_others(path, rights_given(data_dir))


def _is_beneath(path: Path, folder: Path) -> bool:
    return path != folder and path.is_relative_to(folder)


def _is_ours_alone(folder: Path) -> bool:
    return all(any(fnmatch(path.name, name) for name in _OURS) for path in folder.iterdir())

"""Which processes of this host are alive. Each one holds a lock on its own file; the kernel frees it at its end."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import psutil

from dictograph.runtime.private_files import make_private_folder

_SUFFIX = ".lock"


class ProcessLock:
    """This process's lock file in a folder that all processes of the host share.

    `id` names the process. It is never reused.
    """

    def __init__(self, folder: Path, id: str | None = None) -> None:
        self.id = id or uuid4().hex
        self._folder = folder
        make_private_folder(folder)
        self._path = folder / (self.id + _SUFFIX)
        unlocked = folder / f"{self.id}.new"
        self._descriptor = os.open(unlocked, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        unlocked.rename(self._path)  # locked before it has its name, so that it never looks like a dead process's file

    def close(self) -> None:
        """Remove the file, then free the lock."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def dead(self) -> Iterator[str]:
        """Yield the ids of processes of this host that ended without `close`.

        Each id is yielded again until `forget`, so that nothing is lost if the reaper dies in between.
        """
        for path in self._folder.glob("*" + _SUFFIX):
            if path != self._path and _is_free(path):
                yield path.name.removesuffix(_SUFFIX)

    def forget(self, id: str) -> None:
        """Forget a dead process: all that it held has been released."""
        (self._folder / (id + _SUFFIX)).unlink(missing_ok=True)


def live_process_ids(folder: Path) -> list[str]:
    """Return the ids of this host's live processes. The caller itself is not one of them."""
    return [path.name.removesuffix(_SUFFIX) for path in sorted(folder.glob("*" + _SUFFIX)) if not _is_free(path)]


def data_dirs_sharing(folder: Path, file: Path) -> list[Path]:
    """Return other folders of the same name that hold lock files of this host's processes with `file` open.

    A user finds only its own processes; root finds all.
    """
    found: set[Path] = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            paths = {Path(one.path) for one in process.open_files()}
            if file.resolve() in paths:
                found |= {path.parent for path in paths if path.suffix == _SUFFIX and path.parent.name == folder.name}
    return sorted(found - {folder.resolve()})


def _is_free(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True

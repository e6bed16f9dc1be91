"""The temporary folder of a transcription without a service, and the folders that killed processes left behind.

A folder holds `running` with its process's lock, and `data`, the data folder. These two names distinguish it from a
data folder that a user keeps in the same place.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dictograph.runtime.process_lock import ProcessLock, live_process_ids

log = logging.getLogger(__name__)

_PREFIX = "dictograph-"
_LOCKS, _DATA = "running", "data"


@contextmanager
def temporary_data_folder() -> Iterator[Path]:
    """Yield a data folder that is removed afterwards. First remove the folders of killed processes."""
    remove_abandoned()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    try:
        lock = ProcessLock(folder / _LOCKS)
        try:
            data = folder / _DATA
            data.mkdir(mode=0o700)
            yield data
        finally:
            _remove_data(folder)
            lock.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned() -> None:
    """Remove the folders that killed processes of this user left in the system's temporary folder."""
    for folder in _candidates(Path(tempfile.gettempdir())):
        with suppress(OSError):  # another process removes it, too
            if _is_abandoned(folder):
                _remove_data(folder)
                shutil.rmtree(folder)
                log.info("removed %s, which a killed process left behind", folder)


def _candidates(place: Path) -> Iterator[Path]:
    """Yield this user's folders with a matching name. Links are skipped: every user may write to the place."""
    with suppress(OSError), os.scandir(place) as entries:
        for entry in entries:
            with suppress(OSError):
                if (
                    entry.name.startswith(_PREFIX)
                    and entry.is_dir(follow_symlinks=False)
                    and entry.stat(follow_symlinks=False).st_uid == os.geteuid()
                ):
                    yield Path(entry.path)


def _is_abandoned(folder: Path) -> bool:
    """Return whether the folder was made here and its process has ended. An unfinished folder has no lock yet."""
    names = {path.name for path in folder.iterdir()}
    if _LOCKS not in names or not names <= {_LOCKS, _DATA}:
        return False
    locks = folder / _LOCKS
    return any(locks.glob("*.lock")) and not live_process_ids(locks)


def _remove_data(folder: Path) -> None:
    """Remove everything but the lock. The lock is removed last: it shows that the rest may be removed."""
    shutil.rmtree(folder / _DATA, ignore_errors=True)

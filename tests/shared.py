"""Servers that all processes of one run of tests share: started by the first that asks, ended with the run."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: Names the run's folder. Processes of pytest-xdist inherit it from the one that began.
_VARIABLE = "TESTS_SHARED_FOLDER"

#: In a server's folder: the id of its process.
PID = "pid"


def begin() -> bool:
    """Make the run's folder, unless an outer process has. Return whether this process has to end it."""
    if _VARIABLE in os.environ:
        return False
    folder = Path(tempfile.mkdtemp(prefix="dictograph-shared-", dir="/tmp"))
    folder.chmod(0o755)  # servers may run as somebody else
    os.environ[_VARIABLE] = str(folder)
    return True


def end() -> None:
    """Kill what was started, and remove the folder."""
    folder = Path(os.environ.pop(_VARIABLE))
    for file in folder.glob(f"*/{PID}"):
        with suppress(ProcessLookupError):
            os.kill(int(file.read_text()), signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def alone(name: str) -> Iterator[Path]:
    """A server's folder, for one process at a time: whoever finds it empty starts the server."""
    folder = Path(os.environ[_VARIABLE]) / name
    folder.mkdir(exist_ok=True)
    with (folder.parent / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder

"""A child ends with its parent: by the kernel's signal, and by watching the parent's id beside it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time

#: The variable with the parent's process id: the parent may have ended before the child can ask for the id.
PARENT = "PARENT_PROCESS"

_PR_SET_PDEATHSIG = 1
_LOOK_S = 0.5


def end_with_parent() -> int:
    """Make this process end with its parent, and return the parent's id.

    Uses the kernel's parent-death signal where there is one: prctl(2), PR_SET_PDEATHSIG.
    """
    parent = os.getppid()
    _ask_for_signal()
    if not _exists(int(os.environ.get(PARENT, parent))):
        os._exit(1)
    return parent


def forks_end_with_parent() -> None:
    """Make each process that is forked from this one end with it, from its first moment: it may be killed while they
    begin."""
    forking: list[int] = []

    def before() -> None:
        forking[:] = [os.getpid()]

    def in_child() -> None:
        _ask_for_signal()
        if os.getppid() != forking[0]:
            os._exit(1)

    os.register_at_fork(before=before, after_in_child=in_child)


def start_watching(parent: int) -> None:
    """Start a thread that watches the parent beside that signal. The child then ends within two seconds, whatever
    native code does.
    """
    threading.Thread(target=_watch, args=(parent,), daemon=True, name="parent-watch").start()


def _ask_for_signal() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _watch(parent: int) -> None:
    named = int(os.environ.get(PARENT, parent))
    while os.getppid() == parent and _exists(named):
        time.sleep(_LOOK_S)
    os._exit(1)


def _exists(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

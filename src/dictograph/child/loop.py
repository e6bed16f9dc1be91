"""Inside a child: answer requests one at a time, and end when the parent does."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from dictograph.child.frames import Frame, read_frame, write_frame

#: What answers a request: every frame it yields but the last is progress, the last is the answer.
Handler = Callable[[Frame], Iterable[Frame]]

#: The variable that tells a child its parent's id: the parent may be gone before the child can ask who it is.
PARENT = "PARENT_PROCESS"

_PR_SET_PDEATHSIG = 1


class ChildError(Exception):
    """An error that the parent should get by its code: `code` of an error class, and a message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def serve(handler: Handler) -> int:
    """Answer requests from standard input on standard output until the input ends.

    A request is a frame with an `id`; every frame yielded for it goes back with that `id` and
    `"more": true`, and a closing frame with `"done": true` or `"error": {"code", "message"}` ends
    it. Anything that native code prints goes to standard error, so that it cannot break a frame.
    """
    end_with_parent()
    requests, answers = _take_over_pipes()
    while (request := read_frame(requests)) is not None:
        for answer in _answers(handler, request):
            write_frame(answers, answer)
    return 0


def _answers(handler: Handler, request: Frame) -> Iterator[Frame]:
    number = request.header.get("id")
    try:
        for frame in handler(request):
            yield Frame({**frame.header, "id": number, "more": True}, frame.body)
        yield Frame({"id": number, "done": True})
    except ChildError as error:
        yield Frame({"id": number, "error": {"code": error.code, "message": error.message}})
    except MemoryError:
        yield Frame({"id": number, "error": {"code": "out_of_memory", "message": "the process ran out of memory"}})
    except Exception as error:  # noqa: BLE001 - the boundary of the process: the parent must hear of everything
        sys.excepthook(*sys.exc_info())
        message = f"{type(error).__name__}: {error}"
        yield Frame({"id": number, "error": {"code": "failed", "message": message[:2000]}})


def _take_over_pipes() -> tuple[BinaryIO, BinaryIO]:
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    return requests, answers


def end_with_parent() -> None:
    """Make sure that this process ends within two seconds of its parent, whatever native code does.

    The kernel's parent-death signal where there is one (prctl(2), PR_SET_PDEATHSIG), and a thread
    that watches for a new parent beside it; Ctrl-C is the parent's to handle.
    """
    parent = os.getppid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_watch_parent, args=(parent,), daemon=True, name="parent-watch").start()


def _watch_parent(parent: int) -> None:
    named = int(os.environ.get(PARENT, parent))
    while os.getppid() == parent and _exists(named):
        time.sleep(0.5)
    os._exit(1)


def _exists(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

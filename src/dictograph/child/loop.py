"""The loop inside a child: it answers requests one at a time, and the child ends when the parent does."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import BinaryIO

from dictograph.child.frames import Frame, read_frame, write_frame
from dictograph.child.parent import end_with_parent, start_watching
from dictograph.child.sandbox.confine import confine
from dictograph.child.sandbox.policy import LACKS, UNAVAILABLE, Layer, Sandbox

#: A function that answers a request. The last frame that it yields is the answer; the frames before it are progress.
Handler = Callable[[Frame], Iterable[Frame]]


class ChildError(Exception):
    """An error that the parent gets by its code: the `code` of an error class, and a message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def serve(handler: Handler) -> int:
    """Answer requests from standard input on standard output until the input ends.

    A request is a frame with an `id`. Every frame yielded for it goes back with that `id` and `"more": true`. A closing
    frame with `"done": true` or `"error": {"code", "message"}` ends the answer. Output of native code goes to standard
    error, so that it cannot break a frame.

    A sealed child (see `Sandbox`) gives up its rights here. By now it has imported everything that it needs, has read
    no bytes from clients, and runs no other thread. Its first frame names the layers that it could not put on:
    `"lacks": {layer: why}`.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is left to the parent
    watch = partial(start_watching, end_with_parent())
    requests, answers = _take_over_pipes()
    sandbox = Sandbox.of(os.environ)
    news: dict[str, Mapping[Layer, str]] = {}
    if sandbox is not None and sandbox.sealed:
        missing = confine(sandbox, watch)
        handler = _sealed(handler, sandbox, missing)
        news = {LACKS: missing} if missing else {}
    else:
        watch()

    def send(frame: Frame) -> None:
        write_frame(answers, Frame({**frame.header, **news}, frame.body))
        news.clear()

    while (request := read_frame(requests)) is not None:
        _answer(handler, request, send)
    return 0


def _sealed(handler: Handler, sandbox: Sandbox, missing: Mapping[Layer, str]) -> Handler:
    lacking = ", ".join(f"{layer} ({missing[layer]})" for layer in missing if layer in sandbox.needed)

    def refuse(_: Frame) -> Iterator[Frame]:
        raise ChildError(UNAVAILABLE, f"The process cannot be confined as it has to be: it lacks {lacking}.")

    return refuse if lacking else handler


def _answer(handler: Handler, request: Frame, send: Callable[[Frame], None]) -> None:
    """Answer one request. A value that a frame cannot hold (NaN, say) counts as an error of the handler.

    No part of that frame has been sent.
    """
    number = request.header.get("id")
    try:
        for frame in handler(request):
            send(Frame({**frame.header, "id": number, "more": True}, frame.body))
        send(Frame({"id": number, "done": True}))
    except ChildError as error:
        send(Frame({"id": number, "error": {"code": error.code, "message": error.message}}))
    except MemoryError:
        send(Frame({"id": number, "error": {"code": "out_of_memory", "message": "the process ran out of memory"}}))
    except Exception as error:  # noqa: BLE001 - the boundary of the process: the parent must get every error
        sys.excepthook(*sys.exc_info())
        message = f"{type(error).__name__}: {error}"
        send(Frame({"id": number, "error": {"code": "failed", "message": message[:2000]}}))


def _take_over_pipes() -> tuple[BinaryIO, BinaryIO]:
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    return requests, answers

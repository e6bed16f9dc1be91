"""A process that tries what its one layer must refuse: `python -m dictograph.child.sandbox.self_test_child`.

The request is {"try": layer, "port", "file", "root"}: a port of the loopback on which a server listens, a file that
every user may read, whether the service is root. The answer is {"done": ["what succeeded although it must not"]}.
Without a layer nothing is tried.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from dictograph.child.frames import Frame
from dictograph.child.loop import serve
from dictograph.child.sandbox.policy import Layer

_PATIENCE_S = 2.0


def handle(room: int, request: Frame) -> Iterator[Frame]:
    """Try the actions, and yield those that succeeded. `room` is a file that is already open."""
    layer = request.header.get("try")
    attempts = _attempts(request.header, room)[Layer(layer)] if layer else {}
    done = [name for name, attempt in attempts.items() if _works(attempt)]
    yield Frame({"done": done})


def _attempts(request: Mapping[str, Any], room: int) -> Mapping[Layer, Mapping[str, Callable[[], object]]]:
    def connect() -> None:
        socket.create_connection(("127.0.0.1", request["port"]), _PATIENCE_S).close()

    def read() -> None:
        os.close(os.open(request["file"], os.O_RDONLY))

    def write() -> None:
        os.close(os.open("trial", os.O_WRONLY | os.O_CREAT, 0o600))

    user = {"become root": lambda: os.setuid(0)}
    if request["root"]:
        user["look into the service"] = _look_into_parent
    return {
        Layer.LIMITS: {"ask for all memory": _ask_for_memory, "open any number of files": _open_files},
        Layer.NETWORK: {"reach the network": connect},
        Layer.FOLDER: {"read a file of this machine": read},
        Layer.USER: user,
        Layer.LANDLOCK: {"read a file of this machine": read, "write a file": write},
        Layer.SECCOMP: {
            "open a socket": lambda: socket.socket().close(),
            "start a process": _fork,
            "start a thread": lambda: threading.Thread(target=int).start(),
            "reserve room on the disk": lambda: _reserve(room),
        },
    }


def _works(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except (OSError, MemoryError, RuntimeError):  # Python raises the last when it cannot start a thread
        return False
    return True


def _ask_for_memory() -> None:
    bytearray(2**36)


def _open_files() -> None:
    opened: list[int] = []
    try:
        while len(opened) < 1000:
            opened.append(os.dup(2))
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _look_into_parent() -> None:
    os.close(os.open(f"/proc/{os.getppid()}/mem", os.O_RDONLY))


def _fork() -> None:
    if (child := os.fork()) == 0:
        os._exit(0)
    os.waitpid(child, 0)


def _reserve(room: int) -> None:
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, "only Linux has this")
    os.posix_fallocate(room, 0, 2**20)


if __name__ == "__main__":
    with tempfile.TemporaryFile(dir=".") as own:
        sys.exit(serve(partial(handle, own.fileno())))

"""The fork server: `python -m dictograph.child.fork_server MODULE SOCKET` imports a module once, and forks on request.

A child that works on one file and ends would otherwise spend most of its time on starting Python. A forked child has
imported everything and has read no bytes from clients. It confines itself as any other child does (see `serve`). The
server never reads bytes from clients. Linux only.

SOCKET is the number of a descriptor: a Unix socket that keeps message boundaries (SOCK_SEQPACKET). A request is JSON,
{"id", "folder", "variables"}, with descriptors: standard input, output and error, and the descriptors to pass on. The
child finds the latter as 3, 4 and so on. The answer is {"id", "pid"} with a descriptor of the process (pidfd_open(2)),
or {"id", "errno"}. When the process has ended, the server sends {"id", "status"}, with the status of waitpid(2). The
server ends when the socket is closed, and its children end with it.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import json
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from dictograph.child.loop import Handler, serve
from dictograph.child.sandbox.kernel import PR_SET_PDEATHSIG, prctl

#: The limits of a request: bytes, and descriptors (one message carries at most 253: unix(7)).
LARGEST = 2**16
MOST_DESCRIPTORS = 32


class ForkServer:
    """Answers requests one at a time. Each child answers its own requests with `handler`."""

    def __init__(self, control: socket.socket, handler: Handler) -> None:
        self._control = control
        self._handler = handler
        self._children: dict[int, tuple[int, int]] = {}  # by pidfd: the request's id, the process id
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)

    def run(self) -> None:
        """Fork a child for each request until the socket is closed."""
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor in self._children:
                    self._reap(descriptor)
                elif not self._take():
                    return

    def _take(self) -> bool:
        message, descriptors, flags, _ = socket.recv_fds(self._control, LARGEST, MOST_DESCRIPTORS)
        if not message:
            return False
        request = json.loads(message)
        try:
            if flags & socket.MSG_CTRUNC:
                raise OSError(errno.EMFILE, "not all descriptors could be taken")
            process, watched = self._fork(request, descriptors)
        except OSError as error:
            self._answer({"id": request["id"], "errno": error.errno or errno.EIO})
        else:
            self._answer({"id": request["id"], "pid": process}, watched)
        finally:
            for one in descriptors:
                os.close(one)
        return True

    def _fork(self, request: dict[str, Any], descriptors: Sequence[int]) -> tuple[int, int]:
        process = os.fork()
        if process == 0:
            _become(request, descriptors, self._handler)
        try:
            watched = os.pidfd_open(process)
        except OSError:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            raise
        self._children[watched] = request["id"], process
        self._poll.register(watched, select.POLLIN)
        return process, watched

    def _reap(self, watched: int) -> None:
        number, process = self._children.pop(watched)
        self._poll.unregister(watched)
        os.close(watched)
        _, status = os.waitpid(process, 0)
        self._answer({"id": number, "status": status})

    def _answer(self, answer: dict[str, int], *descriptors: int) -> None:
        socket.send_fds(self._control, [json.dumps(answer).encode()], descriptors)


def _become(request: dict[str, Any], descriptors: Sequence[int], handler: Handler) -> None:
    """Become the requested child; called in the forked process. Does not return."""
    code = 1
    try:
        _place(descriptors)
        os.setsid()
        if request["folder"] is not None:
            os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["variables"])
        code = serve(handler)
    except BaseException:  # noqa: BLE001 - the process ends here: the frames above belong to the server
        traceback.print_exc()
    finally:
        os._exit(code)


def _place(descriptors: Sequence[int]) -> None:
    """Renumber the descriptors to 0, 1, 2, …, and close all others."""
    beyond = max(*descriptors, len(descriptors)) + 1
    for place, one in enumerate(descriptors):
        os.dup2(one, beyond + place)
    for place in range(len(descriptors)):
        os.dup2(beyond + place, place)
    for name in os.listdir("/proc/self/fd"):  # closerange() takes minutes where the kernel has no close_range(2)
        if int(name) >= len(descriptors):
            with contextlib.suppress(OSError):  # the descriptor of the listing itself is closed by now
                os.close(int(name))


def main() -> None:
    """Import the module that the first argument names, and serve on the socket of the second argument."""
    module, descriptor = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    handler = import_module(module).handle
    gc.freeze()  # memory in use now is shared with the children until one of them writes to it
    with socket.socket(fileno=int(descriptor)) as control:
        ForkServer(control, handler).run()


if __name__ == "__main__":
    main()

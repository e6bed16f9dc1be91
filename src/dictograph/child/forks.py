"""The parent's side of the fork server: children that need not start Python, forked from one that has."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path

from dictograph.child.forked import Forked, Pipes
from dictograph.child.pipes import Running, start_python

log = logging.getLogger(__name__)

_MODULE = "dictograph.child.fork_server"
_LONGEST_NEWS = 4096

#: The server imports its module when it is started, on a machine that may be busy; a fork takes milliseconds.
_ANSWER_S = 60.0
_CLOSE_S = 1.0
_LAST_WORDS_S = 0.5


def can_fork() -> bool:
    """Whether this system has what a fork server stands on: pidfd_open(2), Linux 5.3."""
    if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:  # the kernel is older, or a container forbids it
        return False
    return True


class Forks:
    """Children of one module, forked from a server that has imported it; they answer with its `handle`.

    The server is started when it is first needed, and again when it has died; its children die with it.
    """

    def __init__(self, module: str, variables: Mapping[str, str]) -> None:
        """`variables` are the server's environment; each child gets one of its own."""
        self._module = module
        self._variables = variables
        self._server: _Server | None = None
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Start the server now, so that the first child need not wait for it. Raises OSError."""
        await self._running()

    async def fork(self, folder: Path | None, variables: Mapping[str, str], pass_fds: Sequence[int]) -> Running:
        """A child with this working folder, environment and descriptors. Raises OSError."""
        server = await self._running()
        return await server.fork(folder, variables, pass_fds)

    async def close(self) -> None:
        """End the server, and its children."""
        async with self._turn:
            await self._end()

    async def _end(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await server.close()

    async def _running(self) -> _Server:
        async with self._turn:
            if self._server is not None and not self._server.alive:
                await self._end()
            if self._server is None:
                self._server = await _Server.start(self._module, self._variables)
            return self._server


class _Server:
    """One fork server, and its children by the numbers of the requests for them."""

    def __init__(self, process: Running, control: socket.socket) -> None:
        self.alive = True
        self._process = process
        self._control = control
        self._numbers = count(1)
        self._children: dict[int, Forked] = {}
        self._last_words: deque[str] = deque(["it said nothing"], maxlen=1)
        self._listening = asyncio.create_task(self._listen())
        asyncio.get_running_loop().add_reader(control, self._hear)

    @classmethod
    async def start(cls, module: str, variables: Mapping[str, str]) -> _Server:
        own, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            try:
                own.setblocking(False)
                process = await start_python(
                    ("-m", _MODULE, module, str(other.fileno())), None, variables, [other.fileno()]
                )
            except BaseException:
                own.close()
                raise
        log.debug("started the fork server of %s as process %s", module, process.pid)
        return cls(process, own)

    async def fork(self, folder: Path | None, variables: Mapping[str, str], pass_fds: Sequence[int]) -> Forked:
        pipes = await Pipes.open()
        child = Forked(pipes, tuple(range(3, 3 + len(pass_fds))))
        try:
            self._ask(child, folder, variables, [*pipes.theirs, *pass_fds])
            pipes.passed()
            async with asyncio.timeout(_ANSWER_S):
                await child.begun
        except BaseException as error:
            child.kill()
            child.close()
            if isinstance(error, TimeoutError):
                self._give_up()
                raise OSError(errno.ETIMEDOUT, "the fork server does not answer") from None
            if isinstance(error, BrokenPipeError):
                raise OSError(errno.EPIPE, f"the fork server ended: {await self._heard_out()}") from None
            raise
        return child

    async def close(self) -> None:
        self._give_up()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await self._process.ended.wait()
        self._process.kill()
        await self._process.ended.wait()
        self._listening.cancel()
        self._process.close()

    def _ask(
        self, child: Forked, folder: Path | None, variables: Mapping[str, str], descriptors: Sequence[int]
    ) -> None:
        number = next(self._numbers)
        request = {"id": number, "folder": None if folder is None else str(folder), "variables": dict(variables)}
        self._children[number] = child
        try:
            socket.send_fds(self._control, [json.dumps(request).encode()], descriptors)
        except OSError:
            del self._children[number]
            raise

    def _hear(self) -> None:
        try:
            news, descriptors, _, _ = socket.recv_fds(self._control, _LONGEST_NEWS, 1)
        except BlockingIOError:
            return
        except OSError:
            news = b""
        if news:
            self._understand(json.loads(news), descriptors)
        else:
            self._give_up()

    def _understand(self, news: Mapping[str, int], descriptors: Sequence[int]) -> None:
        number = news["id"]
        if "pid" in news:
            self._children[number].begin(news["pid"], descriptors[0])
        elif "errno" in news:
            self._children.pop(number).fail(OSError(news["errno"], os.strerror(news["errno"])))
        else:
            self._children.pop(number).end(os.waitstatus_to_exitcode(news["status"]))

    def _give_up(self) -> None:
        """Nothing more is heard of the server: it goes, and its children with it."""
        if not self.alive:
            return
        self.alive = False
        asyncio.get_running_loop().remove_reader(self._control)
        self._control.close()
        for child in self._children.values():
            if child.pid:
                child.kill()
                child.end(-signal.SIGKILL)
            else:
                child.fail(BrokenPipeError())
        self._children.clear()

    async def _heard_out(self) -> str:
        # What it said last may still be in the pipe when it is gone already.
        await asyncio.wait([self._listening], timeout=_LAST_WORDS_S)
        return self._last_words[0]

    async def _listen(self) -> None:
        while chunk := await self._process.stderr.read(4096):
            for line in chunk.decode(errors="replace").splitlines():
                self._last_words.append(line[:500])
                log.debug("fork server: %s", line)

"""The parent's side of the fork server. Children are forked from a running Python and need not start one."""

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

from dictograph.child.forked_process import ForkedProcess, StdioPipes
from dictograph.child.pipes import KILL_S, LAST_WORDS_S, Running, start_python

log = logging.getLogger(__name__)

_MODULE = "dictograph.child.fork_server"
_LONGEST_NEWS = 4096

#: Timeouts of the server. At its start the server imports its module, on a machine that may be busy. After that a fork
#: takes milliseconds; a server that takes this much longer hangs or was stopped.
_FIRST_ANSWER_S = 60.0
_ANSWER_S = 5.0
_CLOSE_S = 1.0

#: The signals with which other processes end a child. A child that ends by any other signal has crashed.
_ORDERLY = (signal.SIGKILL, signal.SIGTERM, signal.SIGXFSZ, signal.SIGXCPU, signal.SIGPROF)


def can_fork() -> bool:
    """Return whether this system has the call that a fork server needs: pidfd_open(2), Linux 5.3."""
    if sys.platform != "linux" or not hasattr(os, "pidfd_open") or not hasattr(signal, "pidfd_send_signal"):
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:  # the kernel is older, or a container forbids it
        return False
    return True


class ForkServerClient:
    """Makes children of one module. They are forked from a server that has imported it, and answer with its `handle`.

    The server is started when it is first needed, and again when it has died. Its children die with it. The server is
    replaced when a child crashed: all its children have their libraries at the same addresses, so an attacker who
    tried to guess these must begin anew. A server that does not answer is replaced too; its children go on.
    """

    def __init__(self, module: str, variables: Mapping[str, str]) -> None:
        """Take the server's environment as `variables`; each child gets its own environment."""
        self._module = module
        self._variables = variables
        self._server: _Server | None = None
        self._former: list[_Server] = []
        self._closed = False
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Start the server now, so that the first child does not wait for it. Raises OSError."""
        await self._running()

    async def fork(self, folder: Path | None, variables: Mapping[str, str], pass_fds: Sequence[int]) -> Running:
        """Return a child with this working folder, environment and descriptors. Raises OSError."""
        try:
            return await (await self._running()).fork(folder, variables, pass_fds)
        except (BrokenPipeError, TimeoutError):  # the server died or hung before it had forked: nothing is lost
            return await (await self._running()).fork(folder, variables, pass_fds)

    async def close(self) -> None:
        """End the server and its children for good."""
        self._closed = True
        async with self._turn:
            if self._server is not None:
                self._former.append(self._server)
                self._server = None
            while self._former:
                await self._former[-1].close()
                self._former.pop()

    async def _running(self) -> _Server:
        async with self._turn:
            if self._server is not None and not self._server.sound:
                self._former.append(self._server)
                self._server = None
            for former in [one for one in self._former if not one.busy]:
                await former.close()
                self._former.remove(former)
            if self._closed:
                raise OSError(errno.EPIPE, "the fork server is closed")
            if self._server is None:
                self._server = await _Server.start(self._module, self._variables)
            return self._server


class _Server:
    """One fork server, and its children by the ids of the requests for them."""

    def __init__(self, process: Running, control: socket.socket) -> None:
        self._alive = True
        self._crashed = self._hangs = self._has_answered = False
        self._process = process
        self._control = control
        self._numbers = count(1)
        self._children: dict[int, ForkedProcess] = {}
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

    @property
    def sound(self) -> bool:
        """Return whether the server runs and answers, and no child of it has crashed."""
        return self._alive and not self._crashed and not self._hangs

    @property
    def busy(self) -> bool:
        """Return whether the server runs and has children."""
        return self._alive and any(child.pid and child.returncode is None for child in self._children.values())

    async def fork(self, folder: Path | None, variables: Mapping[str, str], pass_fds: Sequence[int]) -> ForkedProcess:
        pipes = await StdioPipes.open()
        child = ForkedProcess(pipes, tuple(range(3, 3 + len(pass_fds))))
        try:
            self._ask(child, folder, variables, [*pipes.theirs, *pass_fds])
            pipes.passed()
            async with asyncio.timeout(_ANSWER_S if self._has_answered else _FIRST_ANSWER_S):
                await child.begun
        except BaseException as error:
            child.kill()
            child.close()
            if isinstance(error, TimeoutError):
                self._hangs = True  # it ends after its children: their jobs do not need the server
                raise OSError(errno.ETIMEDOUT, "the fork server does not answer") from None
            if isinstance(error, BrokenPipeError):
                raise OSError(errno.EPIPE, f"the fork server ended: {await self._heard_out()}") from None
            raise
        return child

    async def close(self) -> None:
        """End the server and its children. They end even if the caller stops waiting."""
        self._give_up()
        try:
            await self._has_ended(_CLOSE_S)
        finally:
            self._process.kill()
        await self._has_ended(KILL_S)
        self._listening.cancel()
        self._process.close()

    async def _has_ended(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._process.ended.wait()

    def _ask(
        self, child: ForkedProcess, folder: Path | None, variables: Mapping[str, str], descriptors: Sequence[int]
    ) -> None:
        if not self._alive:
            raise BrokenPipeError
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
        child = self._children[news["id"]]
        self._has_answered = True
        if "pid" in news and descriptors:
            child.begin(news["pid"], descriptors[0])
        elif "pid" in news:  # its descriptor could not be received; the child ends, since its pipes are closed
            child.fail(OSError(errno.EMFILE, os.strerror(errno.EMFILE)))
        else:
            del self._children[news["id"]]
            self._lose(child, news)

    def _lose(self, child: ForkedProcess, news: Mapping[str, int]) -> None:
        if "errno" in news:
            child.fail(OSError(news["errno"], os.strerror(news["errno"])))
            return
        returncode = os.waitstatus_to_exitcode(news["status"])
        self._crashed = self._crashed or (returncode < 0 and -returncode not in _ORDERLY)
        child.end(returncode)

    def _give_up(self) -> None:
        """Kill the server, which sends nothing any more, and its children with it."""
        if not self._alive:
            return
        self._alive = False
        asyncio.get_running_loop().remove_reader(self._control)
        self._control.close()
        for child in self._children.values():
            if child.pid:
                child.end_with_server()
            else:
                child.fail(BrokenPipeError())
        self._children.clear()

    async def _heard_out(self) -> str:
        # The server's last output may still be in the pipe after its end.
        await asyncio.wait([self._listening], timeout=LAST_WORDS_S)
        return self._last_words[0]

    async def _listen(self) -> None:
        while chunk := await self._process.stderr.read(4096):
            for line in filter(str.strip, chunk.decode(errors="replace").splitlines()):
                self._last_words.append(line[:500])
                log.debug("fork server: %s", line)

"""A process that the fork server made, as its parent sees it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio import StreamReader, StreamReaderProtocol, StreamWriter
from io import FileIO

from dictograph.child.pipes import BUFFER

#: How long a process may be gone before its server says how it ended (s): then it is taken for one that hangs.
_STATUS_S = 1.0


class StdioPipes:
    """Three pipes: the parent's ends as streams, and the child's as descriptors (`theirs`) until these were passed."""

    stdin: StreamWriter
    stdout: StreamReader
    stderr: StreamReader

    def __init__(self) -> None:
        self.theirs: list[int] = []
        self._transports: list[asyncio.BaseTransport] = []

    @classmethod
    async def open(cls) -> StdioPipes:
        """Raises OSError."""
        pipes = cls()
        try:
            pipes.stdin = await pipes._writer()
            pipes.stdout = await pipes._reader()
            pipes.stderr = await pipes._reader()
        except BaseException:
            pipes.close()
            raise
        return pipes

    def passed(self) -> None:
        """The child has its ends."""
        while self.theirs:
            os.close(self.theirs.pop())

    def close(self) -> None:
        self.passed()
        for transport in self._transports:
            transport.close()

    async def _writer(self) -> StreamWriter:
        loop = asyncio.get_running_loop()
        theirs, own = os.pipe()
        self.theirs.append(theirs)
        transport, protocol = await loop.connect_write_pipe(
            lambda: StreamReaderProtocol(StreamReader()), FileIO(own, "w")
        )
        self._transports.append(transport)
        return StreamWriter(transport, protocol, None, loop)

    async def _reader(self) -> StreamReader:
        loop = asyncio.get_running_loop()
        own, theirs = os.pipe()
        self.theirs.append(theirs)
        reader = StreamReader(limit=BUFFER)
        transport, _ = await loop.connect_read_pipe(lambda: StreamReaderProtocol(reader), FileIO(own, "r"))
        self._transports.append(transport)
        return reader


class ForkedProcess:
    """A `Running` process. `begun` is set once there is one, and fails with an OSError when there is to be none."""

    def __init__(self, pipes: StdioPipes, descriptors: tuple[int, ...]) -> None:
        self.begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended = asyncio.Event()
        self.pid = 0
        self.returncode: int | None = None
        self.orphaned = False
        self.descriptors = descriptors
        self.stdin, self.stdout, self.stderr = pipes.stdin, pipes.stdout, pipes.stderr
        self._pipes = pipes
        self._process = -1  # its descriptor: its number could by now be somebody else's

    def begin(self, pid: int, process: int) -> None:
        """It is there. When nobody waits for it any more, it goes again."""
        os.set_inheritable(process, False)
        self.pid, self._process = pid, process
        asyncio.get_running_loop().add_reader(process, self._await_status)
        if self.begun.done():
            self.kill()
        else:
            self.begun.set_result(None)

    def fail(self, error: OSError) -> None:
        """It could not be had."""
        if not self.begun.done():
            self.begun.set_exception(error)

    def end(self, returncode: int) -> None:
        """It has ended."""
        if self.ended.is_set():
            return
        self.returncode = returncode
        if self._process >= 0:
            asyncio.get_running_loop().remove_reader(self._process)
            os.close(self._process)
        self.ended.set()

    def end_with_server(self) -> None:
        """Its server is gone: it goes too, and nobody else will tell when it has."""
        if self.ended.is_set():
            return
        self.orphaned = True
        self.kill()
        asyncio.get_running_loop().add_reader(self._process, self._end_alone)

    def _await_status(self) -> None:
        """It is gone, by its own descriptor. How it ended only the server knows."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._process)
        loop.call_later(_STATUS_S, self._end_alone)

    def _end_alone(self) -> None:
        if self.ended.is_set():
            return
        self.orphaned = True
        with contextlib.suppress(ChildProcessError):  # it is ours to reap where orphans come to this process
            os.waitid(os.P_PIDFD, self._process, os.WEXITED | os.WNOHANG)
        for pipe in (self.stdout, self.stderr):
            pipe.feed_eof()  # a server that was stopped in the middle of a fork holds their other ends open
        self.end(-signal.SIGKILL)

    def kill(self) -> None:
        if self.pid and self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._process, signal.SIGKILL)

    def close(self) -> None:
        self._pipes.close()

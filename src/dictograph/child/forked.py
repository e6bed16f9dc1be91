"""A process that the fork server made, as its parent sees it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio import StreamReader, StreamReaderProtocol, StreamWriter
from io import FileIO

from dictograph.child.pipes import BUFFER


class ThreePipes:
    """Three pipes: the parent's ends as streams, and the child's as descriptors (`theirs`) until these were passed."""

    stdin: StreamWriter
    stdout: StreamReader
    stderr: StreamReader

    def __init__(self) -> None:
        self.theirs: list[int] = []
        self._transports: list[asyncio.BaseTransport] = []

    @classmethod
    async def open(cls) -> ThreePipes:
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


class Forked:
    """A `Running` process. `begun` is set once there is one, and fails with an OSError when there is to be none."""

    def __init__(self, pipes: ThreePipes, descriptors: tuple[int, ...]) -> None:
        self.begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended = asyncio.Event()
        self.pid = 0
        self.returncode: int | None = None
        self.descriptors = descriptors
        self.stdin, self.stdout, self.stderr = pipes.stdin, pipes.stdout, pipes.stderr
        self._pipes = pipes
        self._process = -1  # its descriptor: its number could by now be somebody else's

    def begin(self, pid: int, process: int) -> None:
        """It is there. When nobody waits for it any more, it goes again."""
        os.set_inheritable(process, False)
        self.pid, self._process = pid, process
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
        self.returncode = returncode
        if self._process >= 0:
            os.close(self._process)
        self.ended.set()

    def end_with_server(self) -> None:
        """Its server is gone: it goes too, and nobody else will tell when it has."""
        self.kill()
        asyncio.get_running_loop().add_reader(self._process, self._gone)

    def _gone(self) -> None:
        asyncio.get_running_loop().remove_reader(self._process)
        with contextlib.suppress(ChildProcessError):  # it is ours to reap where orphans come to this process
            os.waitid(os.P_PIDFD, self._process, os.WEXITED | os.WNOHANG)
        self.end(-signal.SIGKILL)

    def kill(self) -> None:
        if self.pid and self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._process, signal.SIGKILL)

    def close(self) -> None:
        self._pipes.close()

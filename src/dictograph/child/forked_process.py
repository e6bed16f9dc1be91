"""A process that the fork server made, as its parent sees it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio import StreamReader, StreamReaderProtocol, StreamWriter
from io import FileIO

from dictograph.child.pipes import BUFFER

#: How long after the end of a process its server may take to report the status (s). After that the server counts as
#: one that hangs.
_STATUS_S = 1.0


class StdioPipes:
    """Three pipes: the parent's ends as streams, the child's ends as descriptors (`theirs`) until they are passed."""

    stdin: StreamWriter
    stdout: StreamReader
    stderr: StreamReader

    def __init__(self) -> None:
        self.theirs: list[int] = []
        self._transports: list[asyncio.BaseTransport] = []

    @classmethod
    async def open(cls) -> StdioPipes:
        """Open the pipes. Raises OSError."""
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
        """Close the child's ends here: the child has received them."""
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
    """A `Running` process. `begun` is set once the process exists. It fails with an OSError if none can be made."""

    def __init__(self, pipes: StdioPipes, descriptors: tuple[int, ...]) -> None:
        self.begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended = asyncio.Event()
        self.pid = 0
        self.returncode: int | None = None
        self.orphaned = False
        self.descriptors = descriptors
        self.stdin, self.stdout, self.stderr = pipes.stdin, pipes.stdout, pipes.stderr
        self._pipes = pipes
        self._process = -1  # its pidfd: its process id may belong to another process by now

    def begin(self, pid: int, process: int) -> None:
        """Record that the process exists. If no caller waits for it any more, end it."""
        os.set_inheritable(process, False)
        self.pid, self._process = pid, process
        asyncio.get_running_loop().add_reader(process, self._await_status)
        if self.begun.done():
            self.kill()
        else:
            self.begun.set_result(None)

    def fail(self, error: OSError) -> None:
        """Record that the process could not be made."""
        if not self.begun.done():
            self.begun.set_exception(error)

    def end(self, returncode: int) -> None:
        """Record that the process has ended."""
        if self.ended.is_set():
            return
        self.returncode = returncode
        if self._process >= 0:
            asyncio.get_running_loop().remove_reader(self._process)
            os.close(self._process)
        self.ended.set()

    def end_with_server(self) -> None:
        """End the process, since its server has ended. Nothing else reports the process's end then."""
        if self.ended.is_set():
            return
        self.orphaned = True
        self.kill()
        asyncio.get_running_loop().add_reader(self._process, self._end_alone)

    def _await_status(self) -> None:
        """Wait for the status: the pidfd shows that the process has ended, but only the server knows how."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._process)
        loop.call_later(_STATUS_S, self._end_alone)

    def _end_alone(self) -> None:
        if self.ended.is_set():
            return
        self.orphaned = True
        with contextlib.suppress(ChildProcessError):  # this process must reap it if it adopts orphans
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

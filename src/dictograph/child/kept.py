"""A process that is kept running: when it ends, or says nothing for too long, it is started anew, ever more rarely."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from dictograph.child.errors import how_it_ended
from dictograph.child.parent import PARENT

log = logging.getLogger(__name__)

#: The first and the longest wait before a process is started anew; one that has lived for longer than the last of these
#: begins again with the first wait. In seconds.
_AGAIN_S, _AGAIN_MOST_S, _LIVED_S = 1.0, 30.0, 60.0

#: How long a killed process may take to end, in seconds.
_KILL_S = 5.0


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The lines that a process has to send through a pipe. `variable` gives it the descriptor of the pipe, and the id
    of this process; `heirloom` gives it the last line of its predecessor that was not empty.

    `first` is how long it may take to begin, `silence` how long it may say nothing, in seconds.
    """

    variable: str
    heirloom: str = ""
    first: float = 120.0
    silence: float = 8.0


@dataclass(frozen=True, slots=True)
class KeptSpec:
    """How a process is started. `environment` is added to that of this process; `stderr` is where its log goes, by
    default that of this process."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    heartbeat: Heartbeat | None = None
    stderr: Path | None = None


class KeptProcess:
    """An agent that keeps one process running."""

    def __init__(self, spec: KeptSpec, grace: float) -> None:
        """`grace` is how long the process may take to end when it is told to, in seconds."""
        self.name = spec.name
        self._spec = spec
        self._grace = grace
        self._process: Process | None = None
        self._last_line = ""
        self._stopping = asyncio.Event()

    async def run(self, *, until_well: bool = False) -> None:
        """Keep the process running. With `until_well` this ends when the process has ended with exit code 0."""
        wait = _AGAIN_S
        try:
            while not self._stopping.is_set():
                began = time.monotonic()
                how = await self._once()
                if self._stopping.is_set() or (until_well and how == 0):
                    return
                wait = _AGAIN_S if time.monotonic() - began > _LIVED_S else wait
                log.warning("%s %s; it is started anew in %.0f s", self.name, _in_words(how), wait)
                await self._wait(wait)
                wait = min(wait * 2, _AGAIN_MOST_S)
        finally:
            await asyncio.shield(self.stop())

    async def stop(self) -> None:
        """Tell the process to end, kill it when it does not within its grace, and start no other. May be called
        again."""
        self._stopping.set()
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._grace):
                await process.wait()
                return
        log.warning("%s does not end within %.0f s: it is killed", self.name, self._grace)
        await _kill(process)

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    async def _once(self) -> int | str:
        """Run the process until it ends. Return its exit code, or in words why it was ended or did not begin."""
        reads, writes = os.pipe()
        try:
            os.set_blocking(writes, False)
            try:
                process = self._process = await self._start(writes)
            finally:
                os.close(writes)
        except OSError as error:
            os.close(reads)
            return f"cannot be started ({error.strerror or error})"
        return await self._watched(process, reads)

    async def _start(self, writes: int) -> Process:
        spec, heartbeat = self._spec, self._spec.heartbeat
        variables = {} if heartbeat is None else {heartbeat.variable: f"{writes}:{os.getpid()}"}
        if heartbeat is not None and heartbeat.heirloom:
            variables[heartbeat.heirloom] = self._last_line
        with contextlib.ExitStack() as stack:
            stderr: IO[bytes] | None = stack.enter_context(spec.stderr.open("ab")) if spec.stderr else None
            return await asyncio.create_subprocess_exec(
                *spec.command,
                env={**os.environ, **spec.environment, **variables, PARENT: str(os.getpid())},
                stdin=DEVNULL,
                stderr=stderr,
                pass_fds=() if heartbeat is None else (writes,),
                start_new_session=True,  # Ctrl-C reaches this process alone, which tells its children
            )

    async def _watched(self, process: Process, reads: int) -> int | str:
        ended = asyncio.create_task(process.wait())
        silent = asyncio.create_task(self._until_silent(reads))
        try:
            await asyncio.wait({ended, silent}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                return ended.result()
            await _kill(process)
            return "did not answer, and was killed"
        finally:
            for task in (ended, silent):
                task.cancel()
            await asyncio.gather(ended, silent, return_exceptions=True)

    async def _until_silent(self, reads: int) -> None:
        """Return when the process has said nothing for too long; never where it need not say anything."""
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reads, "rb", buffering=0)
        )
        try:
            heartbeat = self._spec.heartbeat
            if heartbeat is None:
                await asyncio.get_running_loop().create_future()
                return
            limit = heartbeat.first
            while (line := await _heard(reader, limit)) is not None:
                self._last_line = line or self._last_line
                limit = heartbeat.silence
        finally:
            transport.close()


async def _heard(reader: asyncio.StreamReader, seconds: float) -> str | None:
    """Return the next line; None when none came. The time counts in two halves: after a sleep of the whole machine,
    what came before it is read first."""
    for _ in range(2):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds / 2):
                if line := await reader.readline():
                    return line.decode(errors="replace").strip()
                await asyncio.get_running_loop().create_future()  # the pipe is closed: the process ends
    return None


async def _kill(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    try:
        async with asyncio.timeout(_KILL_S):
            await process.wait()
    except TimeoutError:
        log.error("process %d does not end, though it was killed", process.pid)


def _in_words(how: int | str) -> str:
    return how if isinstance(how, str) else how_it_ended(how)

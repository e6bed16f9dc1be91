"""A child process as its parent sees it: the parent starts it, sends requests, watches its memory and ends it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import tempfile
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psutil

from dictograph.child.errors import (
    ChildCrashed,
    ChildFailed,
    ChildFailure,
    ChildLost,
    ChildOutOfMemory,
    ChildTimeout,
    failure,
    how_it_ended,
)
from dictograph.child.fork_server_client import ForkServerClient
from dictograph.child.frames import ANY, BrokenFrame, Frame, Largest, encode, receive_frame
from dictograph.child.oom import ended_for_memory
from dictograph.child.pipes import KILL_S, LAST_WORDS_S, Running, start_python, variables
from dictograph.child.sandbox import missing_layers
from dictograph.child.sandbox.policy import LACKS, Sandbox

__all__ = [
    "Child",
    "ChildCrashed",
    "ChildFailed",
    "ChildFailure",
    "ChildLost",
    "ChildOutOfMemory",
    "ChildSpec",
    "ChildTimeout",
]

log = logging.getLogger(__name__)

_MEMORY_CHECK_S = 0.2
_AGAIN_S = 0.15


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """How to start a child: `python -m dictograph.…` and its limits.

    `memory_limit` is in bytes of resident memory (0: none); `folder` its working folder;
    `environment` is added to the few variables that every child gets. `sandbox` says which rights the child keeps;
    None: all. A sealed child works in an empty folder, which is made in `folder` and removed at the child's end.
    `largest` limits the size of its answers.
    """

    name: str
    module: str
    arguments: Sequence[str] = ()
    folder: Path | None = None
    memory_limit: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    pass_fds: Sequence[int] = ()
    sandbox: Sandbox | None = None
    largest: Largest = ANY

    @property
    def command(self) -> tuple[str, ...]:
        """Return the arguments of `python`."""
        early = self.sandbox is not None and not self.sandbox.sealed
        return ("-m", *(("dictograph.child.sandbox",) if early else ()), self.module, *self.arguments)


class Child:
    """One running child. It answers a request with frames. Only one request runs at a time.

    `lacks` are the layers of its sandbox that it could not put on, with the reasons. They are known after its first
    frame.
    """

    def __init__(
        self,
        spec: ChildSpec,
        process: Running,
        leave: Callable[[], None] = lambda: None,
    ) -> None:
        self.spec = spec
        self.lacks: Mapping[str, str] = {}
        self._leave = leave
        self._process = process
        self._numbers = count(1)
        self._turn = asyncio.Lock()
        self._outgrown = self._killed = False
        self.peak_memory = 0  # the highest measured resident memory in bytes, where it has a limit
        self._kernel_ended = ended_for_memory()
        self._stderr: deque[str] = deque(maxlen=20)
        self._watchers = [asyncio.create_task(self._drain_stderr())]
        if spec.memory_limit:
            self._watchers.append(asyncio.create_task(self._watch_memory()))

    @classmethod
    async def start(cls, spec: ChildSpec, fork_server: ForkServerClient | None = None) -> Child:
        """Start the process: a new Python process, or a fork of `fork_server`, which must serve the same module.

        It may still be importing when this returns. Raises ChildCrashed when it cannot be started.
        """
        environment = variables(spec.environment, spec.sandbox)
        with contextlib.ExitStack() as stack:
            try:
                folder = stack.enter_context(_working_folder(spec))
                if fork_server is None:
                    process = await start_python(spec.command, folder, environment, spec.pass_fds)
                else:
                    process = await _forked_or_started(fork_server, spec, folder, environment)
            except OSError as error:
                raise ChildCrashed(f"the {spec.name} process cannot be started ({error.strerror or error})") from error
            log.debug("started %s as process %s", spec.name, process.pid)
            return cls(spec, process, stack.pop_all().close)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Return the numbers that the descriptors of `spec.pass_fds` have in the process."""
        return self._process.descriptors

    @property
    def alive(self) -> bool:
        return self._process.returncode is None and not self._outgrown and not self._killed

    async def call(self, request: Frame, *, timeout: float) -> Frame:
        """Return the last frame that answers `request`; an empty frame when there was none."""
        answer = Frame({})
        async for frame in self.stream(request, timeout=timeout):
            answer = frame
        return answer

    async def stream(self, request: Frame, *, timeout: float) -> AsyncGenerator[Frame, None]:
        """Yield the frames that answer `request`, with at most `timeout` seconds before each.

        Raises a ChildFailure. After any but ChildFailed the process has ended. It also ends when the caller stops
        reading in the middle, since the pipe then holds half an answer.
        """
        async with self._turn:
            finished = False
            try:
                async for frame in self._exchange(request, timeout):
                    yield frame
                finished = True
            except ChildFailed:
                finished = True
                raise
            finally:
                if not finished:
                    await self.kill()

    def lower_priority(self, nice: int) -> None:
        """Give every other process priority from now on when processor time is short.

        At 5 it gets a third of the time of another process that is always busy, at 10 a tenth. A child is a separate
        session. Where the kernel groups by sessions, only the nice value of the group counts (sched(7), "The autogroup
        feature").
        """
        if not self.alive:
            return
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, self.pid, nice)
        try:
            Path(f"/proc/{self.pid}/autogroup").write_text(str(nice))
        except BlockingIOError:  # except for root, the kernel accepts one such change in a tenth of a second
            asyncio.get_running_loop().call_later(_AGAIN_S, self.lower_priority, nice)
        except OSError:
            return

    async def close(self, grace: float = 1.0) -> None:
        """End the process: close its input, and kill it after `grace` seconds."""
        self._process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self._process.ended.wait()
        await self.kill()

    async def kill(self) -> None:
        """Kill the process now."""
        self._killed = True
        self._process.kill()
        try:
            async with asyncio.timeout(KILL_S):
                await self._process.ended.wait()
        except TimeoutError:
            log.error("the %s process %d does not end, though it was killed", self.spec.name, self.pid)
        finally:
            self._process.close()
            for watcher in self._watchers:
                watcher.cancel()
            self._leave()

    async def _exchange(self, request: Frame, timeout: float) -> AsyncGenerator[Frame, None]:
        number = next(self._numbers)
        try:
            async with asyncio.timeout(timeout):
                await self._send(Frame({**request.header, "id": number}, request.body))
            while True:
                async with asyncio.timeout(timeout):
                    frame = await self._receive()
                if not frame.header.get("more"):
                    return
                yield frame
        except TimeoutError:
            if self._outgrown:
                raise self._trouble() from None
            raise ChildTimeout(f"the {self.spec.name} process did not answer within {timeout:.0f} s") from None

    async def _send(self, frame: Frame) -> None:
        try:
            self._process.stdin.write(encode(frame))
            await self._process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError, RuntimeError):
            await self._hear_out()
            raise self._trouble() from None

    async def _receive(self) -> Frame:
        try:
            frame = await receive_frame(self._process.stdout, self.spec.largest)
        except BrokenFrame as error:
            raise ChildCrashed(f"the {self.spec.name} process broke the protocol: {error}") from error
        if frame is None:
            await self._hear_out()
            raise self._trouble()
        if told := frame.header.pop(LACKS, None):
            self.lacks = missing_layers.parsed(told)
        if wrong := frame.header.get("error"):
            raise failure(self.spec.name, wrong)
        return frame

    async def _hear_out(self) -> None:
        # The process's last output may still be in the pipe after its end.
        await self._process.ended.wait()
        await asyncio.wait(self._watchers[:1], timeout=LAST_WORDS_S)

    def _trouble(self) -> ChildFailure:
        name, limit = self.spec.name, self.spec.memory_limit
        if self._outgrown:
            return ChildOutOfMemory(f"the {name} process outgrew its {limit // 2**20} MiB of memory")
        if self._process.returncode == -signal.SIGKILL and ended_for_memory() > self._kernel_ended:
            return ChildOutOfMemory(f"the kernel ended the {name} process, since memory ran out")
        code = self._process.returncode
        if self._process.orphaned:
            return ChildLost(f"the {name} process went with the server that had made it", code)
        return ChildCrashed(f"the {name} process {how_it_ended(code)}{self._stderr_tail()}", code)

    def _stderr_tail(self) -> str:
        return f": {self._stderr[-1]}" if self._stderr else ""

    async def _drain_stderr(self) -> None:
        while chunk := await self._process.stderr.read(4096):
            for line in chunk.decode(errors="replace").splitlines():
                if line.strip():
                    self._stderr.append(line[:500])
                    log.debug("%s: %s", self.spec.name, line)

    async def _watch_memory(self) -> None:
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            await asyncio.sleep(_MEMORY_CHECK_S)
            process = psutil.Process(self.pid)
            while (resident := process.memory_info().rss) <= self.spec.memory_limit:
                self.peak_memory = max(self.peak_memory, resident)
                await asyncio.sleep(_MEMORY_CHECK_S)
            self._outgrown = True
            self._process.kill()


async def _forked_or_started(
    fork_server: ForkServerClient, spec: ChildSpec, folder: Path | None, environment: Mapping[str, str]
) -> Running:
    """Return a process from the fork server; if the server hangs, a new Python process. Raises OSError."""
    try:
        return await fork_server.fork(folder, environment, spec.pass_fds)
    except TimeoutError as error:
        log.warning("the %s process is started without the fork server: %s", spec.name, error.strerror or error)
    return await start_python(spec.command, folder, environment, spec.pass_fds)


@contextlib.contextmanager
def _working_folder(spec: ChildSpec) -> Iterator[Path | None]:
    """Yield the child's working folder. A sealed child gets a new folder, which is removed at the end."""
    if spec.sandbox is None or not spec.sandbox.sealed:
        yield spec.folder
        return
    folder = Path(tempfile.mkdtemp(prefix=f"{spec.name.replace(' ', '-')}-", dir=spec.folder))
    try:
        yield folder
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(folder)

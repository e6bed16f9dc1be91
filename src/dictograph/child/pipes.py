"""A process with pipes, as its parent sees it, and how to start a separate Python process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import PIPE, Process, SubprocessStreamProtocol
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from dictograph.child.parent import PARENT
from dictograph.child.sandbox.policy import VARIABLE, Sandbox

BUFFER = 2**16

#: How long the parent waits for the end of a killed process (s). One that is stuck in the kernel, in a driver say,
#: cannot be ended.
KILL_S = 5.0

#: How long the parent waits for a process's last output (s). It may still be in the pipe after the process's end.
LAST_WORDS_S = 1.0

_PASSED_ON = (
    *("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TZ", "SYSTEMROOT", "TMPDIR", "LD_LIBRARY_PATH"),
    *("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"),  # the operator chooses the devices
)

#: The part of these variables that a sealed child gets: where its modules and libraries are.
_TO_BE_IMPORTED = ("PYTHONPATH", "LD_LIBRARY_PATH", "SYSTEMROOT")

#: Some libraries start threads when they are loaded. The sandbox of the child would not cover those threads.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

# Libraries that would otherwise send telemetry. onnxruntime does so from 1.29 on, as soon as it is imported
# (https://github.com/microsoft/onnxruntime/pull/27379), and leaves files in the temporary folder for it.
_QUIET = {"ORT_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}


class Running(Protocol):
    """A process that was started. `ended` is set once it has ended, whatever the state of its pipes.

    `descriptors` are the numbers of the passed descriptors in that process. `returncode` is None until the process has
    ended, and below 0 when a signal ended it. `orphaned`: it ended with the server that had made it, or how it ended is
    unknown.
    """

    ended: asyncio.Event
    orphaned: bool

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    @property
    def stdin(self) -> asyncio.StreamWriter: ...
    @property
    def stdout(self) -> asyncio.StreamReader: ...
    @property
    def stderr(self) -> asyncio.StreamReader: ...
    @property
    def descriptors(self) -> tuple[int, ...]: ...

    def kill(self) -> None:
        """Kill the process now; do nothing if it has ended."""

    def close(self) -> None:
        """Close the pipes."""


class _Pipes(SubprocessStreamProtocol):
    """The parent's ends of a process's pipes. `ended` is set when the process has ended.

    `Process.wait` would also wait for the end of the pipes, perhaps for ever: nothing reads the remaining output of a
    child that was stopped in the middle, and a process that the child started may hold the pipes open.
    """

    def __init__(self) -> None:
        super().__init__(limit=BUFFER, loop=asyncio.get_running_loop())
        self.ended = asyncio.Event()

    def process_exited(self) -> None:
        super().process_exited()
        self.ended.set()


class _Executed:
    """A separate Python process."""

    def __init__(self, transport: asyncio.SubprocessTransport, pipes: _Pipes, descriptors: tuple[int, ...]) -> None:
        self._transport = transport
        self._process = Process(transport, pipes, asyncio.get_running_loop())
        self.ended = pipes.ended
        self.orphaned = False
        self.descriptors = descriptors
        own = self._process
        assert own.stdin is not None
        assert own.stdout is not None
        assert own.stderr is not None
        self.stdin, self.stdout, self.stderr = own.stdin, own.stdout, own.stderr

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.returncode

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    def close(self) -> None:
        self._transport.close()


async def start_python(
    arguments: Sequence[str], folder: Path | None, variables: Mapping[str, str], pass_fds: Sequence[int] = ()
) -> Running:
    """Start `python …` with these variables and no others. Raises OSError.

    Python never searches its working folder for modules (`-P`): other users may write there.
    """
    loop = asyncio.get_running_loop()
    transport, pipes = await loop.subprocess_exec(
        _Pipes,
        sys.executable,
        "-P",
        *arguments,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        cwd=folder,
        env=variables,
        pass_fds=tuple(pass_fds),
        start_new_session=True,
    )
    return _Executed(transport, pipes, tuple(pass_fds))


def variables(more: Mapping[str, str], sandbox: Sandbox | None) -> dict[str, str]:
    """Return the environment of a child: the few variables that every child gets, and `more`."""
    sealed = sandbox is not None and sandbox.sealed
    names = _TO_BE_IMPORTED if sealed else _PASSED_ON
    passed = {name: os.environ[name] for name in names if name in os.environ}
    own = {"PYTHONUNBUFFERED": "1", PARENT: str(os.getpid())}
    if sealed:
        own |= _ONE_THREAD
    if sandbox is not None:
        own[VARIABLE] = sandbox.to_text()
    return {**passed, **_QUIET, **own, **more}

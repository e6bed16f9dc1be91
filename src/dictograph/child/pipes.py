"""Starting a process with pipes, and hearing of its end at once."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process, SubprocessStreamProtocol
from collections.abc import Mapping, Sequence
from pathlib import Path

from dictograph.child.loop import PARENT
from dictograph.child.sandbox.policy import VARIABLE, Sandbox

_BUFFER = 2**16
_PASSED_ON = (
    *("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TZ", "SYSTEMROOT", "TMPDIR", "LD_LIBRARY_PATH"),
    *("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"),  # which devices are ours is the operator's to say
)

#: What a sealed child gets of these: where its modules and libraries are.
_TO_BE_IMPORTED = ("PYTHONPATH", "LD_LIBRARY_PATH", "SYSTEMROOT")

#: Some libraries start threads when they are loaded. Those would be outside of what the child then confines.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

# Libraries that would otherwise report home: onnxruntime does from 1.29 on, as soon as it is imported
# (https://github.com/microsoft/onnxruntime/pull/27379), and leaves files in the temporary folder for it.
_QUIET = {"ORT_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}


class Pipes(SubprocessStreamProtocol):
    """The parent's ends of a process's pipes. `ended` is set when the process has ended.

    `Process.wait` would wait for the pipes' end too, and for ever: nobody reads on what a child that was
    stopped in the middle had written, and a process of the child's own may hold them open.
    """

    def __init__(self) -> None:
        super().__init__(limit=_BUFFER, loop=asyncio.get_running_loop())
        self.ended = asyncio.Event()

    def process_exited(self) -> None:
        super().process_exited()
        self.ended.set()


async def start_python(
    arguments: Sequence[str],
    folder: Path | None,
    environment: Mapping[str, str],
    pass_fds: Sequence[int],
    sandbox: Sandbox | None = None,
) -> tuple[Process, Pipes, asyncio.SubprocessTransport]:
    """Start `python …` with the few variables that a child gets, and those in `environment`. Raises OSError."""
    loop = asyncio.get_running_loop()
    transport, pipes = await loop.subprocess_exec(
        Pipes,
        sys.executable,
        *arguments,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        cwd=folder,
        env=_variables(environment, sandbox),
        pass_fds=tuple(pass_fds),
        start_new_session=True,
    )
    return Process(transport, pipes, loop), pipes, transport


def _variables(more: Mapping[str, str], sandbox: Sandbox | None) -> dict[str, str]:
    sealed = sandbox is not None and sandbox.sealed
    names = _TO_BE_IMPORTED if sealed else _PASSED_ON
    passed = {name: os.environ[name] for name in names if name in os.environ}
    own = {"PYTHONUNBUFFERED": "1", PARENT: str(os.getpid())}
    if sealed:
        own |= _ONE_THREAD
    if sandbox is not None:
        own[VARIABLE] = sandbox.to_text()
    return {**passed, **_QUIET, **own, **more}

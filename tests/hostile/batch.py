"""Many files through one decoder process: the real one, which only goes on where it would end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

from dictograph.audio import decoder_client
from dictograph.audio.decoder_client import DecodeLimits
from dictograph.audio.pcm import SAMPLE_BYTES
from dictograph.child.frames import Frame
from dictograph.child.process import Child, ChildFailed, ChildFailure, ChildSpec, ChildTimeout

#: A new process after so many files, so that one does not pay for all that FFmpeg kept of the others.
_FILES_PER_PROCESS = 100


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file: `code` is "decoded", or that of the error.

    `seconds` is how long it took, `room` the bytes of disk that its samples take. `broken` says that
    the decoder itself failed: it crashed, hung, grew, or raised something that is no answer.
    """

    name: str
    code: str
    seconds: float
    samples: int
    room: int
    detail: str = ""
    retryable: bool = False
    broken: bool = False


def outcomes(files: Iterable[tuple[str, bytes]], folder: Path, limits: DecodeLimits) -> list[Outcome]:
    """The outcome of each file, in order; when this returns no process is left."""

    async def collect() -> list[Outcome]:
        return [outcome async for outcome in decode_many(files, folder, limits)]

    return asyncio.run(collect())


async def decode_many(files: Iterable[tuple[str, bytes]], folder: Path, limits: DecodeLimits) -> AsyncIterator[Outcome]:
    """The outcome of each file, in order; `limits.quiet_timeout` is the time for a whole file."""
    batch = _Batch(folder, limits)
    try:
        for number, (name, data) in enumerate(files):
            if number % _FILES_PER_PROCESS == 0:
                await batch.close()
            yield await batch.decode(name, data)
    finally:
        await batch.close()


class _Batch:
    def __init__(self, folder: Path, limits: DecodeLimits) -> None:
        self._source, self._pcm = folder / "batch.source", folder / "batch.pcm"
        self._limits = limits
        self._child: Child | None = None

    async def decode(self, name: str, data: bytes) -> Outcome:
        self._source.write_bytes(data)
        self._pcm.write_bytes(b"")
        child = await self._living()
        begun = time.monotonic()
        error, trouble = None, None
        try:
            async with asyncio.timeout(self._limits.quiet_timeout):
                samples = await _last_count(child, self._limits)
        except (ChildFailure, TimeoutError) as failure:
            await child.kill() if isinstance(failure, TimeoutError) else None
            trouble = failure if isinstance(failure, ChildFailure) else ChildTimeout("it took too long")
            error = decoder_client._error(trouble, self._limits)
            samples = self._pcm.stat().st_size // SAMPLE_BYTES
        return Outcome(
            name,
            code="decoded" if error is None else error.code,
            seconds=time.monotonic() - begun,
            samples=samples,
            room=self._pcm.stat().st_blocks * 512,
            detail="" if trouble is None else trouble.detail,
            retryable=error is not None and error.retryable,
            broken=error is not None and error.code != "corrupt_audio" and not _is_answer(trouble, error.code),
        )

    async def close(self) -> None:
        if self._child is not None:
            await self._child.kill()
        self._child = None

    async def _living(self) -> Child:
        if self._child is None or not self._child.alive:
            with contextlib.ExitStack() as opened:
                files = [os.open(self._source, os.O_RDONLY), os.open(self._pcm, os.O_RDWR)]
                for file in files:
                    opened.callback(os.close, file)
                module, memory = "tests.hostile.batch_decoder", self._limits.memory
                sandbox = self._limits.sandbox()
                spec = ChildSpec("decoder", module, list(map(str, files)), None, memory, {}, files, sandbox)
                self._child = await Child.start(spec)
            await self._child.call(Frame({"op": "hello"}), timeout=60)
        return self._child


def _is_answer(trouble: ChildFailure | None, code: str) -> bool:
    return isinstance(trouble, ChildFailed) and code != "decoder_crashed"


async def _last_count(child: Child, limits: DecodeLimits) -> int:
    last = await child.call(Frame({"op": "decode", "max_seconds": limits.max_seconds}), timeout=limits.quiet_timeout)
    return int(last.header["decoded"]["samples"])

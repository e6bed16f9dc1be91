"""The parent's side of decoding: one child process for each file, ended with it."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import signal
import time
from collections.abc import AsyncGenerator, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dictograph.audio.pcm import SAMPLE_BYTES
from dictograph.audio.source_file import SourceFile
from dictograph.child.fork_server_client import ForkServerClient, can_fork
from dictograph.child.frames import SMALL_HEADER, Frame, Largest
from dictograph.child.pipes import variables
from dictograph.child.process import (
    Child,
    ChildCrashed,
    ChildFailed,
    ChildFailure,
    ChildLost,
    ChildOutOfMemory,
    ChildSpec,
    ChildTimeout,
)
from dictograph.child.sandbox.missing_layers import tell
from dictograph.child.sandbox.policy import Mode, Sandbox, sealed
from dictograph.engine.protocol import SAMPLE_RATE
from dictograph.errors import (
    AudioTooLong,
    CorruptAudio,
    DecoderCrashed,
    DecoderLost,
    DecoderOutOfMemory,
    DecoderTimeout,
    DictographError,
    NoAudioStream,
    SandboxUnavailable,
    StorageFull,
    StorageUnavailable,
    UnsupportedFormat,
)
from dictograph.runtime.disk import FULL, check_room
from dictograph.transcript import JobWarning

_MODULE = "dictograph.audio.decoder_child"

_BY_CODE: dict[str, type[DictographError]] = {
    kind.code: kind
    for kind in (UnsupportedFormat, NoAudioStream, CorruptAudio, AudioTooLong, StorageFull, SandboxUnavailable)
}

#: What the file of samples may be longer than the samples themselves, in bytes.
_FILE_SLACK = 2**20


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """What decoding may take: seconds of audio, bytes of resident memory, seconds without progress;
    how many bytes of the disk it leaves free; and whether the process that does it is confined."""

    max_seconds: float
    memory: int
    quiet_timeout: float
    reserve: int = 0
    confined: Mode = "auto"

    def no_longer_than(self, seconds: float | None) -> DecodeLimits:
        """These, with at most so many seconds of audio; None: as they are."""
        return self if seconds is None else replace(self, max_seconds=min(self.max_seconds, seconds))

    def sandbox(self) -> Sandbox | None:
        """What the process may keep."""
        file_size = int(self.max_seconds * SAMPLE_RATE) * SAMPLE_BYTES + _FILE_SLACK
        return sealed(self.confined, memory=self.memory, file_size=file_size)


@dataclass(frozen=True, slots=True)
class DecodeProgress:
    """So many samples lie in the file. `duration_hint` is the whole length in seconds as the file
    states it: a guess, for progress bars only."""

    samples: int
    duration_hint: float | None = None


@dataclass(frozen=True, slots=True)
class Decoded:
    """All samples lie in the file. `warnings` carry times of the original, in seconds."""

    samples: int
    container: str
    codec: str
    warnings: tuple[JobWarning, ...] = ()


#: What a second of decoded sound earns a decoder before it has to show the next (s): a tenth of the speed of sound is
#: slower than any machine, and ends one that only pretends.
_EARNED_S = 10.0

#: From here on there is enough to work with, and the processor belongs to those who have less (samples).
_ENOUGH = 5 * 60 * SAMPLE_RATE
_NICE = 10


def forks_of_decoders(confined: Mode, module: str = _MODULE) -> ForkServerClient | None:
    """What makes decoders without starting Python for each, where the system has what it takes."""
    return ForkServerClient(module, variables({}, sealed(confined, memory=0))) if can_fork() else None


async def decode(
    source: Path | SourceFile,
    pcm: Path,
    limits: DecodeLimits,
    module: str = _MODULE,
    fork_server: ForkServerClient | None = None,
) -> AsyncGenerator[DecodeProgress | Decoded, None]:
    """Decode `source` into `pcm`: mono 16 kHz s16le, in which sample n is original time n/16000 s.

    `pcm` is replaced, and grows while progress is reported; the last thing that comes is a Decoded.
    The process has ended when this ends, however it ends.

    Args:
        source: any audio or video file, by its path or open.
        pcm: where the samples go; its folder exists.
        limits: what it may take.
        module: the child's module; tests have others.
        forks: where the child comes from, if not from a Python of its own.

    Raises:
        DecodeError: one of its subclasses.
        StorageFull, StorageUnavailable: the samples cannot be written, or the source not be read.
    """
    child, request = await _start(source, pcm, limits, module, fork_server)
    complete = standing_back = False
    try:
        async with contextlib.aclosing(_news(child, request, limits)) as told:
            async for news in told:
                await asyncio.to_thread(check_room_for_samples, pcm.parent, limits.reserve)
                complete = isinstance(news, Decoded)
                if news.samples > _ENOUGH and not standing_back:
                    child.lower_priority(_NICE)
                    standing_back = True
                yield news
    except ChildFailure as trouble:
        raise _error(trouble, limits) from trouble
    finally:
        await child.kill()
        tell(child.lacks)
    if not complete:
        raise DecoderCrashed("The decoder ended without an answer.")


async def _news(child: Child, request: Frame, limits: DecodeLimits) -> AsyncGenerator[DecodeProgress | Decoded, None]:
    """What the process tells until it has told all. One that was taken over may tell anything, but not for ever:
    each second of sound earns it time, and without any it has the quiet timeout. Raises ChildTrouble, DecoderCrashed.
    """
    left, samples, since = limits.quiet_timeout, -1, time.monotonic()
    async with contextlib.aclosing(child.stream(request, timeout=limits.quiet_timeout)) as answers:
        async for answer in answers:
            news = _parsed(answer, limits)
            if isinstance(news, Decoded):
                yield news
                return
            grown, now = max(0, news.samples - samples), time.monotonic()
            left = min(limits.quiet_timeout, left - (now - since) + grown * _EARNED_S / SAMPLE_RATE)
            if left <= 0:
                raise ChildTimeout("the decoder process does not get on")
            since = now
            if grown:
                samples = news.samples
                yield news
                since = time.monotonic()  # how long whoever listens takes is not the decoder's time


async def _start(
    source: Path | SourceFile, pcm: Path, limits: DecodeLimits, module: str, fork_server: ForkServerClient | None
) -> tuple[Child, Frame]:
    descriptors: list[int] = []
    await asyncio.to_thread(check_room_for_samples, pcm.parent, limits.reserve)
    opening = asyncio.create_task(asyncio.to_thread(_open, source, pcm, descriptors))
    try:
        await asyncio.shield(opening)
        child = await Child.start(
            ChildSpec(
                "decoder",
                module,
                folder=pcm.parent,
                memory_limit=limits.memory,
                pass_fds=descriptors,
                sandbox=limits.sandbox(),
                largest=Largest(SMALL_HEADER, 0),
            ),
            fork_server,
        )
    except ChildFailure as trouble:
        raise _error(trouble, limits) from trouble
    finally:
        # A thread cannot be stopped: what it opens after this was cancelled has to be closed too.
        opening.add_done_callback(lambda _: _close(descriptors))
    source_fd, pcm_fd = child.descriptors
    header = {"op": "decode", "source_fd": source_fd, "pcm_fd": pcm_fd, "max_seconds": limits.max_seconds}
    return child, Frame(header)


def _open(source: Path | SourceFile, pcm: Path, descriptors: list[int]) -> None:
    with _storage_errors():
        if isinstance(source, SourceFile):
            descriptors.append(source.duplicate())
        else:
            descriptors.append(os.open(source, os.O_RDONLY | os.O_CLOEXEC))
        descriptors.append(os.open(pcm, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600))


def check_room_for_samples(folder: Path, reserve: int) -> None:
    """Whether samples can be written there and `reserve` bytes stay free. Raises StorageFull, StorageUnavailable."""
    with _storage_errors():
        check_room(folder, 0, reserve)


def _close(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


@contextlib.contextmanager
def _storage_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise StorageFull("There is no room for the decoded samples. Free some space and try again.") from error
        raise StorageUnavailable(f"A file cannot be opened for decoding: {error.strerror}.") from error


def _parsed(answer: Frame, limits: DecodeLimits) -> DecodeProgress | Decoded:
    header = answer.header
    try:
        if (summary := header.get("decoded")) is None:
            return DecodeProgress(_count(header["samples"], limits), _number(header.get("duration_hint")))
        warnings = tuple(_warning(**warning) for warning in summary["warnings"])
        samples = _count(summary["samples"], limits)
        return Decoded(samples, _text(summary["container"]), _text(summary["codec"]), warnings)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DecoderCrashed("The decoder gave an answer that cannot be understood.") from error


def _count(value: Any, limits: DecodeLimits) -> int:
    if type(value) is not int or not 0 <= value <= round(limits.max_seconds * SAMPLE_RATE):
        raise ValueError("that is no number of samples")
    return value


def _warning(code: Any, message: Any, start: Any = None, end: Any = None) -> JobWarning:
    return JobWarning(_text(code), _text(message), _number(start), _number(end))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("that is no text")
    return value


def _number(value: Any) -> float | None:
    """Seconds, as far as anything is known."""
    if value is None:
        return None
    if isinstance(value, bool) or not math.isfinite(value) or value < 0:
        raise ValueError("that is no time")
    return float(value)


def _error(trouble: ChildFailure, limits: DecodeLimits) -> DictographError:
    match trouble:
        case ChildFailed(code=code) if code in _BY_CODE:
            return _BY_CODE[code](trouble.detail)
        case ChildTimeout():
            return DecoderTimeout(
                f"The audio could not be decoded: for {limits.quiet_timeout:.0f} s the decoder made no progress."
            )
        case ChildOutOfMemory():
            return DecoderOutOfMemory(
                f"The audio could not be decoded for want of memory: {trouble.detail}. A decoder may have "
                f"{limits.memory // 2**20} MiB (DICTOGRAPH_DECODER_MEMORY)."
            )
        case ChildLost():
            return DecoderLost(f"The audio could not be decoded this time: {trouble.detail}.")
        case ChildCrashed(returncode=code) if code == -signal.SIGPROF:  # see `bounds.within`
            return CorruptAudio("It takes too long to open the file: it has more tags or parts than any audio.")
    return DecoderCrashed(f"The audio could not be decoded: {trouble.detail}.")

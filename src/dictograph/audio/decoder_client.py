"""The parent's side of decoding: one child process for each file, which ends after the file."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import signal
import time
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dictograph.audio.pcm import SAMPLE_BYTES
from dictograph.audio.source_file import SourceFile
from dictograph.audio.tracks.selection import MAX_MIXED, Selection
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
    NoSuchChannel,
    NoSuchTrack,
    SandboxUnavailable,
    StorageFull,
    StorageUnavailable,
    TooManyChannels,
    UnsupportedFormat,
)
from dictograph.runtime.disk import FULL, check_room
from dictograph.transcript import JobWarning

_MODULE = "dictograph.audio.decoder_child"

_BY_CODE: dict[str, type[DictographError]] = {
    kind.code: kind
    for kind in (
        *(UnsupportedFormat, NoAudioStream, NoSuchTrack, NoSuchChannel, TooManyChannels, CorruptAudio),
        *(AudioTooLong, StorageFull, SandboxUnavailable),
    )
}

#: How much of a file's name the decoder gets to see, from its end.
_NAME_LENGTH = 100

#: By how many bytes the file of samples may be longer than the samples.
_FILE_SLACK = 2**20


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """The limits of decoding: seconds of audio, bytes of resident memory, seconds without progress.

    Also the bytes of the disk that stay free, and whether the process is confined.
    """

    max_seconds: float
    memory: int
    quiet_timeout: float
    reserve: int = 0
    confined: Mode = "auto"

    def no_longer_than(self, seconds: float | None) -> DecodeLimits:
        """Return these limits with at most `seconds` of audio; None: unchanged."""
        return self if seconds is None else replace(self, max_seconds=min(self.max_seconds, seconds))

    def sandbox(self) -> Sandbox | None:
        """Return the rights that the process keeps."""
        file_size = int(self.max_seconds * SAMPLE_RATE) * SAMPLE_BYTES + _FILE_SLACK
        return sealed(self.confined, memory=self.memory, file_size=file_size)


@dataclass(frozen=True, slots=True)
class DecodeProgress:
    """The number of samples in each file so far. `duration_hint` is the whole length in seconds as the file states it.

    The hint is a guess, for progress bars only. `outputs` is the number of files of samples, `reached` how far the
    furthest of them has come.
    """

    samples: int
    duration_hint: float | None = None
    outputs: int = 1
    reached: int = 0


@dataclass(frozen=True, slots=True)
class Decoded:
    """The result: all samples are in the files. `warnings` have times of the original, in seconds."""

    samples: int
    container: str
    codec: str
    warnings: tuple[JobWarning, ...] = ()
    outputs: int = 1


_ANY = Selection()

#: How long (s) a decoder may work on for each second of decoded audio. A tenth of real-time speed is slower than any
#: machine. This ends a decoder that only pretends to work.
_EARNED_S = 10.0

#: The number of samples from which on there is enough to work with; then decoders that have less get the processor.
_ENOUGH = 5 * 60 * SAMPLE_RATE
_NICE = 10


def forks_of_decoders(confined: Mode, module: str = _MODULE) -> ForkServerClient | None:
    """Return a fork server for decoders, which need not start Python then; None where the system has no support."""
    return ForkServerClient(module, variables({}, sealed(confined, memory=0))) if can_fork() else None


async def decode(
    source: Path | SourceFile,
    pcm: Path,
    limits: DecodeLimits,
    module: str = _MODULE,
    fork_server: ForkServerClient | None = None,
    name: str = "",
    selection: Selection = _ANY,
) -> AsyncGenerator[DecodeProgress | Decoded, None]:
    """Decode `source` into `pcm`: mono 16 kHz s16le, in which sample n is original time n/16000 s.

    `pcm` is replaced, and grows while progress is reported. The last item is a Decoded. When this generator ends, for
    any reason, the process has ended.

    Args:
        source: any audio or video file, as a path or an open file.
        pcm: the file for the samples; its folder exists.
        limits: the limits of decoding.
        module: the child's module; tests use others.
        fork_server: makes the child; None: the child is a new Python process.
        name: how the user calls the file; it only breaks a tie between formats.
        selection: the tracks and channels that are wanted. Where it may give several files of samples, these are
            `pcm` and those of `channel_file`; `outputs` of each news says how many it gives.

    Raises:
        DecodeError: one of its subclasses.
        StorageFull, StorageUnavailable: the samples cannot be written, or the source cannot be read.
    """
    child, request = await _start(source, pcm, limits, module, fork_server, name, selection)
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
    """Yield the reports of the process until the end. Raises ChildFailure, DecoderCrashed.

    A process that was taken over may report anything, but not for ever. Each second of audio extends its time; without
    any audio it has the quiet timeout.
    """
    left, samples, since = limits.quiet_timeout, -1, time.monotonic()
    async with contextlib.aclosing(child.stream(request, timeout=limits.quiet_timeout)) as answers:
        async for answer in answers:
            news = _parsed(answer, limits)
            if isinstance(news, Decoded):
                yield news
                return
            furthest = max(news.samples, news.reached)
            grown, now = max(0, furthest - samples), time.monotonic()
            left = min(limits.quiet_timeout, left - (now - since) + grown * _EARNED_S / SAMPLE_RATE)
            if left <= 0:
                raise ChildTimeout("the decoder process does not get on")
            since = now
            if grown:
                samples = furthest
                yield news
                since = time.monotonic()  # the time that the caller takes is not the decoder's


async def _start(
    source: Path | SourceFile,
    pcm: Path,
    limits: DecodeLimits,
    module: str,
    fork_server: ForkServerClient | None,
    name: str,
    selection: Selection,
) -> tuple[Child, Frame]:
    descriptors: list[int] = []
    files = [channel_file(pcm, number) for number in range(selection.max_outputs)]
    await asyncio.to_thread(check_room_for_samples, pcm.parent, limits.reserve)
    opening = asyncio.create_task(asyncio.to_thread(_open, source, files, descriptors))
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
        # A thread cannot be stopped. Descriptors that it opens after a cancellation must be closed too.
        opening.add_done_callback(lambda _: _close(descriptors))
    source_fd, *pcm_fds = child.descriptors
    header = {
        "op": "decode",
        "source_fd": source_fd,
        "pcm_fds": pcm_fds,
        "max_seconds": limits.max_seconds,
        "name": name[-_NAME_LENGTH:],
        "track": selection.track,
        "channels": selection.channels,
    }
    return child, Frame(header)


def channel_file(pcm: Path, number: int) -> Path:
    """Return the file of samples with a number, from 0, where `pcm` is the first."""
    return pcm if number == 0 else pcm.with_name(f"{pcm.stem}.{number}{pcm.suffix}")


def _open(source: Path | SourceFile, files: Sequence[Path], descriptors: list[int]) -> None:
    with _storage_errors():
        if isinstance(source, SourceFile):
            descriptors.append(source.duplicate())
        else:
            descriptors.append(os.open(source, os.O_RDONLY | os.O_CLOEXEC))
        # Each is in the list before the next one is opened: so all are closed whatever happens.
        descriptors.extend(os.open(pcm, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600) for pcm in files)


def check_room_for_samples(folder: Path, reserve: int) -> None:
    """Check that samples can be written and `reserve` bytes stay free. Raises StorageFull, StorageUnavailable."""
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
            samples, reached = _count(header["samples"], limits), _count(header.get("reached", 0), limits)
            return DecodeProgress(samples, _number(header.get("duration_hint")), _outputs(header), reached)
        warnings = tuple(_warning(**warning) for warning in summary["warnings"])
        samples = _count(summary["samples"], limits)
        return Decoded(samples, _text(summary["container"]), _text(summary["codec"]), warnings, _outputs(summary))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DecoderCrashed("The decoder gave an answer that cannot be understood.") from error


def _count(value: Any, limits: DecodeLimits) -> int:
    if type(value) is not int or not 0 <= value <= round(limits.max_seconds * SAMPLE_RATE):
        raise ValueError("that is no number of samples")
    return value


def _outputs(header: Mapping[str, Any]) -> int:
    value = header.get("outputs", 1)
    if type(value) is not int or not 1 <= value <= MAX_MIXED:
        raise ValueError("that is no number of files")
    return value


def _warning(code: Any, message: Any, start: Any = None, end: Any = None) -> JobWarning:
    return JobWarning(_text(code), _text(message), _number(start), _number(end))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("that is no text")
    return value


def _number(value: Any) -> float | None:
    """Return the value as seconds; None if it is unknown."""
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

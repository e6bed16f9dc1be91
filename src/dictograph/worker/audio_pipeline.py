"""Turn a job's stored bytes into windows, as a stream: decode, detect speech, plan."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dictograph.audio import pcm
from dictograph.audio.decoder_client import Decoded, DecodeLimits, decode
from dictograph.audio.plan import Planner, Span, quietest_point
from dictograph.audio.source_file import SourceFile
from dictograph.audio.speech import Speech, SpeechRules
from dictograph.audio.speech_account import SpeechAccount
from dictograph.audio.vad_client import VadClient, VadState
from dictograph.child.fork_server_client import ForkServerClient
from dictograph.engine.protocol import SAMPLE_RATE
from dictograph.errors import DecodeError
from dictograph.job import Options

#: The number of samples in a block of the speech detector, and of blocks in one request to it (64 s).
_BLOCK = 512
_STEP = 2000

#: The number of blocks in the first request, so that the first window of a file is known soon (32 s).
_FIRST_STEP = 1000


@dataclass(frozen=True, slots=True)
class PipelineWindow:
    """A window of the plan: its range in samples, its start and end (s) in the original, its samples' SHA-256, and the
    speech in it, as ranges in samples; None where it was not detected."""

    span: Span
    sha256: str
    speech: tuple[Speech, ...] | None = None

    @property
    def start(self) -> float:
        return self.span.start / SAMPLE_RATE

    @property
    def end(self) -> float:
        return self.span.end / SAMPLE_RATE

    @property
    def spans(self) -> tuple[tuple[float, float], ...] | None:
        """The certain speech, in seconds of the original; None where it was not detected."""
        if self.speech is None:
            return None
        certain = [one for one in self.speech if one.certain]
        return tuple((round(one.start / SAMPLE_RATE, 3), round(one.end / SAMPLE_RATE, 3)) for one in certain)


@dataclass(frozen=True, slots=True)
class PipelineUpdate:
    """The next windows, in order, and the length of the audio as far as it is known, in seconds.

    The last update of a pipeline carries the decoder's summary in `decoded`.
    """

    windows: tuple[PipelineWindow, ...]
    duration: float
    decoded: Decoded | None = None


class AudioPipeline:
    """Makes windows from the audio of one job. The decoded samples are in the file `pcm`."""

    def __init__(
        self,
        source: Path | SourceFile,
        pcm: Path,
        options: Options,
        limits: DecodeLimits,
        vad_client: VadClient,
        fork_server: ForkServerClient | None = None,
        name: str = "",
    ) -> None:
        self.pcm = pcm
        self._source = source
        self._limits = limits
        self._vad_client = vad_client
        self._fork_server = fork_server
        self._name = name
        self._vad = options.vad_filter
        self._planner = Planner(options, self._quietest)
        self._account = SpeechAccount(SpeechRules.of(options))
        self._samples = 0
        self._hint = 0.0
        self._decoded: Decoded | None = None
        self._grown = asyncio.Event()

    async def windows(self) -> AsyncGenerator[PipelineUpdate, None]:
        """Decode and plan to the end. Raises the errors of the decoder and of the speech detector."""
        decoding = asyncio.create_task(self._decode())
        try:
            async for update in self._plan(decoding):
                yield update
        finally:
            decoding.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await decoding

    async def _decode(self) -> None:
        try:
            decoding = decode(self._source, self.pcm, self._limits, fork_server=self._fork_server, name=self._name)
            async for progress in decoding:
                self._samples = progress.samples
                if isinstance(progress, Decoded):
                    self._check_source()
                    self._decoded = progress
                elif progress.duration_hint is not None:
                    self._hint = progress.duration_hint
                self._grown.set()
        except DecodeError:
            self._check_source()  # if the file was changed meanwhile, that explains the failure better
            raise
        finally:
            self._grown.set()

    def _check_source(self) -> None:
        if isinstance(self._source, SourceFile):
            self._source.check()

    async def _plan(self, decoding: asyncio.Task[None]) -> AsyncIterator[PipelineUpdate]:
        done, state, step = 0, None, _FIRST_STEP
        while True:
            available = await self._available(decoding, done + step)
            blocks = min(step, available - done)
            if blocks:
                spans, state = await self._detect_speech(done, blocks, state)
                done, step = done + blocks, _STEP
                yield await self._update(spans)
            if self._decoded is not None and done * _BLOCK >= self._samples:
                break
        yield await self._update(await asyncio.to_thread(self._finish, self._samples), self._decoded)

    async def _available(self, decoding: asyncio.Task[None], wanted: int) -> int:
        """Wait for `wanted` blocks, or for the end of the audio; return the number of blocks that are decoded."""
        while self._decoded is None and self._samples < wanted * _BLOCK:
            if decoding.done():
                decoding.result()  # raises: it may have failed long before
            self._grown.clear()
            await self._grown.wait()
        whole = self._samples // _BLOCK
        return -(-self._samples // _BLOCK) if self._decoded is not None else whole

    async def _detect_speech(
        self, first: int, blocks: int, state: VadState | None
    ) -> tuple[list[Span], VadState | None]:
        probabilities, state = await self._vad_client.probabilities(self.pcm, first, blocks, state)
        return await asyncio.to_thread(self._take, probabilities), state

    def _take(self, probabilities: NDArray[np.float32]) -> list[Span]:
        """Feed the account of speech, which all jobs have, and the plan, which rests on it only with `vad_filter`."""
        self._account.feed(probabilities.tolist())
        return self._planner.feed(probabilities) if self._vad else self._planner.feed_unheard(len(probabilities))

    def _finish(self, samples: int) -> list[Span]:
        self._account.finish(samples)
        return self._planner.finish(samples)

    async def _update(self, spans: list[Span], decoded: Decoded | None = None) -> PipelineUpdate:
        windows = tuple([await asyncio.to_thread(self._window, span) for span in spans])
        seconds = self._samples / SAMPLE_RATE
        return PipelineUpdate(windows, seconds if decoded else max(self._hint, seconds), decoded)

    def _window(self, span: Span) -> PipelineWindow:
        speech = self._account.within(span)
        return PipelineWindow(span, pcm.sha256(self.pcm, span.start, span.end), speech)

    def _quietest(self, start: int, end: int) -> int:
        return start + quietest_point(pcm.read(self.pcm, start, end))

"""Turn a job's stored bytes into windows, as a stream: decode, detect speech, plan."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dictograph.audio import pcm
from dictograph.audio.decoder_client import Decoded, DecodeLimits, channel_file, decode
from dictograph.audio.pcm import Mixed
from dictograph.audio.source_file import SourceFile
from dictograph.audio.tracks.selection import Selection
from dictograph.audio.vad_client import VadClient
from dictograph.child.fork_server_client import ForkServerClient
from dictograph.engine.protocol import SAMPLE_RATE
from dictograph.errors import DecodeError
from dictograph.job import Options
from dictograph.transcript import JobWarning
from dictograph.worker.channel_planner import ChannelPlanner, same_channel
from dictograph.worker.pipeline_window import PipelineWindow
from dictograph.worker.window_order import WindowOrder

#: The number of samples in a block of the speech detector, and of blocks in one request to it (64 s).
_BLOCK = 512
_STEP = 2000

#: The number of blocks in the first request, so that the first window of a file is known soon (32 s).
_FIRST_STEP = 1000


@dataclass(frozen=True, slots=True)
class PipelineUpdate:
    """The next windows, in order, and the length of the audio as far as it is known, in seconds.

    The last update of a pipeline carries the decoder's summary in `decoded`.
    """

    windows: tuple[PipelineWindow, ...]
    duration: float
    decoded: Decoded | None = None


class AudioPipeline:
    """Makes windows from the audio of one job. The decoded samples are in the file `pcm`, and for further channels in
    files beside it."""

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
        self._options = options
        self._selection = Selection(options.track, options.channels)
        self._limits = limits
        self._vad_client = vad_client
        self._fork_server = fork_server
        self._name = name
        self._channels: list[ChannelPlanner] = []
        self._outputs = 1
        self._order = WindowOrder()
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
            decoding = decode(
                self._source,
                self.pcm,
                self._limits,
                fork_server=self._fork_server,
                name=self._name,
                selection=self._selection,
            )
            async for progress in decoding:
                self._channels = self._channels or self._planners(progress.outputs)
                self._outputs = progress.outputs
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

    def peak(self) -> int:
        """Return the largest sample of all channels, without its sign."""
        return max(pcm.peak(channel_file(self.pcm, number)) for number in range(self._outputs))

    def _check_source(self) -> None:
        if isinstance(self._source, SourceFile):
            self._source.check()

    def _planners(self, outputs: int) -> list[ChannelPlanner]:
        """Return a planner for each channel or track that is transcribed by itself."""
        files = tuple(channel_file(self.pcm, number) for number in range(outputs))
        if not self._selection.side_by_side:
            source = Mixed(files) if outputs > 1 else self.pcm
            return [ChannelPlanner(source, self._options, self._vad_client)]
        return [
            ChannelPlanner(file, self._options, self._vad_client, number, files[: number - 1])
            for number, file in enumerate(files, start=1)
        ]

    async def _plan(self, decoding: asyncio.Task[None]) -> AsyncIterator[PipelineUpdate]:
        done, step = 0, _FIRST_STEP
        while True:
            available = await self._available(decoding, done + step)
            blocks = min(step, available - done)
            if blocks:
                for channel in self._channels:
                    self._order.add(await channel.feed(done, blocks))
                done, step = done + blocks, _STEP
                yield self._update(self._order.ready(min(channel.next_start for channel in self._channels)))
            if self._decoded is not None and done * _BLOCK >= self._samples:
                break
        for channel in self._channels:
            self._order.add(await channel.finish(self._samples))
        assert self._decoded is not None
        yield self._update(self._order.ready(None), replace(self._decoded, warnings=self._warnings(self._decoded)))

    def _warnings(self, decoded: Decoded) -> tuple[JobWarning, ...]:
        """Return the decoder's warnings, and those about channels that are the same as others."""
        return (*decoded.warnings, *(same_channel(channel) for channel in self._channels if channel.left_out))

    async def _available(self, decoding: asyncio.Task[None], wanted: int) -> int:
        """Wait for `wanted` blocks, or for the end of the audio; return the number of blocks that are decoded."""
        while self._decoded is None and self._samples < wanted * _BLOCK:
            if decoding.done():
                decoding.result()  # raises: it may have failed long before
            self._grown.clear()
            await self._grown.wait()
        whole = self._samples // _BLOCK
        return -(-self._samples // _BLOCK) if self._decoded is not None else whole

    def _update(self, windows: Sequence[PipelineWindow], decoded: Decoded | None = None) -> PipelineUpdate:
        seconds = self._samples / SAMPLE_RATE
        return PipelineUpdate(tuple(windows), seconds if decoded else max(self._hint, seconds), decoded)

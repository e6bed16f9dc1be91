"""Plan the windows of one channel: detect speech in its samples, block by block, and fill windows with it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dictograph.audio import pcm
from dictograph.audio.pcm import Mixed
from dictograph.audio.plan import Planner, Span, quietest_point
from dictograph.audio.speech import SpeechRules
from dictograph.audio.speech_account import SpeechAccount
from dictograph.audio.vad_client import VadClient, VadState
from dictograph.job import Options
from dictograph.transcript import JobWarning
from dictograph.worker.pipeline_window import PipelineWindow


class ChannelPlanner:
    """Makes the windows of one channel, whose samples are in `source`.

    `number` (from 1) is None where there is only one. `earlier` has the samples of the channels before it: what they
    hold as well is left out.
    """

    def __init__(
        self,
        source: Path | Mixed,
        options: Options,
        vad_client: VadClient,
        number: int | None = None,
        earlier: tuple[Path, ...] = (),
    ) -> None:
        self.number = number
        self.planned = 0
        self.left_out = 0
        self._source = source
        self._earlier = earlier
        self._vad_client = vad_client
        self._vad = options.vad_filter
        self._planner = Planner(options, self._quietest)
        self._account = SpeechAccount(SpeechRules.of(options))
        self._state: VadState | None = None

    @property
    def next_start(self) -> int:
        """Return the sample before which no later window begins."""
        return self._planner.next_start

    async def feed(self, first: int, blocks: int) -> list[PipelineWindow]:
        """Take the next blocks; return the windows that became final."""
        probabilities, self._state = await self._vad_client.probabilities(self._source, first, blocks, self._state)
        return await self._windows(await asyncio.to_thread(self._take, probabilities))

    async def finish(self, samples: int) -> list[PipelineWindow]:
        """End the audio; return its remaining windows."""
        return await self._windows(await asyncio.to_thread(self._finish, samples))

    def _take(self, probabilities: NDArray[np.float32]) -> list[Span]:
        """Feed the account of speech, which all jobs have, and the plan, which rests on it only with `vad_filter`."""
        self._account.feed(probabilities.tolist())
        return self._planner.feed(probabilities) if self._vad else self._planner.feed_unheard(len(probabilities))

    def _finish(self, samples: int) -> list[Span]:
        self._account.finish(samples)
        return self._planner.finish(samples)

    async def _windows(self, spans: list[Span]) -> list[PipelineWindow]:
        found = [await asyncio.to_thread(self._window, span) for span in spans]
        return [window for window in found if window is not None]

    def _window(self, span: Span) -> PipelineWindow | None:
        speech = self._account.within(span)
        if self.number is not None and self._is_needless(span):
            return None
        self.planned += 1
        digest = pcm.sha256(self._source, span.start, span.end)
        return PipelineWindow(span, digest, speech, self.number, self._source)

    def _is_needless(self, span: Span) -> bool:
        """Return whether a window is silent, or an earlier channel has the same sound."""
        samples = pcm.read(self._source, span.start, span.end)
        if pcm.is_silent(samples):
            return True
        if any(pcm.is_same(samples, pcm.read(file, span.start, span.end)) for file in self._earlier):
            self.left_out += 1
            return True
        return False

    def _quietest(self, start: int, end: int) -> int:
        return start + quietest_point(pcm.read(self._source, start, end))


def same_channel(channel: ChannelPlanner) -> JobWarning:
    """Return the warning about a channel of which another one has the same sound."""
    if channel.planned:
        what = f"Parts of channel {channel.number} hold the same sound as an earlier channel, and were left out there."
    else:
        what = f"Channel {channel.number} holds the same sound as an earlier channel, and was left out."
    return JobWarning("same_channel", what)

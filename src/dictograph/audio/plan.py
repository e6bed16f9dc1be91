"""Make the window plan: the parts of an audio that an engine gets. Pure and streaming.

A window is at most 30 s of the original time line. Speech follows speech into the same window as
long as all of it fits and the pauses are short, because an encoder works as long on one second as
on thirty; a window is left at a pause longer than `MAX_PAUSE`, because Whisper invents text in long
silences. Speech that is too long for a window is cut at the quietest point of the window's last 5 s.

Every decision is made block by block, so it cannot depend on how the blocks came, and as soon as
nothing that follows could change it, so that the first text comes early.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from dictograph.audio.speech import (
    PassThroughDetector,
    Span,
    SpeechDetector,
    SpeechRules,
    VadSpeechDetector,
    milliseconds,
)
from dictograph.audio.vad import BLOCK_SAMPLES
from dictograph.engine.protocol import MAX_WINDOW_S, SAMPLE_RATE
from dictograph.job import Options

__all__ = ["Planner", "Span", "WindowRules", "quietest_point"]

#: The longest window, in samples.
MAX_WINDOW = int(MAX_WINDOW_S * SAMPLE_RATE)

#: A longer pause (in samples) begins a new window. Ten minutes of spoken digits with pauses of 0.5 to
#: 6 s, heard by the tests' tiny Whisper: 129 windows and 0.4 % of words wrong with 1 s here, 100 and
#: 0.6 % with 2 s, 74 and 1.0 % with 3 s, 53 and 2.8 % with 4 s, 23 and 16 % with 6 s.
MAX_PAUSE = 2 * SAMPLE_RATE

#: Where in a full window speech without a pause may be cut: its last 5 s, in samples.
CUT_RANGE = 5 * SAMPLE_RATE

#: The longest window of a job in several languages, and the pause that begins a new one: so a window seldom holds two
#: languages (docs/explanation/windows.md).
MULTILINGUAL_WINDOW = 10 * SAMPLE_RATE
MULTILINGUAL_PAUSE = SAMPLE_RATE // 2


@dataclass(frozen=True, slots=True)
class WindowRules:
    """The limits of windows, in samples. `make calibrate` measures what others give."""

    longest: int = MAX_WINDOW
    max_pause: int = MAX_PAUSE
    cut_range: int = CUT_RANGE

    @classmethod
    def of(cls, options: Options) -> WindowRules:
        return cls(MULTILINGUAL_WINDOW, MULTILINGUAL_PAUSE) if options.multilingual else cls()


_FRAME = SAMPLE_RATE * 30 // 1000
_HOP = SAMPLE_RATE * 10 // 1000


class Planner:
    """Makes the plan of one audio.

    Args:
        options: the job's; their `vad_…` fields say what counts as speech, and whether it is detected.
        quietest: returns the point at which to cut in a range of samples (start, end). The range is within
            the audio that was fed.
        rules: the limits of windows; None: those of the options.
    """

    def __init__(self, options: Options, quietest: Callable[[int, int], int], rules: WindowRules | None = None) -> None:
        self._finder: SpeechDetector = (
            VadSpeechDetector(SpeechRules.of(options)) if options.vad_filter else PassThroughDetector()
        )
        self._pad = milliseconds(options.vad_speech_pad_ms) if options.vad_filter else 0
        limits = rules or WindowRules.of(options)
        self._longest = limits.longest
        self._cut_range = limits.cut_range
        self._max_pause = max(limits.max_pause, 2 * self._pad)
        self._quietest = quietest
        self._blocks = 0
        # The window being filled: where it begins, where the last complete speech in it ended (without
        # padding), and where the current speech began.
        self._start: int | None = None
        self._spoken_until: int | None = None
        self._speaking_since: int | None = None

    @property
    def next_start(self) -> int:
        """Return the sample before which no later window begins."""
        return self._start if self._start is not None else max(self._finder.earliest - self._pad, 0)

    def feed(self, probabilities: Iterable[float] | NDArray[np.float32]) -> list[Span]:
        """Take the probabilities of the next blocks; return the windows that became final, in samples."""
        values = probabilities.tolist() if isinstance(probabilities, np.ndarray) else probabilities
        return [window for probability in values for window in self._step(probability)]

    def feed_unheard(self, blocks: int) -> list[Span]:
        """Take blocks without detection: for options without `vad_filter`."""
        return self.feed(repeat(0.0, blocks))

    def finish(self, total_samples: int) -> list[Span]:
        """End the audio; return its remaining windows.

        Raises:
            ValueError: not every block was fed, or more than the audio has.
        """
        if self._blocks != -(-total_samples // BLOCK_SAMPLES):
            raise ValueError(f"{self._blocks} blocks were fed of an audio of {total_samples} samples")
        speech = self._finder.finish(total_samples)
        windows: list[Span] = []
        if speech is not None:
            self._begin_speech(speech.start)
            windows += self._keep_to_limit(speech.end)
            self._end_speech(speech.end)
        if self._start is not None:
            windows.append(self._close(total_samples))
        return windows

    def _step(self, probability: float) -> Iterator[Span]:
        before, self._blocks = self._blocks * BLOCK_SAMPLES, self._blocks + 1
        ended = self._finder.push(probability)
        speech = ended or self._finder.current
        if speech is not None:
            self._begin_speech(speech.start)
            # Counting only to the block before makes sure that all samples are there: the last block of an
            # audio may be incomplete.
            yield from self._keep_to_limit(min(speech.end, before))
        if ended is not None:
            self._end_speech(ended.end)
        if self._is_final():
            yield self._close(self._finder.earliest)

    def _begin_speech(self, start: int) -> None:
        if self._speaking_since is None:
            self._speaking_since = start
            if self._start is None:
                self._start = max(start - self._pad, 0)

    def _end_speech(self, end: int) -> None:
        self._speaking_since, self._spoken_until = None, end

    def _keep_to_limit(self, speech_end: int) -> Iterator[Span]:
        """Yield windows that are full, now that the current speech reaches to `speech_end` at least."""
        while self._start is not None and speech_end > self._start + self._longest:
            if self._spoken_until is None or self._speaking_since is None:
                yield self._cut(self._start)
            else:
                yield self._leave(self._start, self._spoken_until, self._speaking_since)

    def _leave(self, start: int, spoken_until: int, speaking_since: int) -> Span:
        """Close the window before the current speech, which does not fit into it: it begins a new window."""
        middle = (spoken_until + speaking_since) // 2
        end = min(spoken_until + self._pad, middle, start + self._longest)
        self._start = max(speaking_since - self._pad, middle)
        self._spoken_until = None
        return Span(start, end)

    def _cut(self, start: int) -> Span:
        """Cut speech that is longer than a window: it goes on in the next window."""
        first, last = start + self._longest - self._cut_range, start + self._longest
        end = min(max(self._quietest(first, last), first), last)
        self._start = end
        return Span(start, end)

    def _is_final(self) -> bool:
        """Return whether no later speech can change the window's end or still fit into it."""
        if self._start is None or self._speaking_since is not None or self._spoken_until is None:
            return False
        next_start = self._finder.earliest
        pause = next_start - self._spoken_until
        full = next_start >= self._start + self._longest
        return pause > self._max_pause or (full and pause >= 2 * self._pad)

    def _close(self, limit: int) -> Span:
        """End the window after its speech; the padding is cut at the limits."""
        assert self._start is not None
        assert self._spoken_until is not None
        window = Span(self._start, min(self._spoken_until + self._pad, self._start + self._longest, limit))
        self._start, self._spoken_until = None, None
        return window


def quietest_point(samples: NDArray[np.int16]) -> int:
    """Return the offset in `samples` at which to cut: the middle of the quietest 30 ms.

    Frames begin every 10 ms. Where several are equally quiet (digital silence), it is the middle of the longest
    run of them. With fewer samples than a frame it is their middle.
    """
    if len(samples) < _FRAME:
        return len(samples) // 2
    loudness = np.concatenate([[0], np.cumsum(samples.astype(np.int64) ** 2)])
    energy = (loudness[_FRAME:] - loudness[:-_FRAME])[::_HOP]
    quiet = np.flatnonzero(energy == energy.min())
    runs = np.split(quiet, np.flatnonzero(np.diff(quiet) > 1) + 1)
    longest = max(runs, key=len)
    return int((longest[0] + longest[-1]) * _HOP // 2 + _FRAME // 2)

"""Find speech: probabilities, block by block, become ranges of speech. Pure and streaming.

Speech begins in a block whose probability reaches the threshold. It ends where the probability
fell below the lower threshold and did not reach the upper one again for the least pause.

A range counts only with enough *evidence*. A loud noise may lift the detector over its
threshold, barely and for a few blocks, where a word lifts it high. Each block over the threshold adds
the logarithm of its odds, as in a sequential test of two hypotheses (counted from the threshold's
where that is below one half), and a range that does not collect `MIN_EVIDENCE` is no speech,
unless undoubted speech is within a second of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from dictograph.audio.vad import BLOCK_SAMPLES
from dictograph.engine.protocol import SAMPLE_RATE
from dictograph.job import Options

#: Natural logarithm of the odds that a stretch must collect over its blocks. Measured at threshold 0.5:
#: in 12 h of white and pink noise at −12 to −3 dBFS 224 stretches got over the threshold, and the best
#: collected 4.1; of 72 single words (0.2 to 0.6 s) by eight synthetic voices the weakest collected 8.3,
#: and with pink noise 10 dB (5 dB) below the word one (five) of the 72 less than 5.
MIN_EVIDENCE = 5.0

#: Doubtful speech this close (in samples) to undoubted speech is part of it: a word that trails off after a pause.
NEAR_SAMPLES = SAMPLE_RATE

_HYSTERESIS = 0.15
_LEAST_THRESHOLD = 0.01
#: No probability counts as more certain than this: one block alone proves nothing.
_MOST_CERTAIN = 0.999


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A range of audio: from sample `start` up to, not including, sample `end`."""

    start: int
    end: int

    @property
    def samples(self) -> int:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class SpeechRules:
    """The rules for speech: two probabilities, and lengths in samples."""

    threshold: float
    min_speech: int
    min_silence: int

    @classmethod
    def of(cls, options: Options) -> SpeechRules:
        return cls(
            options.vad_threshold,
            milliseconds(options.vad_min_speech_duration_ms),
            milliseconds(options.vad_min_silence_duration_ms),
        )

    @property
    def lower_threshold(self) -> float:
        return max(self.threshold - _HYSTERESIS, _LEAST_THRESHOLD)


def milliseconds(length: int) -> int:
    """Return a length in milliseconds as one in samples."""
    return length * SAMPLE_RATE // 1000


class SpeechDetector(Protocol):
    """What the planner needs to know about speech, after each block."""

    @property
    def current(self) -> Span | None:
        """The current speech: where it began, and up to where it is certain by now."""
        ...

    @property
    def earliest(self) -> int:
        """No speech that is not yet known begins before this sample."""
        ...

    def push(self, probability: float) -> Span | None:
        """Take one block; return the speech that certainly ended with it, if any."""
        ...

    def finish(self, total: int) -> Span | None:
        """End the audio after `total` samples; return the speech that ends with it, if any."""
        ...


@dataclass(slots=True)
class _Stretch:
    """Sound over the threshold that has not ended: `silent_since` marks the current pause."""

    start: int
    silent_since: int | None = None
    evidence: float = 0.0
    certain: bool = False


class VadSpeechDetector:
    """Finds speech by the rules above. Spans have no padding."""

    def __init__(self, rules: SpeechRules) -> None:
        self._rules = rules
        self._lower = rules.lower_threshold
        self._even = min(0.0, _log_odds(rules.threshold))
        self._now = 0
        self._stretch: _Stretch | None = None
        self._doubtful: Span | None = None
        self._undoubted_end: int | None = None

    @property
    def current(self) -> Span | None:
        stretch = self._stretch
        if stretch is None or not stretch.certain:
            return None
        return Span(stretch.start, self._now if stretch.silent_since is None else stretch.silent_since)

    @property
    def earliest(self) -> int:
        if self._doubtful is not None:
            return self._doubtful.start
        return self._now if self._stretch is None else self._stretch.start

    def push(self, probability: float) -> Span | None:
        start, self._now = self._now, self._now + BLOCK_SAMPLES
        self._forget_doubtful(start)
        if self._stretch is None:
            if probability < self._rules.threshold:
                return None
            self._stretch = _Stretch(start)
        self._continue(self._stretch, start, probability)
        return self._ended(self._stretch)

    def finish(self, total: int) -> Span | None:
        speech, self._stretch = self.current, None
        return None if speech is None else Span(speech.start, min(speech.end, total))

    def _continue(self, stretch: _Stretch, start: int, probability: float) -> None:
        if probability >= self._rules.threshold:
            stretch.silent_since = None
            stretch.evidence += _log_odds(probability) - self._even
        elif probability < self._floor(stretch) and stretch.silent_since is None:
            stretch.silent_since = start
        if not stretch.certain and stretch.silent_since is None:
            self._weigh(stretch)

    def _floor(self, stretch: _Stretch) -> float:
        """Return the threshold at which speech ends.

        Only speech with evidence may go on below the upper threshold: a murmur must not stay undecided for long.
        """
        return self._lower if stretch.evidence >= MIN_EVIDENCE else self._rules.threshold

    def _weigh(self, stretch: _Stretch) -> None:
        """Make speech certain once it is long enough and has evidence, or undoubted speech is before it."""
        if self._now - stretch.start < self._rules.min_speech:
            return
        if stretch.evidence >= MIN_EVIDENCE:
            stretch.certain = True
            if self._doubtful is not None:
                stretch.start, self._doubtful = self._doubtful.start, None
        elif self._undoubted_end is not None and stretch.start - self._undoubted_end <= NEAR_SAMPLES:
            stretch.certain = True

    def _ended(self, stretch: _Stretch) -> Span | None:
        if stretch.silent_since is None or self._now - stretch.silent_since < self._rules.min_silence:
            return None
        self._stretch = None
        span = Span(stretch.start, stretch.silent_since)
        if not stretch.certain:
            self._doubtful = span if span.samples >= self._rules.min_speech else self._doubtful
            return None
        if stretch.evidence >= MIN_EVIDENCE:
            self._undoubted_end = span.end
        return span

    def _forget_doubtful(self, now: int) -> None:
        """Forget doubtful speech if no speech followed soon: it was none."""
        if self._stretch is None and self._doubtful is not None and now - self._doubtful.end > NEAR_SAMPLES:
            self._doubtful = None


class PassThroughDetector:
    """Takes all audio as speech: for jobs without the speech detector."""

    def __init__(self) -> None:
        self._now = 0

    @property
    def current(self) -> Span | None:
        return Span(0, self._now)

    @property
    def earliest(self) -> int:
        return self._now

    def push(self, probability: float) -> Span | None:  # noqa: ARG002 - it makes no difference
        self._now += BLOCK_SAMPLES
        return None

    def finish(self, total: int) -> Span | None:
        return Span(0, total) if total else None


def _log_odds(probability: float) -> float:
    certain = min(max(probability, 1 - _MOST_CERTAIN), _MOST_CERTAIN)
    return math.log(certain / (1 - certain))

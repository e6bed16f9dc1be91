"""Find speech: probabilities, block by block, become ranges of speech. Pure and streaming.

Speech is where the probability reaches the lower threshold, with pauses shorter than the least pause. A range that is
too short is none. Any other goes to an engine, but not every one is *certain*: music and noise may lift the detector
over its threshold, barely and for a few blocks, where a sentence lifts it high. Each block over the upper
threshold adds the logarithm of its odds, as in a sequential test of two hypotheses (counted from the threshold's
where that is below one half), and a range that does not collect `MIN_EVIDENCE` is in doubt. What is in doubt is heard,
but counts as speech only if the engine finds words.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Protocol

from dictograph.audio.vad import BLOCK_SAMPLES
from dictograph.engine.protocol import SAMPLE_RATE
from dictograph.job import Options

#: Natural logarithm of the odds that a range must collect over its blocks to be certain. Measured with `make calibrate`
#: (docs/explanation/detection.md).
MIN_EVIDENCE = 15.0

#: How far below the job's threshold speech is still looked for, in doubt. Measured in the same way.
DOUBT = 0.2
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


@dataclass(frozen=True, slots=True, order=True)
class Speech(Span):
    """A range in which somebody speaks. Unless it is `certain`, an engine has to find out."""

    certain: bool = True


@dataclass(frozen=True, slots=True)
class SpeechRules:
    """The rules for speech: two probabilities, lengths in samples, and the evidence from which on it is certain."""

    threshold: float
    min_speech: int
    min_silence: int
    doubt: float = DOUBT
    min_evidence: float = MIN_EVIDENCE

    @classmethod
    def of(cls, options: Options) -> SpeechRules:
        return cls(
            options.vad_threshold,
            milliseconds(options.vad_min_speech_duration_ms),
            milliseconds(options.vad_min_silence_duration_ms),
        )

    @property
    def lower_threshold(self) -> float:
        return max(self.threshold - self.doubt, _LEAST_THRESHOLD)


def milliseconds(length: int) -> int:
    """Return a length in milliseconds as one in samples."""
    return length * SAMPLE_RATE // 1000


class SpeechDetector(Protocol):
    """What the planner needs to know about speech, after each block."""

    @property
    def current(self) -> Speech | None:
        """The current speech: where it began, and up to where it has come by now."""
        ...

    @property
    def earliest(self) -> int:
        """No speech that is not yet known begins before this sample."""
        ...

    def push(self, probability: float) -> Speech | None:
        """Take one block; return the speech that certainly ended with it, if any."""
        ...

    def finish(self, total: int) -> Speech | None:
        """End the audio after `total` samples; return the speech that ends with it, if any."""
        ...


@dataclass(slots=True)
class _Stretch:
    """Sound over the lower threshold that has not ended: `silent_since` marks the current pause."""

    start: int
    silent_since: int | None = None
    evidence: float = 0.0

    def until(self, end: int, min_evidence: float) -> Speech:
        """Return it as speech that ends at `end`, or where the current pause began."""
        end = end if self.silent_since is None else self.silent_since
        return Speech(self.start, end, certain=self.evidence >= min_evidence)


class VadSpeechDetector:
    """Finds speech by the rules above. Ranges have no padding."""

    def __init__(self, rules: SpeechRules) -> None:
        self._rules = rules
        self._lower = rules.lower_threshold
        self._even = min(0.0, _log_odds(rules.threshold))
        self._now = 0
        self._stretch: _Stretch | None = None

    @property
    def current(self) -> Speech | None:
        return None if self._stretch is None else self._speech(self._stretch)

    @property
    def earliest(self) -> int:
        return self._now if self._stretch is None else self._stretch.start

    def push(self, probability: float) -> Speech | None:
        start, self._now = self._now, self._now + BLOCK_SAMPLES
        if probability >= self._lower:
            self._continue(start, probability)
        elif self._stretch is not None and self._stretch.silent_since is None:
            self._stretch.silent_since = start
        return self._ended()

    def finish(self, total: int) -> Speech | None:
        speech, self._stretch = self.current, None
        return None if speech is None else replace(speech, end=min(speech.end, total))

    def _continue(self, start: int, probability: float) -> None:
        if self._stretch is None:
            self._stretch = _Stretch(start)
        self._stretch.silent_since = None
        if probability >= self._rules.threshold:
            self._stretch.evidence += _log_odds(probability) - self._even

    def _ended(self) -> Speech | None:
        stretch = self._stretch
        if stretch is None or stretch.silent_since is None:
            return None
        if self._now - stretch.silent_since < self._rules.min_silence:
            return None
        self._stretch = None
        return self._speech(stretch)

    def _speech(self, stretch: _Stretch) -> Speech | None:
        """Return what the stretch is by now, if it is long enough."""
        speech = stretch.until(self._now, self._rules.min_evidence)
        return speech if speech.samples >= self._rules.min_speech else None


class PassThroughDetector:
    """Takes all audio as speech: for jobs without the speech detector."""

    def __init__(self) -> None:
        self._now = 0

    @property
    def current(self) -> Speech | None:
        return Speech(0, self._now)

    @property
    def earliest(self) -> int:
        return self._now

    def push(self, probability: float) -> Speech | None:  # noqa: ARG002 - it makes no difference
        self._now += BLOCK_SAMPLES
        return None

    def finish(self, total: int) -> Speech | None:
        return Speech(0, total) if total else None


def _log_odds(probability: float) -> float:
    certain = min(max(probability, 1 - _MOST_CERTAIN), _MOST_CERTAIN)
    return math.log(certain / (1 - certain))

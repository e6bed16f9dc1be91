"""Is what Whisper heard any good, and which of several readings is the best?

The two tests and their thresholds are Whisper's own (Radford et al. 2022, section 4.5): a low mean
log-probability, and text that compresses too well, which betrays a loop. In place of its sampling at
rising temperatures, which chance has a part in, a bad window is read again more strictly, and then
in two halves. In halves is also read what more is said in than one answer can hold.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

LOWEST_LOGPROB = -1.0
HIGHEST_COMPRESSION = 2.4
NO_SPEECH = 0.6

# Enumerations compress well too: forty random digits beat 2.4. Only what repeats itself without a
# break, three times over and ten tokens long, is a loop.
_LOOP_TOKENS = 10
_LOOP_TIMES = 3

Where = TypeVar("Where")


@dataclass(frozen=True, slots=True)
class DecodeResult:
    """What was heard in one stretch of sound: text tokens and Whisper's figures for them.

    `full` says that the answer has as many tokens as there is room for, and so was not ended by the model.
    """

    tokens: tuple[int, ...]
    text: str
    avg_logprob: float
    no_speech_prob: float
    full: bool = False

    @property
    def compression_ratio(self) -> float:
        return compression_ratio(self.text)

    @property
    def silent(self) -> bool:
        """Whether nobody speaks, and the words are made up."""
        return self.no_speech_prob > NO_SPEECH and self.avg_logprob < LOWEST_LOGPROB

    @property
    def looping(self) -> bool:
        return self.compression_ratio > HIGHEST_COMPRESSION and repeats_itself(self.tokens)

    @property
    def unfinished(self) -> bool:
        """Whether more is said than the answer holds: it had to stop, and not in a loop or in made-up words."""
        return self.full and not self.looping and not self.silent

    @property
    def good(self) -> bool:
        """Whether the words can be believed, be they all or not."""
        return self.silent or (self.avg_logprob >= LOWEST_LOGPROB and not self.looping)


@dataclass(frozen=True, slots=True)
class Hypothesis(Generic[Where]):
    """One way to read a window: its stretches in order, each with what was heard there."""

    takes: tuple[tuple[Where, DecodeResult], ...]

    @property
    def good(self) -> bool:
        return all(take.good for _, take in self.takes)

    @property
    def looping(self) -> bool:
        return any(take.looping for _, take in self.takes)

    @property
    def unfinished(self) -> bool:
        return any(take.unfinished for _, take in self.takes)

    @property
    def avg_logprob(self) -> float:
        """Mean over all tokens, each stretch's closing one too."""
        weights = [len(take.tokens) + 1 for _, take in self.takes]
        total = sum(take.avg_logprob * weight for (_, take), weight in zip(self.takes, weights, strict=True))
        return total / sum(weights)

    def followed_by(self, other: Hypothesis[Where]) -> Hypothesis[Where]:
        return Hypothesis(self.takes + other.takes)


def best(readings: Sequence[Hypothesis[Where]]) -> Hypothesis[Where]:
    """The first good one; else, of those that do not loop (of all, if all do), the most probable."""
    for reading in readings:
        if reading.good:
            return reading
    straight = [reading for reading in readings if not reading.looping]
    return max(straight or readings, key=lambda reading: reading.avg_logprob)


def compression_ratio(text: str) -> float:
    """Bytes of the text over bytes of its zlib form; 0 for no text."""
    raw = text.encode()
    return len(raw) / len(zlib.compress(raw)) if raw else 0.0


def repeats_itself(tokens: Sequence[int]) -> bool:
    """Whether some run of tokens is said at least three times without a break."""
    return any(_longest_echo(tokens, period) for period in range(1, len(tokens) // _LOOP_TIMES + 1))


def _longest_echo(tokens: Sequence[int], period: int) -> bool:
    needed = max((_LOOP_TIMES - 1) * period, _LOOP_TOKENS)
    run = 0
    for early, late in zip(tokens, tokens[period:], strict=False):
        run = run + 1 if early == late else 0
        if run >= needed:
            return True
    return False

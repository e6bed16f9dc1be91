"""Judge Whisper's hypotheses: is one good, and which of several is the best?

The two tests and their thresholds are Whisper's own (Radford et al. 2022, section 4.5): a low mean
log-probability, and text that compresses too well, which betrays a loop. Whisper then samples at
rising temperatures, which depends on chance. Here a bad window is decoded again more strictly, and then in two
halves. A window with more words than one answer can hold is decoded in halves as well.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

LOWEST_LOGPROB = -1.0
HIGHEST_COMPRESSION = 2.4

#: No speech: the probability of that is above the first, and the mean log-probability of the words below the second.
#: Whisper's own pair is 0.6 and −1. Measured with `base` (docs/explanation/windows.md, "Text that is invented"): of 60
#: windows of hold music, noise, tones and digital silence that pair tells 45, these tell 59 (not one of a ringing
#: tone); of 138 single words on the telephone, 20 dB too quiet, none.
NO_SPEECH = ((0.8, -0.4), (0.6, -0.75), (0.45, -1.0), (0.3, -1.4))

# Enumerations compress well too: forty random digits beat 2.4. Only tokens that repeat without a
# break, three times over and ten tokens long, are a loop.
_LOOP_TOKENS = 10
_LOOP_TIMES = 3

Where = TypeVar("Where")


@dataclass(frozen=True, slots=True)
class DecodeResult:
    """The decoded text of one slice of sound: text tokens and Whisper's figures for them.

    `full`: the answer has as many tokens as it can have, so the model did not end it. `until`: the last time stamp, in
    seconds from the slice's start, where it was decoded with stamps.
    """

    tokens: tuple[int, ...]
    text: str
    avg_logprob: float
    no_speech_prob: float
    full: bool = False
    until: float | None = None

    @property
    def compression_ratio(self) -> float:
        return compression_ratio(self.text)

    @property
    def silent(self) -> bool:
        """Whether there is no speech, and the words are invented."""
        return any(self.no_speech_prob > above and self.avg_logprob < below for above, below in NO_SPEECH)

    @property
    def looping(self) -> bool:
        return self.compression_ratio > HIGHEST_COMPRESSION and repeats_itself(self.tokens)

    @property
    def unfinished(self) -> bool:
        """Whether more is said than the answer holds: it had to stop, and not in a loop or in invented words."""
        return self.full and not self.looping and not self.silent

    @property
    def good(self) -> bool:
        """Whether the words can be trusted, whether they are complete or not."""
        return self.silent or (self.avg_logprob >= LOWEST_LOGPROB and not self.looping)


@dataclass(frozen=True, slots=True)
class Hypothesis(Generic[Where]):
    """One hypothesis for a window: its slices in order, each with its decoded text."""

    results: tuple[tuple[Where, DecodeResult], ...]

    @property
    def good(self) -> bool:
        return all(result.good for _, result in self.results)

    @property
    def looping(self) -> bool:
        return any(result.looping for _, result in self.results)

    @property
    def unfinished(self) -> bool:
        return any(result.unfinished for _, result in self.results)

    @property
    def avg_logprob(self) -> float:
        """The mean over all tokens, with the closing token of each slice."""
        weights = [len(result.tokens) + 1 for _, result in self.results]
        total = sum(result.avg_logprob * weight for (_, result), weight in zip(self.results, weights, strict=True))
        return total / sum(weights)

    def followed_by(self, other: Hypothesis[Where]) -> Hypothesis[Where]:
        return Hypothesis(self.results + other.results)


def best(hypotheses: Sequence[Hypothesis[Where]]) -> Hypothesis[Where]:
    """Return the first good hypothesis; else the most probable of those that do not loop (of all, if all do)."""
    for hypothesis in hypotheses:
        if hypothesis.good:
            return hypothesis
    straight = [hypothesis for hypothesis in hypotheses if not hypothesis.looping]
    return max(straight or hypotheses, key=lambda hypothesis: hypothesis.avg_logprob)


def compression_ratio(text: str) -> float:
    """Return the bytes of the text divided by those of its zlib form; 0 for no text."""
    raw = text.encode()
    return len(raw) / len(zlib.compress(raw)) if raw else 0.0


def repeats_itself(tokens: Sequence[int]) -> bool:
    """Return whether a run of tokens occurs at least three times without a break."""
    return any(_longest_echo(tokens, period) for period in range(1, len(tokens) // _LOOP_TIMES + 1))


def _longest_echo(tokens: Sequence[int], period: int) -> bool:
    needed = max((_LOOP_TIMES - 1) * period, _LOOP_TOKENS)
    run = 0
    for early, late in zip(tokens, tokens[period:], strict=False):
        run = run + 1 if early == late else 0
        if run >= needed:
            return True
    return False

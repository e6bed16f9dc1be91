"""Run the detector and its rules over the sounds of a calibration, and count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.calibrate.sounds import Behind
from dictograph.audio.plan import Planner, Span
from dictograph.audio.silero import Hearing, Silero, model_file
from dictograph.audio.speech import Speech, SpeechRules, VadSpeechDetector
from dictograph.audio.vad import BLOCK_SAMPLES, VadState
from dictograph.engine.protocol import SAMPLE_RATE
from dictograph.job import Options

Samples = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Detector:
    """The detector with one choice of its constants."""

    model: Silero
    options: Options

    @classmethod
    def of(cls, hearing: Hearing | None = None, options: Options | None = None) -> Detector:
        return cls(Silero(model_file(), hearing or Hearing()), options or Options())

    def probabilities(self, samples: Samples) -> NDArray[np.float32]:
        return self.model.listen(samples, VadState.fresh())[0]

    def speech(self, samples: Samples) -> list[Speech]:
        return speech(self.probabilities(samples), SpeechRules.of(self.options))

    def windows(self, samples: Samples) -> list[Span]:
        """Return what an engine would get."""
        return windows(self.probabilities(samples), len(samples), self.options)

    def missed(self, sounds: Sequence[Samples]) -> int:
        """Count the sounds in which no speech is found."""
        return sum(not self.speech(samples) for samples in sounds)

    def kept(self, both: Behind) -> float:
        """Return the seconds of speech found behind music, divided by those found without it."""
        whole = len(both.music) // BLOCK_SAMPLES * BLOCK_SAMPLES
        found = self.windows(np.concatenate([both.music[:whole], both.speech]))
        behind = sum(max(0, span.end - max(span.start, whole)) for span in found)
        return behind / sum(span.samples for span in self.windows(both.speech))


def speech(probabilities: NDArray[np.float32], rules: SpeechRules) -> list[Speech]:
    """Return the ranges of speech, certain or in doubt."""
    detector = VadSpeechDetector(rules)
    found = [*map(detector.push, probabilities.tolist()), detector.finish(len(probabilities) * BLOCK_SAMPLES)]
    return [one for one in found if one is not None]


def windows(probabilities: NDArray[np.float32], samples: int, options: Options) -> list[Span]:
    """Return the plan; speech without a pause is cut in the middle."""
    planner = Planner(options, lambda start, end: (start + end) // 2)
    return planner.feed(probabilities) + planner.finish(samples)


def seconds(spans: Sequence[Span]) -> float:
    return sum(span.samples for span in spans) / SAMPLE_RATE

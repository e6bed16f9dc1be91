"""A window as it comes out of the pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dictograph.audio.pcm import Mixed
from dictograph.audio.plan import Span
from dictograph.audio.speech import Speech
from dictograph.engine.protocol import SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class PipelineWindow:
    """A window of the plan: its range in samples, its start and end (s) in the original, its samples' SHA-256, and the
    speech in it, as ranges in samples; None where it was not detected.

    `channel` (from 1) is there where channels or tracks are transcribed side by side. `pcm` has the samples.
    """

    span: Span
    sha256: str
    speech: tuple[Speech, ...] | None = None
    channel: int | None = None
    pcm: Path | Mixed = Path()

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

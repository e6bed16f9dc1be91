"""Cut sound into slices, and encode each of them once."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from dictograph.engine.loudness import Loudness, is_empty
from dictograph.engine.protocol import SAMPLE_RATE, Samples, Window
from dictograph.engine.whisper.model import Encoded, Model

#: Nothing shorter is transcribed: no word is so short, and the alignment needs some frames.
SHORTEST_S = 0.1

#: How many encoded slices, beside those of a batch, are kept until they are decoded.
_REMEMBERED = 8


@dataclass(frozen=True, slots=True)
class AudioSlice:
    """Some sound as the encoder sees it; `start` in seconds from its window's beginning."""

    samples: Samples
    start: float
    encoded: Encoded
    frames: int

    @property
    def seconds(self) -> float:
        return seconds_of(self.samples)

    def until(self, seconds: float) -> AudioSlice:
        """Return its beginning, of so many seconds. It is not encoded again."""
        position = round(seconds * SAMPLE_RATE)
        return AudioSlice(self.samples[:position], self.start, self.encoded, min(self.frames, round(seconds * 100)))


class Slicer:
    """Encodes sound, and keeps what was encoded ahead: encoding is half of the work."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._remembered: OrderedDict[bytes, tuple[Encoded, int]] = OrderedDict()

    def prepare(self, windows: Sequence[Window]) -> list[AudioSlice]:
        """Encode windows that will soon be decoded, and keep that."""
        slices = self.slices([window.samples for window in windows])
        for audio in slices:
            self._remembered[_digest(audio.samples)] = audio.encoded, audio.frames
            if len(self._remembered) > _REMEMBERED + self._model.batch:
                self._remembered.popitem(last=False)
        return slices

    def slices(self, parts: Sequence[Samples], starts: Sequence[float] = ()) -> list[AudioSlice]:
        """Return each part as a slice, encoded now or before; `starts` are seconds in its window."""
        known = [self._remembered.pop(_digest(samples), None) if self._remembered else None for samples in parts]
        new = iter(self._encoded([samples for samples, found in zip(parts, known, strict=True) if found is None]))
        encoded = [next(new) if found is None else found for found in known]
        return [
            AudioSlice(samples, start, vectors, frames)
            for samples, start, (vectors, frames) in zip(parts, starts or [0.0] * len(parts), encoded, strict=True)
        ]

    def _encoded(self, parts: Sequence[Samples]) -> list[tuple[Encoded, int]]:
        """Return the encoder's output for each part, and its number of frames with sound."""
        features = [self._model.features(samples) for samples in parts]
        encoded = self._model.encode([mel for mel, _ in features])
        return [(vectors, frames) for vectors, (_, frames) in zip(encoded, features, strict=True)]


def halves(audio: AudioSlice) -> tuple[tuple[Samples, float], tuple[Samples, float]]:
    """Return two parts with their starts, cut at the quietest point of the middle third."""
    cut = Loudness(audio.samples).quietest(audio.seconds / 3, 2 * audio.seconds / 3)
    position = round(cut * SAMPLE_RATE)
    return (audio.samples[:position], audio.start), (audio.samples[position:], audio.start + cut)


def audible(samples: Samples) -> bool:
    """Return whether there is any sound, long enough to transcribe."""
    return seconds_of(samples) >= SHORTEST_S and not is_empty(samples)


def seconds_of(samples: Samples) -> float:
    """Return the length in seconds, in whole milliseconds."""
    return len(samples) // (SAMPLE_RATE // 1000) / 1000


def _digest(samples: Samples) -> bytes:
    return hashlib.sha256(samples.tobytes()).digest()

"""Find out whether there is any sound, without a numeric library. Runs in the decoder child only."""

from __future__ import annotations

from typing import Final

from av import AudioFrame, AudioResampler
from av.error import FFmpegError

from dictograph.audio.bounds import is_sound
from dictograph.audio_format import SAMPLE_BYTES, SAMPLE_RATE

#: A sample above this is sound: −70 dBFS of int16.
LEAST_SOUND: Final = 10


def has_sound(samples: bytes) -> bool:
    """Return whether a sample (s16 in the machine's order) is louder than −70 dBFS."""
    if not samples.strip(b"\0"):
        return False
    values = memoryview(samples).cast("h")
    return max(values) > LEAST_SOUND or min(values) < -LEAST_SOUND


class SoundFinder:
    """Looks for the first sound of one track that is not transcribed."""

    def __init__(self) -> None:
        self.found_at: float | None = None
        self._resampler = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
        self._seconds = 0.0

    def look(self, frame: AudioFrame) -> bool:
        """Take the next frame; return whether there was sound by now."""
        if self.found_at is not None or not frame.samples or not is_sound(frame):
            return self.found_at is not None
        at, frame.pts = frame.time, None
        seconds = frame.samples / frame.sample_rate
        try:
            heard = any(
                has_sound(bytes(mono.planes[0])[: mono.samples * SAMPLE_BYTES])
                for mono in self._resampler.resample(frame)
            )
        except (FFmpegError, ValueError):
            self._resampler = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
            return False
        if heard:
            self.found_at = self._seconds if at is None else max(at, 0.0)
        self._seconds += seconds
        return heard

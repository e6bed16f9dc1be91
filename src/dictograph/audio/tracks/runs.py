"""Resample frames of the same format: to one mixed channel, to one leg, or to all channels side by side.

Runs in the decoder child only.
"""

from __future__ import annotations

from collections.abc import Sequence

from av import AudioFrame, AudioResampler

from dictograph.audio_format import SAMPLE_BYTES, SAMPLE_RATE


class Run:
    """Frames of the same format, which are resampled together. `channels` are those that are taken, from 0; None: their
    mix. A frame that has less of them is mixed, and stands in the first."""

    def __init__(self, first: AudioFrame, channels: Sequence[int] | None) -> None:
        self._form = _form(first)
        self._asked = None if channels is None else tuple(channels)
        has_all = channels is not None and len(first.layout.channels) > max(channels)
        self._channels = self._asked if has_all else None
        # Side by side in one plane: PyAV overruns its memory with eight planes.
        layout = "mono" if self._channels is None else first.layout.name
        self._width = 1 if self._channels is None else len(first.layout.channels)
        self._resampler = AudioResampler(format="s16", layout=layout, rate=SAMPLE_RATE)

    def suits(self, frame: AudioFrame, channels: Sequence[int] | None) -> bool:
        """Return whether a frame can go on in this run."""
        return self._form == _form(frame) and self._asked == (None if channels is None else tuple(channels))

    def resampled(self, frame: AudioFrame) -> list[bytes]:
        """Return the samples that are ready, for each channel."""
        # The position comes from the time stamp. The resampler must not decide another one.
        frame.pts = None
        return self._planes(self._resampler.resample(frame))

    def rest(self) -> list[bytes]:
        """Return the last samples."""
        # Audio that is already 16 kHz mono passes through, and flushing returns the None.
        return self._planes([frame for frame in self._resampler.resample(None) if frame is not None])

    def _planes(self, frames: Sequence[AudioFrame]) -> list[bytes]:
        samples = b"".join(_samples(frame, self._width) for frame in frames)
        if self._channels is not None:
            values = memoryview(samples).cast("h")
            return [values[channel :: self._width].tobytes() for channel in self._channels]
        return [samples, *[bytes(len(samples))] * (len(self._asked or (0,)) - 1)]


def _form(frame: AudioFrame) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate


def _samples(frame: AudioFrame, width: int) -> bytes:
    return bytes(frame.planes[0])[: frame.samples * SAMPLE_BYTES * width]

"""Write decoded samples: at their positions, never more than allowed, with constant memory."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from io import FileIO

from dictograph.audio_format import SAMPLE_BYTES, SAMPLE_RATE

_BUFFER_BYTES = 2**18


class TooManySamples(Exception):
    """Writing would go over the limit."""


class CannotWrite(Exception):
    """The disk does not take the samples; the message gives the reason."""


class PcmWriter:
    """A file of samples that grows. Positions are in samples; silence is a hole in the file."""

    def __init__(self, file: FileIO, max_seconds: float) -> None:
        self._file = file
        self._limit = round(max_seconds * SAMPLE_RATE)
        self._buffer = bytearray()
        self._flushed = 0
        self._dropping = 0

    @property
    def position(self) -> int:
        """Samples written so far, flushed or not."""
        return self._flushed + len(self._buffer) // SAMPLE_BYTES

    @property
    def next_position(self) -> int:
        """Where the next sample belongs: before `position` as long as samples are being dropped."""
        return self.position - self._dropping

    def go_to(self, position: int) -> None:
        """Fill up with silence to `position`. If that is before the end, drop the next samples up to the end."""
        if position < self.position:
            self._dropping = self.position - position
            return
        self._dropping = 0
        self._check(position)
        self.flush()
        with _writing():
            os.ftruncate(self._file.fileno(), position * SAMPLE_BYTES)
            self._file.seek(position * SAMPLE_BYTES)
        self._flushed = position

    def write(self, samples: bytes) -> None:
        """Append samples (s16le). Raises TooManySamples, CannotWrite."""
        if self._dropping:
            dropped = min(self._dropping, len(samples) // SAMPLE_BYTES)
            self._dropping -= dropped
            samples = samples[dropped * SAMPLE_BYTES :]
        self._check(self.position + len(samples) // SAMPLE_BYTES)
        self._buffer += samples
        if len(self._buffer) >= _BUFFER_BYTES:
            self.flush()

    def flush(self) -> int:
        """Write the buffer to the file; return the number of samples in it."""
        view = memoryview(bytes(self._buffer))
        with _writing():
            while view:
                view = view[self._file.write(view) or 0 :]
        self._flushed, self._buffer = self.position, bytearray()
        return self._flushed

    def _check(self, position: int) -> None:
        if position > self._limit:
            raise TooManySamples


@contextlib.contextmanager
def _writing() -> Iterator[None]:
    # FFmpeg's errors are OSErrors as well: those of the disk need their own class.
    try:
        yield
    except OSError as error:
        raise CannotWrite(error.strerror or str(error)) from error

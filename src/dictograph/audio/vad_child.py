"""The voice detector's process: `python -m dictograph.audio.vad_child`.

It answers `listen` (see `vad.ListenRequest`) and keeps nothing from one request to the next, so
any request can be asked again of a new process.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dictograph.audio.silero import Silero, model_file
from dictograph.audio.vad import BLOCK_SAMPLES, Listened, ListenRequest
from dictograph.child.frames import Frame
from dictograph.child.loop import ChildError, serve

_SAMPLE_BYTES = 2


class Detector:
    """The handler of requests. The model is loaded with the first one, whose answer tells of any trouble."""

    def __init__(self) -> None:
        self._model: Silero | None = None

    def __call__(self, frame: Frame) -> Iterator[Frame]:
        if frame.header.get("op") != "listen":
            raise ChildError("vad_failed", f"the voice detector does not know {frame.header.get('op')!r}")
        request = ListenRequest.from_frame(frame)
        probabilities, state = self._loaded().listen(_samples(request), request.state)
        yield Listened(probabilities, state).frame()

    def _loaded(self) -> Silero:
        if self._model is None:
            self._model = Silero(model_file())
        return self._model


def _samples(request: ListenRequest) -> NDArray[np.int16]:
    with request.pcm.open("rb") as file:
        file.seek(request.first * BLOCK_SAMPLES * _SAMPLE_BYTES)
        data = file.read(request.blocks * BLOCK_SAMPLES * _SAMPLE_BYTES)
    samples = np.frombuffer(data[: len(data) // _SAMPLE_BYTES * _SAMPLE_BYTES], "<i2")
    if len(samples) <= (request.blocks - 1) * BLOCK_SAMPLES:
        raise ChildError("vad_failed", f"{request.pcm.name} ends before block {request.first + request.blocks - 1}")
    return samples


if __name__ == "__main__":
    sys.exit(serve(Detector()))

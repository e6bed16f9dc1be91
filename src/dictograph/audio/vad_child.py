"""The speech detector's process: `python -m dictograph.audio.vad_child`.

It answers `listen` (see `vad.ListenRequest`) and keeps nothing from one request to the next, so
any request can be sent again to a new process. It is sealed (see `Sandbox`): the model is loaded first.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from dictograph.audio.silero import Silero, model_file
from dictograph.audio.vad import Listened, ListenRequest
from dictograph.child.frames import Frame
from dictograph.child.loop import ChildError, serve


class Detector:
    """The handler of requests. The model is loaded at once; the first answer reports a failure of that."""

    def __init__(self) -> None:
        self._model: Silero | None = None
        self._trouble: ChildError | None = None
        try:
            self._model = Silero(model_file())
        except ChildError as error:
            self._trouble = error

    def __call__(self, frame: Frame) -> Iterator[Frame]:
        if frame.header.get("op") != "listen":
            raise ChildError("vad_failed", f"the voice detector does not know {frame.header.get('op')!r}")
        request = ListenRequest.from_frame(frame)
        probabilities, state = self._loaded().listen(request.samples, request.state)
        yield Listened(probabilities, state).frame()

    def _loaded(self) -> Silero:
        if self._model is None:
            raise self._trouble or ChildError("vad_failed", "the voice detector has no model")
        return self._model


if __name__ == "__main__":
    sys.exit(serve(Detector()))

"""The real decoder, whose summary tells the process's peak of resident memory (bytes) as its codec."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator

from dictograph.audio.decode_child import handle
from dictograph.child.frames import Frame
from dictograph.child.loop import serve


def measured(request: Frame) -> Iterator[Frame]:
    for frame in handle(request):
        if (summary := frame.header.get("decoded")) is not None:
            summary["codec"] = str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
        yield frame


if __name__ == "__main__":
    sys.exit(serve(measured))

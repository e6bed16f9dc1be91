"""The real decoder, asked again and again: `python -m tests.hostile.batch_decoder SOURCE PCM` (descriptors)."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

from dictograph.audio import decoder_child
from dictograph.child.frames import Frame
from dictograph.child.loop import serve

_SOURCE, _PCM = (int(argument) for argument in sys.argv[1:])


def handle(request: Frame) -> Iterator[Frame]:
    """Decode what the file holds now. A request to say "hello" is answered once everything is imported."""
    if request.header["op"] == "hello":
        return
    for descriptor in (_SOURCE, _PCM):
        os.lseek(descriptor, 0, os.SEEK_SET)
    copies = {"source_fd": os.dup(_SOURCE), "pcm_fds": [os.dup(_PCM)]}
    yield from decoder_child.handle(Frame({**request.header, **copies}))


if __name__ == "__main__":
    sys.exit(serve(handle))

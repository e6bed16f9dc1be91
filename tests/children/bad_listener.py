"""A voice detector whose every answer is what its first argument says: numbers that are none, too few, too many."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np

from dictograph.audio.vad import Listened, VadState
from dictograph.child.frames import Frame
from dictograph.child.loop import serve


def handle(_: Frame) -> Iterator[Frame]:
    heard = Listened(np.zeros(1, np.float32), VadState.fresh()).frame()
    match sys.argv[1]:
        case "none":
            yield Frame(heard.header, heard.body.replace(b"\0\0\0\0", b"\0\0\xc0\x7f", 1))
        case "huge":
            yield Frame({"blocks": 10**400}, heard.body)
        case "words":
            yield Frame({"blocks": "many"}, heard.body)
        case "odd":
            yield Frame(heard.header, heard.body[:-1])
        case "more":
            yield Listened(np.zeros(2, np.float32), VadState.fresh()).frame()
        case "long":
            yield Frame(heard.header, bytes(2**20))


if __name__ == "__main__":
    sys.exit(serve(handle))

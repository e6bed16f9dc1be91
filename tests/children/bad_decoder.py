"""A decoder that does what the file's first word says: crash, hang, grow, lie, vanish, babble, talk for ever."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from itertools import count

from dictograph.child.frames import Frame
from dictograph.child.loop import serve


def handle(request: Frame) -> Iterator[Frame]:
    word = os.pread(request.header["source_fd"], 100, 0).decode().strip()
    yield Frame({"samples": 0, "duration_hint": None})
    match word:
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "hang":
            # Native code that hangs heeds nothing but SIGKILL.
            signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals) - {signal.SIGKILL})
            time.sleep(3600)
        case "grow":
            hoard = []
            while True:
                hoard.append(b"x" * 2**22)
                time.sleep(0.005)
        case "burst":
            # Memory is given by the kernel page by page: each has to be touched.
            bytearray(2**33)
        case "fail":
            raise RuntimeError("a bug in the decoder")
        case "nonsense":
            yield Frame({"decoded": {"samples": "many"}})
        case "silence":
            return
        case _:
            yield from _talk(word, request.header["pcm_fds"][0])


def _talk(word: str, pcm: int) -> Iterator[Frame]:
    match word:
        case "repeat":
            while True:
                yield Frame({"samples": 0, "duration_hint": None})
        case "crawl":
            for samples in count():
                time.sleep(0.01)
                os.ftruncate(pcm, samples * 2)
                yield Frame({"samples": samples, "duration_hint": None})
        case "little":
            for samples in (160, 320):
                yield Frame({"samples": samples, "duration_hint": None})
            yield Frame({"decoded": {"samples": 320, "container": "", "codec": "", "warnings": []}})
        case "talk":
            yield Frame({"samples": 1, "duration_hint": None, "more to say": "x" * 2**22})
        case "send":
            yield Frame({"samples": 1, "duration_hint": None}, b"x")
        case "lament":
            yield Frame({"error": 1})


if __name__ == "__main__":
    sys.exit(serve(handle))

"""A decoder that does what the file's first word says: crash, hang, grow, lie, vanish, babble."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator

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


if __name__ == "__main__":
    sys.exit(serve(handle))

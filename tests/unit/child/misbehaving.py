"""A child that does whatever it is told, the worst too. The first argument is how it behaves from the start."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator

from dictograph.child.frames import Frame, encode
from dictograph.child.loop import ChildError, serve


def handle(request: Frame) -> Iterator[Frame]:
    what = request.header["do"]
    if what == "echo":
        for number in range(request.header.get("times", 1)):
            yield Frame({"number": number, "environment": sorted(os.environ), "cwd": os.getcwd()}, request.body)
    elif what == "look":
        opened = sorted(filter(None, map(_opened, os.listdir("/proc/self/fd"))))
        variables = {name: os.environ[name] for name in os.environ}
        read = [os.read(number, 100).decode() for number in request.header["descriptors"]]
        yield Frame(
            {"opened": opened, "variables": variables, "read": read, "session": os.getsid(0), "pid": os.getpid()}
        )
    elif what == "flood":
        while True:
            yield Frame({}, b"x" * 10_000)
    elif what == "measure":
        yield Frame({"seconds": float("nan")})
    elif what == "sleep":
        time.sleep(600)
    elif what == "print":
        os.write(1, b"native code prints what it likes\n")
        yield Frame({"printed": True})
    else:
        yield Frame({"pid": os.getpid()})
        MISDEEDS[what]()


def _opened(descriptor: str) -> str | None:
    """What it is; None for the first three, and for that of the list, which is closed by now."""
    try:
        return None if int(descriptor) < 3 else os.readlink(f"/proc/self/fd/{descriptor}")
    except FileNotFoundError:
        return None


def refuse() -> None:
    raise ChildError("unsupported_format", "not audio")


def raise_something() -> None:
    raise ValueError("of the wrong kind")


def run_out_of_memory() -> None:
    raise MemoryError


def grow() -> None:
    hoard = []
    while True:
        hoard.append(b"x" * 2**22)
        time.sleep(0.005)


def hang_in_native_code() -> None:
    ctypes.PyDLL(None).sleep(600)  # PyDLL keeps the interpreter's lock: no other thread of this process runs


def leave_somebody_behind() -> None:
    """A process of the child's own keeps its pipes open."""
    if os.fork() == 0:
        time.sleep(20)
        os._exit(0)
    time.sleep(600)


def end_with_words() -> None:
    print("the last words", file=sys.stderr, flush=True)
    os._exit(3)


MISDEEDS = {
    "refuse": refuse,
    "raise": raise_something,
    "run out of memory": run_out_of_memory,
    "grow": grow,
    "hang": hang_in_native_code,
    "end": end_with_words,
    "leave": leave_somebody_behind,
    "crash": lambda: os.kill(os.getpid(), signal.SIGSEGV),
}

GARBAGE = {
    "garbage": b"this is no frame at all",
    "no json": b"\0\0\0\2\0\0\0\0{]",
    "no object": b"\0\0\0\2\0\0\0\0[]",
    "half a frame": encode(Frame({"id": 1, "more": True}, b"x" * 100))[:-50],
}

if __name__ == "__main__":
    behaviour = sys.argv[1]
    if behaviour in GARBAGE:
        os.write(1, GARBAGE[behaviour])
        sys.exit(0)
    sys.exit(serve(handle))

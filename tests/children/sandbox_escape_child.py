"""Code of our own in the decoder's place that tries what a decoder that was taken over would try.

The source file names what to try, as JSON: [[attempt, argument], …]. The codec of its summary is what came of
them, as JSON: {attempt: "refused: why" or "DONE: what it got"}. Nothing in here asks the sandbox for anything.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator

from dictograph.child.frames import Frame
from dictograph.child.loop import serve

_LIBC = ctypes.CDLL(None, use_errno=True)
_PTRACE_SEIZE, _PR_SET_SECCOMP, _NEWUSER = 0x4206, 22, 0x10000000
_PTRACE, _GETPID_X32 = 101, 0x40000000 | 39

# mov eax, 20 (getpid of i386); int 0x80; ret. Memory that can be executed is had only before the process is sealed.
_CODE = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
_CODE.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")


def _checked(result: int) -> object:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _connect(port: str) -> object:
    with socket.socket() as one:
        one.settimeout(5)
        one.connect(("127.0.0.1", int(port)))
        return one.recv(100).decode()


def _send(port: str) -> object:
    with socket.socket(type=socket.SOCK_DGRAM) as one:
        return one.sendto(b"secret", ("127.0.0.1", int(port)))


def _listen(_: str) -> object:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        return one.getsockname()


def _unix(path: str) -> object:
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(path if path.startswith("/") else "\0" + path)
        return one.recv(100).decode()


def _read(path: str) -> object:
    descriptor = os.open(path.format(parent=os.getppid()), os.O_RDONLY)
    try:
        return os.read(descriptor, 100).decode(errors="replace")
    finally:
        os.close(descriptor)


def _write(path: str) -> object:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)
    try:
        return os.write(descriptor, b"I was here")
    finally:
        os.close(descriptor)


def _execute(path: str) -> object:
    os.execv(path, [path])


def _spawn(path: str) -> object:
    return os.waitpid(os.posix_spawn(path, [path], {}), 0)


def _fork(_: str) -> object:
    if (child := os.fork()) == 0:
        os._exit(0)
    return os.waitpid(child, 0)


def _steal_descriptors(_: str) -> object:
    pidfd = os.pidfd_open(os.getppid())
    return _checked(_LIBC.syscall(438, pidfd, 0, 0))


def _grow_executable(_: str) -> object:
    with mmap.mmap(-1, mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_EXEC | mmap.PROT_READ):
        return "memory to execute"


def _share_memory(_: str) -> object:
    with mmap.mmap(-1, 2**20):
        return "shared memory"


def _native(_: str) -> object:
    address = ctypes.addressof(ctypes.c_char.from_buffer(_CODE))
    return ctypes.CFUNCTYPE(ctypes.c_int)(address)()


def _work_in_threads(_: str) -> object:
    done: list[int] = []
    threads = [threading.Thread(target=done.append, args=(n,)) for n in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return sorted(done)


def _reserve(descriptor: str) -> object:
    """Beyond the end of the file, where no limit on its size counts."""
    keep_size, room = 1, 2**26
    _checked(_LIBC.fallocate(int(descriptor), keep_size, ctypes.c_long(0), ctypes.c_long(room)))
    return os.fstat(int(descriptor)).st_blocks * 512


ATTEMPTS: dict[str, Callable[[str], object]] = {
    "connect": _connect,
    "send": _send,
    "listen": _listen,
    "unix": _unix,
    "read": _read,
    "list": os.listdir,
    "write": _write,
    "delete": os.unlink,
    "execute": _execute,
    "spawn": _spawn,
    "fork": _fork,
    "kill": lambda _: os.kill(os.getppid(), signal.SIGKILL),
    "ptrace": lambda _: _checked(_LIBC.syscall(_PTRACE, _PTRACE_SEIZE, os.getppid(), 0, 0)),
    "descriptors": _steal_descriptors,
    "root": lambda _: os.setresuid(0, 0, 0),
    "namespace": lambda _: _checked(_LIBC.unshare(_NEWUSER)),
    "lift": lambda _: _checked(_LIBC.prctl(_PR_SET_SECCOMP, 0, 0, 0, 0)),
    "executable": _grow_executable,
    "shared": _share_memory,
    "x32": lambda _: _checked(_LIBC.syscall(ctypes.c_long(_GETPID_X32))),
    "i386": _native,
    "threads": _work_in_threads,
    "reserve": _reserve,
    "samples": lambda descriptor: os.write(int(descriptor), b"ab"),
    "user": lambda _: [os.getuid(), os.geteuid(), os.getgid(), os.getegid()],
    "burst": lambda size: len(bytearray(int(size))),
    "environment": lambda _: sorted(os.environ),
}


def handle(request: Frame) -> Iterator[Frame]:
    came = {}
    for attempt, argument in json.loads(os.pread(request.header["source_fd"], 2**16, 0)):
        try:
            given = argument.replace("{pcm}", str(request.header["pcm_fds"][0]))
            came[f"{attempt} {argument}".strip()] = f"DONE: {ATTEMPTS[attempt](given)!r}"
        except (OSError, MemoryError, RuntimeError) as error:  # the last is Python's for a thread that cannot start
            came[f"{attempt} {argument}".strip()] = f"refused: {error!r}"
    yield Frame({"decoded": {"samples": 0, "container": "", "codec": json.dumps(came), "warnings": []}})


if __name__ == "__main__":
    sys.exit(serve(handle))

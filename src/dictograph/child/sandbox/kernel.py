"""Calls of the kernel for which Python has no function (Linux only)."""

from __future__ import annotations

import ctypes
import os
from typing import Any

#: prctl(2)
PR_SET_PDEATHSIG = 1
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4


def libc() -> ctypes.CDLL:
    """Return the C library of this process."""
    return ctypes.CDLL(None, use_errno=True)


def checked(result: int) -> int:
    """Return the `result` of a function of the C library; raise OSError with its errno if the function failed."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def syscall(number: int, *arguments: Any) -> int:
    """Make a system call. Integers are passed as 64 bits. Raises OSError."""
    passed = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    function = libc().syscall
    function.restype = ctypes.c_long
    return checked(function(ctypes.c_long(number), *passed))


def prctl(option: int, first: Any = 0, second: Any = 0) -> int:
    """Call prctl(2) with unused arguments set to 0, as most options require it. Raises OSError."""
    given = [ctypes.c_ulong(one) if isinstance(one, int) else one for one in (first, second, 0, 0)]
    return checked(libc().prctl(option, *given))


def threads() -> int:
    """Return the number of threads of this process. A right that one thread gives up stays with the other threads."""
    return len(os.listdir("/proc/self/task"))

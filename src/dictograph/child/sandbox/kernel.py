"""Calling the kernel where Python has no function of its own (Linux only)."""

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
    """The C library that this process runs on."""
    return ctypes.CDLL(None, use_errno=True)


def checked(result: int) -> int:
    """`result` of a function of the C library; raises OSError with its errno when it says that it failed."""
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
    """prctl(2) with the arguments that are not used set to 0, as most options want it. Raises OSError."""
    given = [ctypes.c_ulong(one) if isinstance(one, int) else one for one in (first, second, 0, 0)]
    return checked(libc().prctl(option, *given))


def threads() -> int:
    """Threads of this process. What is given up by one is not given up by another that runs already."""
    return len(os.listdir("/proc/self/task"))

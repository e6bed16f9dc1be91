"""Gives up root: another user, no groups, no capabilities, and no way to get any of them back."""

from __future__ import annotations

import contextlib
import ctypes
import os

from dictograph.child.sandbox.kernel import (
    PR_CAP_AMBIENT,
    PR_CAP_AMBIENT_CLEAR_ALL,
    PR_CAPBSET_DROP,
    PR_SET_NO_NEW_PRIVS,
    checked,
    libc,
    prctl,
)

#: The user "nobody" of every distribution, which owns nothing.
_NOBODY = 65534

_CAPABILITIES_3 = 0x20080522
_MOST_CAPABILITIES = 64


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def no_new_rights() -> None:
    """Forbid that a program which this process executes gives it rights. Landlock and seccomp require it."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)


def give_up() -> None:
    """Stop being root, and drop all capabilities. Raises OSError."""
    if os.geteuid() == 0:
        _drop_bounding_set()
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    with contextlib.suppress(OSError):  # ambient capabilities came with Linux 4.3
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    nothing = (ctypes.c_uint32 * 6)()
    header = _Header(_CAPABILITIES_3, 0)
    checked(libc().capset(ctypes.byref(header), ctypes.byref(nothing)))


def _drop_bounding_set() -> None:
    # Beyond the last capability of the kernel the answer is EINVAL; without CAP_SETPCAP it is EPERM.
    with contextlib.suppress(OSError):
        for capability in range(_MOST_CAPABILITIES):
            prctl(PR_CAPBSET_DROP, capability)

"""A network and IPC of its own, in which there is nothing; and a folder of its own as its root."""

from __future__ import annotations

import os

from dictograph.child.sandbox.kernel import checked, libc

_NEWIPC, _NEWUSER, _NEWNET = 0x08000000, 0x10000000, 0x40000000


def leave_network() -> None:
    """Move this process into an empty network namespace: not even the loopback is up there. Raises OSError.

    Where the process is not root it takes a user namespace as well.
    """
    _unshare(_NEWNET | _NEWIPC | (0 if os.geteuid() == 0 else _NEWUSER))


def enter_folder() -> None:
    """Make the working folder the root of all paths. Raises OSError."""
    try:
        os.chroot(".")
    except PermissionError:
        if os.geteuid() == 0:
            raise
        _unshare(_NEWUSER)  # in which it has CAP_SYS_CHROOT; that of the network may have been refused
        os.chroot(".")
    os.chdir("/")


def _unshare(flags: int) -> None:
    user, group = os.geteuid(), os.getegid()
    checked(libc().unshare(flags))
    if flags & _NEWUSER:
        _stay(user, group)


def _stay(user: int, group: int) -> None:
    # Without these the process would be "nobody" to itself, and could not find its own home.
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{user} {user} 1")
    _write("/proc/self/gid_map", f"{group} {group} 1")


def _write(file: str, text: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)

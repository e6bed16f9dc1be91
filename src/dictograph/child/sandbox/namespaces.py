"""Namespaces: an empty network and IPC for the process; and the process's folder as the root of all paths."""

from __future__ import annotations

import os

from dictograph.child.sandbox.kernel import checked, libc

_NEWIPC, _NEWUSER, _NEWNET = 0x08000000, 0x10000000, 0x40000000


def leave_network() -> None:
    """Move this process into an empty network namespace, where not even the loopback is up. Raises OSError.

    A process that is not root also enters a user namespace.
    """
    _unshare(_NEWNET | _NEWIPC | (0 if os.geteuid() == 0 else _NEWUSER))


def enter_folder() -> None:
    """Make the working folder the root of all paths. Raises OSError."""
    try:
        os.chroot(".")
    except PermissionError:
        if os.geteuid() == 0:
            raise
        _unshare(_NEWUSER)  # it has CAP_SYS_CHROOT there; the network's user namespace may have been refused
        os.chroot(".")
    os.chdir("/")


def _unshare(flags: int) -> None:
    user, group = os.geteuid(), os.getegid()
    checked(libc().unshare(flags))
    if flags & _NEWUSER:
        _stay(user, group)


def _stay(user: int, group: int) -> None:
    # Without these the process would see itself as "nobody", and could not find its home folder.
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{user} {user} 1")
    _write("/proc/self/gid_map", f"{group} {group} 1")


def _write(file: str, text: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)

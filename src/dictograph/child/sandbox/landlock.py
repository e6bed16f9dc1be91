"""Landlock (Linux 5.13): no file can be opened, made or removed by any path, whatever user the process runs as.

https://docs.kernel.org/userspace-api/landlock.html. The ABI number of a kernel shows what it supports: 1 files,
2 moving between folders, 3 truncation, 4 TCP ports, 5 device commands, 6 abstract sockets and signals to others;
7 only concerns the audit log. Descriptors that are open already keep their rights.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
from collections.abc import Iterable

from dictograph.child.sandbox.kernel import syscall

# The same numbers on every kind of processor.
_CREATE, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION, _PATH_BENEATH = 1, 1

_WRITE_FILE, _TRUNCATE = 1 << 1, 1 << 14
#: Reading, writing, executing files and folders, and making and removing every kind of them.
_FILES_1 = (1 << 13) - 1
#: The rights among these that change something.
_CHANGES_1 = _WRITE_FILE | (0b1_1111_1111 << 4)
_REFER, _IOCTL_DEV = 1 << 13, 1 << 15
_TCP = 0b11  # bind and connect
_SCOPES = 0b11  # abstract sockets and signals

#: Where a process that may read everything can write too: no user's files are there.
_NOWHERE = ("/dev/null", "/dev/zero", "/dev/full", "/dev/shm")  # noqa: S108 - named so that libraries may use it


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("ports", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def abi() -> int:
    """Return the kernel's ABI number of Landlock. Raises OSError when Landlock is missing or switched off."""
    return syscall(_CREATE, None, 0, _VERSION)


def seal() -> None:
    """Refuse this thread all files, TCP, abstract sockets and signals to other processes. Raises OSError."""
    version = abi()
    files = _FILES_1 | _changes_since(version) | (_IOCTL_DEV if version >= 5 else 0)
    _restrict(version, files, online=False, rules={})


def keep_from_writing(writable: Iterable[str], *, online: bool) -> None:
    """Let this thread read everything, write only beneath some folders, use TCP only if `online`. Raises OSError."""
    version = abi()
    changes = _CHANGES_1 | _changes_since(version)
    rules = dict.fromkeys((*_NOWHERE, *writable), changes)
    _restrict(version, changes, online=online, rules=rules)


def _changes_since(version: int) -> int:
    return (_REFER if version >= 2 else 0) | (_TRUNCATE if version >= 3 else 0)


def _restrict(version: int, files: int, *, online: bool, rules: dict[str, int]) -> None:
    ruleset = _Ruleset(files, 0 if online else _TCP, _SCOPES)
    known = 8 if version < 4 else 16 if version < 6 else 24
    descriptor = syscall(_CREATE, ctypes.byref(ruleset), known, 0)
    try:
        for path, allowed in rules.items():
            # A missing folder needs no rule: nothing can be written in it.
            with contextlib.suppress(FileNotFoundError, PermissionError):
                _allow(descriptor, path, allowed)
        syscall(_RESTRICT_SELF, descriptor, 0)
    finally:
        os.close(descriptor)


def _allow(ruleset: int, path: str, allowed: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            allowed &= _WRITE_FILE | _TRUNCATE
        rule = _PathBeneath(allowed, descriptor)
        syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(descriptor)

"""The processes that a test has started, and not the servers that the whole run shares."""

from __future__ import annotations

import signal
import sys
from contextlib import suppress

import psutil

_DECODER, _FORK_SERVER = "dictograph.audio.decoder_child", "dictograph.child.fork_server"


def no_signal_ignored() -> None:
    """For `subprocess` (`preexec_fn`): start a program as a terminal does, though the tests may run in the background
    of a script or under `nohup`, where some signals are ignored."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def children() -> list[psutil.Process]:
    """The Python processes below this one that have not ended."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if child.cmdline()[:1] == [sys.executable] and child.status() != psutil.STATUS_ZOMBIE:
                found.append(child)
    return found


def decoders_of(pid: int) -> list[psutil.Process]:
    """The decoders of the service with this number: forked ones, and those with a Python of their own."""
    found = []
    for child in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.Error):
            forked = _FORK_SERVER in child.cmdline()
            if _DECODER in child.cmdline() and (not forked or _FORK_SERVER in psutil.Process(child.ppid()).cmdline()):
                found.append(child)
    return found

"""The processes that a test has started, and not the servers that the whole run shares."""

from __future__ import annotations

import sys
from contextlib import suppress

import psutil


def children() -> list[psutil.Process]:
    """The Python processes below this one that have not ended."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if child.cmdline()[:1] == [sys.executable] and child.status() != psutil.STATUS_ZOMBIE:
                found.append(child)
    return found

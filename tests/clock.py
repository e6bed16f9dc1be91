"""A clock that jumps: processes started under it see the wall clock where a test has put it (libfaketime)."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.needs import missing

#: Where distributions put the library: Debian, then Fedora and Arch.
_PLACES = (
    "usr/lib/*/faketime/libfaketime.so.1",
    "usr/lib64/faketime/libfaketime.so.1",
    "usr/lib/faketime/libfaketime.so.1",
)


class Clock:
    """A wall clock that many processes share. Their monotonic clocks go on as they do.

    Its file is where other users may read it too: PostgreSQL does not run as root.
    """

    def __init__(self) -> None:
        found = [path for place in _PLACES for path in sorted(Path("/").glob(place))]
        if not found:
            missing("libfaketime is not installed (on Debian: faketime)")
        self._library = found[0]
        folder = Path(tempfile.mkdtemp(prefix="dictograph-clock-"))
        folder.chmod(0o755)
        self._file = folder / "clock"
        self.jump(0)

    def close(self) -> None:
        """Processes that still wear it go by the true time again."""
        shutil.rmtree(self._file.parent)

    def jump(self, seconds: int) -> None:
        """Put the clock so far from the true time; it goes on from there."""
        part = self._file.with_suffix(".part")
        part.write_text(f"{seconds:+d}\n")
        part.chmod(0o644)
        part.replace(self._file)

    @contextmanager
    def worn(self) -> Iterator[None]:
        """Processes that are started meanwhile go by this clock; their children, which inherit, do too."""
        ours = {
            "LD_PRELOAD": str(self._library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",  # seconds; to look at the file at every call takes many times as long
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # else every thread that waits wakes up all the time
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",  # its name before 0.9.9
        }
        os.environ.update(ours)
        try:
            yield
        finally:
            for name in ours:
                del os.environ[name]

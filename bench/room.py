"""The place where a figure is measured: a folder that is removed afterwards, and real services."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.service import Service


@dataclass(frozen=True, slots=True)
class Room:
    """`folder` is temporary. `quick` asks for a run of seconds that proves the measurement, not the figure."""

    folder: Path
    quick: bool = False

    def say(self, text: str) -> None:
        """Print a line for the person who waits."""
        print(f"    {text}", flush=True)

    def scratch(self, name: str) -> Path:
        """Make a new folder of this name."""
        folder = self.folder / name
        folder.mkdir(parents=True)
        return folder

    @contextmanager
    def service(self, name: str, *command: str, **settings: Any) -> Iterator[Service]:
        """Start `dictograph serve` (or another command) on a new data folder `name`, and wait until it is ready.

        Its engine is the digest of the tests unless the settings say otherwise. Gone afterwards
        whatever happens.
        """
        service = Service(self.scratch(name), **settings)
        try:
            service.start(*command)
            service.wait_until_ready()
            yield service
        finally:
            if service.running:
                service.stop()


def settle(seconds: float = 60.0, load: float = 0.5) -> float:
    """Wait until the machine is quiet, at most `seconds`. Return its load average of one minute."""
    deadline = time.monotonic() + seconds
    while os.getloadavg()[0] > load and time.monotonic() < deadline:
        time.sleep(1)
    return round(os.getloadavg()[0], 2)

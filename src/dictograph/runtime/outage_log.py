"""What goes wrong again and again is said when it begins, now and then, and when it is over."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

#: While it lasts, it is said again after so many seconds.
_REMINDER_S = 30.0


class OutageLog:
    """Of one loop that goes on trying, several times a second perhaps."""

    def __init__(self, log: logging.Logger, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._name = name
        self._clock = clock
        self._since: float | None = None
        self._said_at = 0.0

    def failed(self, error: BaseException) -> None:
        """A turn has failed."""
        now = self._clock()
        if self._since is None:
            self._since = now
        elif now - self._said_at < _REMINDER_S:
            self._log.debug("%s: %s", self._name, error)
            return
        self._said_at = now
        self._log.warning("%s: %s", self._name, error)

    def recovered(self) -> None:
        """A turn has gone well."""
        if self._since is not None:
            self._log.info("%s: works again, after %.0f s", self._name, self._clock() - self._since)
            self._since = None

"""Logs a repeated failure when it begins, from time to time while it lasts, and when it is over."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

#: The seconds after which a failure that lasts is logged again.
_REMINDER_S = 30.0


class OutageLog:
    """The outages of one loop, which goes on trying, perhaps several times a second."""

    def __init__(self, log: logging.Logger, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._name = name
        self._clock = clock
        self._since: float | None = None
        self._said_at = 0.0

    def failed(self, error: BaseException) -> None:
        """Record that a pass of the loop has failed."""
        now = self._clock()
        if self._since is None:
            self._since = now
        elif now - self._said_at < _REMINDER_S:
            self._log.debug("%s: %s", self._name, error)
            return
        self._said_at = now
        self._log.warning("%s: %s", self._name, error)

    def recovered(self) -> None:
        """Record that a pass of the loop has succeeded."""
        if self._since is not None:
            self._log.info("%s: works again, after %.0f s", self._name, self._clock() - self._since)
            self._since = None

"""Whether a client reaches its brokers, and why it does not: in the log once, then seldom."""

from __future__ import annotations

import json
import logging
import threading
from typing import Any

from dictograph.kafka import reasons
from dictograph.runtime.outage_log import OutageLog

#: How often librdkafka tells its state, in milliseconds.
STATISTICS_MS = 2000

#: What is said before anything is known.
_NOT_YET = "no broker has answered yet"


class Reachability:
    """The state of one client's connections, from its errors and its statistics. `connected` is what is logged when a
    broker answers."""

    def __init__(self, log: logging.Logger, servers: str, connected: str) -> None:
        self._log = log
        self._connected = connected
        self._outages = OutageLog(log, f"Failed to connect to Kafka at {servers}")
        self._up = False
        self._cause = self._why = ""
        self._lock = threading.Lock()

    @property
    def up(self) -> bool:
        """Return whether a broker answers."""
        return self._up

    @property
    def trouble(self) -> str | None:
        """Return why no broker answers; None when one does."""
        return None if self._up else (self._cause or _NOT_YET)

    def settings(self) -> dict[str, Any]:
        """Return librdkafka's settings by which it tells."""
        return {"error_cb": self.failed, "stats_cb": self.told, "statistics.interval.ms": STATISTICS_MS}

    def failed(self, error: Any) -> None:
        """Take an error that is of no single message."""
        with self._lock:
            if error.name() in reasons.CAUSES or not self._is_cause():
                self._cause = reasons.in_words(error)
                self._why = error.name()
            if error.name() in ("_ALL_BROKERS_DOWN", *reasons.CAUSES):
                self._up = False
                self._outages.failed(ConnectionError(self._cause))

    def told(self, statistics: str) -> dict[str, Any]:
        """Take the client's statistics, and return them as read."""
        state: dict[str, Any] = json.loads(statistics)
        brokers = state.get("brokers", {}).values()
        self.heard(any(broker["state"] == "UP" and broker["source"] != "logical" for broker in brokers))
        return state

    def heard(self, up: bool) -> None:
        """Take what is known of the brokers now."""
        with self._lock:
            if up and not self._up:
                self._cause = self._why = ""
                self._outages.recovered()
                self._log.info(self._connected)
            elif self._up and not up:
                self._cause = "no broker answers"
                self._outages.failed(ConnectionError(self._cause))
            self._up = up

    def _is_cause(self) -> bool:
        return self._why in reasons.CAUSES

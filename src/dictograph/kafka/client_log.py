"""Where librdkafka's own log lines go. It would write to stderr; and it says each refused reconnect as an error."""

from __future__ import annotations

import logging

log = logging.getLogger(__name__)


class _Quiet:
    """Writes all lines at level debug: what matters comes as an error too, and is logged once, in words."""

    def log(self, level: int, message: str, *arguments: object) -> None:
        del level
        log.debug(message, *arguments)


QUIET = _Quiet()

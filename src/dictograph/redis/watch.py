"""Whether a Redis can be used, looked at again and again: in the log once, then seldom."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from dictograph.redis import reasons
from dictograph.redis.connection import PATIENCE_S, client, library, place_of
from dictograph.redis.server import ServerState, state_of
from dictograph.runtime.daemon_thread import in_daemon_thread
from dictograph.runtime.outage_log import OutageLog

log = logging.getLogger(__name__)

#: The seconds between two looks at a server that can be used, and at one that cannot.
_LOOK_S, _AGAIN_S = 2.0, 1.0

#: After this time (s) a look that has not ended counts as failed.
_SILENT_S = 2.5 * PATIENCE_S

#: What is said then, and before anything is known.
_SILENT, _NOT_YET = "it does not answer in time", "it has not answered yet"


class Watch:
    """Looks at a server. An agent; its answers are read by requests, which so never wait for Redis.

    `back` is awaited when the server can be used, at first and after each outage.
    """

    name = "redis watch"

    def __init__(self, url: str, lists: Sequence[str], back: Callable[[], Awaitable[None]]) -> None:
        """`lists` are those whose items are counted together."""
        self._url = url
        self._lists = lists
        self._back = back
        self._client = client(url)
        self._outages = OutageLog(log, f"Redis at {place_of(url)} cannot be used")
        self._usable = False
        self.state: ServerState | None = None
        self.trouble: str | None = _NOT_YET

    @property
    def away(self) -> str:
        """Return why the server did not answer when it was last asked; "" when it did, or was not asked yet. One that
        takes no writes is not away."""
        return "" if self.state is not None or self.trouble in (None, _NOT_YET) else str(self.trouble)

    @property
    def warning(self) -> str:
        """Return a sentence for people, with the server's place; "" when it can be used."""
        return "" if self.trouble is None else f"Redis at {place_of(self._url)} cannot be used: {self.trouble}."

    def doubt(self) -> None:
        """Take the server for away until it is looked at again: a sender has met an error. Otherwise an outage between
        two looks would pass unseen, and what could not be sent would wait."""
        self._usable = False

    async def run(self) -> None:
        looking: asyncio.Task[ServerState | str] | None = None
        while True:
            looking = looking or asyncio.create_task(in_daemon_thread(self._seen))
            await asyncio.wait([looking], timeout=_SILENT_S)
            if looking.done():
                await self._learn(looking.result())
                looking = None
            else:
                await self._learn(_SILENT)  # one look at a time, however long a name server takes
            await asyncio.sleep(_LOOK_S if self._usable else _AGAIN_S)

    def _seen(self) -> ServerState | str:
        """Return the server's state, or why it cannot be asked."""
        try:
            return state_of(self._client, self._lists)
        except (library().RedisError, OSError) as error:
            return reasons.of(error)

    async def _learn(self, seen: ServerState | str) -> None:
        self.state, trouble = (None, seen) if isinstance(seen, str) else (seen, seen.trouble)
        self.trouble = trouble or None
        before, self._usable = self._usable, not trouble
        if trouble:
            self._outages.failed(ConnectionError(trouble))
        elif not before:
            self._outages.recovered()
            log.info("Redis at %s can be used", place_of(self._url))
            await self._back()

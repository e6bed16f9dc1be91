"""The way out of the outbox for updates of the backend's jobs: a channel of Redis, at most once each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from dictograph.broker import Sent
from dictograph.job import JobStatus
from dictograph.service.compat.backend_updates import as_text
from dictograph.store.database import Database
from dictograph.store.outbox import CHANNEL, Message
from dictograph.store.texts import texts

#: The most seconds for a batch, and how long nobody else publishes for its jobs.
_SEND_S, _HOLD_S = 5.0, 15.0

#: Updates that are older than this, in seconds, are dropped.
_EXPIRES_S = 60.0

#: How many characters are published together, about: the text of a long job may be a megabyte.
_TOGETHER = 2**18


class Updates:
    """Publishes updates. Nobody waits for a subscriber, and what cannot be published now is dropped."""

    destination = CHANNEL
    hold = _HOLD_S
    expires = _EXPIRES_S

    def __init__(
        self,
        database: Database,
        publish: Callable[[Sequence[str]], Awaitable[None]],
        why: Callable[[Exception], str],
        away: Callable[[], str],
    ) -> None:
        """`publish` puts texts on the channel, in their order; `why` is the reason that its errors name; `away` says
        why it need not be tried, "" if it may work."""
        self._database = database
        self._publish = publish
        self._why = why
        self._away = away

    async def send(self, messages: Sequence[Message]) -> Sequence[Sent]:
        if away := self._away():
            return [Sent(away)] * len(messages)
        published = 0
        try:
            async with asyncio.timeout(_SEND_S):
                batch: list[str] = []
                for message in messages:
                    batch.append(await self._text(message))
                    if sum(map(len, batch)) >= _TOGETHER:
                        await self._publish(batch)
                        published, batch = published + len(batch), []
                await self._publish(batch)
        except Exception as error:  # noqa: BLE001 - a client may raise anything, and all of it means the same here
            why = self._why(error)
            return [Sent()] * published + [Sent(why)] * (len(messages) - published)
        return [Sent()] * len(messages)

    def smaller(self, message: Message) -> dict[str, Any] | None:  # noqa: ARG002 - an update is dropped instead
        return None

    def delay(self, failures: int, /) -> float:  # noqa: ARG002 - an update is never sent again
        return 0.0

    async def _text(self, message: Message) -> str:
        """Return an update as it is published. That of a completed job has the job's text, which its row has."""
        update = dict(message.payload["update"])
        if update["status"] == JobStatus.COMPLETED.value:
            job_id = str(update["job_id"])
            found = await self._database.read(lambda conn: texts(conn, [job_id]))
            update["result"] = found.get(job_id)
        return as_text(update)

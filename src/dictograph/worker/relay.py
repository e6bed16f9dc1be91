"""Send the messages of the outbox: at least once, in order for each job and destination."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random

from dictograph.errors import PublishError
from dictograph.job import ErrorRecord, backoff_seconds
from dictograph.queue import Queue
from dictograph.runtime.crash import CrashPoints, Point
from dictograph.store import outbox
from dictograph.store.database import Database
from dictograph.store.outbox import Message
from dictograph.worker.agent import TRANSIENT_ERRORS

log = logging.getLogger(__name__)

_BATCH = 100
_RETRY_BASE_S = 0.5

#: The longest wait before a message that could not be sent is sent again, in seconds.
RESEND_CAP_S = 60.0


class Relay:
    """Sends the messages of this process at once, and those of other processes at each poll."""

    name = "relay"

    def __init__(self, database: Database, queue: Queue, crash: CrashPoints, poll_interval: float) -> None:
        self._database = database
        self._queue = queue
        self._crash = crash
        self._interval = poll_interval
        self._chance = random.Random()
        self._new_messages = asyncio.Event()
        database.on_messages(self._new_messages.set)

    async def run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await self._new_messages.wait()
            self._new_messages.clear()
            try:
                await self._send_due()
            except TRANSIENT_ERRORS as error:
                log.warning("relay: %s", error)
                await asyncio.sleep(self._interval)

    async def _send_due(self) -> None:
        while messages := await self._database.read(lambda c: outbox.due(c, _BATCH)):
            sent = [message.id for message in messages if await self._send(message)]
            if not sent:
                return
            self._crash.reach(Point.MESSAGE_SENT)
            await self._database.write(lambda c, ids=sent: outbox.mark_sent(c, ids))  # type: ignore[misc] # bound in the loop on purpose

    async def _send(self, message: Message) -> bool:
        try:
            await self._queue.send(message.message_id, message.payload)
        except PublishError as error:
            record = ErrorRecord(error.code, error.message, "PUBLISH")
            await self._database.write(lambda c: outbox.add_dead_letter(c, message.id, record))
            return False
        except Exception as error:  # noqa: BLE001 - a broker's client may raise anything: the message stays, and is sent later
            delay = backoff_seconds(message.attempts + 1, _RETRY_BASE_S, RESEND_CAP_S, self._chance)
            log.warning("message %s could not be sent (%s); again in %.1f s", message.message_id, error, delay)
            await self._database.write(lambda c, text=str(error): outbox.postpone(c, message.id, delay, text))  # type: ignore[misc] # as above
            return False
        return True

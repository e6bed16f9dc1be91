"""Send the messages of one destination of the outbox, in order for each ordering key: at least once, or at most once.

A relay takes messages before it sends them: no other relay sends the same ones meanwhile. It sends a batch at once and
waits for the word on each message.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from dictograph.broker import Sent
from dictograph.errors import PublishError
from dictograph.job import ErrorRecord
from dictograph.runtime.crash import CrashPoints, Point
from dictograph.runtime.outage_log import OutageLog
from dictograph.store import outbox
from dictograph.store.database import Database
from dictograph.store.outbox import Delay, Message
from dictograph.worker.agent import TRANSIENT_ERRORS
from dictograph.worker.relays.outlets import Outlet

log = logging.getLogger(__name__)

#: The most messages of one batch: their rows are changed in one transaction, which must not keep others waiting.
_BATCH = 500

#: The longest error text that is kept.
_LONGEST_ERROR = 500


@dataclass(slots=True)
class Settlement:
    """What became of a batch: the ids of messages that were sent, the delays of those that were not, the errors of
    those that never can be, and the payloads that take the place of those that can be made smaller. `dropped` is the
    error of messages that are removed although they were not sent."""

    sent: list[int] = field(default_factory=list)
    delays: dict[int, Delay] = field(default_factory=dict)
    fatal: dict[int, str] = field(default_factory=dict)
    smaller: dict[int, dict[str, Any]] = field(default_factory=dict)
    dropped: str = ""


class Relay:
    """Sends the messages of this process at once, and those of other processes at each poll."""

    def __init__(
        self,
        database: Database,
        outlet: Outlet,
        crash: CrashPoints,
        poll_interval: float,
        on_sent: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_sent` is called when messages were sent and are removed."""
        self.name = f"relay of {outlet.destination}"
        self._database = database
        self._outlet = outlet
        self._crash = crash
        self._interval = poll_interval
        self._on_sent = on_sent
        self._outages = OutageLog(log, self.name)
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
                log.warning("%s: %s", self.name, error)
                await asyncio.sleep(self._interval)

    async def _send_due(self) -> None:
        if not await self._database.read(lambda c: outbox.due(c, 1, self._outlet.destination)):
            return  # mostly: nothing is written then
        settled = Settlement()
        while True:
            messages = await self._settle_and_take(settled)
            if not messages:
                return
            settled = self._settlement(messages, await self._send(messages))

    async def _settle_and_take(self, settled: Settlement) -> list[Message]:
        """Write what became of one batch and take the next one, in one transaction."""

        def change(conn: Connection) -> list[Message]:
            if settled.sent:
                outbox.mark_sent(conn, settled.sent)
            outbox.postpone_all(conn, settled.delays)
            for id, payload in settled.smaller.items():
                outbox.replace_payload(conn, id, payload)
            return outbox.take(conn, self._outlet.destination, _BATCH, self._outlet.hold, self._outlet.expires)

        for message, error in settled.fatal.items():
            await self._bury(message, error)
        messages = await self._database.write(change)
        if settled.sent:
            self._on_sent()
        return messages

    async def _bury(self, message: int, error: str) -> None:
        record = ErrorRecord(PublishError.code, error, PublishError.stage)
        await self._database.write(lambda c: outbox.add_dead_letter(c, message, record))

    async def _send(self, messages: Sequence[Message]) -> Sequence[Sent]:
        self._crash.reach(Point.MESSAGE_SENDING)
        try:
            results = await self._outlet.send(messages)
        except asyncio.CancelledError:
            await self._release(messages)
            raise
        self._crash.reach(Point.MESSAGE_ACKED)
        return results

    async def _release(self, messages: Sequence[Message]) -> None:
        """Let others send what this process has taken, without waiting: the process stops."""
        with contextlib.suppress(*TRANSIENT_ERRORS):
            await self._database.write(lambda c: outbox.release(c, [message.id for message in messages]))

    def _settlement(self, messages: Sequence[Message], results: Sequence[Sent]) -> Settlement:
        settled = Settlement()
        for message, result in zip(messages, results, strict=True):
            if result.error is None:
                settled.sent.append(message.id)
            elif self._outlet.expires:
                settled.sent.append(message.id)
                settled.dropped = result.error
            elif result.fatal and (payload := self._outlet.smaller(message)) is not None:
                settled.smaller[message.id] = payload
                log.warning("message %s is made smaller: %s", message.message_id, result.error)
            elif result.fatal:
                settled.fatal[message.id] = result.error[:_LONGEST_ERROR]
                log.warning("message %s can never be sent: %s", message.message_id, result.error)
            else:
                seconds = self._outlet.delay(message.attempts + 1)
                settled.delays[message.id] = Delay(seconds, result.error[:_LONGEST_ERROR])
        self._log(settled)
        return settled

    def _log(self, settled: Settlement) -> None:
        """Log an outage once, and its end: while a broker is away, each of a million messages fails."""
        if settled.dropped:
            self._outages.failed(PublishError(f"messages are dropped: {settled.dropped}"))
        elif settled.delays:
            self._outages.failed(PublishError(next(iter(settled.delays.values())).error))
        elif settled.sent:
            self._outages.recovered()

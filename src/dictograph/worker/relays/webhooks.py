"""The relay of webhooks. It is separate from the relay of the outbox: a slow receiver delays only its own webhooks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Sequence

from dictograph.errors import AddressNotAllowed
from dictograph.net.addresses import parse_target
from dictograph.store import outbox
from dictograph.store.database import Database
from dictograph.store.webhooks import deliveries, receiver_secrets
from dictograph.store.webhooks.deliveries import Attempt, Due
from dictograph.webhooks.delivery import DeliveryState
from dictograph.webhooks.delivery_slots import DeliverySlots
from dictograph.webhooks.payload import body_of
from dictograph.webhooks.schedule import wait_after
from dictograph.webhooks.sender import Outcome, WebhookSender
from dictograph.worker.agent import TRANSIENT_ERRORS

log = logging.getLogger(__name__)

_BATCH = 64

#: The pause between two queries (s): a service under load commits often, and a webhook can wait that long.
_PAUSE_S = 0.05

#: The longest error text that is kept: a stranger's server can influence it.
_LONGEST_ERROR = 500

#: How long running calls may take to end when the process stops (s).
_GRACE_S = 1.0


class WebhookRelay:
    """Sends the webhooks of this process at once, and those of other processes at each poll; several at a time."""

    name = "webhooks"

    def __init__(
        self, database: Database, sender: WebhookSender, poll_interval: float, slots: DeliverySlots | None = None
    ) -> None:
        self._database = database
        self._sender = sender
        self._interval = poll_interval
        # Longer than a call can take: another process sends it only when this process has ended.
        self._hold = 1.5 * sender.timeout + 2.0
        self._slots = slots or DeliverySlots()
        self._chance = random.Random()
        self._calls: dict[int, asyncio.Task[None]] = {}
        self._next_query_in = poll_interval
        self._fault: BaseException | None = None
        self._wake = asyncio.Event()
        database.on_webhooks(self._wake.set)

    async def run(self) -> None:
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._next_query_in):
                        await self._wake.wait()
                self._wake.clear()
                self._next_query_in = self._interval
                if self._fault is not None:
                    raise self._fault
                try:
                    await self._send_due()
                    await asyncio.sleep(_PAUSE_S)
                except TRANSIENT_ERRORS as error:
                    log.warning("webhooks: %s", error)
                    await asyncio.sleep(self._interval)
        finally:
            await self._stop()

    async def _send_due(self) -> None:
        """Begin to send the webhooks that are due and get a slot; the others wait in line."""
        while self._slots.free:
            found = await self._database.read(lambda c: deliveries.due(c, _BATCH))
            due = [one for one in found if one.message not in self._calls]
            if not due or not await self._begin(due):
                return

    async def _begin(self, due: Sequence[Due]) -> bool:
        """Send those that get a slot; return False when other processes were quicker with all of them."""
        chosen: list[Due] = []
        waits: dict[int, float] = {}
        for one in due:
            if not self._slots.free:
                break
            if self._slots.take(receiver_of(one.url), one.owner):
                chosen.append(one)
                waits[one.message] = self._hold
            else:
                waits[one.message] = self._slots.stand_in_line(receiver_of(one.url), one.owner)
                self._next_query_in = min(self._next_query_in, waits[one.message])
        ours: set[int] = set()
        try:
            ours = await self._database.write(lambda c: deliveries.hold(c, waits))
        finally:
            for one in chosen:
                if one.message in ours:
                    self._calls[one.message] = task = asyncio.create_task(self._call(one))
                    task.add_done_callback(self._check_for_fault)
                else:
                    self._slots.leave(receiver_of(one.url), one.owner)
        return bool(ours)

    async def _call(self, one: Due) -> None:
        began = time.monotonic()
        seconds: float | None = None
        try:
            keys = await self._secrets(one.owner)
            attempt = attempt_of(await self._post(one, keys), one.attempts, self._chance)
            seconds = time.monotonic() - began
            _log(one, attempt)
            await self._database.write(lambda c: deliveries.record(c, one, attempt))
        except TRANSIENT_ERRORS as error:
            log.warning("webhook %s: what became of it could not be written: %s", one.webhook_id, error)
        finally:
            self._slots.leave(receiver_of(one.url), one.owner, seconds)
            del self._calls[one.message]
            self._wake.set()

    def _check_for_fault(self, task: asyncio.Task[None]) -> None:
        """End the relay, as any agent, when a call failed by a mistake in our code."""
        if not task.cancelled() and (fault := task.exception()) is not None:
            self._fault = fault
            self._wake.set()

    async def _secrets(self, owner: str) -> list[str]:
        found = await self._database.read(lambda c: receiver_secrets.secrets_of(c, owner))
        found = found or await self._database.write(lambda c: receiver_secrets.ensure_secrets(c, owner))
        return [one.secret for one in found]

    async def _post(self, one: Due, keys: Sequence[str]) -> Outcome:
        try:
            return await self._sender.post(one.url, one.webhook_id, body_of(one.payload), keys)
        except Exception as error:  # a stranger's URL or answer must not end the process
            log.exception("webhook %s could not be sent", one.webhook_id)
            return Outcome(error=f"It could not be sent: {type(error).__name__}.")

    async def _stop(self) -> None:
        """Let running calls end for a moment; release the others, so that another process can make them again."""
        calls = dict(self._calls)
        if not calls:
            return
        await asyncio.wait(calls.values(), timeout=_GRACE_S)
        cancelled = {id: task for id, task in calls.items() if not task.done()}
        for task in cancelled.values():
            task.cancel()
        await asyncio.gather(*cancelled.values(), return_exceptions=True)
        if cancelled:
            with contextlib.suppress(*TRANSIENT_ERRORS):
                await self._database.write(lambda c: outbox.release(c, list(cancelled)))


def attempt_of(outcome: Outcome, attempts: int, chance: random.Random) -> Attempt:
    """Return the record of a call with this outcome, after `attempts` earlier ones, and when to try again."""
    if outcome.error is None:
        return Attempt(DeliveryState.DELIVERED, outcome.status)
    error = outcome.error[:_LONGEST_ERROR]
    if outcome.gone:
        return Attempt(DeliveryState.GONE, outcome.status, error)
    wait = None if outcome.hopeless else wait_after(attempts + 1, outcome.retry_after, chance)
    if wait is None:
        return Attempt(DeliveryState.FAILED, outcome.status, error)
    return Attempt(DeliveryState.PENDING, outcome.status, error, wait)


def receiver_of(url: str) -> str:
    """Return the host and port of a URL; empty for a URL that is not allowed."""
    try:
        target = parse_target(url)
    except AddressNotAllowed:
        return ""
    return f"{target.host}:{target.port}"


def _log(one: Due, attempt: Attempt) -> None:
    about = (one.webhook_id, one.type, receiver_of(one.url))
    match attempt.state:
        case DeliveryState.DELIVERED:
            log.debug("webhook %s (%s) was delivered to %s", *about)
        case DeliveryState.PENDING:
            log.info("webhook %s (%s) to %s: %s Again in %.0f s", *about, attempt.error, attempt.wait)
        case _:
            log.warning("webhook %s (%s) to %s is %s: %s", *about, attempt.state.value, attempt.error)

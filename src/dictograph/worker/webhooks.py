"""The relay of webhooks. It has no part in that of wake-ups: a receiver may be slow, and holds up nobody but itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Sequence

from dictograph.errors import AddressNotAllowed
from dictograph.net.addresses import parse_target
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

#: Between two looks (s): a service under load commits often, and a webhook has that time.
_PAUSE_S = 0.05

#: Of what went wrong so much is kept: strangers have a say in it.
_LONGEST_ERROR = 500

#: What is being sent when the process stops may come to its end for so long (s).
_GRACE_S = 1.0


class WebhookRelay:
    """Sends those of this process at once, and looks for others' now and then; several at a time."""

    name = "webhooks"

    def __init__(
        self, database: Database, sender: WebhookSender, poll_interval: float, places: DeliverySlots | None = None
    ) -> None:
        self._database = database
        self._poster = sender
        self._interval = poll_interval
        # Longer than a call can take: another process sends it only when this one is no more.
        self._hold = 1.5 * sender.timeout + 2.0
        self._places = places or DeliverySlots()
        self._chance = random.Random()
        self._calls: dict[int, asyncio.Task[None]] = {}
        self._look_in = poll_interval
        self._fault: BaseException | None = None
        self._bell = asyncio.Event()
        database.on_webhooks(self._bell.set)

    async def run(self) -> None:
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._look_in):
                        await self._bell.wait()
                self._bell.clear()
                self._look_in = self._interval
                if self._fault is not None:
                    raise self._fault
                try:
                    await self._turn()
                    await asyncio.sleep(_PAUSE_S)
                except TRANSIENT_ERRORS as error:
                    log.warning("webhooks: %s", error)
                    await asyncio.sleep(self._interval)
        finally:
            await self._stop()

    async def _turn(self) -> None:
        """Begin to send what is due and finds a place; what finds none stands in line."""
        while self._places.free:
            found = await self._database.read(lambda c: deliveries.due(c, _BATCH))
            due = [one for one in found if one.message not in self._calls]
            if not due or not await self._begin(due):
                return

    async def _begin(self, due: Sequence[Due]) -> bool:
        """Send those that find a place; False when others were quicker with all of them."""
        chosen: list[Due] = []
        waits: dict[int, float] = {}
        for one in due:
            if not self._places.free:
                break
            if self._places.take(receiver_of(one.url), one.owner):
                chosen.append(one)
                waits[one.message] = self._hold
            else:
                waits[one.message] = self._places.stand_in_line(receiver_of(one.url), one.owner)
                self._look_in = min(self._look_in, waits[one.message])
        ours: set[int] = set()
        try:
            ours = await self._database.write(lambda c: deliveries.hold(c, waits))
        finally:
            for one in chosen:
                if one.message in ours:
                    self._calls[one.message] = task = asyncio.create_task(self._call(one))
                    task.add_done_callback(self._look_for_a_fault)
                else:
                    self._places.leave(receiver_of(one.url), one.owner)
        return bool(ours)

    async def _call(self, one: Due) -> None:
        began = time.monotonic()
        seconds: float | None = None
        try:
            keys = await self._secrets(one.owner)
            attempt = verdict(await self._post(one, keys), one.attempts, self._chance)
            seconds = time.monotonic() - began
            _say(one, attempt)
            await self._database.write(lambda c: deliveries.record(c, one, attempt))
        except TRANSIENT_ERRORS as error:
            log.warning("webhook %s: what became of it could not be written: %s", one.webhook_id, error)
        finally:
            self._places.leave(receiver_of(one.url), one.owner, seconds)
            del self._calls[one.message]
            self._bell.set()

    def _look_for_a_fault(self, task: asyncio.Task[None]) -> None:
        """A mistake of ours is the end of the relay, as of any agent."""
        if not task.cancelled() and (fault := task.exception()) is not None:
            self._fault = fault
            self._bell.set()

    async def _secrets(self, owner: str) -> list[str]:
        found = await self._database.read(lambda c: receiver_secrets.secrets_of(c, owner))
        found = found or await self._database.write(lambda c: receiver_secrets.ensure_secrets(c, owner))
        return [one.secret for one in found]

    async def _post(self, one: Due, keys: Sequence[str]) -> Outcome:
        try:
            return await self._poster.post(one.url, one.webhook_id, body_of(one.payload), keys)
        except Exception as error:  # what a stranger's URL or answer brings about ends no process
            log.exception("webhook %s could not be sent", one.webhook_id)
            return Outcome(error=f"It could not be sent: {type(error).__name__}.")

    async def _stop(self) -> None:
        """Let calls come to their end for a moment; whoever looks next may make the others again."""
        calls = dict(self._calls)
        if not calls:
            return
        await asyncio.wait(calls.values(), timeout=_GRACE_S)
        cut = {id: task for id, task in calls.items() if not task.done()}
        for task in cut.values():
            task.cancel()
        await asyncio.gather(*cut.values(), return_exceptions=True)
        if cut:
            with contextlib.suppress(*TRANSIENT_ERRORS):
                await self._database.write(lambda c: deliveries.release(c, list(cut)))


def verdict(outcome: Outcome, attempts: int, chance: random.Random) -> Attempt:
    """What is to follow from an outcome, after so many attempts before it."""
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
    """Who is called: host and port; nobody for a URL that cannot be."""
    try:
        target = parse_target(url)
    except AddressNotAllowed:
        return ""
    return f"{target.host}:{target.port}"


def _say(one: Due, attempt: Attempt) -> None:
    about = (one.webhook_id, one.type, receiver_of(one.url))
    match attempt.state:
        case DeliveryState.DELIVERED:
            log.debug("webhook %s (%s) was delivered to %s", *about)
        case DeliveryState.PENDING:
            log.info("webhook %s (%s) to %s: %s Again in %.0f s", *about, attempt.error, attempt.wait)
        case _:
            log.warning("webhook %s (%s) to %s is %s: %s", *about, attempt.state.value, attempt.error)

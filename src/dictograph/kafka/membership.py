"""One client of a consumer group, in the thread that polls: from its making until it is closed or broken."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from dictograph.broker import Incoming, MessageReceiver, Partition
from dictograph.kafka import reasons
from dictograph.kafka.buffer import MOST, Buffer
from dictograph.kafka.commits import Commits
from dictograph.kafka.connection import client, library
from dictograph.kafka.group_state import GroupState
from dictograph.kafka.messages import incoming
from dictograph.kafka.offsets import Ledger
from dictograph.kafka.reachability import Reachability
from dictograph.kafka.subscription import Subscription
from dictograph.runtime.crash import CrashPoints

log = logging.getLogger(__name__)

#: The most messages that are not done where those that count have a limit.
_MOST_WAITING = 1000

#: The seconds of one poll: with nothing to do, with messages under way, and while a batch is handed over.
_IDLE_S, _BUSY_S, _HANDING_S = 0.5, 0.05, 0.01

#: The seconds for which the thread waits until a batch is handed over: then the next one follows at once.
_QUICK_S = 0.05


class NewClient(Exception):
    """The client is of no more use: a fatal error, or its topic is gone. Another one begins anew."""


class Membership:
    """A client with what it has under way. Only the thread that made it may call it."""

    def __init__(
        self,
        settings: dict[str, Any],
        subscription: Subscription,
        receiver: MessageReceiver,
        ledger: Ledger,
        reachability: Reachability,
        crash: CrashPoints,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._subscription = subscription
        self._receiver = receiver
        self._ledger = ledger
        self._loop = loop
        self._reachability = reachability
        self._state = GroupState(ledger)
        self._commits = Commits(ledger, crash)
        self._buffer = Buffer()
        self._handing: Future[None] | None = None
        self._paused = False
        self._fatal: Any = None
        self._client = client(
            "Consumer",
            settings
            | reachability.settings()
            | {"error_cb": self._error, "stats_cb": self._told, "on_commit": self._commits.acknowledged},
        )
        self._client.subscribe(
            list(subscription.topics), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
        )

    @property
    def joined(self) -> bool:
        return self._state.joined

    @property
    def trouble(self) -> str | None:
        return self._state.trouble

    def lag(self) -> dict[Partition, int]:
        return self._state.lag()

    def poll_until(self, stopping: threading.Event) -> None:
        """Receive. Raises NewClient, and what the receiver raises."""
        while not stopping.is_set():
            self._commits.commit(self._client)
            self._hand_over()
            self._pause_or_resume()
            self._take(self._client.poll(self._patience()))
            while not self._buffer.full and (message := self._client.poll(0)) is not None:
                self._take(message)

    def close(self) -> None:
        """Leave the group: the receiver finishes with all partitions, and what is done is committed."""
        if self._handing is not None:
            self._handing.cancel()
        with suppress(library().KafkaException, RuntimeError):
            self._client.close()
        if rest := self._ledger.partitions:
            self._wait_for(self._receiver.lost(rest))
            self._ledger.drop(rest)

    def _patience(self) -> float:
        if self._handing is not None:
            return _HANDING_S
        if self._buffer and self._room() > 0:
            return 0.0
        return _BUSY_S if self._ledger.unfinished or self._ledger.to_commit() else _IDLE_S

    def _room(self) -> int:
        """Return how many messages may be handed over now."""
        most = self._subscription.most_unfinished
        if most is None:
            return MOST
        return max(0, min(most - self._ledger.counted, _MOST_WAITING - self._ledger.unfinished))

    def _hand_over(self) -> None:
        """Give the receiver as many messages as it may have. Raises what it raised for the last ones."""
        if self._handing is None and (batch := self._next()):
            self._handing = asyncio.run_coroutine_threadsafe(self._receiver.received(batch), self._loop)
            with suppress(TimeoutError):
                self._handing.result(_QUICK_S)
        if self._handing is not None and self._handing.done():
            handed, self._handing = self._handing, None
            handed.result()

    def _next(self) -> list[Incoming]:
        """Take the next messages; from now on they count as received."""
        taken = self._buffer.take(self._room()) if self._buffer else []
        return [one for one in taken if self._ledger.receive(Partition(one.topic, one.partition), one.offset)]

    def _pause_or_resume(self) -> None:
        wanted = self._buffer.full
        if wanted != self._paused:
            self._paused = wanted
            if assigned := self._client.assignment():
                (self._client.pause if wanted else self._client.resume)(assigned)

    def _take(self, message: Any) -> None:
        if self._fatal is not None:
            raise NewClient(reasons.in_words(self._fatal))
        if message is None:
            return
        if (error := message.error()) is not None:
            self._failed(error)
            return
        self._state.trouble = None
        self._buffer.add(incoming(message))

    def _failed(self, error: Any) -> None:
        """Take an error that came in place of a message."""
        if error.fatal():
            raise NewClient(reasons.in_words(error))
        self._state.failed(reasons.in_words(error))
        if error.name() in reasons.GONE and self._ledger.partitions:
            raise NewClient(reasons.in_words(error))

    def _error(self, error: Any) -> None:
        if error.fatal():
            self._fatal = error
        self._reachability.failed(error)

    def _told(self, statistics: str) -> None:
        self._state.told(self._reachability.told(statistics))

    def _assigned(self, client: Any, partitions: Sequence[Any]) -> None:
        self._ledger.assign(_named(partitions))
        client.incremental_assign(partitions)
        if self._paused:
            client.pause(partitions)

    def _revoked(self, client: Any, partitions: Sequence[Any]) -> None:
        """The next owner waits for the return."""
        named = _named(partitions)
        self._buffer.forget(named)
        self._wait_for(self._receiver.revoked(named))
        self._commits.commit_now(client, named)
        self._ledger.drop(named)
        client.incremental_unassign(partitions)

    def _lost(self, client: Any, partitions: Sequence[Any]) -> None:
        named = _named(partitions)
        self._buffer.forget(named)
        self._ledger.drop(named)
        self._wait_for(self._receiver.lost(named))
        client.incremental_unassign(partitions)

    def _wait_for(self, work: Coroutine[Any, Any, None]) -> None:
        """Wait for the receiver, until shortly before the group would take this consumer for dead."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            future.result(self._subscription.max_poll_s * 0.8)
        except TimeoutError:
            log.warning("partitions are given up before all their messages were finished with")


def _named(partitions: Sequence[Any]) -> list[Partition]:
    return [Partition(one.topic, one.partition) for one in partitions]

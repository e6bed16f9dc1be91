"""Contract K's side of a consumer: messages become jobs, and offsets are done when the contract says so."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence

from sqlalchemy import Connection

from dictograph.broker import Incoming, MessageConsumer, Partition
from dictograph.errors import NotFound
from dictograph.runtime.crash import CrashPoints, Point
from dictograph.runtime.outage_log import OutageLog
from dictograph.service.compat.stt_jobs import SttJobs, Taken
from dictograph.store.compat import intakes
from dictograph.store.database import Database
from dictograph.store.jobs import control
from dictograph.stt.decision import OffsetRule
from dictograph.worker.agent import TRANSIENT_ERRORS

log = logging.getLogger(__name__)

#: The pause before messages that could not be stored are stored again, or before a worker that cannot run a job is
#: looked at again, in seconds.
_AGAIN_S = 0.5

#: How long the answers of jobs that have ended may take to go out when their partition is revoked, in seconds.
_LAST_ANSWERS_S = 10.0

#: The most messages that are stored in one transaction, which must not keep others waiting.
_TOGETHER = 50

_Place = tuple[str, int, int]


class SttIntake:
    """A MessageReceiver, and the agent that says which messages are done."""

    name = "intake of jobs"

    def __init__(
        self,
        database: Database,
        jobs: SttJobs,
        rule: OffsetRule,
        crash: CrashPoints,
        poll_interval: float,
        can_run: Callable[[], bool] = lambda: True,
    ) -> None:
        """`can_run` says whether a job could be run now: as long as not, no message is taken."""
        self._database = database
        self._jobs = jobs
        self._rule = rule
        self._crash = crash
        self._interval = poll_interval
        self._can_run = can_run
        self._consumer: MessageConsumer | None = None
        self._waiting: defaultdict[str, set[_Place]] = defaultdict(set)
        self._of_jobs: set[str] = set()
        self._gone: set[Partition] = set()
        self._revoked: set[Partition] = set()
        self._changed = asyncio.Event()
        self._outages = OutageLog(log, self.name)

    def serve(self, consumer: MessageConsumer) -> None:
        """Say to this consumer what is done."""
        self._consumer = consumer

    def answers_sent(self) -> None:
        """Look at once whether messages are done: the relay has sent something."""
        self._changed.set()

    async def run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await self._changed.wait()
            self._changed.clear()
            try:
                await self._finish_settled()
            except TRANSIENT_ERRORS as error:
                self._outages.failed(error)

    async def received(self, messages: Sequence[Incoming]) -> None:
        self._gone.clear()  # partitions that were given away before this batch and are ours again
        self._revoked.clear()
        while not self._can_run():
            await asyncio.sleep(_AGAIN_S)
        for first in range(0, len(messages), _TOGETHER):
            for taken in await self._store(messages[first : first + _TOGETHER]):
                self._note(taken)
        if self._gone:  # while they were being stored
            if self._rule is OffsetRule.ANSWER:
                await self._give_up(self._revoked)
            self._forget(self._gone)
        self._changed.set()

    async def revoked(self, partitions: Collection[Partition]) -> None:
        self._gone.update(partitions)
        self._revoked.update(partitions)
        if self._rule is OffsetRule.ANSWER:
            await self._end_what_has_ended(partitions)
            await self._give_up(partitions)
        self._forget(partitions)

    async def lost(self, partitions: Collection[Partition]) -> None:
        self._gone.update(partitions)
        self._forget(partitions)

    async def _store(self, messages: Sequence[Incoming]) -> list[Taken]:
        """Store messages, however long the database is away. Those of partitions that have gone meanwhile are left:
        they come again, to whoever has them."""
        while True:
            ours = [one for one in messages if Partition(one.topic, one.partition) not in self._gone]
            try:
                taken = await self._database.write(lambda conn, ours=ours: self._jobs.take(conn, ours))  # type: ignore[misc] # bound in the loop on purpose
            except TRANSIENT_ERRORS as error:
                self._outages.failed(error)
                await asyncio.sleep(_AGAIN_S)
                continue
            self._outages.recovered()
            self._crash.reach(Point.INTAKE_STORED)
            return taken

    def _note(self, taken: Taken) -> None:
        message = taken.message
        at_once = taken.intake_id is None or (taken.is_job and self._rule is OffsetRule.ROW)
        if at_once:
            self._done((message.topic, message.partition, message.offset))
        elif taken.intake_id is not None:
            self._waiting[taken.intake_id].add((message.topic, message.partition, message.offset))
            if taken.is_job:
                self._of_jobs.add(taken.intake_id)
            elif self._consumer is not None:  # a letter is no work: very many messages that are no job hold up nobody
                self._consumer.uncount(message.topic, message.partition, message.offset)

    async def _finish_settled(self) -> None:
        waiting = list(self._waiting)
        if not waiting:
            return
        for id in await self._database.read(lambda conn: intakes.settled(conn, waiting)):
            for place in self._waiting.pop(id, ()):
                self._done(place)
            self._of_jobs.discard(id)

    def _done(self, place: _Place) -> None:
        if self._consumer is not None:
            self._consumer.done(*place)

    async def _end_what_has_ended(self, partitions: Collection[Partition]) -> None:
        """Wait a while until the answers of ended jobs have gone out."""
        until = time.monotonic() + _LAST_ANSWERS_S
        with contextlib.suppress(*TRANSIENT_ERRORS):
            while True:
                await self._finish_settled()
                ours = self._jobs_of(partitions)
                unfinished = await self._database.read(lambda conn, ours=ours: intakes.with_ended_job(conn, ours))  # type: ignore[misc] # as above
                if not unfinished or time.monotonic() > until:
                    return
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_AGAIN_S):
                        await self._changed.wait()
                self._changed.clear()

    async def _give_up(self, partitions: Collection[Partition]) -> None:
        """Remove jobs that have not ended: another worker gets their messages, and nothing is published here."""
        ours = self._jobs_of(partitions)
        with contextlib.suppress(*TRANSIENT_ERRORS):
            given_up = await self._database.write(lambda conn: _remove_live(conn, ours))
            for job in given_up:
                log.info("job %s: given up, its partition is another worker's now", job)

    def _jobs_of(self, partitions: Collection[Partition]) -> list[str]:
        return [
            id
            for id, places in self._waiting.items()
            if id in self._of_jobs and any(Partition(*place[:2]) in partitions for place in places)
        ]

    def _forget(self, partitions: Collection[Partition]) -> None:
        for id in list(self._waiting):
            self._waiting[id] = {place for place in self._waiting[id] if Partition(*place[:2]) not in partitions}
            if not self._waiting[id]:
                del self._waiting[id]
                self._of_jobs.discard(id)


def _remove_live(conn: Connection, ids: Sequence[str]) -> list[str]:
    removed = []
    for job_id in intakes.live_jobs(conn, ids):
        with contextlib.suppress(NotFound):
            removed.append(control.remove(conn, None, job_id, force=True).id)
    return removed

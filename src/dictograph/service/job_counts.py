"""Count the jobs in each state."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from dictograph.job import JobStatus
from dictograph.service.single_flight import SingleFlight
from dictograph.store.database import Database
from dictograph.store.jobs.read import counts, live_counts

#: After a count that took t seconds, the next count is made no sooner than this times t. A count that took less than
#: `_NO_TIME_S` seconds is not kept.
_REST = 20.0
_NO_TIME_S = 0.05

_MOST_OWNERS = 1024


@dataclass(frozen=True, slots=True)
class _Counted:
    """The number of jobs by state; valid until the (monotonic) time `until`."""

    counts: Mapping[JobStatus, int]
    until: float


class JobCounter:
    """Counts jobs.

    Jobs that wait or run are counted at each call. To count the other states, the database reads all jobs. This takes
    a small, fixed share of the time at most: the more jobs there are, the older these numbers may be.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str | None, _Counted] = {}
        self._counting: SingleFlight[str | None, _Counted] = SingleFlight(self._count)

    async def counts(self, owner: str | None) -> Mapping[JobStatus, int]:
        """Return the number of the owner's jobs (None: of all jobs) in each state, also where it is 0."""
        known = self._known.get(owner)
        if known is None or time.monotonic() > known.until:
            self._known.pop(owner, None)
            return (await self._counting(owner)).counts
        live = await self._database.read(lambda conn: live_counts(conn, owner))
        return {**known.counts, **live}

    async def _count(self, owner: str | None) -> _Counted:
        numbers, took = await self._database.read(lambda conn: _timed(conn, owner))
        answer = _Counted(numbers, time.monotonic() + _REST * took)
        if took > _NO_TIME_S:
            if len(self._known) >= _MOST_OWNERS:
                self._known.clear()
            self._known[owner] = answer
        return answer


def _timed(conn: Connection, owner: str | None) -> tuple[Mapping[JobStatus, int], float]:
    began = time.monotonic()
    return counts(conn, owner), time.monotonic() - began

"""Renew the leases of running jobs, and stop the jobs whose lease was lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from dictograph.job import Lease
from dictograph.store.database import Database
from dictograph.store.jobs import lease as leases
from dictograph.worker.agent import TRANSIENT_ERRORS, log

#: How often the renewer checks whether a job was cancelled, in seconds.
_CHECK_S = 1.0

#: The part of a lease after which it is renewed, and the part after which a worker that could not
#: renew it stops by its own clock, well before the database gives the job to another.
_RENEW_AFTER = 1 / 3
_GIVE_UP_AFTER = 0.8


@dataclass(slots=True)
class _Held:
    lease: Lease
    lost: Callable[[], None]
    given_up: Callable[[], None]
    renewed: float


class LeaseRenewer:
    """Renews leases. `hold` a lease when its job was claimed, `drop` it when the job has ended."""

    name = "lease renewer"

    def __init__(self, database: Database, lease_seconds: float) -> None:
        self._database = database
        self._seconds = lease_seconds
        self._held: dict[str, _Held] = {}

    def hold(self, lease: Lease, claimed_at: float, lost: Callable[[], None], given_up: Callable[[], None]) -> None:
        """Renew a lease from now on.

        One of the two functions is called, once: `lost` when the job is no longer this worker's; `given_up` when the
        worker cannot know that, since the database could not be reached for almost the length of the lease.

        `claimed_at` is the monotonic time from before the claim: the lease cannot have begun earlier.
        """
        for earlier in [one for one in self._held.values() if one.lease.job_id == lease.job_id]:
            # The job was cancelled and retried at once: there is a newer attempt now, and it is this worker's.
            self._end(earlier, earlier.lost)
        self._held[lease.token] = _Held(lease, lost, given_up, claimed_at)

    def drop(self, lease: Lease) -> None:
        """Renew a lease no longer."""
        self._held.pop(lease.token, None)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(min(_CHECK_S, self._seconds / 6))
            if self._held:
                try:
                    # A locked database may block this for longer than the leases last.
                    async with asyncio.timeout(self._patience()):
                        await self._turn()
                except TRANSIENT_ERRORS as error:
                    log.warning(
                        "lease renewer: leases cannot be renewed: %s", str(error) or "the database does not answer"
                    )
                self._give_up()

    async def _turn(self) -> None:
        now = time.monotonic()
        held = list(self._held.values())
        due = [one for one in held if now - one.renewed > self._seconds * _RENEW_AFTER]
        if due:
            kept = await self._database.write(lambda c: leases.renew(c, [one.lease for one in held], self._seconds))
        else:
            kept = await self._database.read(lambda c: leases.still_held(c, [one.lease for one in held]))
        for one in held:
            if one.lease.job_id not in kept:
                self._end(one, one.lost)
            elif due:
                one.renewed = now

    def _patience(self) -> float:
        """Return the seconds until a lease has to be given up.

        It is a little more than nothing when that time is past, in case this process itself was held up.
        """
        oldest = min(one.renewed for one in self._held.values())
        return max(oldest + self._seconds * _GIVE_UP_AFTER - time.monotonic(), self._seconds * (1 - _GIVE_UP_AFTER) / 2)

    def _give_up(self) -> None:
        now = time.monotonic()
        for one in list(self._held.values()):
            if now - one.renewed >= self._seconds * _GIVE_UP_AFTER:
                log.error("job %s: its lease could not be renewed in time; its attempt is stopped", one.lease.job_id)
                self._end(one, one.given_up)

    def _end(self, one: _Held, callback: Callable[[], None]) -> None:
        if self._held.pop(one.lease.token, None) is not None:
            callback()

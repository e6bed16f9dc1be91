"""Which leases were not renewed for too long, told without trusting any clock that can be set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dictograph.store.jobs.lease import HeldLease

#: A worker elsewhere may have been given a longer lease than this one: as long as so many of ours is believed.
_LONGEST = 4


@dataclass(slots=True)
class _Seen:
    ends: float
    since: float
    patience: float


class StalledLeaseDetector:
    """Watches leases. One that has stood still for its length is silent, whatever the clocks say.

    A lease's end is only a number that changes with every renewal. How long it has not changed is counted
    in time that was spent watching: of a pause between two looks (the database was away, the machine
    suspended, this process stopped) no more counts than a turn takes. In such a pause the workers could
    not renew either, and they get the time to do it after it.
    """

    def __init__(self, lease_seconds: float, turn_seconds: float) -> None:
        self._lease = lease_seconds
        self._turn = turn_seconds
        self._seen: dict[tuple[str, int], _Seen] = {}
        self._last: float | None = None
        self._watched = 0.0

    def look(self, leases: Iterable[HeldLease], now: float) -> list[HeldLease]:
        """What is silent among the leases that there are `now`, in seconds of a monotonic clock."""
        self._watched += 0.0 if self._last is None else min(now - self._last, self._turn)
        self._last = now
        held = {(one.job_id, one.attempt): one for one in leases}
        self._seen = {key: self._know(key, one) for key, one in held.items()}
        return [one for key, one in held.items() if self._watched - self._seen[key].since >= self._seen[key].patience]

    def _know(self, key: tuple[str, int], lease: HeldLease) -> _Seen:
        seen = self._seen.get(key)
        if seen is not None and seen.ends == lease.ends:
            return seen
        patience = min(max(lease.left, self._lease), _LONGEST * self._lease)
        return _Seen(lease.ends, self._watched, patience)


class ClockRollbackDetector:
    """Notices that a clock was set back, beside one that never is."""

    def __init__(self, tolerance: float) -> None:
        self._tolerance = tolerance
        self._ahead: float | None = None

    def was_set_back(self, clock: float, monotonic: float) -> bool:
        """Whether `clock` has lost more than the tolerance since it was last said; true the first time."""
        ahead = clock - monotonic
        before = self._ahead
        if before is not None and ahead >= before - self._tolerance:
            self._ahead = max(before, ahead)
            return False
        self._ahead = ahead
        return True

"""Find leases that were not renewed for too long, without trusting any clock that can be set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dictograph.store.jobs.lease import HeldLease

#: A worker on another machine may have a longer lease than this one: up to this multiple of our own is believed.
_LONGEST = 4


@dataclass(slots=True)
class _Seen:
    ends: float
    since: float
    patience: float


class StalledLeaseDetector:
    """Watches leases. A lease that has not changed for its own length is stalled, whatever the clocks say.

    The end of a lease is only a number that changes with every renewal. How long it has not changed is counted in time
    that was spent watching. A pause between two checks (the database was away, the machine suspended, this process
    stopped) counts for no more than one interval: the workers could not renew during the pause either, and they get the
    time to do it afterwards.
    """

    def __init__(self, lease_seconds: float, turn_seconds: float) -> None:
        self._lease = lease_seconds
        self._turn = turn_seconds
        self._seen: dict[tuple[str, int], _Seen] = {}
        self._last: float | None = None
        self._watched = 0.0

    def look(self, leases: Iterable[HeldLease], now: float) -> list[HeldLease]:
        """Return the stalled ones of all leases; `now` is in seconds of a monotonic clock."""
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
    """Detects that a clock was set back, by comparing it with a monotonic one."""

    def __init__(self, tolerance: float) -> None:
        self._tolerance = tolerance
        self._ahead: float | None = None

    def was_set_back(self, clock: float, monotonic: float) -> bool:
        """Return whether `clock` has lost more than the tolerance since the last time it was reported.

        Returns True at the first call.
        """
        ahead = clock - monotonic
        before = self._ahead
        if before is not None and ahead >= before - self._tolerance:
            self._ahead = max(before, ahead)
            return False
        self._ahead = ahead
        return True

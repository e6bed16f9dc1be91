"""Who is called at the same time: nobody who is slow takes the places of the others.

There are a few places in all. A receiver has a few of them at most, and an owner, who may name many receivers, half.
What finds none stands in line: it is told how long that is, by the time that such calls have taken lately, and is not
looked at before. So a backlog for one that hangs costs next to nothing, and one for a quick receiver goes out as fast
as it takes it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

#: What a call is thought to take before there was one, in seconds.
_FIRST_GUESS_S = 0.05

#: How much the last call counts among all before it.
_LAST_COUNTS = 0.5

#: Nobody waits in line for longer, in seconds: the guess may have been wrong.
_LONGEST_LINE_S = 600.0


@dataclass(slots=True)
class _Share:
    """The places of a receiver, or of an owner: how many at most, how many are taken, how long its calls take (s),
    and until when all are spoken for."""

    most: int
    taken: int = 0
    takes: float = _FIRST_GUESS_S
    until: float = 0.0

    @property
    def full(self) -> bool:
        return self.taken >= self.most

    def stand_in_line(self, now: float) -> float:
        self.until = max(self.until, now) + self.takes / self.most
        return min(self.until - now, _LONGEST_LINE_S)


class DeliverySlots:
    """Counts who is being called. Belongs to one event loop."""

    def __init__(self, total: int = 32, per_receiver: int = 4, clock: Callable[[], float] = time.monotonic) -> None:
        self._total = total
        self._per_receiver = per_receiver
        self._per_owner = max(1, total // 2)
        self._clock = clock
        self._taken = 0
        self._receivers: dict[str, _Share] = {}
        self._owners: dict[str, _Share] = {}

    @property
    def free(self) -> int:
        """How many places nobody has."""
        return self._total - self._taken

    def take(self, receiver: str, owner: str) -> bool:
        """Take a place for a call to `receiver`, if there is one for it."""
        shares = list(self._shares(receiver, owner))
        if not self.free or any(share.full for share in shares):
            return False
        self._taken += 1
        for share in shares:
            share.taken += 1
        return True

    def leave(self, receiver: str, owner: str, seconds: float | None = None) -> None:
        """Give a place back, after a call that took so long; None: there was no call."""
        self._taken -= 1
        for share in self._shares(receiver, owner):
            share.taken -= 1
            if seconds is not None:
                share.takes += (seconds - share.takes) * _LAST_COUNTS
        self._forget()

    def stand_in_line(self, receiver: str, owner: str) -> float:
        """For one that got no place: seconds until it should be looked at again."""
        now = self._clock()
        return max((share.stand_in_line(now) for share in self._shares(receiver, owner) if share.full), default=0.0)

    def _shares(self, receiver: str, owner: str) -> Iterator[_Share]:
        yield self._receivers.setdefault(receiver, _Share(self._per_receiver))
        yield self._owners.setdefault(owner, _Share(self._per_owner))

    def _forget(self) -> None:
        """Nothing is kept of those whom nobody calls and nobody waits for."""
        now = self._clock()
        for shares in (self._receivers, self._owners):
            for name in [name for name, share in shares.items() if not share.taken and share.until <= now]:
                del shares[name]

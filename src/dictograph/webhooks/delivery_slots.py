"""Slots for simultaneous calls. A slow receiver does not take the slots of the others.

The total number of slots is small. A receiver gets a few of them at most; an owner, who may name many receivers, gets
half. A delivery without a free slot waits: its wait is estimated from the recent duration of such calls, and it is not
tried before. So a backlog for a receiver that hangs costs next to nothing, and a backlog for a fast receiver is sent as
fast as the receiver accepts it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

#: The assumed duration of a call before the first one, in seconds.
_FIRST_GUESS_S = 0.05

#: The weight of the last call in the average duration.
_LAST_COUNTS = 0.5

#: The longest wait for a slot, in seconds: the estimate may be wrong.
_LONGEST_LINE_S = 600.0


@dataclass(slots=True)
class _Share:
    """The slots of a receiver or of an owner: the limit, the number in use, the duration of its calls (s), and the
    time until which all slots are already claimed.
    """

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
    """Counts the calls in progress. Belongs to one event loop."""

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
        """Return the number of free slots."""
        return self._total - self._taken

    def take(self, receiver: str, owner: str) -> bool:
        """Take a slot for a call to `receiver`. Return whether one was free."""
        shares = list(self._shares(receiver, owner))
        if not self.free or any(share.full for share in shares):
            return False
        self._taken += 1
        for share in shares:
            share.taken += 1
        return True

    def leave(self, receiver: str, owner: str, seconds: float | None = None) -> None:
        """Free a slot after a call of `seconds`; None: there was no call."""
        self._taken -= 1
        for share in self._shares(receiver, owner):
            share.taken -= 1
            if seconds is not None:
                share.takes += (seconds - share.takes) * _LAST_COUNTS
        self._forget()

    def stand_in_line(self, receiver: str, owner: str) -> float:
        """Return after how many seconds a delivery that got no slot should be tried again."""
        now = self._clock()
        return max((share.stand_in_line(now) for share in self._shares(receiver, owner) if share.full), default=0.0)

    def _shares(self, receiver: str, owner: str) -> Iterator[_Share]:
        yield self._receivers.setdefault(receiver, _Share(self._per_receiver))
        yield self._owners.setdefault(owner, _Share(self._per_owner))

    def _forget(self) -> None:
        """Drop the counts of receivers and owners without calls or waiting deliveries."""
        now = self._clock()
        for shares in (self._receivers, self._owners):
            for name in [name for name, share in shares.items() if not share.taken and share.until <= now]:
                del shares[name]

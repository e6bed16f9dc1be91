"""Where moving windows of rates are kept: in this process, in bounded room, by a clock that nobody can set.

The storage that comes with `limits` looks at every client it knows, each in a thread, whenever one of them calls:
the more there are, the more each call costs. This one drops what has not been used for longest, and each call
costs the same.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable

from limits.aio.storage import MovingWindowSupport, Storage

#: So many clients are remembered, and so many of their calls, at most: about 20 MB.
_CLIENTS = 16_384
_CALLS = 250_000


class RateMemory(Storage, MovingWindowSupport):
    """When each client called, as far as it still counts."""

    STORAGE_SCHEME = None

    def __init__(
        self, clients: int = _CLIENTS, calls: int = _CALLS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._clients, self._calls, self._clock = clients, calls, clock
        self._times: OrderedDict[str, deque[float]] = OrderedDict()
        self._held = 0

    @property
    def base_exceptions(self) -> type[Exception]:
        return ValueError

    def now(self) -> float:
        """The time by which windows begin, in seconds."""
        return self._clock()

    def __len__(self) -> int:
        return len(self._times)

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        times = self._counting(key, expiry)
        if len(times) + amount > limit:
            return False
        times.extend([self._clock()] * amount)
        self._held += amount
        self._times[key] = times
        self._times.move_to_end(key)
        self._make_room()
        return True

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        del limit
        times = self._counting(key, expiry)
        return (times[0], len(times)) if times else (self._clock(), 0)

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        await self.acquire_entry(key, amount + len(self._counting(key, expiry)), expiry, amount)
        return await self.get(key)

    async def get(self, key: str) -> int:
        return len(self._times.get(key, ()))

    async def get_expiry(self, key: str) -> float:
        times = self._times.get(key)
        return times[-1] if times else self._clock()

    async def check(self) -> bool:
        return True

    async def reset(self) -> int:
        count = len(self._times)
        self._times.clear()
        self._held = 0
        return count

    async def clear(self, key: str) -> None:
        self._held -= len(self._times.pop(key, ()))

    def _counting(self, key: str, expiry: int) -> deque[float]:
        """The calls of this client that are younger than `expiry` seconds."""
        times = self._times.get(key)
        if times is None:
            return deque()
        begin = self._clock() - expiry
        while times and times[0] <= begin:
            times.popleft()
            self._held -= 1
        if not times:
            del self._times[key]
        return times

    def _make_room(self) -> None:
        while len(self._times) > 1 and (len(self._times) > self._clients or self._held > self._calls):
            _, times = self._times.popitem(last=False)
            self._held -= len(times)

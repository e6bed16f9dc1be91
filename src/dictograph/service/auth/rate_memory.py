"""Keep the moving windows of rates: in this process, in bounded memory, by a clock that cannot be set.

The storage of `limits` checks every client that it knows, each in a thread, at each call: the more clients, the more
each call costs. This storage drops the least recently used client, and each call costs the same.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable

from limits.aio.storage import MovingWindowSupport, Storage

#: The most clients and calls that are remembered: about 20 MB.
_CLIENTS = 16_384
_CALLS = 250_000


class RateMemory(Storage, MovingWindowSupport):
    """The times of each client's calls, as long as they count."""

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
        """Return the time of the clock that windows are measured by (s)."""
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
        self._evict()
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
        """Return the times of this client's calls that are younger than `expiry` seconds."""
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

    def _evict(self) -> None:
        while len(self._times) > 1 and (len(self._times) > self._clients or self._held > self._calls):
            _, times = self._times.popitem(last=False)
            self._held -= len(times)

"""Rate limits: the number of calls of a client in any minute, hour or day (a moving window).

Each process counts by itself: two processes that serve at the same time allow twice the number.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from limits import RateLimitItem, parse_many
from limits.aio.strategies import MovingWindowRateLimiter

from dictograph.errors import TooManyRequests
from dictograph.service.auth.rate_memory import RateMemory


class Rates:
    """Counts the calls of clients, separately for each kind of call."""

    def __init__(self, memory: RateMemory | None = None) -> None:
        self._memory = RateMemory() if memory is None else memory
        self._limiter = MovingWindowRateLimiter(self._memory)

    async def take(self, what: str, client: str, rates: Sequence[str]) -> None:
        """Count one `what` of a client, if none of its rates (`600/minute`) is used up. A refused call is not counted.

        Raises:
            TooManyRequests: a rate is used up; the error has the seconds until the next call is allowed.
        """
        items = [item for rate in rates for item in _parsed(rate)]
        for item in items:
            if not await self._limiter.test(item, what, client):
                raise await self._refusal(item, what, client)
        for item in items:
            await self._limiter.hit(item, what, client)

    async def has_room(self, what: str, client: str, rates: Sequence[str]) -> bool:
        """Return whether `take` would count one more."""
        items = [item for rate in rates for item in _parsed(rate)]
        return all([await self._limiter.test(item, what, client) for item in items])

    async def _refusal(self, item: RateLimitItem, what: str, client: str) -> TooManyRequests:
        stats = await self._limiter.get_window_stats(item, what, client)
        wait = max(1.0, stats.reset_time - self._memory.now())
        return TooManyRequests(f"There were too many {what} ({item}); try again in {wait:.0f} s.", retry_after=wait)


@lru_cache(maxsize=256)
def _parsed(text: str) -> tuple[RateLimitItem, ...]:
    return tuple(parse_many(text))

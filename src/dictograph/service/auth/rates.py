"""How often a client may do something: so many times in any minute, hour or day (a moving window).

Counted in each process by itself: two that serve side by side let through twice as much.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from limits import RateLimitItem, parse_many
from limits.aio.strategies import MovingWindowRateLimiter

from dictograph.errors import TooManyRequests
from dictograph.service.auth.rate_memory import RateMemory


class Rates:
    """Counts what clients do, each thing under a name of its own."""

    def __init__(self, memory: RateMemory | None = None) -> None:
        self._memory = RateMemory() if memory is None else memory
        self._limiter = MovingWindowRateLimiter(self._memory)

    async def take(self, what: str, client: str, rates: Sequence[str]) -> None:
        """Count one `what` of a client, if none of its rates (`600/minute`) is used up. What is refused counts
        for nothing.

        Raises:
            TooManyRequests: with the seconds until the next is free.
        """
        items = [item for rate in rates for item in _parsed(rate)]
        for item in items:
            if not await self._limiter.test(item, what, client):
                raise await self._refusal(item, what, client)
        for item in items:
            await self._limiter.hit(item, what, client)

    async def has_room(self, what: str, client: str, rates: Sequence[str]) -> bool:
        """Whether `take` would count one more."""
        items = [item for rate in rates for item in _parsed(rate)]
        return all([await self._limiter.test(item, what, client) for item in items])

    async def _refusal(self, item: RateLimitItem, what: str, client: str) -> TooManyRequests:
        stats = await self._limiter.get_window_stats(item, what, client)
        wait = max(1.0, stats.reset_time - self._memory.now())
        return TooManyRequests(f"There were too many {what} ({item}); try again in {wait:.0f} s.", retry_after=wait)


@lru_cache(maxsize=256)
def _parsed(text: str) -> tuple[RateLimitItem, ...]:
    return tuple(parse_many(text))

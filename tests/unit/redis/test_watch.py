"""A watch over a Redis."""

from __future__ import annotations

import asyncio

from dictograph.redis.server import ServerState
from dictograph.redis.watch import Watch


def test_an_outage_that_only_a_sender_has_seen_is_over_when_the_server_answers() -> None:
    called = 0

    async def back() -> None:
        nonlocal called
        called += 1

    async def scenario() -> None:
        watch = Watch("redis://127.0.0.1:1/0", ["q"], back)
        state = ServerState(length=0, trouble="")
        await watch._learn(state)
        await watch._learn(state)
        assert called == 1, "it was there all the time"
        watch.doubt()
        await watch._learn(state)
        assert called == 2

    asyncio.run(scenario())

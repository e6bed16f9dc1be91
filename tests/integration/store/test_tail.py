"""Following jobs, in this process and across processes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import pytest

from dictograph.errors import DatabaseUnavailable
from dictograph.store import events
from dictograph.store.database import Database
from dictograph.store.jobs import control
from dictograph.store.tail import Tail
from tests.integration.store.store_driver import StoreDriver


def _soon(what: Awaitable[Any], seconds: float = 20) -> Coroutine[Any, Any, Any]:
    return asyncio.wait_for(what, seconds)


def test_followers_hear_of_commits_of_this_process(driver: StoreDriver, database: Database) -> None:
    async def follow() -> None:
        tail = Tail(database, poll_interval=60)  # only a commit can wake it in time
        await tail.start()
        driver.create("a")
        async with tail.follow("a") as one, tail.follow("a") as two, tail.follow("nobody") as none:
            assert await _soon(one.wait(0)) == 1
            assert await _soon(none.wait(0)) is None
            waiting = asyncio.gather(one.wait(1), two.wait(1))
            await asyncio.to_thread(driver.cancel, "a")
            assert await _soon(waiting) == [2, 2]
            assert await _soon(one.wait(0)) == 2, "what is known is answered at once"
            gone = asyncio.gather(one.wait(2), two.wait(2))
            await database.write(lambda c: control.remove(c, None, "a"))
            assert await _soon(gone) == [None, None]
        assert tail._jobs == {}
        await tail.stop()

    asyncio.run(follow())


def test_followers_hear_of_other_processes(driver: StoreDriver, database: Database, url: str) -> None:
    program = (
        "import sys; from dictograph.store.database import Database; from dictograph.store.jobs.control import cancel\n"
        "db = Database.open(sys.argv[1]); db.write_now(lambda c: cancel(c, None, 'a')); db.close_now()"
    )

    async def follow() -> None:
        tail = Tail(database, poll_interval=0.05)
        await tail.start()
        driver.create("a")
        async with tail.follow("a") as follower:
            assert await _soon(follower.wait(0)) == 1
            waiting = asyncio.create_task(follower.wait(1))
            await asyncio.to_thread(subprocess.run, [sys.executable, "-c", program, url], check=True)
            assert await _soon(waiting) == 2
        await tail.stop()

    asyncio.run(follow())


def test_one_reader_for_many_followers_and_none_without(
    driver: StoreDriver, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[list[str]] = []
    real = events.last_seqs

    def counted(conn: Any, job_ids: Any) -> dict[str, int]:
        reads.append(list(job_ids))
        return real(conn, job_ids)

    monkeypatch.setattr(events, "last_seqs", counted)

    async def follow() -> None:
        tail = Tail(database, poll_interval=60)
        await tail.start()
        driver.create("a")
        await database.write(lambda conn: None)
        assert reads == [], "nobody follows"
        async with AsyncExitStack() as stack:
            followers = [await stack.enter_async_context(tail.follow("a")) for _ in range(50)]
            await _soon(asyncio.gather(*(f.wait(0) for f in followers)))
        assert all(asked == ["a"] for asked in reads)
        assert len(reads) < 5
        await tail.stop()

    asyncio.run(follow())


def test_whoever_waits_is_told_when_the_tail_stops(driver: StoreDriver, database: Database) -> None:
    async def follow() -> None:
        tail = Tail(database, poll_interval=60)
        await tail.start()
        driver.create("a")
        async with tail.follow("a") as follower:
            await _soon(follower.wait(0))
            waiting = asyncio.create_task(follower.wait(1))
            await asyncio.sleep(0)
            await tail.stop()
            with pytest.raises(DatabaseUnavailable, match="stopping"):
                await _soon(waiting)

    asyncio.run(follow())

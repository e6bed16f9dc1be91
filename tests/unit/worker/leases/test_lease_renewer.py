"""Leases are kept, and given up in time."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from dictograph.job import Lease
from dictograph.store.database import Database
from dictograph.store.migrate import upgrade
from dictograph.worker.leases.lease_renewer import LeaseRenewer


def test_a_lease_is_given_up_in_time_though_the_database_is_locked(tmp_path: Path) -> None:
    """A write then waits for 15 s; the lease is over long before."""
    file = tmp_path / "d.db"
    upgrade(f"sqlite:///{file}")

    async def test(lock: sqlite3.Connection) -> float:
        database = Database.open(f"sqlite:///{file}")
        lease_renewer, lost = LeaseRenewer(database, 2.0), asyncio.Event()
        claimed = time.monotonic()
        lease_renewer.hold(Lease("job", 1, "token"), claimed - 1.0, _never, lost.set)  # so it is time to renew
        running = asyncio.create_task(lease_renewer.run())
        async with asyncio.timeout(10):
            await lost.wait()
        running.cancel()
        took = time.monotonic() - claimed
        lock.rollback()
        await database.close()
        return took

    with closing(sqlite3.connect(file, isolation_level=None)) as lock:
        lock.execute("BEGIN IMMEDIATE")
        assert asyncio.run(test(lock)) < 1.5


def test_an_attempt_ends_when_a_newer_one_at_the_same_job_begins(tmp_path: Path) -> None:
    """Cancelled, retried and claimed again before anybody looked: the database says that the job is ours."""
    file = tmp_path / "d.db"
    upgrade(f"sqlite:///{file}")

    async def test() -> None:
        database = Database.open(f"sqlite:///{file}")
        lease_renewer = LeaseRenewer(database, 30.0)
        lost: list[int] = []
        lease_renewer.hold(Lease("job", 1, "one"), time.monotonic(), lambda: lost.append(1), _never)
        lease_renewer.hold(Lease("other", 1, "other"), time.monotonic(), lambda: lost.append(0), _never)
        lease_renewer.hold(Lease("job", 2, "two"), time.monotonic(), lambda: lost.append(2), _never)
        assert lost == [1]
        await database.close()

    asyncio.run(test())


def _never() -> None:
    raise AssertionError("this was not what happened to the lease")

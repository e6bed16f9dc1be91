"""Transactions: shared commits, each caller's own errors, failing disks, other processes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from dictograph.errors import DatabaseUnavailable, JobStateConflict, NotFound
from dictograph.job import Job, JobStatus, Options, Source, SourceKind
from dictograph.store.backends.dialects import make_missing
from dictograph.store.database import Database
from dictograph.store.jobs import read
from dictograph.store.jobs.accept import NewJob, create_job
from dictograph.store.jobs.control import cancel
from tests.integration.store.store_driver import StoreDriver


@pytest.fixture
def one_writer(url: str) -> Iterator[Database]:
    """A database that has one thread for writes, whichever it is."""
    database = Database.open(url, pool=2)
    yield database
    database.close_now()


def hold_writer(database: Database) -> threading.Event:
    """Keep the one writer busy until the event is set."""
    entered, go = threading.Event(), threading.Event()

    def wait(conn: Connection) -> None:
        entered.set()
        assert go.wait(20)

    database._backend.write(wait)
    assert entered.wait(20)
    return go


def ask_for_job(database: Database, number: int) -> Future[Job]:
    """Put the creation of a job into the writer's line, without waiting."""
    new = NewJob(f"shared-{number}", "local", "a.mp3", Source(SourceKind.URL, "https://x.example/a"), Options())
    return database._backend.write(lambda conn: create_job(conn, new))


def test_an_error_is_its_own_callers_only(driver: StoreDriver, one_writer: Database) -> None:
    driver.create("a")
    go = hold_writer(one_writer)
    good = ask_for_job(one_writer, 1)
    half_done = one_writer._backend.write(lambda conn: (cancel(conn, None, "a"), cancel(conn, None, "a")))
    twice = ask_for_job(one_writer, 1)
    missing = one_writer._backend.write(lambda conn: cancel(conn, None, "nobody"))
    after = ask_for_job(one_writer, 2)
    go.set()
    assert good.result(20).id == "shared-1"
    assert after.result(20).id == "shared-2"
    assert isinstance(missing.exception(20), NotFound)
    assert isinstance(twice.exception(20), IntegrityError)
    assert isinstance(half_done.exception(20), JobStateConflict)
    assert driver.status("a") is JobStatus.PENDING, "half of a question is never committed"


def test_a_cancelled_caller_harms_nobody(one_writer: Database) -> None:
    async def go_through() -> int:
        ran: list[None] = []
        go = hold_writer(one_writer)
        waiting = asyncio.create_task(one_writer.write(lambda conn: ran.append(None)))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        go.set()
        assert ran == [], "its turn had not come"
        return await one_writer.write(lambda conn: conn.execute(text("SELECT 42")).scalar_one())

    assert asyncio.run(go_through()) == 42


def test_reads_do_not_wait_for_the_writer_and_see_what_is_committed(driver: StoreDriver, database: Database) -> None:
    driver.create("a")
    entered, go = threading.Event(), threading.Event()

    def slow(conn: Connection) -> None:
        cancel(conn, None, "a")
        entered.set()
        assert go.wait(20)

    writing = database._backend.write(slow)
    assert entered.wait(20)
    assert driver.status("a") is JobStatus.PENDING
    assert asyncio.run(database.read(lambda c: read.get_job(c, None, "a"))).status is JobStatus.PENDING
    go.set()
    writing.result(20)
    assert driver.status("a") is JobStatus.CANCELLED


def test_reading_writes_nothing(driver: StoreDriver, database: Database) -> None:
    driver.create("a")
    with suppress(DatabaseUnavailable):  # PostgreSQL refuses, SQLite forgets
        database.read_now(lambda conn: cancel(conn, None, "a"))
    assert driver.status("a") is JobStatus.PENDING


def test_listeners_are_called_in_the_loop_after_a_commit(driver: StoreDriver, database: Database) -> None:
    async def listen() -> None:
        heard = asyncio.Event()
        threads: list[int] = []

        def note() -> None:
            threads.append(threading.get_ident())
            heard.set()

        database.on_messages(note)
        await database.write(lambda conn: None)
        await database.write(lambda conn: None)  # by now whoever was told of the first has been called
        assert not threads, "there is nothing to send"
        await asyncio.to_thread(driver.create)
        await asyncio.wait_for(heard.wait(), 60)
        assert set(threads) == {threading.get_ident()}

    asyncio.run(listen())
    driver.create()  # the loop is closed by now: nobody is told, and nothing breaks


def test_only_a_webhook_calls_for_the_relay_of_webhooks(driver: StoreDriver, database: Database) -> None:
    async def listen() -> None:
        heard = asyncio.Event()
        database.on_webhooks(heard.set)
        await asyncio.to_thread(driver.create, "a", webhook_url="https://receiver.example/")
        await database.write(lambda conn: None)
        await database.write(lambda conn: None)
        assert not heard.is_set(), "a job that waits is told to nobody"
        await asyncio.to_thread(driver.cancel, "a")
        await asyncio.wait_for(heard.wait(), 60)

    asyncio.run(listen())


def test_changed_tells_of_other_processes(driver: StoreDriver, database: Database, url: str) -> None:
    async def go_through() -> None:
        assert await database.changed(), "nothing was known before"
        await eventually_quiet(database)
        driver.create("a")
        assert not await database.changed(), "it was this process"
        await asyncio.to_thread(_in_another_process, url, "driver.cancel('a')")
        async with asyncio.timeout(60):
            while not await database.changed():
                await asyncio.sleep(0.01)
        assert not await database.changed()

    asyncio.run(go_through())


async def eventually_quiet(database: Database) -> None:
    """Until it listens, PostgreSQL may have missed something."""
    async with asyncio.timeout(60):
        while await database.changed():
            await asyncio.sleep(0.01)


def _in_another_process(url: str, line: str) -> None:
    program = (
        "from dictograph.store.database import Database\nfrom tests.integration.store.store_driver import StoreDriver\n"
        f"db = Database.open({url!r})\ndriver = StoreDriver(db)\n{line}\ndb.close_now()"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=60)


def test_closing_finishes_what_was_asked_and_refuses_more(url: str) -> None:
    database = Database.open(url, pool=2)
    go = hold_writer(database)
    asked = [ask_for_job(database, n) for n in range(100)]
    closing = threading.Thread(target=database.close_now)
    closing.start()
    go.set()
    closing.join(20)
    assert [future.result(0).id for future in asked] == [f"shared-{n}" for n in range(100)]
    with pytest.raises(DatabaseUnavailable, match="stopping"):
        database.write_now(lambda conn: None)
    with pytest.raises(DatabaseUnavailable, match="stopping"):
        database.read_now(lambda conn: None)
    database.close_now()
    asyncio.run(database.close())


def test_an_unprepared_database_says_so(empty_url: str) -> None:
    make_missing(empty_url)
    database = Database.open(empty_url)
    try:
        with pytest.raises(DatabaseUnavailable, match="db upgrade"):
            database.read_now(lambda c: read.get_job(c, None, "a"))
        with pytest.raises(DatabaseUnavailable, match="db upgrade"):
            database.write_now(lambda c: cancel(c, None, "a"))
    finally:
        database.close_now()


_ENDLESS = """
import itertools, sys
from tests.integration.store.store_driver import StoreDriver
from dictograph.store.database import Database
driver = StoreDriver(Database.open(sys.argv[1]))
for number in itertools.count():
    job = driver.create(f"{sys.argv[2]}-{number}")
    print(job.id, flush=True)
    driver.whole(driver.claim().lease)
"""


def test_a_killed_writer_leaves_whole_transactions(driver: StoreDriver, url: str) -> None:
    promised: list[str] = []
    for run in range(3):
        command = [sys.executable, "-c", _ENDLESS, url, str(run)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            promised += [writer.stdout.readline().strip() for _ in range(5 + 2 * run)]
            os.kill(writer.pid, signal.SIGKILL)
            promised += writer.stdout.read().split()
    if url.startswith("sqlite"):
        assert driver.read(lambda c: c.exec_driver_sql("PRAGMA integrity_check").scalar_one()) == "ok"
    for id in promised:
        job, log = driver.job(id), driver.events(id)
        assert [e.seq for e in log] == list(range(1, job.last_seq + 1))
        assert [e.type for e in log].count("segments") == job.windows_done
        assert (log[-1].type == "completed") == (job.status is JobStatus.COMPLETED)

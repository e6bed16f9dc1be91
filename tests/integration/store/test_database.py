"""Transactions: shared commits, each caller's own errors, failing disks, other processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from dictograph.errors import DatabaseUnavailable, NotFound, StorageFull
from dictograph.job import Job, JobStatus, Options, Source, SourceKind
from dictograph.store import read
from dictograph.store.accept import NewJob, create_job
from dictograph.store.control import cancel
from dictograph.store.database import Database
from tests.integration.store.bench import Bench


def _hold_writer(database: Database) -> threading.Event:
    """Keep the writer busy until the event is set, so that what comes after shares a commit."""
    entered, go = threading.Event(), threading.Event()

    def wait(conn: Connection) -> None:
        entered.set()
        assert go.wait(20)

    database._writer.ask(wait)
    assert entered.wait(20)
    return go


def test_waiting_writes_share_one_commit(bench: Bench, database: Database) -> None:
    commits: list[None] = []
    event.listen(database._engine, "commit", lambda conn: commits.append(None))
    go = _hold_writer(database)
    made = [_ask_for_job(database, n) for n in range(20)]
    go.set()
    assert [future.result(20).id for future in made] == [f"shared-{n}" for n in range(20)]
    assert len(commits) == 2, "the one that held the writer, and one for all the rest"


def _ask_for_job(database: Database, number: int) -> Future[Job]:
    """Put the creation of a job into the writer's line, without waiting."""
    new = NewJob(f"shared-{number}", "local", "a.mp3", Source(SourceKind.URL, "https://x.example/a"), Options())
    return database._writer.ask(lambda conn: create_job(conn, new))


def test_an_error_is_its_own_callers_only(bench: Bench, database: Database) -> None:
    bench.create("a")
    go = _hold_writer(database)
    good = _ask_for_job(database, 1)
    half_done = database._writer.ask(lambda conn: (cancel(conn, None, "a"), cancel(conn, None, "a")))
    twice = _ask_for_job(database, 1)
    missing = database._writer.ask(lambda conn: cancel(conn, None, "nobody"))
    after = _ask_for_job(database, 2)
    go.set()
    assert good.result(20).id == "shared-1"
    assert after.result(20).id == "shared-2"
    assert isinstance(missing.exception(20), NotFound)
    assert "UNIQUE" in str(twice.exception(20))
    assert half_done.exception(20) is not None
    assert bench.status("a") is JobStatus.PENDING, "half of a question is never committed"


def test_a_cancelled_caller_harms_nobody(database: Database) -> None:
    async def go_through() -> int:
        ran: list[None] = []
        go = _hold_writer(database)
        waiting = asyncio.create_task(database.write(lambda conn: ran.append(None)))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        go.set()
        assert ran == [], "its turn had not come"
        return await database.write(lambda conn: conn.execute(text("SELECT 42")).scalar_one())

    assert asyncio.run(go_through()) == 42


def test_reads_do_not_wait_for_the_writer_and_see_what_is_committed(bench: Bench, database: Database) -> None:
    bench.create("a")
    entered, go = threading.Event(), threading.Event()

    def slow(conn: Connection) -> None:
        cancel(conn, None, "a")
        entered.set()
        assert go.wait(20)

    writing = database._writer.ask(slow)
    assert entered.wait(20)
    assert bench.status("a") is JobStatus.PENDING
    assert asyncio.run(database.read(lambda c: read.get_job(c, None, "a"))).status is JobStatus.PENDING
    go.set()
    writing.result(20)
    assert bench.status("a") is JobStatus.CANCELLED


def test_reading_writes_nothing(bench: Bench, database: Database) -> None:
    bench.create("a")
    database.read_now(lambda conn: cancel(conn, None, "a"))
    assert bench.status("a") is JobStatus.PENDING


def test_listeners_are_called_in_the_loop_after_a_commit(bench: Bench, database: Database) -> None:
    async def listen() -> None:
        heard = asyncio.Event()
        threads: list[int] = []
        database.on_commit(lambda: (threads.append(threading.get_ident()), heard.set()))
        await database.write(lambda conn: None)
        await asyncio.wait_for(heard.wait(), 20)
        assert set(threads) == {threading.get_ident()}
        heard.clear()
        await asyncio.to_thread(bench.create)
        await asyncio.wait_for(heard.wait(), 20)

    asyncio.run(listen())
    bench.create()  # the loop is closed by now: nobody is told, and nothing breaks


def test_changed_tells_of_other_processes_only(bench: Bench, database: Database, url: str) -> None:
    async def ask() -> bool:
        return await database.changed()

    assert asyncio.run(ask()), "nothing was known before"
    assert not asyncio.run(ask())
    bench.create()
    assert not asyncio.run(ask())
    _in_another_process(url, 'db.write_now(lambda c: c.exec_driver_sql("DELETE FROM transcription_job"))')
    assert asyncio.run(ask())
    assert not asyncio.run(ask())


def _in_another_process(url: str, line: str) -> None:
    program = f"from dictograph.store.database import Database\ndb = Database.open({url!r})\n{line}\ndb.close_now()"
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=60)


def test_closing_finishes_what_was_asked_and_refuses_more(url: str) -> None:
    database = Database.open(url)
    go = _hold_writer(database)
    asked = [_ask_for_job(database, n) for n in range(100)]
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


def test_a_full_disk_is_named_and_passes(bench: Bench, database: Database) -> None:
    def fill(conn: Connection) -> None:
        conn.exec_driver_sql("PRAGMA max_page_count=1")
        conn.exec_driver_sql("CREATE TABLE filling AS SELECT zeroblob(10000000) AS b")

    go = _hold_writer(database)
    neighbour = _ask_for_job(database, 1)
    full = database._writer.ask(fill)
    go.set()
    assert isinstance(full.exception(20), StorageFull)
    assert isinstance(neighbour.exception(20), StorageFull), "SQLite has undone the transaction they shared"
    bench.create("after")
    assert bench.read(read.counts)[JobStatus.PENDING] == 1


def test_a_lock_held_by_another_is_named(bench: Bench, database: Database, url: str) -> None:
    other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        database._writer.ask_version().result(20)
        impatient = database._writer._connection().connection.driver_connection
        assert impatient is not None
        impatient.execute("PRAGMA busy_timeout=50")
        with pytest.raises(DatabaseUnavailable, match="lock"):
            bench.create()
    finally:
        other.close()
    bench.create()


def test_durability_is_as_promised(database: Database) -> None:
    def pragmas(conn: Connection) -> list[Any]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return [conn.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in names]

    assert database.write_now(pragmas) == ["wal", 2, 1, 15000]
    assert database.read_now(pragmas) == ["wal", 2, 1, 15000]


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("sqlite:///{folder}/text.db", "not a SQLite database"),
        ("sqlite:///{folder}", "cannot be opened"),
        ("sqlite:///{folder}/text.db/x.db", "cannot be made"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite://", "in memory"),
        ("mysql://host/name", "no known kind"),
        ("nonsense", "no database URL"),
    ],
)
def test_what_cannot_be_opened_says_what_to_do(tmp_path: Path, url: str, what: str) -> None:
    (tmp_path / "text.db").write_text("This is not a database. " * 100)
    with pytest.raises(DatabaseUnavailable, match=what):
        Database.open(url.format(folder=tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_read_only_folder_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(DatabaseUnavailable, match="write"):
        Database.open(f"sqlite:///{tmp_path / 'x.db'}")


def test_an_unprepared_database_says_so(empty_url: str) -> None:
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
from tests.integration.store.bench import Bench
from dictograph.store.database import Database
bench = Bench(Database.open(sys.argv[1]))
for number in itertools.count():
    job = bench.create(f"{sys.argv[2]}-{number}")
    print(job.id, flush=True)
    bench.whole(bench.claim().lease)
"""


def test_a_killed_writer_leaves_whole_transactions(bench: Bench, url: str) -> None:
    promised: list[str] = []
    for run in range(3):
        command = [sys.executable, "-c", _ENDLESS, url, str(run)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            promised += [writer.stdout.readline().strip() for _ in range(5 + 2 * run)]
            os.kill(writer.pid, signal.SIGKILL)
            promised += writer.stdout.read().split()
    assert bench.read(lambda c: c.exec_driver_sql("PRAGMA integrity_check").scalar_one()) == "ok"
    for id in promised:
        job, log = bench.job(id), bench.events(id)
        assert [e.seq for e in log] == list(range(1, job.last_seq + 1))
        assert [e.type for e in log].count("segments") == job.windows_done
        assert (log[-1].type == "completed") == (job.status is JobStatus.COMPLETED)

"""What is PostgreSQL's own: the pool, connections that are lost, news from other processes, deadlocks."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, text

from dictograph.errors import DatabaseUnavailable
from dictograph.job import JobStatus
from dictograph.store.backends import postgres, postgres_backend
from dictograph.store.backends.postgres_listener import jobs_of, payload_of
from dictograph.store.change_notifier import Jobs
from dictograph.store.database import Database
from dictograph.store.jobs import prune
from dictograph.store.tables import job
from tests.integration.store.store_driver import StoreDriver


@pytest.fixture
def kind() -> str:
    return "postgresql"


def _connections(url: str, but_me: str = "AND pid <> pg_backend_pid()") -> int:
    with psycopg.connect(url, autocommit=True) as connection:
        query = f"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() {but_me}"
        row = connection.execute(query).fetchone()
        assert row is not None
        return int(row[0])


def _cut_all(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def _until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it has not come to that"
        time.sleep(0.01)


def test_there_are_never_more_connections_than_the_pool_and_a_listener(url: str) -> None:
    database = Database.open(url, pool=4)
    database.on_jobs(lambda _: None)
    seen: list[int] = []
    try:
        with ThreadPoolExecutor(20) as threads:
            sleep = text("SELECT pg_sleep(0.02)")
            for _ in range(20):
                threads.submit(database.read_now, lambda c: c.execute(sleep).all())
                threads.submit(database.write_now, lambda c: c.execute(sleep).all())
            _until(lambda: seen.append(_connections(url)) or len(seen) > 8)  # type: ignore[func-returns-value]
    finally:
        database.close_now()
    assert 4 <= max(seen) <= 5
    _until(lambda: _connections(url) == 0)


def test_the_next_question_finds_the_server_again(driver: StoreDriver, url: str) -> None:
    driver.create("a")
    _cut_all(url)
    assert driver.status("a") is JobStatus.PENDING
    _cut_all(url)
    assert driver.cancel("a").status is JobStatus.CANCELLED


def test_a_question_whose_connection_is_cut_is_run_again(driver: StoreDriver, url: str, database: Database) -> None:
    driver.create("a")
    runs: list[int] = []

    def unlucky(conn: Connection) -> int:
        runs.append(1)
        changed = conn.execute(text("UPDATE transcription_job SET priority = priority + 1")).rowcount
        if len(runs) == 1:
            _cut_all(url)
        return changed + int(conn.execute(text("SELECT 0")).scalar_one())

    assert database.write_now(unlucky) == 1
    assert (len(runs), driver.job("a").priority) == (2, 1)


def test_a_connection_that_is_cut_while_committing_is_an_error(
    driver: StoreDriver, url: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows whether it is committed, so it is not for us to do it again."""
    runs: list[int] = []

    def cut(connection: psycopg.Connection[Any]) -> None:
        _cut_all(url)
        psycopg.Connection.commit(connection)

    def query(conn: Connection) -> None:
        runs.append(1)
        conn.execute(text("SELECT 1"))
        driver = conn.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        monkeypatch.setattr(driver, "commit", lambda: cut(driver))

    with pytest.raises(DatabaseUnavailable):
        database.write_now(query)
    assert len(runs) == 1


def test_of_two_transactions_in_a_ring_one_is_run_again(driver: StoreDriver, database: Database) -> None:
    for id in ("a", "b"):
        driver.create(id)
    both, runs = threading.Barrier(2), []

    def change(first: str, second: str) -> Callable[[Connection], None]:
        def query(conn: Connection) -> None:
            runs.append(first)
            for id in (first, second):
                conn.execute(text("UPDATE transcription_job SET priority = priority + 1 WHERE id = :id"), {"id": id})
                if id == first and len(runs) <= 2:
                    both.wait(20)

        return query

    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(database.write_now, change(*ids)) for ids in (("a", "b"), ("b", "a"))]:
            done.result(30)
    assert len(runs) > 2  # who is run again may be quicker at the first row than who waits for it, and meet him again
    assert [driver.job(id).priority for id in ("a", "b")] == [2, 2]


def test_a_lock_that_is_held_too_long_is_named(driver: StoreDriver, url: str) -> None:
    driver.create("a")
    impatient = Database.open(f"{url}?options=-clock_timeout%3D100")
    try:
        with psycopg.connect(url) as other:
            other.execute("SELECT 1 FROM transcription_job FOR UPDATE")
            with pytest.raises(DatabaseUnavailable, match="lock"):
                StoreDriver(impatient).cancel("a")
        assert StoreDriver(impatient).cancel("a").status is JobStatus.CANCELLED
    finally:
        impatient.close_now()


def test_a_question_that_takes_too_long_is_broken_off(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_backend, "PATIENCE_S", 0.5)
    monkeypatch.setattr(postgres_backend, "_LEAST_S", 0.5)
    database = Database.open(url)
    began = time.monotonic()
    try:
        for ask in (database.read_now, database.write_now):
            with pytest.raises(DatabaseUnavailable, match=r"did not answer in time|not answered"):
                ask(lambda conn: conn.execute(text("SELECT pg_sleep(30)")).all())
        assert time.monotonic() - began < 15
        assert database.read_now(lambda conn: conn.execute(text("SELECT 42")).scalar_one()) == 42
    finally:
        database.close_now()


def test_the_servers_own_limits_are_set_and_what_is_committed_is_durable(database: Database) -> None:
    def settings(conn: Connection) -> dict[str, str]:
        names = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "synchronous_commit"]
        names += ["application_name", "transaction_isolation", "transaction_read_only"]
        return {name: conn.execute(text(f"SHOW {name}")).scalar_one() for name in names}

    writing = database.write_now(settings)
    assert writing == {
        "statement_timeout": "25s",
        "lock_timeout": "15s",
        "idle_in_transaction_session_timeout": "25s",
        "synchronous_commit": "on",
        "application_name": "dictograph",
        "transaction_isolation": "read committed",
        "transaction_read_only": "off",
    }
    reading = database.read_now(settings)
    assert (reading["transaction_isolation"], reading["transaction_read_only"]) == ("repeatable read", "on")


def test_a_read_sees_one_snapshot(driver: StoreDriver, database: Database) -> None:
    driver.create("a")

    def twice(conn: Connection) -> list[int]:
        count = text("SELECT count(*) FROM transcription_job")
        first = conn.execute(count).scalar_one()
        driver.create("b")
        return [first, conn.execute(count).scalar_one()]

    assert database.read_now(twice) == [1, 1]


# --- news


async def _soon(event: asyncio.Event) -> None:
    await asyncio.wait_for(event.wait(), 60)
    event.clear()


def test_other_processes_are_heard_at_once_and_the_own_is_not(
    driver: StoreDriver, database: Database, url: str
) -> None:
    async def listen() -> None:
        news, wake, told = asyncio.Event(), asyncio.Event(), list[Jobs]()

        def hear(jobs: Jobs) -> None:
            told.append(jobs)
            if jobs is None or "theirs" in jobs:
                news.set()

        database.on_jobs(hear)
        database.on_wake(wake.set)
        await database.read(lambda conn: None)
        await _soon(news)  # it may have missed something before it listened
        await _soon(wake)
        other = StoreDriver(Database.open(url))
        try:
            await asyncio.to_thread(other.create, "theirs")
            await _soon(news)
            await _soon(wake)
            assert told[-1] == frozenset({"theirs"})
            await asyncio.to_thread(driver.create, "ours")
            await asyncio.to_thread(other.cancel, "theirs")
            await _soon(news)
            assert not wake.is_set(), "what was cancelled is no work, and our own needs no waking"
            assert told[-2:] == [frozenset({"ours"}), frozenset({"theirs"})]
        finally:
            other.database.close_now()

    asyncio.run(listen())


def test_the_listener_comes_back(database: Database, url: str, caplog: pytest.LogCaptureFixture) -> None:
    async def listen() -> None:
        news = asyncio.Event()
        database.on_jobs(lambda _: news.set())
        await database.changed()
        await _soon(news)
        assert not await _eventually(database, True)
        await asyncio.to_thread(_cut_all, url)
        await _soon(news)  # it says so when it is back, for it cannot know what it missed
        other = StoreDriver(Database.open(url))
        try:
            await asyncio.to_thread(other.create)
            await _soon(news)
        finally:
            other.database.close_now()

    with caplog.at_level(logging.WARNING):
        asyncio.run(listen())
    assert "listener" in caplog.text
    assert "dictograph:" not in caplog.text, "a URL with its password"


async def _eventually(database: Database, wanted: bool) -> bool:
    """Ask until nothing has changed any more."""
    async with asyncio.timeout(60):
        while await database.changed() is wanted:
            await asyncio.sleep(0.01)
    return not wanted


def test_changed_says_yes_now_and_then_though_nothing_was_heard(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask() -> None:
        await _eventually(database, True)
        monkeypatch.setattr(postgres_backend, "_POLL_S", 0.0)
        assert await database.changed()

    asyncio.run(ask())


def test_many_jobs_are_told_of_as_any() -> None:
    few, many = frozenset(f"job-{n}" for n in range(10)), {f"job-{n:030d}" for n in range(1000)}
    assert jobs_of(payload_of(few)) == few
    assert payload_of(many) == ""
    assert jobs_of("") is None
    assert jobs_of("from another program") is None


def test_pruning_hundreds_of_jobs_tells_of_it(driver: StoreDriver, database: Database) -> None:
    driver.create("first")
    columns = ", ".join(column.name for column in job.c if column.computed is None and column.name != "id")
    copies = f"SELECT lpad(i::text, 50, '0'), {columns} FROM transcription_job, generate_series(1, 249) i"
    driver.write(lambda c: c.execute(text(f"INSERT INTO transcription_job (id, {columns}) {copies}")))
    driver.write(lambda c: c.execute(text("UPDATE transcription_job SET status = 'failed', finished_at = now()")))
    assert len(driver.write(prune.prune_jobs, -1.0, 251).objects) == 250


# --- what cannot be opened


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda url: url.replace(url.split(":")[2].split("@")[0], "wrong-secret"), "does not let this user in"),
        (lambda url: f"{url}_missing", "no such database"),
        (lambda url: url.replace("127.0.0.1", "no-such-host.invalid"), "host name is not known"),
        (lambda url: url.rpartition("@")[0] + "@127.0.0.1:1/x", "nothing listens"),
        (lambda url: f"{url}?sslmode=require", "TLS"),
        (lambda url: f"{url}?sslmoode=require", "cannot be read"),
        (lambda url: url.replace("@", "@ss@"), "%40"),
        (lambda url: url.replace("@", "/ss@"), "%2F"),
    ],
)
def test_what_cannot_be_used_says_what_to_do_and_no_password(url: str, change: Callable[[str], str], what: str) -> None:
    with pytest.raises(DatabaseUnavailable, match=what) as refused:
        Database.open(change(url))
    for secret in ("wrong-secret", url.split(":")[2].split("@")[0], "ss@"):
        assert secret not in str(refused.value)
    assert "127.0.0.1" not in refused.value.message, "clients are told"


def test_an_old_server_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "OLDEST", 990000)
    with pytest.raises(DatabaseUnavailable, match="too old; this version needs 99 or newer"):
        Database.open(url)


def test_a_database_of_another_encoding_is_refused(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'")
    try:
        with pytest.raises(DatabaseUnavailable, match="encoded in LATIN1"):
            Database.open(f"{url.rpartition('/')[0]}/latin")
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DROP DATABASE latin")


def test_both_names_of_the_scheme_are_taken(url: str) -> None:
    for scheme in ("postgres://", "postgresql+psycopg://"):
        Database.open(url.replace("postgresql://", scheme)).close_now()

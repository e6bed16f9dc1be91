"""The one thread of a process that writes. Writes that wait share a transaction and its fsync."""

from __future__ import annotations

import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

from dictograph.errors import DatabaseMissing, DatabaseReplaced, DatabaseUnavailable
from dictograph.store import changes
from dictograph.store.backends import sqlite
from dictograph.store.backends.sqlite_file import OpenedFile
from dictograph.store.changes import ChangeSet

T = TypeVar("T")

#: The most writes that share one transaction: enough to make the fsync cheap, few enough to keep
#: the lock, which other processes wait for, for some milliseconds only.
_MOST_TOGETHER = 64


class _Ask:
    """A query with the future of its answer; one without a query asks what `judge` says of the data version."""

    __slots__ = ("future", "judge", "query")

    def __init__(self, query: Callable[[Connection], Any] | None, judge: Callable[[int], Any] | None = None) -> None:
        self.query = query
        self.judge = judge
        self.future: Future[Any] = Future()


class Writer:
    """Runs questions one after the other, each in a SAVEPOINT, and answers when they are committed."""

    def __init__(self, engine: Engine, file: OpenedFile, committed: Callable[[ChangeSet], None]) -> None:
        self._engine = engine
        self._file = file
        self._committed = committed
        self._asks: queue.SimpleQueue[_Ask | None] = queue.SimpleQueue()
        self._gate = threading.Lock()
        self._closed = False
        self._conn: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="database-writer", daemon=True)
        self._thread.start()

    def ask(self, query: Callable[[Connection], T]) -> Future[T]:
        """Have a query run. Its future can be cancelled until its turn has come."""
        return self._put(_Ask(query))

    def ask_version(self, judge: Callable[[int], T]) -> Future[T]:
        """What `judge` says of the number that changes when another process has committed, seen from the writer's
        connection."""
        return self._put(_Ask(None, judge))

    def close(self) -> None:
        """Answer all that was asked, then end. May be called again."""
        with self._gate:
            if not self._closed:
                self._closed = True
                self._asks.put(None)
        self._thread.join()

    def _put(self, ask: _Ask) -> Future[Any]:
        with self._gate:
            if self._closed:
                raise DatabaseUnavailable("The database was closed: this process is stopping.")
            self._asks.put(ask)
        return ask.future

    def _run(self) -> None:
        going_on = True
        while going_on:
            batch, going_on = self._next_batch()
            asks = [ask for ask in batch if ask.future.set_running_or_notify_cancel()]
            self._answer_versions([ask for ask in asks if ask.query is None])
            self._answer([ask for ask in asks if ask.query is not None])
        self._drop_connection()

    def _next_batch(self) -> tuple[list[_Ask], bool]:
        batch: list[_Ask] = []
        while len(batch) < _MOST_TOGETHER:
            try:
                ask = self._asks.get(block=not batch)
            except queue.Empty:
                break
            if ask is None:
                return batch, False
            batch.append(ask)
        return batch, True

    def _answer_versions(self, asks: Sequence[_Ask]) -> None:
        if not asks:
            return
        try:
            version = sqlite.data_version(self._connection())
        except Exception as error:  # noqa: BLE001 - every error goes to those who asked
            self._fail(asks, error)
        else:
            for ask in asks:
                assert ask.judge is not None
                ask.future.set_result(ask.judge(version))

    def _answer(self, asks: Sequence[_Ask]) -> None:
        if not asks:
            return
        committing = False
        try:
            with self._connection().begin() as transaction:
                told = changes.begin(self._connection())
                outcomes = [(ask, *self._in_savepoint(ask)) for ask in asks]
                self._file.check()
                committing = True
                transaction.commit()
        except BaseException as error:  # noqa: BLE001 - the thread outlives whatever a query raises
            self._fail(asks, error, in_doubt=committing)
            return
        for ask, answer, refusal in outcomes:
            if refusal is None:
                ask.future.set_result(answer)
            else:
                ask.future.set_exception(refusal)
        if any(refusal is None for _, _, refusal in outcomes):
            self._committed(told)

    def _in_savepoint(self, ask: _Ask) -> tuple[Any, Exception | None]:
        """The answer or the query's own error. An outage ends the whole transaction."""
        assert ask.query is not None
        conn = self._connection()
        driver = sqlite.driver_of(conn)
        driver.execute("SAVEPOINT query")
        try:
            answer = ask.query(conn)
            driver.execute("RELEASE query")
        except Exception as error:
            # SQLite rolls all back by itself on a full disk and the like: there is no savepoint left.
            if sqlite.as_outage(error) is not None or not driver.in_transaction:
                raise
            driver.execute("ROLLBACK TO query")
            driver.execute("RELEASE query")
            return None, error
        return answer, None

    def _fail(self, asks: Sequence[_Ask], error: BaseException, *, in_doubt: bool = False) -> None:
        if isinstance(error, (DatabaseMissing, DatabaseReplaced)):
            self._leave_file()
        self._drop_connection()
        told: BaseException = error
        if (outage := sqlite.as_outage(error)) is not None:
            # A commit that could not be synced may be in the log for whoever recovers it.
            outage.in_doubt = in_doubt and isinstance(outage, DatabaseUnavailable)
            told = outage
        for ask in asks:
            ask.future.set_exception(told)

    def _leave_file(self) -> None:
        """Let go of a file that was moved: it is whole by itself then, and nothing of it lies where it was."""
        with contextlib.suppress(sqlite3.Error):
            if self._conn is not None:
                sqlite.save_to_its_file(self._conn)
        self._drop_connection()
        self._engine.dispose()

    def _connection(self) -> Connection:
        if self._conn is None:
            self._conn = self._engine.connect().execution_options(writes=True)
        return self._conn

    def _drop_connection(self) -> None:
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.invalidate()
            conn.close()

"""The one writing thread of a process. Waiting writes share a transaction and its fsync."""

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

#: The most writes that share one transaction. Enough of them make the fsync cheap; too many would hold the lock,
#: which other processes wait for, for more than some milliseconds.
_MOST_TOGETHER = 64


class _Submission:
    """A unit of work with the future of its result. Without a query, the result is `judge` of the data version."""

    __slots__ = ("future", "judge", "query")

    def __init__(self, query: Callable[[Connection], Any] | None, judge: Callable[[int], Any] | None = None) -> None:
        self.query = query
        self.judge = judge
        self.future: Future[Any] = Future()


class Writer:
    """Runs units of work one after the other, each in a SAVEPOINT. Their futures get results after the commit."""

    def __init__(self, engine: Engine, file: OpenedFile, committed: Callable[[ChangeSet], None]) -> None:
        self._engine = engine
        self._file = file
        self._committed = committed
        self._queue: queue.SimpleQueue[_Submission | None] = queue.SimpleQueue()
        self._gate = threading.Lock()
        self._closed = False
        self._conn: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="database-writer", daemon=True)
        self._thread.start()

    def submit(self, query: Callable[[Connection], T]) -> Future[T]:
        """Queue a unit of work. Its future can be cancelled until the work starts."""
        return self._put(_Submission(query))

    def compare_version(self, judge: Callable[[int], T]) -> Future[T]:
        """Return the future of `judge`, called with the data version as the writer's connection sees it. The version
        changes when another process commits."""
        return self._put(_Submission(None, judge))

    def close(self) -> None:
        """Run all submitted work, then end the thread. May be called again."""
        with self._gate:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def _put(self, submission: _Submission) -> Future[Any]:
        with self._gate:
            if self._closed:
                raise DatabaseUnavailable("The database was closed: this process is stopping.")
            self._queue.put(submission)
        return submission.future

    def _run(self) -> None:
        going_on = True
        while going_on:
            batch, going_on = self._next_batch()
            submissions = [submission for submission in batch if submission.future.set_running_or_notify_cancel()]
            self._resolve_versions([submission for submission in submissions if submission.query is None])
            self._commit([submission for submission in submissions if submission.query is not None])
        self._drop_connection()

    def _next_batch(self) -> tuple[list[_Submission], bool]:
        batch: list[_Submission] = []
        while len(batch) < _MOST_TOGETHER:
            try:
                submission = self._queue.get(block=not batch)
            except queue.Empty:
                break
            if submission is None:
                return batch, False
            batch.append(submission)
        return batch, True

    def _resolve_versions(self, submissions: Sequence[_Submission]) -> None:
        if not submissions:
            return
        try:
            version = sqlite.data_version(self._connection())
        except Exception as error:  # noqa: BLE001 - every error goes to the callers
            self._fail(submissions, error)
        else:
            for submission in submissions:
                assert submission.judge is not None
                submission.future.set_result(submission.judge(version))

    def _commit(self, submissions: Sequence[_Submission]) -> None:
        if not submissions:
            return
        committing = False
        try:
            with self._connection().begin() as transaction:
                made = changes.begin(self._connection())
                outcomes = [(submission, *self._in_savepoint(submission)) for submission in submissions]
                self._file.check()
                committing = True
                transaction.commit()
        except BaseException as error:  # noqa: BLE001 - the thread survives every error of a query
            self._fail(submissions, error, in_doubt=committing)
            return
        for submission, answer, refusal in outcomes:
            if refusal is None:
                submission.future.set_result(answer)
            else:
                submission.future.set_exception(refusal)
        if any(refusal is None for _, _, refusal in outcomes):
            self._committed(made)

    def _in_savepoint(self, submission: _Submission) -> tuple[Any, Exception | None]:
        """Return the query's result or its own error. An outage ends the whole transaction."""
        assert submission.query is not None
        conn = self._connection()
        driver = sqlite.driver_of(conn)
        driver.execute("SAVEPOINT query")
        try:
            answer = submission.query(conn)
            driver.execute("RELEASE query")
        except Exception as error:
            # SQLite rolls back everything by itself on a full disk and similar errors: no savepoint is left.
            if sqlite.as_outage(error) is not None or not driver.in_transaction:
                raise
            driver.execute("ROLLBACK TO query")
            driver.execute("RELEASE query")
            return None, error
        return answer, None

    def _fail(self, submissions: Sequence[_Submission], error: BaseException, *, in_doubt: bool = False) -> None:
        if isinstance(error, (DatabaseMissing, DatabaseReplaced)):
            self._leave_file()
        self._drop_connection()
        reported: BaseException = error
        if (outage := sqlite.as_outage(error)) is not None:
            # A commit that could not be synced may still be in the log after a recovery.
            outage.in_doubt = in_doubt and isinstance(outage, DatabaseUnavailable)
            reported = outage
        for submission in submissions:
            submission.future.set_exception(reported)

    def _leave_file(self) -> None:
        """Close a file that was moved. It is complete then, and nothing of it stays in the old place."""
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

"""The store on PostgreSQL: every query is a transaction on a pooled connection."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Generic, TypeVar

from sqlalchemy import Connection, Engine, RootTransaction, event, select, text
from sqlalchemy.exc import DBAPIError

from dictograph.errors import DatabaseUnavailable
from dictograph.store import changes
from dictograph.store.backends import postgres
from dictograph.store.backends.postgres import PATIENCE_S, PatientConnection
from dictograph.store.backends.postgres_errors import REPEATABLE, as_outage, sqlstate
from dictograph.store.backends.postgres_listener import Listener, notification
from dictograph.store.change_notifier import ChangeNotifier
from dictograph.store.tables import job

T = TypeVar("T")

#: The most attempts for a transaction that conflicts with others.
_TRIES = 6

#: The least time (s) that a query gets when it starts late.
_LEAST_S = 5.0

_NO_ANSWER = f"PostgreSQL cannot be used: it has not answered for {PATIENCE_S:.0f} s; look at its load and its locks."

#: `changed` returns true after this time (s) even without a notification: one may be lost.
_POLL_S = 2.0


class PostgresBackend:
    """See Backend. Reads and writes have separate threads, so slow lists do not delay the renewal of leases.
    There are as many threads as connections."""

    def __init__(self, url: str, pool: int, change_notifier: ChangeNotifier) -> None:
        postgres.check_url(url)
        self._url = url
        self._change_notifier = change_notifier
        self._own: set[int] = set()
        self.engine = postgres.make_engine(self._connect, pool)
        event.listen(self.engine, "close", self._forget)
        readers = max(1, pool // 2)
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="database-reader")
        self._writers = ThreadPoolExecutor(max(1, pool - readers), thread_name_prefix="database-writer")
        self._reading = self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._writing = self.engine.execution_options(isolation_level="READ COMMITTED")
        self._lock = threading.Lock()
        self._listener: Listener | None = None
        self._notified = False
        self._last_reported = -_POLL_S
        self._closed = False

    def inspect(self) -> None:
        self.read(lambda conn: conn.execute(text("SELECT 1")).scalar_one()).result()

    def check(self) -> Future[None]:
        return self.read(lambda conn: conn.execute(select(job.c.id).limit(1)).close())

    def write(self, query: Callable[[Connection], T]) -> Future[T]:
        return self._submit(self._writers, _Write(self._writing, query, self._change_notifier))

    def read(self, query: Callable[[Connection], T]) -> Future[T]:
        return self._submit(self._readers, _Run(self._reading, query))

    def changed(self) -> Future[bool]:
        self.listen()
        future: Future[bool] = Future()
        future.set_result(self._may_have_changed())
        return future

    def listen(self) -> None:
        with self._lock:
            if self._listener is None and not self._closed:
                connect = partial(postgres.connect, self._url, autocommit=True)
                self._listener = Listener(connect, self._change_notifier, self._own.__contains__, self._mark_changed)
                self._listener.start()

    def close(self) -> None:
        with self._lock:
            self._closed = True
        self._writers.shutdown(wait=True)
        self._readers.shutdown(wait=True)
        if self._listener is not None:
            self._listener.close()
        self.engine.dispose()

    def _submit(self, threads: ThreadPoolExecutor, run: _Run[T]) -> Future[T]:
        with self._lock:
            if self._closed:
                raise DatabaseUnavailable("The database was closed: this process is stopping.")
            return threads.submit(self._answer, run, time.monotonic() + PATIENCE_S)

    def _answer(self, run: _Run[T], deadline: float) -> T:
        if time.monotonic() > deadline:
            raise DatabaseUnavailable(_NO_ANSWER)  # all connections were busy for the whole time
        run.deadline = max(deadline, time.monotonic() + _LEAST_S)
        while True:
            try:
                return run.once()
            except DBAPIError as error:
                if run.may_repeat(error):
                    continue
                outage = as_outage(error)
                if outage is None:
                    raise
                outage.in_doubt = run.in_doubt(error)
                raise outage from error

    def _connect(self) -> PatientConnection:
        connection = postgres.connect(self._url)
        self._own.add(connection.process)
        return connection

    def _forget(self, connection: PatientConnection, record: object) -> None:  # noqa: ARG002 - the hook's signature
        self._own.discard(connection.process)

    def _mark_changed(self) -> None:
        self._notified = True

    def _may_have_changed(self) -> bool:
        with self._lock:
            now = time.monotonic()
            listening = self._listener is not None and self._listener.listening
            if listening and not self._notified and now - self._last_reported < _POLL_S:
                return False
            self._notified, self._last_reported = False, now
            return True


class _Run(Generic[T]):
    """A query that is being run."""

    def __init__(self, engine: Engine, query: Callable[[Connection], T]) -> None:
        self._engine = engine
        self._query = query
        self._tries = 0
        self._committing = False
        self.deadline = math.inf

    def once(self) -> T:
        """Run it in a transaction."""
        self._tries += 1
        self._committing = False
        with self._engine.connect() as conn:
            driver = conn.connection.driver_connection
            assert isinstance(driver, PatientConnection)
            driver.deadline = self.deadline
            with conn.begin() as transaction:
                answer = self._query(conn)
                self._end(transaction)
        return answer

    def may_repeat(self, error: DBAPIError) -> bool:
        """Return whether to run it again: it conflicted with others, or the connection was lost before the commit."""
        if time.monotonic() > self.deadline:
            return False
        if sqlstate(error) in REPEATABLE:
            time.sleep(random.uniform(0.0, 0.01 * 2**self._tries))
            return self._tries < _TRIES
        return error.connection_invalidated and not self._committing and self._tries == 1

    def in_doubt(self, error: DBAPIError) -> bool:
        """Return whether it may be committed all the same: the connection was lost before the server confirmed."""
        return error.connection_invalidated and self._committing

    def _end(self, transaction: RootTransaction) -> None:
        transaction.rollback()


class _Write(_Run[T]):
    """A unit of work that writes. Its notifications are sent with its commit."""

    def __init__(self, engine: Engine, query: Callable[[Connection], T], change_notifier: ChangeNotifier) -> None:
        super().__init__(engine, lambda conn: (changes.begin(conn), query(conn))[1])
        self._change_notifier = change_notifier

    def _end(self, transaction: RootTransaction) -> None:
        conn = transaction.connection
        made = changes.of(conn)
        if (call := notification(made)) is not None:
            conn.execute(text(call[0]), call[1])
        self._committing = True
        transaction.commit()
        self._change_notifier.committed(made)

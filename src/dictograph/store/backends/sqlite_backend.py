"""The store on SQLite: one thread writes, others read."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection, Engine, NullPool
from sqlalchemy.exc import DBAPIError

from dictograph.store.backends import sqlite
from dictograph.store.backends.sqlite_writer import Writer
from dictograph.store.change_notifier import ChangeNotifier

T = TypeVar("T")

_READERS = 4


class SqliteBackend:
    """See Backend. Commits of other processes are found by asking; SQLite sends no notifications."""

    def __init__(self, url: str, change_notifier: ChangeNotifier) -> None:
        self._file = sqlite.opened(url)
        self.engine = sqlite.make_engine(self._file)
        self._fresh = sqlite.make_engine(self._file, NullPool)
        self._version: int | None = None
        self._lock = threading.Lock()
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="database-reader")
        self._writer = Writer(self.engine, self._file, change_notifier.committed)

    def inspect(self) -> None:
        self._read(lambda conn: conn.exec_driver_sql("SELECT count(*) FROM sqlite_master").all())

    def check(self) -> Future[None]:
        return self._readers.submit(self._read, sqlite.check_tables, self._fresh)

    def write(self, query: Callable[[Connection], T]) -> Future[T]:
        return self._writer.submit(query)

    def read(self, query: Callable[[Connection], T]) -> Future[T]:
        return self._readers.submit(self._read, query)

    def changed(self) -> Future[bool]:
        return self._writer.compare_version(self._is_new_version)

    def listen(self) -> None:
        """Do nothing: SQLite has no notifications."""

    def close(self) -> None:
        self._writer.close()
        self._readers.shutdown(wait=True)
        self.engine.dispose()

    def _is_new_version(self, version: int) -> bool:
        with self._lock:
            before, self._version = self._version, version
        return version != before

    def _read(self, query: Callable[[Connection], T], engine: Engine | None = None) -> T:
        # `check` gives a fresh engine: a connection that has read pages before does not read them from the disk again.
        try:
            with (engine or self.engine).connect() as conn, conn.begin() as snapshot:
                answer = query(conn)
                snapshot.rollback()
                return answer
        except (DBAPIError, sqlite3.Error) as error:
            outage = sqlite.as_outage(error)
            if outage is None:
                raise
            raise outage from error

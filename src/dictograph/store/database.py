"""The database of a process: it runs queries and units of work, which the modules beside this one define."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import TypeVar

from sqlalchemy import Connection

from dictograph.errors import DatabaseUnavailable
from dictograph.store import changes
from dictograph.store.backends.backend import POOL, Backend
from dictograph.store.backends.dialects import make_backend
from dictograph.store.change_notifier import ChangeNotifier, Jobs

T = TypeVar("T")

#: What is done at the end of a unit of work.
Ending = Callable[[Connection, Collection[str]], None]


class Database:
    """Runs functions of a connection, each in its own transaction: queries, and units of work that write.

    Reads see one snapshot and never wait for a write. A write is durable when its result is returned.
    The database may roll a function back and run it again from its start: the function must change nothing but the
    database.

    Errors of the functions are passed on; beside them, all methods raise:
        DatabaseUnavailable: the database cannot be used; the message says what to do.
        StorageFull: the disk is full; nothing was written.
    """

    def __init__(self, backend: Backend, change_notifier: ChangeNotifier) -> None:
        self._backend = backend
        self._change_notifier = change_notifier
        self._closed = False
        self._endings: list[Ending] = []

    @classmethod
    def open(cls, url: str, pool: int = POOL) -> Database:
        """Open the database at `url` and check that it can be used. Does not migrate.

        Args:
            url: `sqlite:///FILE`, or `postgresql://…` with any parameter of libpq.
            pool: the most connections of this process on PostgreSQL; one more receives notifications.
        """
        change_notifier = ChangeNotifier()
        backend = make_backend(url, pool, change_notifier)
        try:
            backend.inspect()
        except BaseException:
            backend.close()
            raise
        return cls(backend, change_notifier)

    async def write(self, query: Callable[[Connection], T]) -> T:
        """Run a unit of work that writes; returns once it is committed. Others may share its commit.

        A caller that is cancelled before its work starts has written nothing; later, it may have.
        """
        self._enter()
        return await asyncio.wrap_future(self._backend.write(self._with_endings(query)))

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run a query that only reads."""
        self._enter()
        return await asyncio.wrap_future(self._backend.read(query))

    async def check(self) -> None:
        """Check that the database can be used now, by reading its first rows."""
        self._enter()
        await asyncio.wrap_future(self._backend.check())

    def write_now(self, query: Callable[[Connection], T]) -> T:
        """Run `write` for callers without an event loop."""
        self._check_open()
        return self._backend.write(self._with_endings(query)).result()

    def read_now(self, query: Callable[[Connection], T]) -> T:
        """Run `read` for callers without an event loop."""
        self._check_open()
        return self._backend.read(query).result()

    def before_commit(self, call: Ending) -> None:
        """Have `call` called at the end of each unit of work of this process, in its transaction, with the jobs whose
        event log it has extended or that it has removed. The same rules hold for it as for the unit of work."""
        self._endings.append(call)

    def on_messages(self, call: Callable[[], None]) -> None:
        """Have `call` called in the event loop when this process has committed a message to be sent."""
        self._change_notifier.on_messages.append(call)

    def on_webhooks(self, call: Callable[[], None]) -> None:
        """Have `call` called in the event loop when this process has committed a webhook to be sent."""
        self._change_notifier.on_webhooks.append(call)

    def on_jobs(self, call: Callable[[Jobs], None]) -> None:
        """Have `call` called in the event loop with the jobs whose event log has grown, or which were removed. That
        is after each commit of this process, and of others where the database notifies. None means any job."""
        self._change_notifier.on_jobs.append(call)
        self._backend.listen()

    def on_wake(self, call: Callable[[], None]) -> None:
        """Have `call` called in the event loop when another process has made a job claimable, where the database
        notifies: PostgreSQL does, SQLite does not."""
        self._change_notifier.on_wake.append(call)
        self._backend.listen()

    async def changed(self) -> bool:
        """Return whether another process may have committed since the last call; true at the first call."""
        self._enter()
        return await asyncio.wrap_future(self._backend.changed())

    async def close(self) -> None:
        """Finish the submitted work, then close all connections."""
        await asyncio.to_thread(self.close_now)

    def close_now(self) -> None:
        """Run `close` for callers without an event loop. May be called again."""
        self._closed = True
        self._backend.close()

    def _with_endings(self, query: Callable[[Connection], T]) -> Callable[[Connection], T]:
        if not self._endings:
            return query

        def run(conn: Connection) -> T:
            jobs = changes.begin_unit(conn)
            answer = query(conn)
            for call in self._endings if jobs else ():
                call(conn, jobs)
            return answer

        return run

    def _enter(self) -> None:
        self._check_open()
        self._change_notifier.use_this_loop()

    def _check_open(self) -> None:
        if self._closed:
            raise DatabaseUnavailable("The database was closed: this process is stopping.")

"""The database of a process: questions in, answers out. What is asked is in the modules beside this one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from dictograph.errors import DatabaseUnavailable
from dictograph.store.backends.backend import POOL, Backend
from dictograph.store.backends.dialects import make_backend
from dictograph.store.change_notifier import ChangeNotifier, Jobs

T = TypeVar("T")


class Database:
    """Runs questions, which are functions of a connection, each in a transaction of its own.

    Reads see one snapshot and never wait for a write. A write is durable when its answer is here.
    A question may be run again from its start when the database could not let it pass: it must
    change nothing but the database.

    Questions raise what they raise; beside that, all methods raise:
        DatabaseUnavailable: the database cannot be used; the message says what to do.
        StorageFull: the disk is full; nothing was written.
    """

    def __init__(self, backend: Backend, change_notifier: ChangeNotifier) -> None:
        self._backend = backend
        self._change_notifier = change_notifier
        self._closed = False

    @classmethod
    def open(cls, url: str, pool: int = POOL) -> Database:
        """Open the database at `url` and look whether it can be used. Does not migrate.

        Args:
            url: `sqlite:///FILE`, or `postgresql://…` with whatever libpq knows.
            pool: the most connections of this process on PostgreSQL; one more listens.
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
        """Run a question that writes; returns once it is committed. Others may share its commit.

        A caller that is cancelled while it waits its turn has written nothing; later, it may have.
        """
        self._enter()
        return await asyncio.wrap_future(self._backend.write(query))

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run a question that only reads."""
        self._enter()
        return await asyncio.wrap_future(self._backend.read(query))

    async def check(self) -> None:
        """See whether the database can be used now, by reading of it what comes first."""
        self._enter()
        await asyncio.wrap_future(self._backend.check())

    def write_now(self, query: Callable[[Connection], T]) -> T:
        """`write` for callers without an event loop."""
        self._check_open()
        return self._backend.write(query).result()

    def read_now(self, query: Callable[[Connection], T]) -> T:
        """`read` for callers without an event loop."""
        self._check_open()
        return self._backend.read(query).result()

    def on_messages(self, call: Callable[[], None]) -> None:
        """Have `call` called in the event loop when this process has committed a message to be sent."""
        self._change_notifier.on_messages.append(call)

    def on_webhooks(self, call: Callable[[], None]) -> None:
        """Have `call` called in the event loop when this process has committed a webhook to be sent."""
        self._change_notifier.on_webhooks.append(call)

    def on_jobs(self, call: Callable[[Jobs], None]) -> None:
        """Have `call` called in the event loop with the jobs whose log has grown, or which are gone: after each
        commit of this process, and of others where the database tells. None: it may be any."""
        self._change_notifier.on_jobs.append(call)
        self._backend.listen()

    def on_wake(self, call: Callable[[], None]) -> None:
        """Have `call` called in the event loop when another process has made a job claimable, as far as the
        database can tell: PostgreSQL does, SQLite never."""
        self._change_notifier.on_wake.append(call)
        self._backend.listen()

    async def changed(self) -> bool:
        """Whether another process may have committed since this was last asked; true the first time."""
        self._enter()
        return await asyncio.wrap_future(self._backend.changed())

    async def close(self) -> None:
        """Finish what was asked, then close all connections."""
        await asyncio.to_thread(self.close_now)

    def close_now(self) -> None:
        """`close` for callers without an event loop. May be called again."""
        self._closed = True
        self._backend.close()

    def _enter(self) -> None:
        self._check_open()
        self._change_notifier.use_this_loop()

    def _check_open(self) -> None:
        if self._closed:
            raise DatabaseUnavailable("The database was closed: this process is stopping.")

"""The database of a process: questions in, answers out. What is asked is in the modules beside this one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from dictograph.errors import DatabaseUnavailable
from dictograph.store import sqlite
from dictograph.store.writer import Writer

T = TypeVar("T")

_READERS = 4


class Database:
    """Runs questions, which are functions of a connection, each in a transaction of its own.

    Reads see one snapshot and never wait for a write. A write is durable when its answer is here.

    Questions raise what they raise; beside that, all methods raise:
        DatabaseUnavailable: the database cannot be used; the message says what to do.
        StorageFull: the disk is full; nothing was written.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._listeners: list[Callable[[], None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._version: int | None = None
        self._closed = False
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="database-reader")
        self._writer = Writer(engine, self._committed)

    @classmethod
    def open(cls, url: str) -> Database:
        """Open the database at `url` (`sqlite:///FILE`) and look whether it can be read. Does not migrate."""
        engine = sqlite.make_engine(url)
        try:
            _read(engine, lambda conn: conn.exec_driver_sql("SELECT count(*) FROM sqlite_master"))
        except BaseException:
            engine.dispose()
            raise
        return cls(engine)

    async def write(self, question: Callable[[Connection], T]) -> T:
        """Run a question that writes; returns once it is committed. Others may share its commit.

        A caller that is cancelled while it waits its turn has written nothing; later, it may have.
        """
        self._loop = asyncio.get_running_loop()
        return await asyncio.wrap_future(self._writer.ask(question))

    async def read(self, question: Callable[[Connection], T]) -> T:
        """Run a question that only reads."""
        self._check_open()
        loop = self._loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, _read, self._engine, question)

    def write_now(self, question: Callable[[Connection], T]) -> T:
        """`write` for callers without an event loop."""
        return self._writer.ask(question).result()

    def read_now(self, question: Callable[[Connection], T]) -> T:
        """`read` for callers without an event loop."""
        self._check_open()
        return _read(self._engine, question)

    def on_commit(self, call: Callable[[], None]) -> None:
        """Have `call` called in the event loop after each commit of this process."""
        self._listeners.append(call)

    async def changed(self) -> bool:
        """Whether another process has committed since this was last asked; true the first time."""
        self._loop = asyncio.get_running_loop()
        version = await asyncio.wrap_future(self._writer.ask_version())
        before, self._version = self._version, version
        return version != before

    async def close(self) -> None:
        """Finish what was asked, then close all connections."""
        await asyncio.to_thread(self.close_now)

    def close_now(self) -> None:
        """`close` for callers without an event loop. May be called again."""
        self._closed = True
        self._writer.close()
        self._readers.shutdown(wait=True)
        self._engine.dispose()

    def _check_open(self) -> None:
        if self._closed:
            raise DatabaseUnavailable("The database was closed: this process is stopping.")

    def _committed(self) -> None:
        """Called by the writer's thread."""
        if self._loop is not None and self._listeners:
            with contextlib.suppress(RuntimeError):  # the loop was closed: nobody is left to be told
                self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        for call in self._listeners:
            call()


def _read(engine: Engine, question: Callable[[Connection], T]) -> T:
    try:
        with engine.connect() as conn, conn.begin() as snapshot:
            answer = question(conn)
            snapshot.rollback()
            return answer
    except DBAPIError as error:
        outage = sqlite.as_outage(error)
        if outage is None:
            raise
        raise outage from error

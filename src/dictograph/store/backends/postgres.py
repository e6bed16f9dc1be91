"""PostgreSQL as Dictograph uses it: how connections are made. No connection waits for ever."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow
from psycopg.types.json import set_json_dumps
from sqlalchemy import Connection, Engine, NullPool, QueuePool, create_engine, text

from dictograph.errors import DatabaseUnavailable
from dictograph.store.text_type import clean_json

#: The oldest server that is supported, as PostgreSQL numbers its versions.
OLDEST = 130000

#: How long a query may take from its submission, in seconds.
PATIENCE_S = 30.0

#: The server's own limits for a statement, for a wait for a lock, and for an idle transaction. They are below
#: PATIENCE_S, so the server reports the cause before this process gives up. In milliseconds.
_STATEMENT_MS, _LOCK_MS, _IDLE_MS = 25_000, 15_000, 25_000

#: The defaults for libpq; the URL may override them. A peer that is gone is noticed within half a minute.
_DEFAULTS: dict[str, Any] = {
    "fallback_application_name": "dictograph",
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}

_NO_URL = (
    "The PostgreSQL URL cannot be read; give postgresql://USER:PASSWORD@HOST:PORT/NAME, with characters like "
    "@ / : ? # % in the password written as %40 %2F %3A %3F %23 %25."
)

#: A commit has to survive a power cut, whatever the default of this user or database is. An operator's stronger
#: choice (replicas must have the commit too) stays.
_DURABLE = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"

#: An arbitrary number. No other program may use it in the same database.
_MIGRATION_LOCK = 0x44696374


class PatientConnection(psycopg.Connection[TupleRow]):
    """A connection that is closed when it still waits at `deadline` (by the monotonic clock).

    A server process that is stopped keeps its connections open and sends nothing.
    """

    deadline: float = math.inf
    process: int = 0

    def wait(self, gen: Generator[Any, Any, Any], *rest: Any, **named: Any) -> Any:
        return super().wait(self._until_the_deadline(gen), *rest, **named)

    def _until_the_deadline(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        # The driver resumes the generator at least ten times a second, ready or not.
        try:
            awaited = next(gen)
            while True:
                ready = yield awaited
                if not ready and time.monotonic() > self.deadline:
                    self.pgconn.finish()
                    raise psycopg.OperationalError("the server did not answer in time")
                awaited = gen.send(ready)
        except StopIteration as end:
            return end.value


def connect(url: str, *, autocommit: bool = False, patient: bool = False) -> PatientConnection:
    """Return a connection to the database at `url`.

    `patient` is for statements that may take long: the server then sets no limit to a statement.

    Raises psycopg.Error, or DatabaseUnavailable when the server is too old or the database has another encoding.
    """
    connection = PatientConnection.connect(**_parameters(url, limited=not patient), autocommit=True)
    connection.process = connection.info.backend_pid
    connection.deadline = time.monotonic() + PATIENCE_S
    try:
        _check(connection)
        connection.execute(_DURABLE)
        set_json_dumps(clean_json, connection)
        connection.autocommit = autocommit
    except BaseException:
        connection.close()
        raise
    connection.deadline = math.inf
    return connection


def check_url(url: str) -> None:
    """Raise DatabaseUnavailable when the text is not a PostgreSQL URL. The message does not repeat the URL."""
    _parameters(url, limited=False)


def _parameters(url: str, *, limited: bool) -> dict[str, Any]:
    _, _, rest = url.partition("://")
    before_query = rest.partition("?")[0]
    user_and_host, _, path = before_query.partition("/")
    if "@" in path or user_and_host.count("@") > 1:
        raise DatabaseUnavailable(_NO_URL)  # libpq would take the password for a host and show it in its error
    try:
        given = conninfo_to_dict(f"postgresql://{rest}")
    except psycopg.Error as error:
        raise DatabaseUnavailable(_NO_URL) from error
    limits = {"idle_in_transaction_session_timeout": _IDLE_MS, "lock_timeout": _LOCK_MS}
    limits |= {"statement_timeout": _STATEMENT_MS} if limited else {}
    options = " ".join(f"-c {name}={value}" for name, value in limits.items())
    return {
        **_DEFAULTS,
        **given,
        "options": f"{options} {given.get('options') or ''}".strip(),
        "client_encoding": "utf8",
    }


def _check(connection: PatientConnection) -> None:
    info = connection.info
    if info.server_version < OLDEST:
        found, needed = info.parameter_status("server_version"), OLDEST // 10_000
        raise DatabaseUnavailable(f"PostgreSQL {found} is too old; this version needs {needed} or newer.")
    encoding = info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise DatabaseUnavailable(
            f"The database is encoded in {encoding}; make it anew with `createdb --encoding=UTF8 --template=template0`."
        )


def make_engine(connect: Callable[[], PatientConnection], pool: int) -> Engine:
    """Return an engine that keeps at most `pool` connections open. Nothing is opened yet."""
    return create_engine(
        "postgresql+psycopg://",
        creator=connect,
        poolclass=QueuePool,
        pool_size=pool,
        max_overflow=0,
        pool_use_lifo=True,
        pool_timeout=PATIENCE_S,
        use_native_hstore=False,
    )


@contextmanager
def migrating(url: str) -> Iterator[Connection]:
    """Yield a connection in a transaction that excludes all other migrations. Its statements have no time limit."""
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: connect(url, patient=True), poolclass=NullPool, use_native_hstore=False
    )
    try:
        with engine.connect() as connection, connection.begin():
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            yield connection
    finally:
        engine.dispose()

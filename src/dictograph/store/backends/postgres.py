"""PostgreSQL as Dictograph uses it: how connections are made, and that none waits for ever."""

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

#: How long a question may take from the moment it was asked, in seconds.
PATIENCE_S = 30.0

#: So long the server itself gives a statement, and one that waits for a lock: it then says what was
#: the matter, before our own patience ends. In milliseconds.
_STATEMENT_MS, _LOCK_MS, _IDLE_MS = 25_000, 15_000, 25_000

#: What libpq is told unless the URL says otherwise: a peer that is gone is noticed within half a minute.
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

#: What is committed has to outlast a power cut, whatever this user's or database's default is; an
#: operator's stronger choice (of replicas that must have it too) stays.
_DURABLE = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"

#: Any number will do, as long as no other program takes it in the same database.
_MIGRATION_LOCK = 0x44696374


class PatientConnection(psycopg.Connection[TupleRow]):
    """A connection whose waiting ends at `deadline`, by the monotonic clock, whatever the server does: one that is
    stopped keeps its connections open and says nothing. It is closed then."""

    deadline: float = math.inf
    process: int = 0

    def wait(self, gen: Generator[Any, Any, Any], *rest: Any, **named: Any) -> Any:
        return super().wait(self._until_the_deadline(gen), *rest, **named)

    def _until_the_deadline(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        # The driver resumes the generator at least ten times a second, ready or not.
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() > self.deadline:
                    self.pgconn.finish()
                    raise psycopg.OperationalError("the server did not answer in time")
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value


def connect(url: str, *, autocommit: bool = False, patient: bool = False) -> PatientConnection:
    """A connection to the database at `url`.

    `patient` is for what may take long: the server then sets no limit to a statement.

    Raises psycopg.Error, or DatabaseUnavailable when the server is too old or the database of another encoding.
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
    """Raises DatabaseUnavailable, which does not repeat the URL, when it cannot be one."""
    _parameters(url, limited=False)


def _parameters(url: str, *, limited: bool) -> dict[str, Any]:
    _, _, rest = url.partition("://")
    before_query = rest.partition("?")[0]
    user_and_host, _, path = before_query.partition("/")
    if "@" in path or user_and_host.count("@") > 1:
        raise DatabaseUnavailable(_NO_URL)  # libpq would take the password for a host, and say so aloud
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
    """An engine that has at most `pool` connections open. Nothing is opened yet."""
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
    """A connection in a transaction that no other migration is beside, and that may take its time."""
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: connect(url, patient=True), poolclass=NullPool, use_native_hstore=False
    )
    try:
        with engine.connect() as connection, connection.begin():
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            yield connection
    finally:
        engine.dispose()

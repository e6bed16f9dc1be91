"""SQLite as Dictograph uses it: how connections are made, and the meaning of its errors."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, Pool, QueuePool, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from dictograph.errors import DatabaseUnavailable, DictographError, StorageFull
from dictograph.store.backends.sqlite_file import OpenedFile, make_file
from dictograph.store.tables import metadata
from dictograph.store.text_type import clean_json

BUSY_TIMEOUT_S = 15.0

#: The oldest SQLite with UPDATE … RETURNING (https://www.sqlite.org/lang_returning.html).
OLDEST = (3, 35, 0)
TOO_OLD = f"SQLite {sqlite3.sqlite_version} is too old; use a Python with SQLite 3.35 or newer, or PostgreSQL."

#: The write-ahead log is cut back to this after a checkpoint, in bytes.
_JOURNAL_SIZE_LIMIT = 64 * 2**20

#: How long a process that closes a moved file waits for other readers of it (ms).
_LEAVING_MS = 1000

#: SQLite's error for a full disk at opening: there is no space for the index of the write-ahead log.
_NO_ROOM_TO_OPEN = "SQLITE_IOERR_SHMSIZE"

_WHAT_TO_DO = {
    "SQLITE_BUSY": "another process has held its lock for more than 15 s; end it, or try again",
    "SQLITE_LOCKED": "another connection holds its lock; try again",
    "SQLITE_CANTOPEN": "it cannot be opened; check that its folder exists and that this user may write there",
    "SQLITE_READONLY": "it is read-only; check the rights of the file and of its folder",
    "SQLITE_PERM": "its rights do not allow this; check the rights of the file and of its folder",
    "SQLITE_NOTADB": "the file is not a SQLite database; move it away, or name another in DICTOGRAPH_DATABASE_URL",
    "SQLITE_CORRUPT": "the file is damaged; restore it from a backup, or save what `sqlite3 FILE .recover` can read",
    "SQLITE_IOERR": "the disk reported an error; check the disk and its cables or mounts",
    "SQLITE_PROTOCOL": "its locks do not work here; keep it on a local disk, not on a network share",
    "SQLITE_NOMEM": "there is not enough memory",
}


def make_engine(file: OpenedFile, pool: type[Pool] = QueuePool) -> Engine:
    """Return an engine for a database that exists. Nothing is opened yet.

    Each transaction checks that the file is still the one that was opened.
    """
    sizes = {"pool_size": 8, "max_overflow": -1} if pool is QueuePool else {}
    engine = create_engine(
        "sqlite://", creator=lambda: _connect(file), poolclass=pool, json_serializer=clean_json, **sizes
    )
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", lambda conn: _on_begin(conn, file))
    return engine


def opened(url: str) -> OpenedFile:
    """Return the file that a URL names, to be opened.

    Raises:
        DatabaseUnavailable: when SQLite is too old, or the URL names no file.
    """
    if sqlite3.sqlite_version_info < OLDEST:
        raise DatabaseUnavailable(TOO_OLD)
    return OpenedFile(file_of(url))


def file_of(url: str) -> Path:
    """Return the database's file. Raises DatabaseUnavailable when the URL names none."""
    return Path(str(_parse(url).database)).absolute()


def make_missing(url: str) -> None:
    """Create an empty file, and its folder, for a database that does not exist yet.

    Raises:
        DatabaseUnavailable: when SQLite is too old, the URL names no file, or the file cannot be created.
    """
    make_file(opened(url).path)


@contextmanager
def migrating(url: str) -> Iterator[Connection]:
    """Yield a connection in a transaction that holds the write lock from its beginning."""
    engine = make_engine(opened(url))
    try:
        with engine.connect().execution_options(writes=True) as connection, connection.begin():
            yield connection
    finally:
        engine.dispose()


def try_to_write(url: str) -> None:
    """Write to the database and roll back.

    A read-only database lets a transaction begin, and a migration with nothing to do needs no more than that.
    """
    engine = make_engine(opened(url))
    try:
        with engine.connect().execution_options(writes=True) as connection, connection.begin() as trial:
            version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
            connection.exec_driver_sql(f"PRAGMA user_version = {version}")
            trial.rollback()
    finally:
        engine.dispose()


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise DatabaseUnavailable("This is not a database URL; give sqlite:///FILE.") from error
    if not parsed.database or parsed.database == ":memory:":
        raise DatabaseUnavailable("A database in memory would lose every job; give sqlite:///FILE.")
    return parsed


def _connect(file: OpenedFile) -> sqlite3.Connection:
    """Open the file. A missing file is not created (https://www.sqlite.org/uri.html, `mode`)."""
    with file.opening():
        uri = f"{file.path.as_uri()}?mode=rw"
        return sqlite3.connect(uri, uri=True, check_same_thread=False, timeout=BUSY_TIMEOUT_S)


def _on_connect(connection: sqlite3.Connection, record: object) -> None:  # noqa: ARG001 - the hook's signature
    # The driver begins transactions by itself, but not before SAVEPOINT: `_on_begin` does it.
    connection.isolation_level = None
    try:
        _use_wal(connection)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA journal_size_limit={_JOURNAL_SIZE_LIMIT}")
    except BaseException:
        connection.close()
        raise


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log. Two processes that switch at once get "locked" without the usual wait."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if _name(error) != "SQLITE_BUSY" or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _on_begin(conn: Connection, file: OpenedFile) -> None:
    file.check()
    # A writer takes the lock at once: after a read it could not become a writer if another has written in between.
    driver_of(conn).execute("BEGIN IMMEDIATE" if conn.get_execution_options().get("writes") else "BEGIN")


def driver_of(conn: Connection) -> sqlite3.Connection:
    """Return the driver's connection, for the statements of every transaction: SQLAlchemy takes many times as long."""
    driver = conn.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


def save_to_its_file(conn: Connection) -> None:
    """Copy all commits from the write-ahead log to the open file, wherever that file lies now.

    The log keeps its old name: beside another file, SQLite would take it for that file's log. Must be called outside
    a transaction. Raises sqlite3.Error.
    """
    driver = driver_of(conn)
    driver.execute(f"PRAGMA busy_timeout={_LEAVING_MS}")
    driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def check_tables(conn: Connection) -> None:
    """Read the first row of each table: a damaged file is noticed only when it is read."""
    for name in metadata.tables:
        conn.exec_driver_sql(f"SELECT * FROM {name} LIMIT 1").all()  # noqa: S608 - one of our table names


def data_version(conn: Connection) -> int:
    """Return a number that changes when another connection commits. Must be called outside a transaction."""
    return int(driver_of(conn).execute("PRAGMA data_version").fetchone()[0])


def as_outage(error: BaseException) -> DictographError | None:
    """Return the meaning of a driver's error; None when the statement failed and not the database."""
    original = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(original, sqlite3.Error):
        return None
    if "no such table" in str(original) or "no such column: " in str(original):
        return DatabaseUnavailable("The database has not been prepared for this version; run `dictograph db upgrade`.")
    name = _name(original)
    if name == "SQLITE_FULL" or getattr(original, "sqlite_errorname", "") == _NO_ROOM_TO_OPEN:
        return StorageFull("The disk that holds the database is full; free some space.")
    if name in _WHAT_TO_DO:
        return DatabaseUnavailable(f"The database cannot be used: {_WHAT_TO_DO[name]}.", detail=str(original))
    return None


def _name(error: sqlite3.Error) -> str:
    """Return the name of the primary code: SQLITE_IOERR for SQLITE_IOERR_WRITE."""
    return "_".join((getattr(error, "sqlite_errorname", None) or "").split("_")[:2])

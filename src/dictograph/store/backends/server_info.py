"""Facts about a PostgreSQL server: its version, its latency, and whether its commits are durable."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median

import psycopg

from dictograph.store.backends.postgres import connect
from dictograph.store.backends.postgres_errors import as_outage

_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Server:
    """A server as this machine sees it. `latency` is the round trip of a query, in seconds. `careless` are the
    settings with which a power cut may lose commits."""

    version: str
    latency: float
    tls: str | None
    local: bool
    careless: tuple[str, ...]
    free: int

    def __str__(self) -> str:
        way = f"TLS ({self.tls})" if self.tls else "no TLS"
        return f"PostgreSQL {self.version}, {1000 * self.latency:.1f} ms away, {way}"


def inspect(url: str) -> Server:
    """Return facts about the server of the database at `url`. Raises DatabaseUnavailable with what to do."""
    try:
        with connect(url, autocommit=True) as connection:
            return Server(
                version=connection.info.parameter_status("server_version") or "",
                latency=median(_round_trip(connection) for _ in range(_ROUNDS)),
                tls=_tls(connection),
                local=_is_here(connection.info.host),
                careless=_careless(connection),
                free=_free_connections(connection),
            )
    except psycopg.Error as error:
        raise (as_outage(error) or error) from error


def _is_here(host: str) -> bool:
    """Return whether the connection stays on this machine. A path is that of a socket."""
    return host in ("", "::1", "localhost") or host.startswith(("/", "@", "127."))


def _round_trip(connection: psycopg.Connection[tuple[object, ...]]) -> float:
    before = time.perf_counter()
    connection.execute("SELECT 1")
    return time.perf_counter() - before


def _tls(connection: psycopg.Connection[tuple[object, ...]]) -> str | None:
    row = connection.execute("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl").fetchone()
    return str(row[0]) if row else None


def _careless(connection: psycopg.Connection[tuple[object, ...]]) -> tuple[str, ...]:
    query = "SELECT name FROM pg_settings WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off'"
    return tuple(sorted(str(row[0]) for row in connection.execute(query)))


def _free_connections(connection: psycopg.Connection[tuple[object, ...]]) -> int:
    query = (
        "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int"
        " - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')"
    )
    row = connection.execute(query).fetchone()
    return int(str(row[0])) if row else 0

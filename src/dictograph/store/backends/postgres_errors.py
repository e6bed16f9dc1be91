"""The meaning of PostgreSQL's errors, in words for a person."""

from __future__ import annotations

import psycopg
from sqlalchemy.exc import DBAPIError

from dictograph.errors import DatabaseUnavailable, DictographError, StorageFull

#: Two transactions conflicted: the one that was rolled back may be run again.
REPEATABLE = frozenset({"40001", "40P01"})

_UPGRADE = "The database has not been prepared for this version; run `dictograph db upgrade`."
_FULL = "The disk of the PostgreSQL server is full; free some space there."

#: By SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html), the longest match counts.
_BY_STATE = {
    "08": "the connection was lost; try again",
    "25006": "it is read-only; name the primary server in DICTOGRAPH_DATABASE_URL, not a standby",
    "25P02": "a transaction was aborted; try again",
    "25P03": "a transaction was idle for too long; try again",
    "25P04": "a transaction took too long; try again",
    "28": "it does not let this user in; check user and password in DICTOGRAPH_DATABASE_URL, and pg_hba.conf",
    "3D000": "there is no such database; make it with `createdb`, or name another in DICTOGRAPH_DATABASE_URL",
    "40": "it conflicted with other transactions too often; try again",
    "42501": "this user lacks the right; make it the owner of the database (`ALTER DATABASE … OWNER TO …`)",
    "53": "the server has not enough resources; look into its log",
    "53200": "the server has not enough memory",
    "53300": "the server has no connection free; raise its max_connections, or lower DICTOGRAPH_DATABASE_POOL",
    "55P03": "another transaction has held a lock for too long; end it, or try again",
    "57": "the server ended the connection; try again",
    "57014": "the server took too long; check its load and its locks",
    "57P01": "the server is stopping; try again",
    "57P02": "the server has crashed and recovers; try again",
    "57P03": "the server is starting or stopping; try again",
    "57P04": "the database was dropped",
    "58": "the server's disk or memory reported an error; look into its log",
    "XX001": "the database is damaged; restore it from a backup",
    "XX002": "an index is damaged; rebuild it with `REINDEX DATABASE`",
}

#: By words of the message, for a connection that was refused before there was a SQLSTATE.
_BY_WORDS = {
    "password authentication failed": _BY_STATE["28"],
    "no password supplied": _BY_STATE["28"],
    "no pg_hba.conf entry": _BY_STATE["28"],
    'role "': _BY_STATE["28"],
    'database "': _BY_STATE["3D000"],
    "too many clients": _BY_STATE["53300"],
    "too many connections": _BY_STATE["53300"],
    "remaining connection slots": _BY_STATE["53300"],
    "starting up": _BY_STATE["57P03"],
    "shutting down": _BY_STATE["57P03"],
    "recovery": _BY_STATE["57P03"],
    "certificate": "its certificate is not accepted; check sslmode, sslrootcert and the host's name in the URL",
    "SSL": "TLS is not possible as the URL asks for it; check sslmode in the URL, and the server's `ssl`",
    "Connection refused": "nothing listens there; start the server, or check host and port",
    "No such file or directory": "there is no such socket; start the server, or name its host in the URL",
    "translate host name": "its host name is not known; check it, and the name servers",
    "resolve host": "its host name is not known; check it, and the name servers",
    "Name or service not known": "its host name is not known; check it, and the name servers",
    "timeout expired": "it does not answer; check that it runs and that no firewall is between",
    "did not answer": "it does not answer; check that it runs and is not overloaded",
    "No route to host": "there is no route to its host; check the network",
}


def as_outage(error: BaseException) -> DictographError | None:
    """Return the meaning of a driver's error; None when the statement failed and not the database."""
    original = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(original, psycopg.Error):
        return None
    state = original.sqlstate or ""
    if state in ("42P01", "42703", "3F000"):
        return DatabaseUnavailable(_UPGRADE)
    if state == "0A000" and "recovery" in str(original):
        return DatabaseUnavailable(f"PostgreSQL cannot be used: {_BY_STATE['25006']}.")  # a standby
    if state == "53100" or (state.startswith("58") and "No space left" in str(original)):
        return StorageFull(_FULL)
    advice = _advice(original, state)
    if advice is None:
        return None
    return DatabaseUnavailable(f"PostgreSQL cannot be used: {advice}.", detail=_first_line(original))


def sqlstate(error: BaseException) -> str:
    """Return the SQLSTATE of a driver's error; empty when it has none."""
    original = error.orig if isinstance(error, DBAPIError) else error
    return (original.sqlstate or "") if isinstance(original, psycopg.Error) else ""


def _advice(error: psycopg.Error, state: str) -> str | None:
    for length in (5, 2):
        if state[:length] in _BY_STATE:
            return _BY_STATE[state[:length]]
    if state or not isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
        return None
    text = str(error)
    return next((advice for words, advice in _BY_WORDS.items() if words in text), "the connection was lost")


def _first_line(error: psycopg.Error) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).strip().removesuffix(".")

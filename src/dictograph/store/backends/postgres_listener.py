"""Notifications of commits by other processes: PostgreSQL's LISTEN, on a separate connection and thread."""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Callable, Collection

import psycopg
from psycopg import sql

from dictograph.errors import DatabaseUnavailable
from dictograph.store.backends.postgres import PATIENCE_S, PatientConnection
from dictograph.store.backends.postgres_errors import as_outage
from dictograph.store.change_notifier import ChangeNotifier, Jobs
from dictograph.store.changes import ChangeSet

log = logging.getLogger(__name__)

#: The channels: jobs whose event log has grown, and jobs that can be claimed.
EVENTS, WAKE = "dictograph_events", "dictograph_wake"

#: PostgreSQL accepts less than 8,000 bytes. A longer list of jobs is sent as "any job".
_MOST_BYTES = 7_900

#: A connection that has received nothing for this time (s) is checked with a query.
_SILENCE_S = 15.0

#: The first and the longest wait (s) before the listener connects again.
_RETRY_S, _RETRY_MOST_S = 0.2, 5.0


def payload_of(jobs: Collection[str]) -> str:
    """Return the payload for these jobs; empty means any job."""
    text = json.dumps(sorted(jobs), ensure_ascii=True, separators=(",", ":"))
    return text if len(text) <= _MOST_BYTES else ""


def jobs_of(payload: str) -> Jobs:
    """Return the jobs that a payload names; None means any job."""
    try:
        named = json.loads(payload)
    except ValueError:
        return None
    return frozenset(map(str, named)) if isinstance(named, list) else None


def notification(made: ChangeSet) -> tuple[str, dict[str, str]] | None:
    """Return the statement that notifies other processes of these changes, with its parameters; None without changes.

    Run it at the end of the transaction: from there to the commit, other transactions that notify have to wait.
    """
    payloads = {EVENTS: payload_of(made.jobs)} if made.jobs else {}
    payloads |= {WAKE: ""} if made.work else {}
    if not payloads:
        return None
    calls = ", ".join(f"pg_notify('{channel}', :{channel})" for channel in payloads)
    return f"SELECT {calls}", payloads


class Listener:
    """Listens, from `start` to `close`, and connects again whenever the connection is lost."""

    def __init__(
        self,
        connect: Callable[[], PatientConnection],
        change_notifier: ChangeNotifier,
        is_own: Callable[[int], bool],
        on_change: Callable[[], None],
    ) -> None:
        self._connect = connect
        self._change_notifier = change_notifier
        self._is_own = is_own
        self._on_change = on_change
        self._stopping = threading.Event()
        self._connection: PatientConnection | None = None
        self._thread = threading.Thread(target=self._run, name="database-listener", daemon=True)
        self.listening = False

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Stop listening. May be called again."""
        self._stopping.set()
        if (connection := self._connection) is not None:
            connection.deadline = 0.0
        if self._thread.is_alive():
            self._thread.join(2.0)

    def _run(self) -> None:
        wait = _RETRY_S
        while not self._stopping.is_set():
            try:
                self._listen()
            except (psycopg.Error, DatabaseUnavailable) as error:
                wait = _RETRY_S if self.listening else min(2 * wait, _RETRY_MOST_S)
                self.listening = False
                if not self._stopping.is_set():
                    log.warning("listener: %s; again in %.1f s", as_outage(error) or error, wait)
            self._stopping.wait(wait * random.uniform(0.5, 1.0))

    def _listen(self) -> None:
        with self._connect() as connection:
            self._connection = connection
            self._execute(connection, sql.SQL("LISTEN {}").format(sql.Identifier(EVENTS)))
            self._execute(connection, sql.SQL("LISTEN {}").format(sql.Identifier(WAKE)))
            self.listening = True
            self._notify_all()  # for commits while there was no connection
            while not self._stopping.is_set():
                for notice in connection.notifies(timeout=_SILENCE_S):
                    if not self._is_own(notice.pid):
                        self._notify(notice)
                self._execute(connection, sql.SQL("SELECT 1"))

    def _execute(self, connection: PatientConnection, statement: sql.SQL | sql.Composed) -> None:
        if not self._stopping.is_set():
            connection.deadline = time.monotonic() + PATIENCE_S
            connection.execute(statement)
            connection.deadline = 0.0 if self._stopping.is_set() else float("inf")

    def _notify(self, notice: psycopg.Notify) -> None:
        if notice.channel == EVENTS:
            self._on_change()
            self._change_notifier.jobs_changed(jobs_of(notice.payload))
        elif notice.channel == WAKE:
            self._change_notifier.work_available()

    def _notify_all(self) -> None:
        self._on_change()
        self._change_notifier.jobs_changed(None)
        self._change_notifier.work_available()

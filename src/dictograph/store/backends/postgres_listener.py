"""Hearing of what other processes commit: PostgreSQL's LISTEN, on a connection and a thread of its own."""

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

#: The channels: of jobs whose log has grown, and of work to be claimed.
EVENTS, WAKE = "dictograph_events", "dictograph_wake"

#: PostgreSQL takes less than 8,000 bytes; more jobs than that are told of as "look at all".
_MOST_BYTES = 7_900

#: A connection on which nothing was heard for so long (s) is tried with a question.
_SILENCE_S = 15.0

#: The first and the longest wait (s) before the listener connects again.
_RETRY_S, _RETRY_MOST_S = 0.2, 5.0


def payload_of(jobs: Collection[str]) -> str:
    """What is sent for these jobs; empty: look at all."""
    text = json.dumps(sorted(jobs), ensure_ascii=True, separators=(",", ":"))
    return text if len(text) <= _MOST_BYTES else ""


def jobs_of(payload: str) -> Jobs:
    """The jobs that a payload names; None when it is to be any."""
    try:
        named = json.loads(payload)
    except ValueError:
        return None
    return frozenset(map(str, named)) if isinstance(named, list) else None


def notification(news: ChangeSet) -> tuple[str, dict[str, str]] | None:
    """The statement that tells others of this news, with its parameters; None when there is none.

    It belongs at the end of the transaction: from there to the commit, other transactions that notify have to wait.
    """
    told = {EVENTS: payload_of(news.jobs)} if news.jobs else {}
    told |= {WAKE: ""} if news.work else {}
    if not told:
        return None
    calls = ", ".join(f"pg_notify('{channel}', :{channel})" for channel in told)
    return f"SELECT {calls}", told


class Listener:
    """Listens, from `start` to `close`, and connects again whenever the connection is lost."""

    def __init__(
        self,
        connect: Callable[[], PatientConnection],
        change_notifier: ChangeNotifier,
        is_own: Callable[[int], bool],
        heard: Callable[[], None],
    ) -> None:
        self._connect = connect
        self._change_notifier = change_notifier
        self._is_own = is_own
        self._heard = heard
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
            self._ask(connection, sql.SQL("LISTEN {}").format(sql.Identifier(EVENTS)))
            self._ask(connection, sql.SQL("LISTEN {}").format(sql.Identifier(WAKE)))
            self.listening = True
            self._tell_all()  # what came while nobody listened
            while not self._stopping.is_set():
                for note in connection.notifies(timeout=_SILENCE_S):
                    if not self._is_own(note.pid):
                        self._tell(note)
                self._ask(connection, sql.SQL("SELECT 1"))

    def _ask(self, connection: PatientConnection, statement: sql.SQL | sql.Composed) -> None:
        if not self._stopping.is_set():
            connection.deadline = time.monotonic() + PATIENCE_S
            connection.execute(statement)
            connection.deadline = 0.0 if self._stopping.is_set() else float("inf")

    def _tell(self, note: psycopg.Notify) -> None:
        if note.channel == EVENTS:
            self._heard()
            self._change_notifier.news(jobs_of(note.payload))
        elif note.channel == WAKE:
            self._change_notifier.work()

    def _tell_all(self) -> None:
        self._heard()
        self._change_notifier.news(None)
        self._change_notifier.work()

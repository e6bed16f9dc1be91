"""Waits for the end of a job, by asking the database. A process of Celery's pool needs nothing else of Dictograph."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from dictograph.errors import DatabaseUnavailable
from dictograph.job import Job, JobStatus
from dictograph.runtime.outage_log import OutageLog
from dictograph.settings.model import Settings
from dictograph.store.database import Database
from dictograph.store.jobs.read import get_job
from dictograph.store.text_type import clean
from dictograph.store.texts import texts

log = logging.getLogger(__name__)

#: The first wait between two questions, in seconds; and the part of the time waited that each further one takes, up to
#: the poll interval.
_FIRST_S, _PART = 0.05, 0.1

#: The connections of one process: each query is one, and a process waits for one job.
_CONNECTIONS = 2


@dataclass(frozen=True, slots=True)
class Ended:
    """A job that has ended, and its text."""

    job: Job
    text: str


class StillRunning(Exception):
    """The job has not ended: the time is up, or the worker stops."""


class Waiter:
    """Waits for jobs, one at a time in each thread. The database is opened by the first wait."""

    def __init__(self, settings: Settings, pause: Callable[[float], bool]) -> None:
        """`pause` waits for a number of seconds, and returns whether the worker stops."""
        self._settings = settings
        self._pause = pause
        self._outages = OutageLog(log, "waiting tasks")
        self._lock = threading.Lock()
        self._database: tuple[int, Database] | None = None

    def wait(self, job_id: str, until: float | None = None) -> Ended:
        """Return the job once it has ended. While the database is away, the wait goes on.

        Args:
            job_id: the job.
            until: when to stop waiting, by the monotonic clock; None: never.

        Raises:
            NotFound: there is no such job.
            StillRunning: it is `until`, or the worker stops.
        """
        began = time.monotonic()
        while True:
            if (ended := self._ended(job_id)) is not None:
                return ended
            now = time.monotonic()
            rest = float("inf") if until is None else until - now
            pause = min(max(_FIRST_S, _PART * (now - began)), self._settings.poll_interval, rest)
            if rest <= 0 or self._pause(pause):
                raise StillRunning

    def _ended(self, job_id: str) -> Ended | None:
        try:
            ended = self._opened().read_now(lambda conn: _read(conn, clean(job_id)))
        except DatabaseUnavailable as error:
            self._outages.failed(error)
            return None
        self._outages.recovered()
        return ended

    def _opened(self) -> Database:
        """Return the database of this process: a connection from before a fork belongs to the other process."""
        with self._lock:
            if self._database is None or self._database[0] != os.getpid():
                self._database = (os.getpid(), Database.open(self._settings.database, _CONNECTIONS))
            return self._database[1]


def _read(conn: Connection, job_id: str) -> Ended | None:
    job = get_job(conn, None, job_id)
    if not isinstance(job.status, JobStatus) or not job.status.ended:
        return None
    return Ended(job, (texts(conn, [job_id]).get(job_id) or "") if job.status is JobStatus.COMPLETED else "")

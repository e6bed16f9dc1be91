"""The limits of jobs that wait or run at once: those of one owner, and those of all."""

from __future__ import annotations

from sqlalchemy import Connection

from dictograph.errors import QueueFull, TooManyRequests
from dictograph.job import JobStatus
from dictograph.service.queue_estimate import measured_pace
from dictograph.store.jobs.read import live_counts

#: When a job will end is unknown; a client that tries again after this time (s) costs very little.
_AGAIN_S = 30.0

#: The longest time (s) after which a client is asked to try again, however long jobs take.
_LONGEST_S = 3600.0


def check_quota(conn: Connection, owner: str, most: int) -> None:
    """Check that the owner may have one more job; `most` 0: any number. Call it in the transaction that makes the job
    wait.

    On PostgreSQL these transactions run at the same time and do not see each other, so a few more jobs may get in.

    Raises:
        TooManyRequests.
    """
    if most and sum(live_counts(conn, owner).values()) >= most:
        raise TooManyRequests(
            f"There are {most} jobs of yours that wait or run, the most that one owner may have: try again when one "
            "has ended.",
            retry_after=_AGAIN_S,
        )


def check_queue(conn: Connection, most: int) -> None:
    """Check that one more job of any owner may wait; `most` 0: any number. Like `check_quota`, it is no exact limit on
    PostgreSQL.

    Raises:
        QueueFull: its `retry_after` is the time in which a job leaves the queue, at the pace of the last ones.
    """
    if not most or live_counts(conn)[JobStatus.PENDING] < most:
        return
    pace = measured_pace(conn)
    seconds = _AGAIN_S if pace.seconds is None else min(max(pace.seconds / pace.running, 1.0), _LONGEST_S)
    raise QueueFull(
        f"{most} jobs wait already, the most that this service lets wait: try again in {seconds:.0f} s.",
        retry_after=seconds,
    )

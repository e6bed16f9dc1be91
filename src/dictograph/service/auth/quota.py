"""The limit of jobs of one owner that wait or run at once."""

from __future__ import annotations

from sqlalchemy import Connection

from dictograph.errors import TooManyRequests
from dictograph.store.jobs.read import live_counts

#: When a job will end is unknown; a client that tries again after this time (s) costs very little.
_AGAIN_S = 30.0


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

"""How many jobs of one owner may wait and run at once."""

from __future__ import annotations

from sqlalchemy import Connection

from dictograph.errors import TooManyRequests
from dictograph.store.jobs.read import live_counts

#: Nobody knows when one of them will have ended; a client that asks so often (s) costs next to nothing.
_AGAIN_S = 30.0


def check_quota(conn: Connection, owner: str, most: int) -> None:
    """Whether the owner may have one more; `most` 0: any number. Belongs into the transaction that makes it wait.

    On PostgreSQL such transactions run side by side: those of one moment do not see each other, and a few more come in.

    Raises:
        TooManyRequests.
    """
    if most and sum(live_counts(conn, owner).values()) >= most:
        raise TooManyRequests(
            f"There are {most} jobs of yours that wait or run, the most that one owner may have: try again when one "
            "has ended.",
            retry_after=_AGAIN_S,
        )

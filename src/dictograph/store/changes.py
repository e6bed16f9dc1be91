"""The changes that a transaction announces at its commit: jobs with new events, new work, new messages."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Connection

_KEY = "dictograph.changes"


@dataclass(slots=True)
class ChangeSet:
    """`jobs` are those whose event log has grown or that were removed; `unit` are those of the unit of work that runs
    now, since several may share a transaction. `work`: a job may be claimed now. `messages`
    and `webhooks`: the outbox has a new one."""

    jobs: set[str] = field(default_factory=set)
    unit: set[str] = field(default_factory=set)
    work: bool = False
    messages: bool = False
    webhooks: bool = False


def begin(conn: Connection) -> ChangeSet:
    """Return a new, empty change set for the transaction that begins on this connection."""
    made = ChangeSet()
    conn.info[_KEY] = made
    return made


def of(conn: Connection) -> ChangeSet:
    """Return the changes that the transaction on this connection has recorded so far."""
    return _of(conn) or ChangeSet()


def begin_unit(conn: Connection) -> set[str]:
    """Return the set that will have the jobs of the unit of work that begins now."""
    made = of(conn)
    made.unit = set()
    return made.unit


def of_job(conn: Connection, job_id: str) -> None:
    """Record that this transaction adds events to this job, or removes the job."""
    if (made := _of(conn)) is not None:
        made.jobs.add(job_id)
        made.unit.add(job_id)


def of_work(conn: Connection) -> None:
    """Record that this transaction makes a job claimable."""
    if (made := _of(conn)) is not None:
        made.work = True


def of_message(conn: Connection) -> None:
    """Record that this transaction makes a message due."""
    if (made := _of(conn)) is not None:
        made.messages = True


def of_webhook(conn: Connection) -> None:
    """Record that this transaction adds a webhook to be sent."""
    if (made := _of(conn)) is not None:
        made.webhooks = True


def _of(conn: Connection) -> ChangeSet | None:
    found = conn.info.get(_KEY)
    return found if isinstance(found, ChangeSet) else None

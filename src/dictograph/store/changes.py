"""What a transaction has to tell when it is committed: whose log has grown, whether there is work, or what to send."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Connection

_KEY = "dictograph.news"


@dataclass(slots=True)
class ChangeSet:
    """`jobs` are those whose log has grown or that are gone; `work`: a job may be claimed now; `messages` and
    `webhooks`: the outbox has one that it had not."""

    jobs: set[str] = field(default_factory=set)
    work: bool = False
    messages: bool = False
    webhooks: bool = False


def begin(conn: Connection) -> ChangeSet:
    """The news of the transaction that begins on this connection; none so far."""
    news = ChangeSet()
    conn.info[_KEY] = news
    return news


def of(conn: Connection) -> ChangeSet:
    """What the transaction on this connection has had to tell so far."""
    return _of(conn) or ChangeSet()


def of_job(conn: Connection, job_id: str) -> None:
    """The log of this job grows in this transaction, or the job goes."""
    if (news := _of(conn)) is not None:
        news.jobs.add(job_id)


def of_work(conn: Connection) -> None:
    """After this transaction there is something to claim."""
    if (news := _of(conn)) is not None:
        news.work = True


def of_message(conn: Connection) -> None:
    """After this transaction there is a message to be sent, or it is another one's turn."""
    if (news := _of(conn)) is not None:
        news.messages = True


def of_webhook(conn: Connection) -> None:
    """After this transaction there is a webhook to be sent."""
    if (news := _of(conn)) is not None:
        news.webhooks = True


def _of(conn: Connection) -> ChangeSet | None:
    found = conn.info.get(_KEY)
    return found if isinstance(found, ChangeSet) else None

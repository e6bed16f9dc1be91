"""The answers of contract K: put into the outbox in the transaction that ends the job, or that stores the message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import Connection

from dictograph.broker.envelope import as_payload
from dictograph.contract import Contract
from dictograph.store import changes, outbox
from dictograph.store.clock import read_clock
from dictograph.store.compat import intakes
from dictograph.store.compat.intakes import Intake
from dictograph.store.jobs.rows import JobRow, as_job
from dictograph.store.outbox import BROKER
from dictograph.stt.answers import Answer, Origin, Reply, answers_of, letter_for
from dictograph.stt.job_message import JobMessage, Unusable, read_job


def enqueue_answers(conn: Connection, row: JobRow, text: str = "") -> None:
    """Enqueue what the end of a job answers, if it came through contract K; `text` is its transcript."""
    if row.contract != Contract.STT_WORKER.value or (found := intakes.of_job(conn, row.id)) is None:
        return
    before = intakes.count_end(conn, found.id)
    answers = answers_of(as_job(row), text, _origin(found), reply_of(found), before)
    _put(conn, found, answers, order_key=row.id, ends_before=before)


def enqueue_letter(conn: Connection, stored: Intake, fault: Unusable) -> None:
    """Enqueue the dead letter of a stored message that is no valid job."""
    letter = letter_for(
        fault, stored.value or b"", _origin(stored), reply_of(stored), stored.value_mark, read_clock(conn)
    )
    _put(conn, stored, [letter], order_key=None, ends_before=0)


def reply_of(stored: Intake) -> Reply:
    """Return where the answers of a message go. What a later version wrote beside that is left out."""
    known: dict[str, Any] = {one.name: stored.reply[one.name] for one in fields(Reply) if one.name in stored.reply}
    return Reply(**known)


def as_reply(reply: Reply) -> dict[str, Any]:
    """Return it as a row keeps it."""
    return asdict(reply)


def _origin(stored: Intake) -> Origin:
    value = stored.value or b""
    found = read_job(value, len(value))
    payload = found.payload if isinstance(found, JobMessage | Unusable) else None
    return Origin(
        stored.topic, stored.partition, stored.offset, stored.attempt, payload, stored.key, dict(stored.trace)
    )


def _put(
    conn: Connection, stored: Intake, answers: Sequence[Answer], *, order_key: str | None, ends_before: int
) -> None:
    now = read_clock(conn)
    changes.of_message(conn)
    for answer in answers:
        outbox.enqueue(
            conn,
            now,
            job_id=stored.job_id,
            intake_id=stored.id,
            order_key=order_key,
            destination=BROKER,
            message_id=f"{stored.id}:{answer.kind}:{ends_before}",
            payload=as_payload(answer.message),
            available_at=now,
        )

"""What the end of a job tells others, in the transaction that ends it."""

from __future__ import annotations

from sqlalchemy import Connection

from dictograph.store.compat.stt_answers import enqueue_answers
from dictograph.store.jobs.rows import JobRow
from dictograph.store.webhooks.deliveries import enqueue_end_webhook


def tell_end(conn: Connection, row: JobRow, text: str = "") -> None:
    """Enqueue the webhook, and the answers to a broker, for the end of a job; `text` is its transcript."""
    enqueue_end_webhook(conn, row)
    enqueue_answers(conn, row, text)

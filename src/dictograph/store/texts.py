"""The texts of jobs. They may be long, so a job is read without its text."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from dictograph.store.tables import job


def texts(conn: Connection, job_ids: Sequence[str]) -> dict[str, str | None]:
    """Return the text of each of these jobs; None while there is none. A job that is gone is absent."""
    query = select(job.c.id, job.c.result_text).where(job.c.id.in_(list(job_ids)))
    return {row.id: row.result_text for row in conn.execute(query)}

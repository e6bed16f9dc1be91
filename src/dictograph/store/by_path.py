"""Jobs that are asked for by the path of their audio, and paths that jobs still need."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from sqlalchemy import Connection, select

from dictograph.errors import NotFound
from dictograph.job import Job, JobStatus
from dictograph.store.rows import JOB_COLUMNS, as_job
from dictograph.store.tables import job


def path_mark(path: str) -> str:
    """A path's place in the index, which cannot hold paths of any length: its SHA-256."""
    return hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()


def newest_of_path(conn: Connection, owner: str, path: str) -> tuple[Job, str]:
    """The owner's newest job of this path, and its text, which is empty until it is completed.

    Raises:
        NotFound: there is none.
    """
    question = (
        select(*JOB_COLUMNS, job.c.result_text)
        .where(job.c.path_mark == path_mark(path), job.c.owner == owner)
        .order_by(job.c.creation_date.desc(), job.c.id.desc())
        .limit(1)
    )
    row = conn.execute(question).one_or_none()
    if row is None:
        raise NotFound("Nobody has asked for a transcription of this path.", param="path")
    return as_job(row), row.result_text or ""


def needed_paths(conn: Connection, paths: Iterable[str]) -> set[str]:
    """Which of these paths have a job, of whomever, that has not ended: its worker may still read them."""
    by_mark = {path_mark(path): path for path in paths}
    waiting = job.c.status.in_([JobStatus.PENDING, JobStatus.PROCESSING])
    question = select(job.c.path_mark).where(job.c.path_mark.in_(list(by_mark)), waiting)
    return {by_mark[mark] for mark in conn.execute(question).scalars()}

"""Jobs that are requested by the path of their audio, and paths that jobs still need."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from sqlalchemy import ColumnElement, Connection, select, true

from dictograph.errors import NotFound
from dictograph.job import Job, JobStatus
from dictograph.store.jobs.rows import JOB_COLUMNS, as_job
from dictograph.store.tables import job


def path_key(path: str) -> str:
    """Return the path's SHA-256, its key in the index: an index cannot hold paths of any length."""
    return hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()


def newest_of_path(conn: Connection, owner: str, path: str) -> tuple[Job, str]:
    """Return the owner's newest job of this path, and its text, which is empty until the job is completed.

    Raises:
        NotFound: there is no such job.
    """
    query = (
        select(*JOB_COLUMNS, job.c.result_text)
        .where(job.c.path_mark == path_key(path), job.c.owner == owner)
        .order_by(job.c.creation_date.desc(), job.c.id.desc())
        .limit(1)
    )
    row = conn.execute(query).one_or_none()
    if row is None:
        raise NotFound("Nobody has asked for a transcription of this path.", param="path")
    return as_job(row), row.result_text or ""


def needed_paths(conn: Connection, paths: Iterable[str]) -> set[str]:
    """Return which of these paths have a job, of any owner, that has not ended: its worker may still read them."""
    return _with_jobs(conn, paths, job.c.status.in_([JobStatus.PENDING, JobStatus.PROCESSING]))


def known_paths(conn: Connection, paths: Iterable[str]) -> set[str]:
    """Return which of these paths have a job, of any owner, ended or not."""
    return _with_jobs(conn, paths, true())


def has_paths(conn: Connection) -> bool:
    """Return whether any job was requested by a path."""
    return conn.execute(select(job.c.id).where(job.c.path_mark.is_not(None)).limit(1)).first() is not None


def _with_jobs(conn: Connection, paths: Iterable[str], which: ColumnElement[bool]) -> set[str]:
    by_key = {path_key(path): path for path in paths}
    query = select(job.c.path_mark).where(job.c.path_mark.in_(list(by_key)), which)
    return {by_key[key] for key in conn.execute(query).scalars()}

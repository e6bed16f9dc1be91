"""The transcript of a job, complete or as far as it has come, read a page of windows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from dictograph.errors import NotFound
from dictograph.job import Job, JobStatus
from dictograph.service.jobs import check_id
from dictograph.service.segment_order import in_order
from dictograph.store.database import Database
from dictograph.store.jobs.progress import StoredWindow
from dictograph.store.jobs.read import get_job, windows
from dictograph.transcript import JobWarning, Segment, TranscriptHead, without_words

_PAGE = 64


@dataclass(frozen=True, slots=True)
class OpenTranscript:
    """A transcript that is being read. `segments` reads the database page by page, in the caller's thread."""

    head: TranscriptHead
    segments: Iterator[Segment]


class Transcripts:
    """Opens transcripts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, owner: str | None, job_id: str, *, words: bool = False) -> OpenTranscript:
        """Return the transcript as it is now: windows that are committed later are not part of it.

        Words are stored with every job. The segments have theirs where the job asked for them, and with `words`, which
        is for formats that are made from their times.

        Raises:
            NotFound: there is no such job. The iterator raises it too, if the job is removed meanwhile.
        """
        check_id(job_id)
        job = await self._database.read(lambda conn: get_job(conn, owner, job_id))
        segments = in_order(_windows(self._database, job))
        shown = segments if words or job.options.word_timestamps else map(without_words, segments)
        return OpenTranscript(head_of(job), iter(shown))


def head_of(job: Job) -> TranscriptHead:
    """Return a job's transcript without its segments."""
    return TranscriptHead(
        language=job.language,
        language_probability=job.language_probability,
        duration=job.duration or 0.0,
        task=job.options.task,
        engine=job.frozen.engine if job.frozen else "",
        model=job.frozen.model if job.frozen else "",
        complete=job.status is JobStatus.COMPLETED,
        warnings=tuple(JobWarning.from_dict(warning) for warning in job.warnings),
    )


def _windows(database: Database, job: Job) -> Iterator[StoredWindow]:
    next_index = 0
    while next_index < job.windows_done:
        limit = min(_PAGE, job.windows_done - next_index)
        ask = partial(windows, job_id=job.id, after_index=next_index - 1, limit=limit, committed_only=True)
        page = database.read_now(ask)
        if not page:
            raise NotFound(f"Job {job.id} was deleted, or is being done again, while its transcript was read.")
        yield from page
        next_index = page[-1].index + 1

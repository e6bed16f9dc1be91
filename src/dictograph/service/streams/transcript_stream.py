"""A transcript while its job runs: each window's segments as soon as they are committed, to the job's end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection

from dictograph.errors import ServerBusy, UnexpectedError
from dictograph.job import Job
from dictograph.service.jobs import check_id
from dictograph.service.segment_order import SegmentOrder
from dictograph.service.streams.job_watch import ShutdownSignal, WaitResult, watching
from dictograph.store.database import Database
from dictograph.store.jobs.progress import StoredWindow
from dictograph.store.jobs.read import get_job, windows
from dictograph.store.tail import Tail
from dictograph.transcript import Segment, without_words

_PAGE = 16


@dataclass(frozen=True, slots=True)
class TranscriptUpdate:
    """The segments since the last update; without segments it is a heartbeat. `ended`: no update follows."""

    job: Job
    segments: tuple[Segment, ...]
    ended: bool


class TranscriptStream:
    """Follows transcripts. Each caller reads at its own pace, a page of windows at a time."""

    def __init__(self, database: Database, tail: Tail, stopping: asyncio.Event) -> None:
        self._database = database
        self._tail = tail
        self._stopping = ShutdownSignal(stopping)

    async def follow(self, owner: str | None, job_id: str, quiet: float) -> AsyncGenerator[TranscriptUpdate, None]:
        """Yield the job's transcript from its beginning, then each new part. After `quiet` seconds without one, yield a
        heartbeat.

        Raises:
            NotFound: there is no such job, or it was removed.
            ServerBusy: the service stops.
            UnexpectedError: the yielded text is no longer valid, because the job runs again from its beginning.
        """
        next_index, order = 0, SegmentOrder()
        async with watching(self._tail, self._stopping, check_id(job_id)) as watch:
            while True:
                query = partial(_page, owner=owner, job_id=job_id, next_index=next_index)
                job, page = await self._database.read(query)
                if job.windows_done < next_index:
                    raise UnexpectedError("The audio was read anew and is transcribed again: query again for the text.")
                next_index += len(page)
                ended = job.status.ended and next_index >= job.windows_done
                if page or ended:
                    found = _segments(page, order, ended=ended, words=job.options.word_timestamps)
                    yield TranscriptUpdate(job, found, ended)
                if ended:
                    return
                if next_index < job.windows_done:
                    continue
                result = await watch.wait(job.last_seq, quiet)
                if result is WaitResult.STOPPING:
                    raise ServerBusy("The service is stopping; the job goes on later. Ask again for its text.")
                if result is WaitResult.QUIET:
                    yield TranscriptUpdate(job, (), ended=False)


def _page(conn: Connection, owner: str | None, job_id: str, next_index: int) -> tuple[Job, list[StoredWindow]]:
    job = get_job(conn, owner, job_id)
    return job, windows(conn, job_id, next_index - 1, _PAGE, committed_only=True)


def _segments(page: list[StoredWindow], order: SegmentOrder, *, ended: bool, words: bool) -> tuple[Segment, ...]:
    found = [segment for window in page if window.result is not None for segment in order.add(window)]
    found += order.rest() if ended else ()
    return tuple(segment if words else without_words(segment) for segment in found)

"""The jobs of a data folder, by the service's functions on its database; no service needs to run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager

from dictograph.api.native.workers import worker_view
from dictograph.api.views import job_view
from dictograph.blobs.kinds import open_blobs
from dictograph.blobs.protocol import Blobs
from dictograph.cli.service_database import check_database
from dictograph.cli.text.job_text import Shape
from dictograph.job import Job, JobStatus
from dictograph.service.compat.backend_updates import tell_changes
from dictograph.service.jobs import Jobs, Listing
from dictograph.service.live_workers import live_workers
from dictograph.service.queue_estimate import QueueEstimates
from dictograph.service.streams.event_stream import EventStreams, Snapshot
from dictograph.settings.model import Settings
from dictograph.store.database import Database
from dictograph.store.tail import Tail

#: A user who may read the database is its operator, and sees the jobs of all owners.
_OPERATOR = None


@asynccontextmanager
async def database_client(settings: Settings) -> AsyncIterator[DatabaseClient]:
    """Open a client for the database of the settings, which is neither created nor migrated.

    Raises:
        DatabaseUnavailable: it is not there, or has another version's schema.
    """
    await asyncio.to_thread(check_database, settings)
    database = Database.open(settings.database, settings.database_pool)
    tell_changes(settings, database)
    tail = Tail(database)
    await tail.start()
    try:
        yield DatabaseClient(database, tail, open_blobs(settings.objects_url, settings.storage_options))
    finally:
        await tail.stop()
        await database.close()


class DatabaseClient:
    """A `JobClient` on the database."""

    def __init__(self, database: Database, tail: Tail, blobs: Blobs) -> None:
        stopping = asyncio.Event()
        self._database = database
        self._outlooks = QueueEstimates(database)
        self._jobs = Jobs(database, blobs, tail, stopping)
        self._following = EventStreams(database, tail, self._outlooks, stopping)

    async def list(self, statuses: Sequence[str], limit: int, *, dead: bool) -> list[Shape]:
        listing = Listing(statuses=[JobStatus(status) for status in statuses], limit=limit, dead=dead)
        page = await self._jobs.page(_OPERATOR, listing)
        return [await self._shape(job) for job in page.jobs]

    async def show(self, job_id: str) -> Shape:
        return await self._shape(await self._jobs.get(_OPERATOR, job_id))

    async def cancel(self, job_id: str) -> Shape:
        return await self._shape(await self._jobs.cancel(_OPERATOR, job_id))

    async def retry(self, job_id: str) -> Shape:
        return await self._shape(await self._jobs.retry(_OPERATOR, job_id))

    async def delete(self, job_id: str, *, force: bool = False) -> None:
        await self._jobs.remove(_OPERATOR, job_id, force=force)

    async def workers(self) -> Sequence[Shape]:
        found = await self._database.read(lambda conn: live_workers(conn, _OPERATOR))
        return [worker_view(worker).model_dump(mode="json") for worker in found]

    async def events(self, job_id: str) -> AsyncGenerator[tuple[str, Shape], None]:
        await self._jobs.get(_OPERATOR, job_id)
        async for told in self._following.follow(_OPERATOR, job_id):
            if isinstance(told, Snapshot):
                yield "snapshot", {"job": await self._shape(told.job)}
            elif told is not None:
                yield told.type, told.data

    async def _shape(self, job: Job) -> Shape:
        return job_view(job, await self._outlooks.of(job)).model_dump(mode="json")

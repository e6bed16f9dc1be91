"""Make jobs: an upload, a URL or a path becomes a job that is stored durably."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Protocol

from sqlalchemy import Connection

from dictograph.blobs.protocol import Blobs, Head, audio_name
from dictograph.contract import Contract
from dictograph.errors import DictographError, IdempotencyMismatch, PathNotAllowed
from dictograph.job import Job, Source, SourceKind, StoredAudio
from dictograph.net.addresses import AllowList
from dictograph.runtime.crash import CrashPoints, Point
from dictograph.runtime.daemon_thread import in_daemon_thread
from dictograph.service.auth.quota import check_queue, check_quota
from dictograph.service.compat.gateway_messages import announce, on_topic
from dictograph.service.idempotency import IdempotencyReservation
from dictograph.service.naming import display_name, name_of_url
from dictograph.service.request import JobRequest, Mark, check_key, check_url, dedup_key, fingerprint
from dictograph.service.shielded import run_to_completion
from dictograph.service.upload_session import UploadSession
from dictograph.service.webhooks import ALLOWED_BY, check_receiver
from dictograph.settings.model import Settings
from dictograph.store.compat.dedup import find_joined
from dictograph.store.database import Database
from dictograph.store.idempotency import Known
from dictograph.store.jobs.accept import NewJob, create_job
from dictograph.store.jobs.read import get_job


class ModelResolver(Protocol):
    """Tells without waiting whether an engine and model can be requested: models.catalog.Catalog."""

    def resolve(self, engine: str, model: str | None, contract: Contract = Contract.NATIVE) -> tuple[str, str]: ...


@dataclass(frozen=True, slots=True)
class Accepted:
    """The job of a request. `created` is False when an earlier request made the job: a request with the same key, or
    an equal request that this one joins."""

    job: Job
    created: bool


@dataclass(frozen=True, slots=True)
class FoundObject:
    """An object of the storage, as it was when it was looked at."""

    location: str
    head: Head


class Intake:
    """Makes jobs. A returned job is committed durably, with its audio.

    Beside the errors of each method, all methods that make a job raise:
        InvalidOption, ModelNotAllowed: this service has no such engine or model.
        InvalidRequest: webhooks may not be sent to the address in `webhook_url`.
        IdempotencyInProgress, IdempotencyMismatch: the key is in use, or was used for another request.
        TooManyRequests: the owner's jobs that wait or run have reached the limit; QueueFull: those of all owners.
        DatabaseUnavailable, StorageFull, StorageUnavailable.
    """

    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        models: ModelResolver,
        settings: Settings,
        crash: CrashPoints,
        process_id: str,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._models = models
        self._settings = settings
        self._crash = crash
        self._process_id = process_id
        self._announces = on_topic(settings)
        self._receivers = AllowList.parse(settings.webhook_allow, ALLOWED_BY)

    @property
    def max_upload(self) -> int:
        """Return the most bytes of one upload."""
        return self._settings.max_upload

    def check(self, order: JobRequest) -> None:
        """Check the request, as far as that is possible without the audio or the database."""
        check_key(order.key)
        try:
            self._models.resolve(order.options.engine, order.options.model, order.contract)
        except DictographError as error:
            error.param = error.param or ("model" if order.options.model else "engine")
            raise
        if order.webhook_url is not None:
            check_receiver(order.webhook_url, self._receivers)

    @asynccontextmanager
    async def begin_upload(
        self, owner: str, key: str | None = None, max_bytes: int | None = None
    ) -> AsyncIterator[JobUpload]:
        """Begin an upload. The bytes come first, and the job's options at the end: a form has any order of fields.

        `max_bytes` is the limit of its contract; None: the limit of the service. Unless `finish` made a job, the end
        of the context removes the stored bytes and releases the key.
        """
        check_key(key)
        limit = min(max_bytes or self.max_upload, self.max_upload)
        async with (
            self._reservation(owner, key) as reservation,
            JobUpload(self, reservation, self._blobs, limit) as upload,
        ):
            yield upload

    async def upload(self, order: JobRequest, filename: str, file: BinaryIO) -> Accepted:
        """Make a job of an open file, which may be an endless pipe. An unbuffered file keeps no process from ending.

        Raises:
            EmptyUpload, UploadTooLarge.
        """
        self.check(order)
        async with self.begin_upload(order.owner, order.key) as upload:
            while block := await in_daemon_thread(file.read, 1024 * 1024):
                await upload.write(block)
            return await upload.finish(filename, order)

    async def url(self, order: JobRequest, url: str, filename: str | None = None) -> Accepted:
        """Make a job of a URL, which a worker fetches later, or copies inside the storage if it is in there. Without
        `filename` the job is named after the URL.

        Raises:
            InvalidRequest: a URL of this form cannot be fetched.
        """
        self.check(order)
        if self._blobs.find(url) is None:
            check_url(url)
        name = name_of_url(url)
        return await self._reference(order, display_name(filename) if filename else name, Source(SourceKind.URL, url))

    async def path(self, order: JobRequest, path: str, roots: Sequence[Path] | None = None) -> Accepted:
        """Make a job of a file on this machine, which a worker reads later. `roots` are the allowed folders; None:
        those of the settings.

        Raises:
            PathNotAllowed: the file is not beneath an allowed root, or does not exist.
        """
        self.check(order)
        await asyncio.to_thread(_check_path, path, self._settings.path_roots if roots is None else roots)
        return await self._reference(order, display_name(path), Source(SourceKind.PATH, path))

    async def stored(self, order: JobRequest, filename: str, found: FoundObject) -> Accepted:
        """Make a job of an object in the storage. The storage copies it to the job's own name, if it is still the
        version that was found: what is uploaded to the first name afterwards changes nothing.

        Raises:
            NotFound: there is no such object any more.
            SourceChanged: it is another version.
        """
        self.check(order)
        source = Source(SourceKind.OBJECT, found.location)
        async with self._reservation(order.owner, order.key) as reservation:
            return await run_to_completion(self._copy_and_create(reservation, order, filename, source, found))

    async def _copy_and_create(
        self,
        reservation: IdempotencyReservation,
        order: JobRequest,
        filename: str,
        source: Source,
        found: FoundObject,
    ) -> Accepted:
        name = display_name(filename)
        if reservation.known is not None:
            return await self.create(reservation, order, name, source)
        audio = await self._blobs.copy(found.location, audio_name(reservation.job_id, 0), found.head.version)
        self._crash.reach(Point.OBJECT_COPIED)
        # A copy whose row is not written, or may not be, is removed by the pruner.
        return await self.create(reservation, order, name, source, audio)

    async def create(
        self,
        reservation: IdempotencyReservation,
        order: JobRequest,
        filename: str,
        source: Source,
        audio: StoredAudio | None = None,
    ) -> Accepted:
        """Write the job's row, or find the job that the same request made before. The caller lets it run to its end,
        also when the request is cancelled."""
        mark = fingerprint(order, source, (audio.sha256 if audio else None) or "")
        if reservation.known is not None:
            return await self._repeated(order.owner, reservation.known, mark)
        if audio is not None:
            self._crash.reach(Point.UPLOAD_STORED)
        joins = self._join_mark(order, audio)
        new = self._new_job(reservation.job_id, order, filename, source, audio, joins)

        def create(conn: Connection) -> Accepted | Known:
            if (known := reservation.take(conn)) is not None:
                return known
            joined = _joined(conn, new, joins)
            if joined is None:
                check_quota(conn, new.owner, self._settings.max_pending)
                check_queue(conn, self._settings.max_queued)
            job = joined or create_job(conn, new)
            if joined is None and self._announces:
                announce(conn, self._settings, new)
            reservation.settle(conn, job.id, mark.now)
            return Accepted(job, created=joined is None)

        made = await self._database.write(create)
        if isinstance(made, Known):
            return await self._repeated(order.owner, made, mark)
        reservation.settled = True
        self._crash.reach(Point.JOB_CREATED)
        return made

    async def _reference(self, order: JobRequest, filename: str, source: Source) -> Accepted:
        async with self._reservation(order.owner, order.key) as reservation:
            return await run_to_completion(self.create(reservation, order, filename, source))

    def _reservation(self, owner: str, key: str | None) -> IdempotencyReservation:
        return IdempotencyReservation(self._database, self._process_id, owner, key)

    async def _repeated(self, owner: str, known: Known, mark: Mark) -> Accepted:
        if not mark.is_of(known.fingerprint):
            raise IdempotencyMismatch(
                "This Idempotency-Key was used for another request; use a new key for a new request.",
                param="Idempotency-Key",
            )
        job = await self._database.read(lambda conn: get_job(conn, owner, known.job_id))
        return Accepted(job, created=False)

    def _new_job(
        self,
        job_id: str,
        order: JobRequest,
        filename: str,
        source: Source,
        audio: StoredAudio | None,
        joins: Mark | None,
    ) -> NewJob:
        return NewJob(
            id=job_id,
            owner=order.owner,
            filename=filename,
            source=source,
            options=order.options,
            metadata=order.metadata,
            contract=order.contract,
            limits=order.limits,
            description=order.description,
            key_id=order.key_id,
            webhook_url=order.webhook_url,
            join_mark=joins.now if joins else None,
            audio=audio,
            max_attempts=order.limits.all_attempts or order.limits.max_attempts or self._settings.max_attempts,
        )

    def _join_mark(self, order: JobRequest, audio: StoredAudio | None) -> Mark | None:
        if not order.joins or audio is None or audio.sha256 is None:
            return None
        return dedup_key(order, audio.sha256, (self._settings.engine, self._settings.model))


class JobUpload(UploadSession):
    """An upload that becomes a job."""

    def __init__(self, intake: Intake, reservation: IdempotencyReservation, blobs: Blobs, limit: int) -> None:
        name = audio_name(reservation.job_id, 0)
        super().__init__(blobs, name, limit, hash_only=reservation.known is not None)
        self._intake = intake
        self._reservation = reservation

    async def finish(self, filename: str, order: JobRequest) -> Accepted:
        """Make the job once all bytes have been written, or find the job that the same request made before. It runs to
        its end, even if the client disconnects.

        Raises:
            EmptyUpload: no bytes were written.
        """
        order = replace(order, owner=self._reservation.owner, key=self._reservation.key)
        self._intake.check(order)
        return await run_to_completion(self._create_job(display_name(filename), order))

    async def _create_job(self, filename: str, order: JobRequest) -> Accepted:
        audio = await self.store()
        with self.writing_row():
            source = Source(SourceKind.UPLOAD)
            accepted = await self._intake.create(self._reservation, order, filename, source, audio)
        # If another job has the same bytes, these are not needed.
        self.decide(kept=accepted.created)
        return accepted


def _joined(conn: Connection, new: NewJob, mark: Mark | None) -> Job | None:
    if mark is None:
        return None
    # With a temperature above 0 each transcript differs, and a client that repeats its request wants a new one.
    return find_joined(conn, new.owner, mark.now, mark.before, repeatable=new.options.temperature == 0)


def _check_path(path: str, roots: Sequence[Path]) -> None:
    from dictograph.audio.local_path import open_allowed

    try:
        open_allowed(path, roots).close()
    except PathNotAllowed as error:
        error.param = "path"
        raise

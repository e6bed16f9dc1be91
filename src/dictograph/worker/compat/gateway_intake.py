"""The gateway's topic: messages of our own uploads need nothing, those of an old gateway become jobs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection

from dictograph.audio.local_path import lies_under, open_allowed
from dictograph.blobs.protocol import Blobs, audio_name
from dictograph.broker import Incoming, MessageConsumer, Partition
from dictograph.contract import Contract
from dictograph.errors import EmptyUpload, NotFound, PathNotAllowed, UploadTooLarge
from dictograph.job import Source, SourceKind, StoredAudio
from dictograph.runtime.outage_log import OutageLog
from dictograph.service.compat.contracts import limits_of, options_of
from dictograph.service.compat.gateway_messages import DATABASE, BadMessage, OldUpload, old_folder, old_upload
from dictograph.service.naming import display_name
from dictograph.service.upload_session import UploadSession
from dictograph.settings.model import Settings
from dictograph.store.compat import intakes
from dictograph.store.database import Database
from dictograph.store.jobs.accept import NewJob, create_job
from dictograph.store.jobs.read import get_job
from dictograph.store.storage_marks import STORAGE, mark_of
from dictograph.worker.agent import TRANSIENT_ERRORS

log = logging.getLogger(__name__)

_CONTRACT = Contract.GATEWAY.value

#: The pause before a message that could not be stored is taken again, in seconds.
_AGAIN_S = 1.0

_BLOCK = 1024 * 1024

#: A file that cannot become the audio of a job: the job is made all the same, and fails with the reason.
_UNUSABLE = (PathNotAllowed, EmptyUpload, UploadTooLarge)


class GatewayIntake:
    """A MessageReceiver. Each message is done once its job is stored: the file lies on this machine, and is copied."""

    def __init__(self, database: Database, blobs: Blobs, settings: Settings) -> None:
        self._database = database
        self._blobs = blobs
        self._settings = settings
        self._folder = old_folder(settings)
        self._consumer: MessageConsumer | None = None
        self._outages = OutageLog(log, "messages of the gateway")

    def serve(self, consumer: MessageConsumer) -> None:
        """Say to this consumer what is done."""
        self._consumer = consumer

    async def received(self, messages: Sequence[Incoming]) -> None:
        for message in messages:
            while not await self._taken(message):
                await asyncio.sleep(_AGAIN_S)
            if self._consumer is not None:
                self._consumer.done(message.topic, message.partition, message.offset)

    async def revoked(self, partitions: Collection[Partition]) -> None:
        """Do nothing: what is done was said."""

    async def lost(self, partitions: Collection[Partition]) -> None:
        """Do nothing: messages that come again meet their rows."""

    async def _taken(self, message: Incoming) -> bool:
        try:
            await self._take(message)
        except TRANSIENT_ERRORS as error:
            self._outages.failed(error)
            return False
        self._outages.recovered()
        return True

    async def _take(self, message: Incoming) -> None:
        where = f"{message.topic}, partition {message.partition}, offset {message.offset}"
        if (database := message.header(DATABASE)) is not None:
            ours = await self._database.read(lambda conn: mark_of(conn, STORAGE).identity)
            if database != ours.encode():
                log.warning("%s: left alone, its job is in another database", where)
            return
        if message.value is None:
            return
        try:
            upload = old_upload(message)
        except BadMessage as error:
            log.warning("%s: no message of a gateway, %s", where, error)
            return
        await self._make(message, upload)

    async def _make(self, message: Incoming, upload: OldUpload) -> None:
        """Make the job of an old gateway's upload, and remove its file, as the old worker did."""
        if not await self._database.read(lambda conn: _is_known(conn, upload)):
            await self._store_with_audio(message, upload)
        await asyncio.to_thread(self._remove, upload.path)

    async def _store_with_audio(self, message: Incoming, upload: OldUpload) -> None:
        name, limit = audio_name(upload.request_id, 0), limits_of(self._settings, Contract.GATEWAY).max_bytes
        async with UploadSession(self._blobs, name, limit or self._settings.max_upload) as session:
            if (audio := await self._copied(session, upload)) is not None:
                with session.writing_row():
                    made = await self._database.write(lambda conn: self._store(conn, message, upload, audio))
                session.decide(kept=made)
                return
        await self._database.write(lambda conn: self._store(conn, message, upload, None))

    async def _copied(self, session: UploadSession, upload: OldUpload) -> StoredAudio | None:
        try:
            with await asyncio.to_thread(open_allowed, upload.path, [self._folder]) as file:
                while block := await asyncio.to_thread(file.read, _BLOCK):
                    await session.write(block)
            return await session.store()
        except _UNUSABLE as error:
            log.warning("request %s: the file of its message cannot be taken: %s", upload.request_id, error)
            return None

    def _store(self, conn: Connection, message: Incoming, upload: OldUpload, audio: StoredAudio | None) -> bool:
        """Store job and message in one transaction; False when they are there."""
        intakes.hold_sender(conn, _CONTRACT, upload.request_id)
        if _is_known(conn, upload):
            return False
        settings = self._settings
        limits = limits_of(settings, Contract.GATEWAY)
        create_job(
            conn,
            NewJob(
                id=upload.request_id,  # its client asks for it by this id
                owner=_CONTRACT,
                filename=display_name(upload.filename),
                source=Source(SourceKind.UPLOAD) if audio else Source(SourceKind.PATH, upload.path),
                options=options_of(settings, Contract.GATEWAY),
                contract=Contract.GATEWAY,
                limits=limits,
                audio=audio,
                max_attempts=limits.max_attempts or settings.max_attempts,
            ),
        )
        value = message.value or b""
        intakes.store(
            conn,
            intakes.Intake(
                id=f"{upload.request_id}:gateway",
                contract=_CONTRACT,
                topic=message.topic,
                partition=message.partition,
                offset=message.offset,
                value_mark=intakes.digest(value),
                value=value,
                job_id=upload.request_id,
                sender_id=upload.request_id,
            ),
        )
        return audio is not None

    def _remove(self, path: str) -> None:
        """Remove a file that a message named, if it lies where an old gateway put its files."""
        if lies_under(path, [self._folder]):
            with suppress(OSError):
                Path(path).unlink()


def _is_known(conn: Connection, upload: OldUpload) -> bool:
    if intakes.of_sender(conn, _CONTRACT, upload.request_id) is not None:
        return True
    try:
        get_job(conn, None, upload.request_id)
    except NotFound:
        return False
    return True

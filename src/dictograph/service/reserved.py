"""An Idempotency-Key while its request is received: reserved, renewed, and free again if no job comes of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

from sqlalchemy import Connection

from dictograph.errors import DictographError
from dictograph.store import idempotency
from dictograph.store.database import Database
from dictograph.store.idempotency import SILENT_S, Known

log = logging.getLogger(__name__)

#: Some renewals may fail before the key counts as nobody's.
_RENEW_S = SILENT_S / 4


class Reserved:
    """The key of one request; without a key all of this does nothing.

    Whoever no longer renews has lost it after SILENT_S: its process is gone, or could not say that no job came of it.
    """

    def __init__(self, database: Database, process_id: str, owner: str, key: str | None, job_id: str) -> None:
        """`job_id` is the id of the job that is to come."""
        self.owner = owner
        self.key = key
        self.job_id = job_id
        self.known: Known | None = None
        self._database = database
        self._process_id = process_id

    async def begin(self) -> Known | None:
        """Reserve it; what it was used for before, if it was.

        Raises IdempotencyInProgress.
        """
        if self.key is not None:
            self.known = await self._database.write(self.take)
        return self.known

    def take(self, conn: Connection) -> Known | None:
        """`begin` in a transaction that makes the job: it may have been lost meanwhile, and be somebody else's."""
        if self.key is None:
            return None
        return idempotency.begin(conn, self.owner, self.key, self._process_id, self.job_id)

    def settle(self, conn: Connection, job_id: str, mark: str) -> None:
        """It now stands for this job, which may be another than was to come."""
        if self.key is not None:
            idempotency.settle(conn, self.owner, self.key, job_id, mark)

    @asynccontextmanager
    async def renewed(self) -> AsyncIterator[None]:
        """Nobody else gets it within the context, as far as the database can be written to."""
        renewing = asyncio.create_task(self._renew(), name="idempotency-key")
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)

    async def abandon(self) -> None:
        """No job came of it. If that cannot be written, it is free once it has been silent for long enough."""
        if self.key is None or self.known is not None:
            return
        try:
            await self._database.write(partial(idempotency.abandon, owner=self.owner, key=self.key, token=self.job_id))
        except DictographError as error:
            log.warning("an Idempotency-Key stays reserved for %.0f s: %s", SILENT_S, error)

    async def _renew(self) -> None:
        if self.key is None or self.known is not None:
            return
        renew = partial(idempotency.renew, owner=self.owner, key=self.key, token=self.job_id)
        while True:
            await asyncio.sleep(_RENEW_S)
            with suppress(DictographError):
                await self._database.write(renew)

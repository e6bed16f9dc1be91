"""An Idempotency-Key while its request is received: it is reserved, renewed, and released if no job is made."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from functools import partial
from typing import Self
from uuid import uuid4

from sqlalchemy import Connection

from dictograph.errors import DictographError
from dictograph.service.shielded import run_to_completion
from dictograph.store import idempotency
from dictograph.store.database import Database
from dictograph.store.idempotency import SILENT_S, Known

log = logging.getLogger(__name__)

#: Some renewals may fail before the reservation ends.
_RENEW_S = SILENT_S / 4


class IdempotencyReservation:
    """A lease on the key of one request, while the context lasts. Without a key all methods do nothing.

    A reservation that is not renewed ends after SILENT_S: its process has ended, or could not release the key.
    `job_id` is the id that a new job gets. `known` is the earlier use of the key, if there is one.
    """

    def __init__(self, database: Database, process_id: str, owner: str, key: str | None) -> None:
        self.owner = owner
        self.key = key
        self.job_id = str(uuid4())
        self.known: Known | None = None
        self.settled = False
        self._database = database
        self._process_id = process_id
        self._renewing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Reserve the key.

        Raises:
            IdempotencyInProgress: another request has reserved it.
        """
        if self.key is not None:
            self.known = await self._database.write(self.take)
            if self.known is None:
                self._renewing = asyncio.create_task(self._renew(self.key), name="idempotency-key")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.key is not None and self._renewing is not None:
            await run_to_completion(self._release(self.key, self._renewing))

    def take(self, conn: Connection) -> Known | None:
        """Reserve the key once more, in the transaction that makes the job. The lease may have ended meanwhile, and
        another request may have the key."""
        if self.key is None:
            return None
        return idempotency.begin(conn, self.owner, self.key, self._process_id, self.job_id)

    def settle(self, conn: Connection, job_id: str, mark: str) -> None:
        """Record this job under the key; it may be an earlier job. Set `settled` after the commit."""
        if self.key is not None:
            idempotency.settle(conn, self.owner, self.key, job_id, mark)

    async def _renew(self, key: str) -> None:
        renew = partial(idempotency.renew, owner=self.owner, key=key, token=self.job_id)
        while True:
            await asyncio.sleep(_RENEW_S)
            with suppress(DictographError):
                await self._database.write(renew)

    async def _release(self, key: str, renewing: asyncio.Task[None]) -> None:
        """Release the key, unless a job is recorded under it. If the write fails, the lease ends by itself."""
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        if self.settled:
            return
        try:
            await self._database.write(partial(idempotency.abandon, owner=self.owner, key=key, token=self.job_id))
        except DictographError as error:
            log.warning("an Idempotency-Key stays reserved for %.0f s: %s", SILENT_S, error)

"""The state of a contract's jobs, for any number of clients that poll it."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from dictograph.contract import Contract
from dictograph.errors import DictographError
from dictograph.service.single_flight import SingleFlight
from dictograph.store.compat.traffic import Traffic, traffic
from dictograph.store.database import Database

log = logging.getLogger(__name__)

#: An answer is valid for this time (s), and longer if the query took long: `_REST` times the query's time.
_FRESH_S = 0.05
_REST = 20.0

#: A caller gets an older answer when there is no newer one after this time (s).
_PATIENCE_S = 3.0


@dataclass(frozen=True, slots=True)
class _Known:
    traffic: Traffic
    read_at: datetime
    until: float

    def is_good(self, newer_than: datetime | None) -> bool:
        return time.monotonic() <= self.until and (newer_than is None or newer_than < self.read_at)


class ContractStats:
    """Answers within seconds even if the database does not, and costs the database little for any number of callers."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._since = datetime.now(UTC)
        self._started = time.monotonic()
        self._known: dict[Contract, _Known] = {}
        self._querying: SingleFlight[Contract, Traffic] = SingleFlight(self._query)

    @property
    def uptime(self) -> float:
        """Return the seconds since this process began to count."""
        return time.monotonic() - self._started

    async def of(self, contract: Contract, *, newer_than: datetime | None = None) -> Traffic:
        """Return the contract's jobs: those that wait and run, and those that have ended since this process started.

        `newer_than` is for callers that know of a change at that time.
        """
        known = self._known.get(contract)
        if known is not None and known.is_good(newer_than):
            return known.traffic
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await self._querying(contract)
        except (TimeoutError, DictographError) as error:
            log.warning("the state of the %s's jobs is not known at the moment: %s", contract, error or "no answer")
            return known.traffic if known is not None else Traffic()

    async def _query(self, contract: Contract) -> Traffic:
        read_at, began = datetime.now(UTC), time.monotonic()
        found = await self._database.read(lambda conn: traffic(conn, contract, self._since))
        now = time.monotonic()
        self._known[contract] = _Known(found, read_at, now + max(_FRESH_S, _REST * (now - began)))
        return found

"""What the jobs of a contract are doing, for any number of those who ask all the time."""

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

#: An answer is good for so long (s), and longer if it took long to get: this times that.
_FRESH_S = 0.05
_REST = 20.0

#: Who asks gets an older answer when there is no newer one after so long (s).
_PATIENCE_S = 3.0


@dataclass(frozen=True, slots=True)
class _Known:
    traffic: Traffic
    read_at: datetime
    until: float

    def is_good(self, newer_than: datetime | None) -> bool:
        return time.monotonic() <= self.until and (newer_than is None or newer_than < self.read_at)


class ContractStats:
    """Answers within seconds whatever the database does, and costs it little however many ask."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._since = datetime.now(UTC)
        self._started = time.monotonic()
        self._known: dict[Contract, _Known] = {}
        self._asking: SingleFlight[Contract, Traffic] = SingleFlight(self._ask)

    @property
    def uptime(self) -> float:
        """Seconds since this process counts."""
        return time.monotonic() - self._started

    async def of(self, contract: Contract, *, newer_than: datetime | None = None) -> Traffic:
        """The contract's jobs: what waits and runs, and what has ended since this process was started.

        `newer_than` is for those who know that something happened then.
        """
        known = self._known.get(contract)
        if known is not None and known.is_good(newer_than):
            return known.traffic
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await self._asking(contract)
        except (TimeoutError, DictographError) as error:
            log.warning("the state of the %s's jobs is not known at the moment: %s", contract, error or "no answer")
            return known.traffic if known is not None else Traffic()

    async def _ask(self, contract: Contract) -> Traffic:
        read_at, began = datetime.now(UTC), time.monotonic()
        found = await self._database.read(lambda conn: traffic(conn, contract, self._since))
        now = time.monotonic()
        self._known[contract] = _Known(found, read_at, now + max(_FRESH_S, _REST * (now - began)))
        return found

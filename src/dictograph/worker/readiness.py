"""Find out whether this worker can transcribe, by a real inference."""

from __future__ import annotations

import asyncio
import logging

from dictograph.errors import DictographError
from dictograph.models.catalog import Catalog, Pending
from dictograph.worker.agent import every
from dictograph.worker.batching.engine_dispatcher import EngineDispatcher
from dictograph.worker.engines import Engines

log = logging.getLogger(__name__)

_TURN_S = 0.5
_AFTER_FAILURE_S = 15.0


class Readiness:
    """Loads the default engine at start, which includes a real inference, and keeps the result."""

    name = "readiness"

    def __init__(self, catalog: Catalog, engines: Engines) -> None:
        self._catalog = catalog
        self._engines = engines
        self.ready = False
        self.reason = "starting"
        self.engine = ""
        self.model = ""
        self._dispatcher: EngineDispatcher | None = None

    async def run(self) -> None:
        await every(_TURN_S, self._turn, self.name)

    async def _turn(self) -> None:
        if self.ready:
            self._check_again()
            return
        try:
            await self._prove()
        except DictographError as error:
            self._not_ready(error.message)
            await asyncio.sleep(_AFTER_FAILURE_S)

    def _check_again(self) -> None:
        if self._dispatcher is not None and self._dispatcher.trouble is not None:
            self._not_ready(self._dispatcher.trouble)
            self.ready = False

    async def _prove(self) -> None:
        choice = await self._catalog.choose("auto", None)
        if isinstance(choice, Pending):
            self._not_ready(choice.reason)
            return
        self._not_ready(f"loading engine {choice.frozen.engine}")
        self._dispatcher = self._engines.dispatcher(choice.spec)
        await self._dispatcher.capabilities()
        self.ready, self.reason = True, ""
        self.engine, self.model = choice.frozen.engine, choice.frozen.model
        log.info("ready: engine %s, model %s, proved by an inference", self.engine, self.model or "its own")

    def _not_ready(self, reason: str) -> None:
        if reason != self.reason:
            log.info("not ready yet: %s", reason)
        self.reason = reason

"""Manage one Whisper model: the state of its weights, and the loop that finds or fetches them."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dictograph.child.sandbox.policy import Mode
from dictograph.errors import ModelOutOfReach, ModelUnavailable
from dictograph.job import backoff_seconds
from dictograph.models.checksum import FolderDigests
from dictograph.models.hf_cache import Cache, Snapshot, folder_of, is_folder, missing_files, repository
from dictograph.models.sources import Source, fetch_from, unasked
from dictograph.models.weights import PATIENCE_S, Progress

log = logging.getLogger(__name__)

_RETRY_BASE_S = 2.0
_RETRY_CAP_S = 60.0
_LOG_EVERY = 0.1  # of the whole fetch


@dataclass(frozen=True, slots=True)
class Checking:
    """It is not known yet whether the weights are here."""


@dataclass(frozen=True, slots=True)
class Fetching:
    """The weights are being fetched."""

    progress: Progress


@dataclass(frozen=True, slots=True)
class Ready:
    """The weights are here."""

    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The weights are not here and could not be fetched; the fetch is tried again in the background.

    `may_pass`: the reason may pass by itself. `since`: when they were first found missing (s, monotonic clock).
    """

    reason: str
    may_pass: bool = False
    since: float = 0.0

    def lasts(self, patience: float) -> bool:
        """Return whether jobs should wait no longer: it will not pass, or has not passed for `patience` seconds."""
        return not self.may_pass or time.monotonic() - self.since >= patience


@dataclass(frozen=True, slots=True)
class OnDemand:
    """The weights are not here, and are fetched when a job needs them."""


State = Checking | Fetching | Ready | Unavailable | OnDemand

#: When weights that are not here are fetched: at the start, when a job needs them, never.
When = Literal["at once", "when asked", "never"]


class ManagedModel:
    """A model by its name in the settings: a folder, or a repository in the cache.

    `fetches`: when missing weights are fetched, from the first of `sources` that has them. `one_fetch`: a semaphore, so
    that one model is fetched at a time.
    `also` are other names for the same weights. `failed` is the log line for unavailable weights: name, reason.
    """

    def __init__(
        self,
        name: str,
        cache: Cache,
        *,
        fetches: When,
        one_fetch: asyncio.Semaphore,
        sources: Sequence[Source] = ("hub",),
        confined: Mode = "auto",
        also: Iterable[str] = (),
        failed: str,
    ) -> None:
        self.name = name
        self._failed = failed
        self._also = frozenset(also)
        self.folder = folder_of(name) if is_folder(name) else None
        self.repository = "" if self.folder else repository(name)
        self.state: State = Checking()
        self._cache = cache
        self._fetches: When = fetches
        self._one_fetch = one_fetch
        self._sources = sources
        self._confined = confined
        self._digests = FolderDigests()
        self._lost = asyncio.Event()
        self._demanded = asyncio.Event()
        self._changed: Callable[[], None] = lambda: None

    @property
    def names(self) -> frozenset[str]:
        """All names of the model: those in the settings, and the repository that they stand for."""
        return self._also | {self.name, self.repository or self.name}

    async def run(self, changed: Callable[[], None]) -> None:
        """Find or fetch the weights, again when they are lost, until cancelled. Call `changed` at every new state."""
        self._changed = changed
        failures, since = 0, 0.0
        while True:
            try:
                if not failures:  # weights that could not be fetched are still needed
                    await self._wait_for_demand()
                self._become(Ready(await self._find_or_fetch()))
                failures = 0
                await self._lost.wait()
                self._lost.clear()
            except ModelUnavailable as error:
                since = since if failures else time.monotonic()
                failures += 1
                self._become(Unavailable(error.message, isinstance(error, ModelOutOfReach), since))
                await asyncio.sleep(backoff_seconds(failures, _RETRY_BASE_S, _RETRY_CAP_S, random.Random()))

    async def _wait_for_demand(self) -> None:
        """Wait until a job needs the weights, if they are not here and are fetched only on demand."""
        if self._fetches != "when asked" or await self.find() is not None:
            return
        self._demanded.clear()
        self._become(OnDemand())
        await self._demanded.wait()

    def ask(self) -> None:
        """Fetch the weights now if they are fetched on demand: a job needs them."""
        if isinstance(self.state, OnDemand):
            self._become(Checking())
            self._demanded.set()

    async def current(self) -> Snapshot | None:
        """Return the weights as they are now; when they are no longer here, return None and search again."""
        if not isinstance(self.state, Ready):
            return None
        if (snapshot := await self.find()) is None:
            self._become(Checking())
            self._lost.set()
        elif snapshot != self.state.snapshot:
            self._become(Ready(snapshot))
        return snapshot

    async def find(self, revision: str = "main") -> Snapshot | None:
        """Return the weights of a revision if they are here. A folder has only one revision: its digest."""
        if self.folder is None:
            return await asyncio.to_thread(self._cache.snapshot, self.repository, revision)
        snapshot = await asyncio.to_thread(self._check_folder, self.folder)
        return snapshot if snapshot and revision in ("main", snapshot.revision) else None

    async def exactly(self, revision: str) -> Snapshot:
        """Return the weights of one exact revision; fetch them if need be.

        Raises:
            ModelUnavailable: they are not available (any more).
        """
        if snapshot := await self.find(revision):
            return snapshot
        if self.folder is not None:
            raise ModelUnavailable(f"The model in {self.name} is no longer the one that this job began with.")
        return await self._fetch(revision, lambda _: None)

    async def _find_or_fetch(self) -> Snapshot:
        if snapshot := await self.find():
            return snapshot
        if self.folder is not None:
            missing = ", ".join(await asyncio.to_thread(missing_files, self.folder))
            raise ModelUnavailable(f"{self.name} is no folder of a converted Whisper model: it has no {missing}")
        return await self._fetch("main", lambda progress: self._become(Fetching(progress)))

    async def _fetch(self, revision: str, report: Callable[[Progress], None]) -> Snapshot:
        if self._fetches == "never":
            raise ModelUnavailable(
                f"the weights of {self.name} are not here, and are not fetched with this DICTOGRAPH_ENGINE; "
                f"`dictograph models pull {self.name}` brings them"
            )
        async with self._one_fetch:
            if snapshot := await self.find(revision):
                return snapshot
            fetching = fetch_from(
                unasked(self._sources),
                self.repository,
                self._cache,
                revision,
                patience=PATIENCE_S,
                confined=self._confined,
            )
            async with aclosing(fetching) as reports:
                async for progress in reports:
                    report(progress)
        if (snapshot := await self.find(revision)) is None:
            raise ModelOutOfReach(f"the weights of {self.name} vanished while they were fetched")
        return snapshot

    def _check_folder(self, folder: Path) -> Snapshot | None:
        return None if missing_files(folder) else Snapshot(folder, self._digests.digest(folder))

    def _become(self, state: State) -> None:
        if state == self.state:
            return
        before, self.state = self.state, state
        self._log(before, state)
        self._changed()

    def _log(self, before: State, now: State) -> None:
        match before, now:
            case _, Ready(snapshot):
                log.info("model %s is ready (%s)", self.name, snapshot.revision[:12])
            case Fetching(last), Fetching(progress) if int(last.part / _LOG_EVERY) == int(progress.part / _LOG_EVERY):
                pass
            case _, Fetching(progress):
                log.info("fetching model %s: %.0f of %.0f MB", self.name, progress.done / 1e6, progress.total / 1e6)
            case _, Unavailable(reason) if self._fetches == "never":
                log.debug("model %s: %s", self.name, reason)  # a missing model that no job asked for needs no warning
            case _, Unavailable(reason):
                log.warning(self._failed, self.name, reason)

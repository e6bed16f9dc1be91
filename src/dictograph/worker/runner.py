"""Run one attempt at one job: fetch, choose an engine, transcribe, and have what became of it written."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from dictograph.audio.source_file import SourceFile
from dictograph.engine.protocol import EngineSpec
from dictograph.errors import (
    AttemptTimeout,
    DatabaseUnavailable,
    DecoderLost,
    DictographError,
    LeaseLost,
    ScratchRemoved,
    StorageOutage,
    UnexpectedError,
)
from dictograph.job import SourceKind, StoredAudio
from dictograph.models.catalog import Pending
from dictograph.runtime.crash import Point
from dictograph.runtime.private_files import make_private_folder
from dictograph.store.jobs import progress
from dictograph.store.jobs.claim import Claim
from dictograph.store.jobs.read import get_job
from dictograph.worker.agent import TRANSIENT_ERRORS
from dictograph.worker.attempt.context import WorkerContext
from dictograph.worker.attempt.outcome import Completed, Failed, Lost, Outcome, PlanChanged, Released, ReleaseRequested
from dictograph.worker.attempt.resolution import Resolution
from dictograph.worker.audio_pipeline import AudioPipeline
from dictograph.worker.batching.engine_dispatcher import EngineDispatcher
from dictograph.worker.fetching import import_audio, open_stored, opened
from dictograph.worker.transcription import Transcription

log = logging.getLogger(__name__)

#: Errors that are no job's fault: the job is released and the attempt is not counted, as long as there were fewer
#: attempts than this multiple of the budget.
_OUTAGE = (DatabaseUnavailable, DecoderLost, ScratchRemoved, StorageOutage)
_OUTAGES = 10

#: How long to wait before an outcome that could not be written is written again, in seconds.
_AGAIN_S = 1.0


class Runner:
    """Runs one claimed job to an outcome, and resolves it."""

    def __init__(self, context: WorkerContext, claim: Claim, on_commit: Callable[[], None]) -> None:
        self._context = context
        self._write = context.database.write
        self.job = claim.job
        self.lease = claim.lease
        self._on_commit = on_commit
        self._resolution = Resolution(context, claim.lease)
        self._folder = context.scratch / f"{self.job.id}-{self.lease.attempt}"
        self._has_folder = False
        self._under_way: asyncio.Task[Any] | None = None
        self._stopped: Outcome | None = None
        self._hurry = asyncio.Event()
        self._release_requested = False

    def start(self) -> asyncio.Task[None]:
        return asyncio.create_task(self._execute(), name=f"job {self.job.id}")

    def cancel_lost(self) -> None:
        """Stop at once and write nothing: the job is no longer this worker's."""
        self._stop(Lost())

    def abandon(self) -> None:
        """Stop, and release the job as soon as the database can be reached; the attempt is not counted.

        Until then the worker cannot know whether the job is still its own. A worker that has taken it by then keeps it.
        """
        self._stop(Released(), hurry=False)

    def release_after_window(self) -> None:
        """Release the job after its next commit: the worker stops."""
        self._release_requested = True

    def release_now(self) -> None:
        """Release the job at once: the worker stops and has waited long enough."""
        self._stop(Released())

    def _stop(self, outcome: Outcome, *, hurry: bool = True) -> None:
        # Only the attempt is interrupted, not the writing of its outcome; an attempt that has not begun never begins.
        if hurry:
            self._hurry.set()
        if self._stopped is None:
            self._stopped = outcome
            if self._under_way is not None:
                self._under_way.cancel()

    async def _execute(self) -> None:
        try:
            outcome = self._stopped or await self._attempt()
            await self._remove_files()  # before the outcome is written: after it no file may be left
            await self._resolve_while_ours(outcome)
        except LeaseLost:
            await self._resolution.log_lost(self.job)
        except Exception as error:  # noqa: BLE001 - nothing awaits this task: any error must be logged here
            log.error("job %s: its outcome could not be written (%s); its lease will run out", self.job.id, error)
        finally:
            await self._remove_files()

    async def _remove_files(self) -> None:
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def _attempt(self) -> Outcome:
        self._under_way = task = asyncio.current_task()
        try:
            return await self._outcome()
        except asyncio.CancelledError:
            if self._stopped is None:
                raise
            return self._stopped
        finally:
            self._under_way = None
            if self._stopped is not None and task is not None:
                task.uncancel()

    async def _outcome(self) -> Outcome:
        """Run the attempt and return its outcome. An error that comes from being stopped is no failure."""
        try:
            await self._run()
        except LeaseLost:
            return Lost()
        except ReleaseRequested:
            return Released()
        except Exception as error:  # noqa: BLE001 - any fault ends the attempt, and is logged below
            return self._stopped or self._outcome_of(error)
        return Completed()

    def _outcome_of(self, error: Exception) -> Outcome:
        if self._has_lost_its_folder():
            error = ScratchRemoved("The scratch folder was removed while the job ran.", detail=str(self._folder))
            log.warning("job %s: %s", self.job.id, error)
        if not isinstance(error, DictographError):
            log.error("job %s: an unexpected error", self.job.id, exc_info=error)
            text = f"A fault of Dictograph itself ({type(error).__name__}); its log has more."
            return Failed(UnexpectedError(text))
        return Released() if self._is_outage(error) else Failed(error)

    def _has_lost_its_folder(self) -> bool:
        return self._has_folder and not self._folder.is_dir()

    def _is_outage(self, error: DictographError) -> bool:
        """Return whether an error is not the job's fault. After very many attempts it counts as the job's."""
        return isinstance(error, _OUTAGE) and self.job.attempt < _OUTAGES * self.job.max_attempts

    async def _resolve_while_ours(self, outcome: Outcome) -> None:
        """Write the outcome. While the database fails, try again until the job is lost or the worker stops."""
        while True:
            try:
                return await self._resolution.write(self.job, outcome)
            except TRANSIENT_ERRORS as error:
                if self._hurry.is_set():
                    raise
                log.warning("job %s: its outcome cannot be written yet: %s", self.job.id, error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_AGAIN_S):
                    await self._hurry.wait()

    async def _run(self) -> None:
        audio = await self._fetch()
        dispatcher = await self._choose_engine()
        most = self.job.limits.attempt_timeout
        try:
            async with asyncio.timeout(most) as limit:
                await self._transcribe_anew(audio, dispatcher)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise AttemptTimeout(f"The attempt took longer than {most:g} s, the limit of its contract.") from error

    async def _transcribe_anew(self, audio: StoredAudio | None, dispatcher: EngineDispatcher) -> None:
        """Transcribe; where the windows of an earlier attempt cannot be used, all of them are done again."""
        try:
            await self._transcribe(audio, dispatcher)
        except PlanChanged as changed:
            if self._stopped is not None:
                raise asyncio.CancelledError from None  # it was stopped in the same moment
            code, reason = changed.code, changed.reason
            await self._write(lambda c: progress.restart_windows(c, self.lease, code, reason))
            log.warning("job %s: %s; all windows are done again (%s)", self.job.id, reason, code)
            self.job = await self._context.database.read(lambda c: get_job(c, None, self.job.id))
            await self._transcribe(audio, dispatcher)

    async def _fetch(self) -> StoredAudio | None:
        """Import the audio into storage; return None for a file that is read in place."""
        if self.job.audio is not None:
            return self.job.audio
        if self._context.sources.in_place and self.job.source.kind is SourceKind.PATH:
            return None
        began = time.monotonic()
        audio = await import_audio(self.job, self.lease, self._context.blobs, self._context.sources)
        self._context.crash.reach(Point.AUDIO_STORED)
        try:
            await self._write(lambda c: progress.record_audio(c, self.lease, audio))
        except LeaseLost:
            await self._context.blobs.delete(audio.name)
            raise
        self._context.crash.reach(Point.AUDIO_RECORDED)
        self._context.observer.fetched(self.job, time.monotonic() - began)
        return audio

    async def _record_hash(self, audio: StoredAudio, sha256: str) -> None:
        """Record the hash of bytes that the storage copied by itself: before the first window, like all others."""
        if audio.sha256 is None:
            await self._write(lambda c: progress.record_audio(c, self.lease, replace(audio, sha256=sha256)))

    async def _choose_engine(self) -> EngineDispatcher:
        return self._context.engines.dispatcher(await self._engine_spec())

    async def _engine_spec(self) -> EngineSpec:
        if self.job.frozen is not None:
            return await self._context.catalog.spec_for(self.job.frozen)
        options = self.job.options
        choice = await self._context.catalog.choose(options.engine, options.model)
        if isinstance(choice, Pending):
            raise ReleaseRequested
        warnings = [warning.as_dict() for warning in choice.warnings]
        await self._write(lambda c: progress.freeze_engine(c, self.lease, choice.frozen, warnings))
        self._context.crash.reach(Point.ENGINE_FROZEN)
        return choice.spec

    async def _transcribe(self, audio: StoredAudio | None, dispatcher: EngineDispatcher) -> None:
        context = self._context
        began = time.monotonic()
        await asyncio.to_thread(make_private_folder, self._folder)
        self._has_folder = True
        async with contextlib.AsyncExitStack() as stack:
            source: Path | SourceFile
            if audio is None:
                source = await stack.enter_async_context(opened(self.job, context.sources))
            else:
                stored = await stack.enter_async_context(open_stored(context.blobs, audio, self._folder))
                await self._record_hash(audio, stored.sha256)
                source = stored.path
            limits = context.decoding.no_longer_than(self.job.limits.max_audio)
            audio_pipeline = AudioPipeline(
                source,
                self._folder / "audio.pcm",
                self.job.options,
                limits,
                context.vad_client,
                context.decoders,
                self.job.filename,
            )
            await Transcription(
                self.job, self.lease, context.database, dispatcher, audio_pipeline, context.crash, self._committed
            ).run()
        context.observer.transcribed(self.job, time.monotonic() - began)

    def _committed(self) -> None:
        self._on_commit()
        if self._release_requested:
            raise ReleaseRequested

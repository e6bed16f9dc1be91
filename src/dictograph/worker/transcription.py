"""Transcribe one job: its windows are planned, sent to the engine, and committed, in order.

Two tasks run side by side. The *feeder* takes windows as they become known, stores them as the job's plan, decides the
language before the first one, and puts them into the job's queue. The *committer* takes their results in order and
commits them. Only then may the next windows of the job be taken: so a kill never loses more than one batch.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import Connection

from dictograph.audio import pcm
from dictograph.engine.loudness import is_empty
from dictograph.engine.protocol import Capabilities, Window, WindowOptions, WindowResult
from dictograph.job import Job, Lease
from dictograph.runtime.crash import CrashPoints, Point
from dictograph.store.database import Database
from dictograph.store.jobs import progress
from dictograph.worker.accounts.job_account import JobAccount
from dictograph.worker.audio_pipeline import AudioPipeline
from dictograph.worker.batching.engine_dispatcher import EngineDispatcher
from dictograph.worker.batching.job_queue import Detect, JobQueue, WindowRequest
from dictograph.worker.capability_checks import ignored_options, refuse_unable
from dictograph.worker.language_decision import OPENING, LanguageDecision
from dictograph.worker.pipeline_window import PipelineWindow
from dictograph.worker.planning import NumberedWindow, Planning

#: Windows without any sound have no language. This is the number of windows after which the feeder no longer waits for
#: enough windows with sound: eight hours, and less than a megabyte, since only their positions are kept.
_LONGEST_OPENING = 1000

#: The same where some windows have sound: their text must not be held back for long.
_LONG_OPENING = 16

#: How many windows of a job may be planned ahead of their results: in batches, and at the least. Detecting speech
#: further ahead would only take time from the engine.
_BATCHES_AHEAD = 2
_AHEAD = 16

#: The same before the first commit: the first text should have the processor to itself.
_AHEAD_AT_FIRST = 6


class Transcription:
    """Transcribes one job in one attempt."""

    def __init__(
        self,
        job: Job,
        lease: Lease,
        database: Database,
        dispatcher: EngineDispatcher,
        audio_pipeline: AudioPipeline,
        crash: CrashPoints,
        on_commit: Callable[[], None],
    ) -> None:
        self._job = job
        self._refills = job.limits.all_attempts is None
        self._lease = lease
        self._database = database
        self._dispatcher = dispatcher
        self._audio_pipeline = audio_pipeline
        self._crash = crash
        self._on_commit = on_commit
        self._language = job.language
        self._multilingual = False
        self._account = JobAccount(job, lease, database)
        self._in_flight: deque[tuple[NumberedWindow, asyncio.Future[WindowResult]]] = deque()
        self._sent = asyncio.Event()
        self._fed = False
        self._slots = asyncio.Semaphore(_AHEAD_AT_FIRST)

    async def run(self) -> None:
        """Transcribe and commit every window. Raises PlanChanged, LeaseLost, or the error that ended it."""
        job_queue = self._dispatcher.queue.open(self._job.id, self._job.owner, self._job.priority)
        try:
            capabilities = await self._dispatcher.capabilities()
            refuse_unable(self._job.options, capabilities, self._dispatcher.spec)
            self._multilingual = self._job.options.multilingual and capabilities.multilingual
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._feed(job_queue, capabilities))
                tasks.create_task(self._commit(job_queue, max(_AHEAD, _BATCHES_AHEAD * capabilities.max_batch)))
            await self._open_account()
            await self._account.conclude()
        except BaseExceptionGroup as group:
            raise _first(group) from None
        finally:
            self._dispatcher.close_job(job_queue)
        if not self._account.anything_said and self._audio_pipeline.pcm.exists():
            await self._account.warn_of_no_words(await asyncio.to_thread(self._audio_pipeline.peak))

    # --- the feeder

    async def _feed(self, job_queue: JobQueue, capabilities: Capabilities) -> None:
        opening: list[NumberedWindow] = []
        with_sound: list[NumberedWindow] = []
        decision = self._decision(job_queue, capabilities)
        enough = OPENING if decision.must_detect else 0
        async with contextlib.aclosing(self._planning(capabilities).windows()) as planned:
            async for window in planned:
                opening.append(window)
                if self._language is None and enough and await self._has_sound(window):
                    with_sound.append(window)
                longest = _LONG_OPENING if with_sound else _LONGEST_OPENING
                if self._language is not None or len(with_sound) >= enough or len(opening) >= longest:
                    await self._send_all(job_queue, decision, opening, with_sound)
                    opening.clear()
        await self._send_all(job_queue, decision, opening, with_sound)
        self._fed = True
        self._sent.set()

    async def _has_sound(self, window: NumberedWindow) -> bool:
        span = window.window.span
        return not is_empty(await asyncio.to_thread(pcm.read, window.window.pcm, span.start, span.end))

    def _planning(self, capabilities: Capabilities) -> Planning:
        warnings = ignored_options(self._job.options, capabilities, self._dispatcher.spec.name)
        return Planning(self._job, self._lease, self._database, self._audio_pipeline, self._crash, warnings)

    async def _decide_language(self, decision: LanguageDecision, opening: Sequence[NumberedWindow]) -> None:
        language, probability, found = await decision.of(opening)
        warnings = [warning.as_dict() for warning in found]
        self._language = language
        await self._database.write(lambda c: progress.freeze_language(c, self._lease, language, probability, warnings))
        self._crash.reach(Point.LANGUAGE_FROZEN)

    def _decision(self, job_queue: JobQueue, capabilities: Capabilities) -> LanguageDecision:
        return LanguageDecision(
            self._job.options,
            capabilities,
            self._dispatcher.spec.name,
            lambda window: self._put(job_queue, window, Detect()),
            lambda: self._dispatcher.queue.let_go(job_queue),
        )

    async def _send_all(
        self,
        job_queue: JobQueue,
        decision: LanguageDecision,
        windows: Sequence[NumberedWindow],
        with_sound: Sequence[NumberedWindow],
    ) -> None:
        """Send the windows. If need be, first decide the language, from the windows `with_sound` if there are any."""
        if windows and self._language is None:
            await self._decide_language(decision, with_sound or windows[:OPENING])
        for window in windows:
            await self._slots.acquire()
            result = self._put(job_queue, window, self._window_options())
            self._in_flight.append((window, result))
            self._sent.set()

    def _put(self, job_queue: JobQueue, window: NumberedWindow, what: WindowOptions | Detect) -> asyncio.Future[Any]:
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        done.add_done_callback(_mark_retrieved)
        source, span = window.window.pcm, window.window.span

        async def read() -> Window:
            samples = await asyncio.to_thread(pcm.read, source, span.start, span.end)
            return Window(samples, window.window.start, window.spans)

        self._dispatcher.queue.put(job_queue, WindowRequest(window.index, window.seconds, what, read, done))
        return done

    def _window_options(self) -> WindowOptions:
        asked = {field.name: getattr(self._job.options, field.name) for field in fields(WindowOptions)}
        language = (self._job.options.candidates or None) if self._multilingual else self._language
        return WindowOptions(**asked | {"language": language, "multilingual": self._multilingual})

    # --- the committer

    async def _commit(self, job_queue: JobQueue, ahead: int) -> None:
        """Commit results as they come; from the first commit on `ahead` windows may be planned."""
        more = max(0, ahead - _AHEAD_AT_FIRST)
        while await self._wait_for_window():
            await asyncio.wait([self._in_flight[0][1]])
            results = self._completed_prefix()
            if not results:
                self._in_flight[0][1].result()  # raises the error of the first window
            self._crash.reach(Point.WINDOW_TRANSCRIBED)
            await self._commit_results(results)
            self._plan_more(more)
            more = 0
            self._dispatcher.queue.let_go(job_queue)
            self._on_commit()

    def _plan_more(self, windows: int) -> None:
        for _ in range(windows):
            self._slots.release()

    async def _wait_for_window(self) -> bool:
        while not self._in_flight and not self._fed:
            self._sent.clear()
            await self._sent.wait()
        return bool(self._in_flight)

    def _completed_prefix(self) -> list[tuple[NumberedWindow, WindowResult]]:
        """Take the results that have come, from the first one on without a gap."""
        results = []
        while self._in_flight and _succeeded(self._in_flight[0][1]):
            window, result = self._in_flight.popleft()
            results.append((window, result.result()))
            self._slots.release()
        return results

    async def _commit_results(self, results: Sequence[tuple[NumberedWindow, WindowResult]]) -> None:
        speech, warnings = self._account.speech_of(results)
        stored = [(window.index, _as_stored(result, window.window)) for window, result in results]

        def commit(connection: Connection) -> None:
            progress.commit_windows(connection, self._lease, stored, speech, warnings, refills=self._refills)
            self._crash.reach(Point.WINDOW_COMMITTING)

        await self._open_account()
        await self._database.write(commit)
        self._crash.reach(Point.WINDOW_COMMITTED)
        for (window, _), (_, shape) in zip(results, stored, strict=True):
            self._account.add(window.window.start, window.window.end, shape)

    async def _open_account(self) -> None:
        await self._account.open(None if self._multilingual else self._language)


def _mark_retrieved(future: asyncio.Future[Any]) -> None:
    # asyncio logs errors that were never retrieved; the first error of a job ends it, the others do not matter.
    if not future.cancelled():
        future.exception()


def _succeeded(future: asyncio.Future[Any]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


def _as_stored(result: WindowResult, window: PipelineWindow) -> dict[str, Any]:
    """Return a result in the time of the original, each segment with its channel."""
    return result.shifted(window.start).in_channel(window.channel).as_dict()


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error

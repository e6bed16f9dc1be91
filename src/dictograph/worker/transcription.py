"""One job's windows on their way through an engine: planned, sent, committed, in order.

Two tasks side by side. The *feeder* takes windows as they are heard, stores them as the job's plan,
decides the language before the first, and puts them into the job's lane. The *committer* takes
their results in order and commits them; only then may the lane's next windows be taken, so that
what is lost by a kill is never more than one batch.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import Connection

from dictograph.audio import pcm
from dictograph.engine.loudness import is_empty
from dictograph.engine.protocol import Capabilities, Window, WindowOptions, WindowResult
from dictograph.errors import EngineFailed
from dictograph.job import Job, Lease
from dictograph.runtime.crash import CrashPoints, Point
from dictograph.store.database import Database
from dictograph.store.jobs import progress
from dictograph.worker.audio_pipeline import AudioPipeline
from dictograph.worker.batching.engine_dispatcher import EngineDispatcher
from dictograph.worker.batching.job_queue import Detect, JobQueue, WindowRequest
from dictograph.worker.capability_checks import ignored_options, refuse_unable
from dictograph.worker.planning import NumberedWindow, Planning

#: How many windows of speech the language is decided from: the first few, and when these leave a doubt, more.
_OPENING = 4
_FIRST_LOOK = 2
_SURE = 0.9

#: Windows without any sound tell no language. So many windows are waited for until there are enough that sound:
#: eight hours, and as only their places are kept, less than a megabyte.
_LONGEST_OPENING = 1000

#: So many, where some of them sound: text that could be there is not held back for long.
_LONG_OPENING = 16

#: How many windows of a job may be planned ahead of their results, in batches, and at the least: to listen further
#: ahead would only take time from the engine.
_BATCHES_AHEAD = 2
_AHEAD = 16

#: How many before anything is committed: the first text should have the processor to itself.
_AHEAD_AT_FIRST = 6


class Transcription:
    """What `run` does for one attempt at one job."""

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
        self._lease = lease
        self._database = database
        self._dispatcher = dispatcher
        self._audio_pipeline = audio_pipeline
        self._crash = crash
        self._on_commit = on_commit
        self._language = job.language
        self._in_flight: deque[tuple[NumberedWindow, asyncio.Future[WindowResult]]] = deque()
        self._news = asyncio.Event()
        self._fed = False
        self._slots = asyncio.Semaphore(_AHEAD_AT_FIRST)

    async def run(self) -> None:
        """Transcribe and commit every window. Raises PlanChanged, LeaseLost, or what went wrong."""
        job_queue = self._dispatcher.queue.open(self._job.id, self._job.owner, self._job.priority)
        try:
            capabilities = await self._dispatcher.capabilities()
            refuse_unable(self._job.options, capabilities, self._dispatcher.spec)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._feed(job_queue, capabilities))
                tasks.create_task(self._commit(job_queue, max(_AHEAD, _BATCHES_AHEAD * capabilities.max_batch)))
        except BaseExceptionGroup as group:
            raise _first(group) from None
        finally:
            self._dispatcher.close_job(job_queue)

    # --- the feeder

    async def _feed(self, job_queue: JobQueue, capabilities: Capabilities) -> None:
        opening: list[NumberedWindow] = []
        telling: list[NumberedWindow] = []
        enough = _OPENING if self._must_detect(capabilities) else 0
        async with contextlib.aclosing(self._planning(capabilities).windows()) as planned:
            async for window in planned:
                opening.append(window)
                if self._language is None and enough and await self._sounds(window):
                    telling.append(window)
                longest = _LONG_OPENING if telling else _LONGEST_OPENING
                if self._language is not None or len(telling) >= enough or len(opening) >= longest:
                    await self._send_all(job_queue, capabilities, opening, telling)
                    opening.clear()
        await self._send_all(job_queue, capabilities, opening, telling)
        self._fed = True
        self._news.set()

    async def _sounds(self, window: NumberedWindow) -> bool:
        span = window.heard.span
        return not is_empty(await asyncio.to_thread(pcm.read, self._audio_pipeline.pcm, span.start, span.end))

    def _planning(self, capabilities: Capabilities) -> Planning:
        cautions = ignored_options(self._job.options, capabilities, self._dispatcher.spec.name)
        return Planning(self._job, self._lease, self._database, self._audio_pipeline, self._crash, cautions)

    async def _decide_language(
        self, job_queue: JobQueue, capabilities: Capabilities, opening: Sequence[NumberedWindow]
    ) -> None:
        language, probability = self._job.options.language, None
        if self._must_detect(capabilities):
            language, probability = await self._detect(job_queue, opening)
        elif language is None:
            (language,) = capabilities.languages
        self._language = language
        await self._database.write(lambda c: progress.freeze_language(c, self._lease, language, probability))
        self._crash.reach(Point.LANGUAGE_FROZEN)

    def _must_detect(self, capabilities: Capabilities) -> bool:
        return self._job.options.language is None and capabilities.detects_language

    async def _detect(self, job_queue: JobQueue, opening: Sequence[NumberedWindow]) -> tuple[str, float]:
        """The language most probable over the opening windows, each weighing as long as it is."""
        sums: defaultdict[str, float] = defaultdict(float)
        heard = 0.0
        for windows in (opening[:_FIRST_LOOK], opening[_FIRST_LOOK:]):
            await self._weigh(job_queue, windows, sums)
            if not sums:
                name = self._dispatcher.spec.name
                raise EngineFailed(
                    f"The engine {name} named no language for the speech: this is a fault of the engine."
                )
            heard += sum(window.seconds for window in windows)
            language = max(sorted(sums), key=sums.__getitem__)
            if sums[language] > _SURE * heard:
                break
        return language, round(sums[language] / heard, 4)

    async def _weigh(
        self, job_queue: JobQueue, windows: Sequence[NumberedWindow], sums: defaultdict[str, float]
    ) -> None:
        """Add what the engine takes these windows' languages for."""
        flights = [self._put(job_queue, window, Detect()) for window in windows]
        for window, flight in zip(windows, flights, strict=True):
            probabilities = await flight
            self._dispatcher.queue.let_go(job_queue)
            assert isinstance(probabilities, dict)
            for language, probability in probabilities.items():
                sums[language] += probability * window.seconds

    async def _send_all(
        self,
        job_queue: JobQueue,
        capabilities: Capabilities,
        windows: Sequence[NumberedWindow],
        telling: Sequence[NumberedWindow],
    ) -> None:
        """Send the windows; if need be, the language is decided before, from those that are `telling`, if any."""
        if windows and self._language is None:
            await self._decide_language(job_queue, capabilities, telling or windows[:_OPENING])
        for window in windows:
            await self._slots.acquire()
            flight = self._put(job_queue, window, self._window_options())
            self._in_flight.append((window, flight))
            self._news.set()

    def _put(self, job_queue: JobQueue, window: NumberedWindow, what: WindowOptions | Detect) -> asyncio.Future[Any]:
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        done.add_done_callback(_look_at)
        file, span = self._audio_pipeline.pcm, window.heard.span

        async def read() -> Window:
            return Window(await asyncio.to_thread(pcm.read, file, span.start, span.end), window.heard.start)

        self._dispatcher.queue.put(job_queue, WindowRequest(window.index, window.seconds, what, read, done))
        return done

    def _window_options(self) -> WindowOptions:
        asked = {field.name: getattr(self._job.options, field.name) for field in fields(WindowOptions)}
        return WindowOptions(**asked | {"language": self._language})

    # --- the committer

    async def _commit(self, job_queue: JobQueue, ahead: int) -> None:
        """Commit as results come; `ahead` windows may be planned from the first commit on."""
        more = max(0, ahead - _AHEAD_AT_FIRST)
        while await self._wait_for_window():
            await asyncio.wait([self._in_flight[0][1]])
            results = self._completed_prefix()
            if not results:
                self._in_flight[0][1].result()  # raises what happened to the first
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
            self._news.clear()
            await self._news.wait()
        return bool(self._in_flight)

    def _completed_prefix(self) -> list[tuple[int, dict[str, Any]]]:
        """The results that are there, from the first on without a gap."""
        results = []
        while self._in_flight and _succeeded(self._in_flight[0][1]):
            window, flight = self._in_flight.popleft()
            results.append((window.index, _in_original_time(flight.result(), window.heard.start)))
            self._slots.release()
        return results

    async def _commit_results(self, results: Sequence[tuple[int, dict[str, Any]]]) -> None:
        def commit(connection: Connection) -> None:
            progress.commit_windows(connection, self._lease, results)
            self._crash.reach(Point.WINDOW_COMMITTING)

        await self._database.write(commit)
        self._crash.reach(Point.WINDOW_COMMITTED)


def _look_at(flight: asyncio.Future[Any]) -> None:
    # asyncio complains of errors that nobody looked at; the first of a job's errors is its end.
    if not flight.cancelled():
        flight.exception()


def _succeeded(flight: asyncio.Future[Any]) -> bool:
    return flight.done() and not flight.cancelled() and flight.exception() is None


def _in_original_time(result: WindowResult, start: float) -> dict[str, Any]:
    return WindowResult(tuple(s.shifted(start) for s in result.segments), result.sampled).as_dict()


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error

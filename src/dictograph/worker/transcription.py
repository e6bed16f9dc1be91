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
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from dictograph.audio import pcm
from dictograph.crash import CrashPoints, Point
from dictograph.engine.protocol import Capabilities, Window, WindowOptions, WindowResult
from dictograph.errors import UnsupportedByEngine
from dictograph.job import Job, Lease, Options
from dictograph.store import progress
from dictograph.store.database import Database
from dictograph.store.progress import PlannedWindow
from dictograph.store.read import windows as stored_windows
from dictograph.transcript import Warning as Caution
from dictograph.worker.engines import Desk
from dictograph.worker.hearing import Heard, HeardWindow, Hearing
from dictograph.worker.lanes import Detect, Item, Lane
from dictograph.worker.outcome import PlanChanged

#: How many windows of speech the language is decided from.
_OPENING = 4

#: How many windows of a job may be planned ahead of their results.
_AHEAD = 64


@dataclass(frozen=True, slots=True)
class Numbered:
    """A heard window with its place in the plan."""

    index: int
    heard: HeardWindow


class Transcription:
    """What `run` does for one attempt at one job."""

    def __init__(
        self,
        job: Job,
        lease: Lease,
        database: Database,
        desk: Desk,
        hearing: Hearing,
        crash: CrashPoints,
        on_commit: Callable[[], None],
    ) -> None:
        self._job = job
        self._lease = lease
        self._database = database
        self._desk = desk
        self._hearing = hearing
        self._crash = crash
        self._on_commit = on_commit
        self._language = job.language
        self._committed = job.windows_done
        self._flights: deque[tuple[Numbered, asyncio.Future[WindowResult]]] = deque()
        self._news = asyncio.Event()
        self._fed = False
        self._unheeded: list[Caution] = []
        self._slots = asyncio.Semaphore(_AHEAD)

    async def run(self) -> None:
        """Transcribe and commit every window. Raises PlanChanged, LeaseLost, or what went wrong."""
        lane = self._desk.lanes.open(self._job.id, self._job.owner, self._job.priority)
        try:
            capabilities = await self._desk.capabilities()
            self._refuse_unable(capabilities)
            self._unheeded = _unheeded_options(self._job.options, capabilities, self._desk.spec.name)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._feed(lane, capabilities))
                tasks.create_task(self._commit(lane))
        except BaseExceptionGroup as group:
            raise _first(group) from None
        finally:
            self._desk.close_lane(lane)

    def _refuse_unable(self, capabilities: Capabilities) -> None:
        options, engine = self._job.options, self._desk.spec
        name = f"engine {engine.name}" + (f" with model {engine.model}" if engine.model else "")
        if options.task not in capabilities.tasks:
            raise UnsupportedByEngine(f"The {name} cannot do the task {options.task!r}.")
        if options.language is not None and options.language not in capabilities.languages:
            raise UnsupportedByEngine(f"The {name} does not know the language {options.language!r}.")

    # --- the feeder

    async def _feed(self, lane: Lane, capabilities: Capabilities) -> None:
        opening: list[Numbered] = []
        enough = _OPENING if self._must_detect(capabilities) else 1
        async for window in self._planned():
            if self._language is None:
                opening.append(window)
                if len(opening) < enough:
                    continue
                await self._decide_language(lane, capabilities, opening)
                await self._send_all(lane, opening)
                opening.clear()
            else:
                await self._send_all(lane, [window])
        if opening:
            await self._decide_language(lane, capabilities, opening)
            await self._send_all(lane, opening)
        self._fed = True
        self._news.set()

    async def _planned(self) -> AsyncIterator[Numbered]:
        """Windows as they are heard, each stored before it is given; those already committed are left out."""
        index = 0
        stored = _StoredPlan(self._database, self._job.id, self._job.windows_planned)
        async with contextlib.aclosing(self._hearing.windows()) as hearing:
            async for heard in hearing:
                numbered = [Numbered(index + n, window) for n, window in enumerate(heard.windows)]
                index += len(numbered)
                await self._store_plan(heard, numbered, stored)
                for window in numbered:
                    if window.index >= self._committed:
                        yield window
        if index < stored.count:
            raise PlanChanged

    async def _store_plan(self, heard: Heard, numbered: Sequence[Numbered], stored: _StoredPlan) -> None:
        planned = [PlannedWindow(n.index, n.heard.start, n.heard.end, n.heard.sha256) for n in numbered]
        await stored.compare([window for window in planned if window.index < stored.count])
        new = [window for window in planned if window.index >= stored.count]

        def plan(connection: Connection) -> None:
            progress.plan_windows(connection, self._lease, new, heard.duration)
            self._crash.reach(Point.WINDOWS_PLANNING)

        if new:
            await self._database.write(plan)
            self._crash.reach(Point.WINDOWS_PLANNED)
        if heard.decoded is not None and not self._job.plan_complete:
            warnings = [warning.as_dict() for warning in (*self._unheeded, *heard.decoded.warnings)]
            await self._database.write(lambda c: progress.finish_plan(c, self._lease, heard.duration, warnings))
            self._crash.reach(Point.PLAN_FINISHED)

    async def _decide_language(self, lane: Lane, capabilities: Capabilities, opening: Sequence[Numbered]) -> None:
        language, probability = self._job.options.language, None
        if self._must_detect(capabilities):
            language, probability = await self._detect(lane, opening)
        elif language is None:
            (language,) = capabilities.languages
        self._language = language
        await self._database.write(lambda c: progress.freeze_language(c, self._lease, language, probability))
        self._crash.reach(Point.LANGUAGE_FROZEN)

    def _must_detect(self, capabilities: Capabilities) -> bool:
        return self._job.options.language is None and capabilities.detects_language

    async def _detect(self, lane: Lane, opening: Sequence[Numbered]) -> tuple[str, float]:
        """The language most probable over the opening windows, each weighing as long as it is."""
        flights = [self._put(lane, window, Detect()) for window in opening]
        sums: defaultdict[str, float] = defaultdict(float)
        for window, flight in zip(opening, flights, strict=True):
            probabilities = await flight
            self._desk.lanes.let_go(lane)
            assert isinstance(probabilities, dict)
            for language, probability in probabilities.items():
                sums[language] += probability * (window.heard.end - window.heard.start)
        language = max(sorted(sums), key=sums.__getitem__)
        return language, round(sums[language] / sum(w.heard.end - w.heard.start for w in opening), 4)

    async def _send_all(self, lane: Lane, windows: Sequence[Numbered]) -> None:
        for window in windows:
            await self._slots.acquire()
            flight = self._put(lane, window, self._window_options())
            self._flights.append((window, flight))
            self._news.set()

    def _put(self, lane: Lane, window: Numbered, what: WindowOptions | Detect) -> asyncio.Future[Any]:
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        done.add_done_callback(_look_at)
        file, span = self._hearing.pcm, window.heard.span

        async def read() -> Window:
            return Window(await asyncio.to_thread(pcm.read, file, span.start, span.end), window.heard.start)

        self._desk.lanes.put(lane, Item(window.index, window.heard.end - window.heard.start, what, read, done))
        return done

    def _window_options(self) -> WindowOptions:
        options = self._job.options
        return WindowOptions(
            language=self._language,
            task=options.task,
            prompt=options.prompt,
            hotwords=options.hotwords,
            beam_size=options.beam_size,
            temperature=options.temperature,
            word_timestamps=options.word_timestamps,
        )

    # --- the committer

    async def _commit(self, lane: Lane) -> None:
        while await self._next_flight():
            await asyncio.wait([self._flights[0][1]])
            results = self._landed()
            if not results:
                self._flights[0][1].result()  # raises what happened to the first
            self._crash.reach(Point.WINDOW_TRANSCRIBED)
            await self._commit_results(results)
            self._desk.lanes.let_go(lane)
            self._on_commit()

    async def _next_flight(self) -> bool:
        while not self._flights and not self._fed:
            self._news.clear()
            await self._news.wait()
        return bool(self._flights)

    def _landed(self) -> list[tuple[int, dict[str, Any]]]:
        """The results that are there, from the first on without a gap."""
        results = []
        while self._flights and _succeeded(self._flights[0][1]):
            window, flight = self._flights.popleft()
            results.append((window.index, _in_original_time(flight.result(), window.heard.start)))
            self._slots.release()
        return results

    async def _commit_results(self, results: Sequence[tuple[int, dict[str, Any]]]) -> None:
        def commit(connection: Connection) -> None:
            progress.commit_windows(connection, self._lease, results)
            self._crash.reach(Point.WINDOW_COMMITTING)

        await self._database.write(commit)
        self._crash.reach(Point.WINDOW_COMMITTED)


class _StoredPlan:
    """The plan of an earlier attempt, read as it is compared: `count` windows."""

    def __init__(self, database: Database, job_id: str, count: int) -> None:
        self.count = count
        self._database = database
        self._job_id = job_id

    async def compare(self, windows: Sequence[PlannedWindow]) -> None:
        """Raises PlanChanged unless these windows were planned just so."""
        if not windows:
            return
        first, count = windows[0].index, len(windows)
        stored = await self._database.read(lambda c: stored_windows(c, self._job_id, first - 1, count))
        known = [PlannedWindow(w.index, w.start, w.end, w.sha256) for w in stored]
        if known != list(windows):
            raise PlanChanged


def _unheeded_options(options: Options, capabilities: Capabilities, engine: str) -> list[Caution]:
    """A warning for each option that the client set and the engine makes nothing of."""
    return [
        Caution("option_unheeded", f"The engine {engine} makes no use of the option {name}.")
        for name in sorted(capabilities.unheeded)
        if getattr(options, name) != Options.model_fields[name].default
    ]


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

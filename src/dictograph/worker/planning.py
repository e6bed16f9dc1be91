"""Store a job's plan: its windows as they become known, or compared with those of an earlier attempt."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from dictograph.audio import rules
from dictograph.engine.protocol import SAMPLE_RATE
from dictograph.job import Job, Lease
from dictograph.runtime.crash import CrashPoints, Point
from dictograph.store.database import Database
from dictograph.store.jobs import progress
from dictograph.store.jobs.progress import PlannedWindow
from dictograph.store.jobs.read import windows as stored_windows
from dictograph.transcript import JobWarning
from dictograph.worker.attempt.outcome import PlanChanged, RulesChanged
from dictograph.worker.audio_pipeline import AudioPipeline, PipelineUpdate
from dictograph.worker.pipeline_window import PipelineWindow


@dataclass(frozen=True, slots=True)
class NumberedWindow:
    """A window with its place in the plan."""

    index: int
    window: PipelineWindow

    @property
    def seconds(self) -> float:
        return self.window.end - self.window.start

    @property
    def spans(self) -> tuple[tuple[float, float], ...] | None:
        """The certain speech in it, in seconds from its start; None where it was not detected."""
        if self.window.speech is None:
            return None
        first, certain = self.window.span.start, [one for one in self.window.speech if one.certain]
        return tuple(((one.start - first) / SAMPLE_RATE, (one.end - first) / SAMPLE_RATE) for one in certain)


class Planning:
    """The plan of one attempt at one job. `warnings` are added to the decoder's as warnings of the job."""

    def __init__(
        self,
        job: Job,
        lease: Lease,
        database: Database,
        audio_pipeline: AudioPipeline,
        crash: CrashPoints,
        warnings: Sequence[JobWarning] = (),
    ) -> None:
        self._job = job
        self._lease = lease
        self._database = database
        self._audio_pipeline = audio_pipeline
        self._crash = crash
        self._warnings = warnings

    async def windows(self) -> AsyncGenerator[NumberedWindow, None]:
        """Yield the windows as they become known, each after it was stored; leave out those that are committed already.

        Raises PlanChanged, LeaseLost, or the error of the decoder or the speech detector.
        """
        self._check_rules()
        index = 0
        stored = _StoredPlan(self._database, self._job.id, self._job.windows_planned)
        async with contextlib.aclosing(self._audio_pipeline.windows()) as updates:
            async for update in updates:
                numbered = [NumberedWindow(index + n, window) for n, window in enumerate(update.windows)]
                index += len(numbered)
                await self._store(update, numbered, stored)
                for window in numbered:
                    if window.index >= self._job.windows_done:
                        yield window
        if index < stored.count:
            raise PlanChanged

    def _check_rules(self) -> None:
        job = self._job
        if (job.windows_planned or job.plan_complete) and (job.rules or rules.FIRST_RULES) != rules.RULES:
            raise RulesChanged

    async def _store(self, update: PipelineUpdate, numbered: Sequence[NumberedWindow], stored: _StoredPlan) -> None:
        planned = [_planned(window) for window in numbered]
        await stored.compare([window for window in planned if window.index < stored.count])
        new = [window for window in planned if window.index >= stored.count]

        def plan(connection: Connection) -> None:
            progress.plan_windows(connection, self._lease, new, update.duration, rules.RULES)
            self._crash.reach(Point.WINDOWS_PLANNING)

        if new and self._job.plan_complete:
            raise PlanChanged
        if new:
            await self._database.write(plan)
            self._crash.reach(Point.WINDOWS_PLANNED)
        if update.decoded is not None and not self._job.plan_complete:
            warnings = [warning.as_dict() for warning in (*self._warnings, *update.decoded.warnings)]
            await self._database.write(
                lambda c: progress.finish_plan(c, self._lease, update.duration, warnings, rules.RULES)
            )
            self._crash.reach(Point.PLAN_FINISHED)


def _planned(numbered: NumberedWindow) -> PlannedWindow:
    window = numbered.window
    return PlannedWindow(numbered.index, window.start, window.end, window.sha256, window.spans, window.channel)


class _StoredPlan:
    """The plan of an earlier attempt, of `count` windows; it is read only as far as it is compared."""

    def __init__(self, database: Database, job_id: str, count: int) -> None:
        self.count = count
        self._database = database
        self._job_id = job_id

    async def compare(self, windows: Sequence[PlannedWindow]) -> None:
        """Raise PlanChanged unless the stored plan has exactly these windows."""
        if not windows:
            return
        first, count = windows[0].index, len(windows)
        stored = await self._database.read(lambda c: stored_windows(c, self._job_id, first - 1, count))
        known = [PlannedWindow(w.index, w.start, w.end, w.sha256, w.spans, w.channel) for w in stored]
        if known != list(windows):
            raise PlanChanged

"""A job's plan: its windows stored as they are heard, or compared with those of an earlier attempt."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from dictograph.audio import rules
from dictograph.job import Job, Lease
from dictograph.runtime.crash import CrashPoints, Point
from dictograph.store.database import Database
from dictograph.store.jobs import progress
from dictograph.store.jobs.progress import PlannedWindow
from dictograph.store.jobs.read import windows as stored_windows
from dictograph.transcript import JobWarning
from dictograph.worker.audio_pipeline import AudioPipeline, PipelineUpdate, PipelineWindow
from dictograph.worker.outcome import PlanChanged, RulesChanged


@dataclass(frozen=True, slots=True)
class NumberedWindow:
    """A heard window with its place in the plan."""

    index: int
    heard: PipelineWindow

    @property
    def seconds(self) -> float:
        return self.heard.end - self.heard.start


class Planning:
    """The plan of one attempt at one job. `cautions` become warnings of the job beside the decoder's."""

    def __init__(
        self,
        job: Job,
        lease: Lease,
        database: Database,
        audio_pipeline: AudioPipeline,
        crash: CrashPoints,
        cautions: Sequence[JobWarning] = (),
    ) -> None:
        self._job = job
        self._lease = lease
        self._database = database
        self._audio_pipeline = audio_pipeline
        self._crash = crash
        self._cautions = cautions

    async def windows(self) -> AsyncGenerator[NumberedWindow, None]:
        """Windows as they are heard, each stored before it is given; those already committed are left out.

        Raises PlanChanged, LeaseLost, or what goes wrong with the audio.
        """
        self._check_rules()
        index = 0
        stored = _StoredPlan(self._database, self._job.id, self._job.windows_planned)
        async with contextlib.aclosing(self._audio_pipeline.windows()) as audio_pipeline:
            async for heard in audio_pipeline:
                numbered = [NumberedWindow(index + n, window) for n, window in enumerate(heard.windows)]
                index += len(numbered)
                await self._store(heard, numbered, stored)
                for window in numbered:
                    if window.index >= self._job.windows_done:
                        yield window
        if index < stored.count:
            raise PlanChanged

    def _check_rules(self) -> None:
        job = self._job
        if (job.windows_planned or job.plan_complete) and (job.rules or rules.FIRST_RULES) != rules.RULES:
            raise RulesChanged

    async def _store(self, heard: PipelineUpdate, numbered: Sequence[NumberedWindow], stored: _StoredPlan) -> None:
        planned = [PlannedWindow(n.index, n.heard.start, n.heard.end, n.heard.sha256) for n in numbered]
        await stored.compare([window for window in planned if window.index < stored.count])
        new = [window for window in planned if window.index >= stored.count]

        def plan(connection: Connection) -> None:
            progress.plan_windows(connection, self._lease, new, heard.duration, rules.RULES)
            self._crash.reach(Point.WINDOWS_PLANNING)

        if new and self._job.plan_complete:
            raise PlanChanged
        if new:
            await self._database.write(plan)
            self._crash.reach(Point.WINDOWS_PLANNED)
        if heard.decoded is not None and not self._job.plan_complete:
            warnings = [warning.as_dict() for warning in (*self._cautions, *heard.decoded.warnings)]
            await self._database.write(
                lambda c: progress.finish_plan(c, self._lease, heard.duration, warnings, rules.RULES)
            )
            self._crash.reach(Point.PLAN_FINISHED)


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

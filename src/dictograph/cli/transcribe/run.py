"""Transcribes files in a temporary application: sends them, follows their jobs, has the transcripts written."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from dictograph.bootstrap import Application
from dictograph.cli.text.progress_bars import ProgressBars
from dictograph.cli.transcribe.sending import send
from dictograph.cli.transcribe.targets import Target
from dictograph.cli.transcribe.writing import TranscriptWriter, Writing
from dictograph.embedded import JobFailed, local_application, unless_the_worker_dies
from dictograph.errors import DictographError, ModelUnavailable, SettingsError
from dictograph.job import LOCAL_OWNER, ErrorRecord, Job, JobStatus, Options
from dictograph.runtime.signals import interrupted_by_signals
from dictograph.service.request import JobRequest
from dictograph.service.streams.event_stream import StreamEvent
from dictograph.settings.model import Settings

T = TypeVar("T")

#: Codes of failures that do not depend on the file.
NOT_SET_UP_CODES = frozenset({ModelUnavailable.code, SettingsError.code})

_NOTE_S = 0.5


async def transcribe_all(settings: Settings, options: Options, targets: Sequence[Target], writing: Writing) -> set[str]:
    """Transcribe each source into its target. Return the codes of all errors.

    A failure is reported on stderr, and the other files are still transcribed. A file is written as soon as its
    transcript is complete; transcripts for standard output come in the order of their sources. Raises
    KeyboardInterrupt after a signal, when everything is cleaned up; what is complete by then is written.
    """
    async with interrupted_by_signals():
        return await _transcribe_all(settings, options, targets, writing)


async def _transcribe_all(
    settings: Settings, options: Options, targets: Sequence[Target], writing: Writing
) -> set[str]:
    with ProgressBars() as bars:
        async with local_application(settings) as application:
            run = _Run(application, options, writing, bars)
            async with _running(_show_what_is_awaited(application, bars, targets)):
                return await unless_the_worker_dies(application, run.all(targets))


class _Run:
    def __init__(self, application: Application, options: Options, writing: Writing, bars: ProgressBars) -> None:
        self._services = application.services
        self._order = JobRequest(options)
        self._formats = writing.formats
        self._writer = TranscriptWriter(application.services, writing, bars)
        self._bars = bars
        self._codes: set[str] = set()

    async def all(self, targets: Sequence[Target]) -> set[str]:
        """Transcribe all sources at once; return the codes of all errors."""
        if len(targets) == 1 and not targets[0].files and self._formats[0] == "txt":
            await self._unless_it_fails(targets[0], self._live(targets[0]))
        elif targets and not targets[0].files:
            await self._print_in_order(targets)
        else:
            await self._into_all_files(targets)
        return self._codes

    async def _live(self, target: Target) -> None:
        """Transcribe one source for standard output: its text is shown as it comes."""
        job = await self._send(target)
        async with _running(self._follow(target, job)) as following:
            valid = await self._writer.print_as_it_comes(job)
            done = await following
        if not valid:
            await self._writer.print(target, done)

    async def _into_all_files(self, targets: Sequence[Target]) -> None:
        async with contextlib.AsyncExitStack() as stack:  # an unexpected error of one ends them all
            works = (self._unless_it_fails(target, self._into_files(target)) for target in targets)
            await asyncio.gather(*[await stack.enter_async_context(_running(work)) for work in works])

    async def _into_files(self, target: Target) -> None:
        await self._writer.save(target, await self._follow(target, await self._send(target)))

    async def _print_in_order(self, targets: Sequence[Target]) -> None:
        """Transcribe sources for standard output. When the person interrupts, what is complete is printed too."""
        async with contextlib.AsyncExitStack() as stack:
            work = [await stack.enter_async_context(_running(self._completed(target))) for target in targets]
            waiting = list(zip(targets, work, strict=True))
            try:
                while waiting:
                    await asyncio.wait({waiting[0][1]})
                    await self._print(*waiting.pop(0))
            except asyncio.CancelledError:
                for target, task in waiting:
                    if task.done():
                        await self._print(target, task)
                raise

    async def _completed(self, target: Target) -> Job | None:
        async def follow() -> Job:
            return await self._follow(target, await self._send(target))

        return await self._unless_it_fails(target, follow())

    async def _print(self, target: Target, task: asyncio.Task[Job | None]) -> None:
        if (job := task.result()) is not None:
            await self._unless_it_fails(target, self._writer.print(target, job))

    async def _unless_it_fails(self, target: Target, work: Coroutine[Any, Any, T]) -> T | None:
        """Return the result of `work`; None after an error, which is reported at once."""
        try:
            return await work
        except DictographError as error:
            self._codes.add(error.code)
            self._bars.say(f"dictograph: {target.name}: {error.message}")
            return None
        finally:
            self._bars.done(target.name)

    async def _send(self, target: Target) -> Job:
        self._bars.show(target.name, 0.0, "reading")
        return await send(self._services.intake, self._order, target.source)

    async def _follow(self, target: Target, job: Job) -> Job:
        """Show a job's progress; return it when it is completed. Raises JobFailed."""
        async for told in self._services.event_streams.follow(LOCAL_OWNER, job.id):
            if isinstance(told, StreamEvent):
                self._tell(target, told)
        done = await self._services.jobs.get(LOCAL_OWNER, job.id)
        if done.status is not JobStatus.COMPLETED:
            raise JobFailed(done.error or ErrorRecord("job_cancelled", f"The job was {done.status.value}."))
        return done

    def _tell(self, target: Target, event: StreamEvent) -> None:
        data = event.data
        match event.type:
            case "engine":
                self._bars.begin(target.name)
                self._bars.show(target.name, note=" ".join(dict.fromkeys((data["engine"], data["model"]))))
            case "segments":
                self._bars.show(target.name, data["progress"])
            case "warning":
                self._bars.say(f"dictograph: {target.name}: {data['message']}")
            case "retrying":
                self._bars.say(f"dictograph: {target.name}: {data['error']['message']} It is tried again.")


async def _show_what_is_awaited(application: Application, bars: ProgressBars, targets: Sequence[Target]) -> None:
    """Show the progress of the download while jobs wait for weights."""
    said = ""
    while True:
        model = next((model for model in application.resources.catalog.describe() if model["default"]), None)
        state = f"fetching {model['id']} {model['progress']:.0%}" if model and model["state"] == "fetching" else ""
        if state != said:
            said = state
            for target in targets:
                bars.show(target.name, note=state)
        await asyncio.sleep(_NOTE_S)


@asynccontextmanager
async def _running(work: Coroutine[Any, Any, T]) -> AsyncIterator[asyncio.Task[T]]:
    """Run a task that ends with the context."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})

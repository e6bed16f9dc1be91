"""Transcribes files in a temporary application: sends them, follows their jobs, writes the transcripts."""

from __future__ import annotations

import asyncio
import contextlib
import stat
import sys
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from dictograph.bootstrap import Application
from dictograph.cli.text.progress_bars import ProgressBars
from dictograph.cli.transcribe.targets import STDIN, Target, written
from dictograph.embedded import local_application, unless_the_worker_dies
from dictograph.errors import DictographError, ModelUnavailable, SettingsError, SourceNotFound
from dictograph.formats import FORMATS, rendered
from dictograph.formats.subtitle_rules import DEFAULT_RULES, SubtitleRules
from dictograph.job import LOCAL_OWNER, ErrorRecord, Job, JobStatus, Options
from dictograph.runtime.daemon_thread import in_daemon_thread
from dictograph.runtime.signals import interrupted_by_signals
from dictograph.service.request import JobRequest
from dictograph.service.streams.event_stream import StreamEvent
from dictograph.settings.model import Settings

T = TypeVar("T")

#: Codes of failures that do not depend on the file.
NOT_SET_UP_CODES = frozenset({ModelUnavailable.code, SettingsError.code})

_NOTE_S = 0.5


@dataclass(frozen=True, slots=True)
class Writing:
    """How transcripts are written: the name of the format, and the rules of subtitles where any are given."""

    format: str
    rules: SubtitleRules | None = None


async def transcribe_all(settings: Settings, options: Options, targets: Sequence[Target], writing: Writing) -> set[str]:
    """Transcribe each source into its target. Return the codes of all errors.

    A failure is reported on stderr, and the other files are still transcribed. Transcripts for standard output come in
    the order of their sources. Raises KeyboardInterrupt after a signal, when everything is cleaned up.
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
        self._writing = writing
        self._bars = bars

    async def all(self, targets: Sequence[Target]) -> set[str]:
        """Transcribe all sources at once, and report each in order."""
        codes = set()
        async with contextlib.AsyncExitStack() as stack:
            work = [await stack.enter_async_context(_running(self._follow(target))) for target in targets]
            for target, task in zip(targets, work, strict=True):
                if error := await self._finish(target, task):
                    codes.add(error.code)
                    self._bars.say(f"dictograph: {target.name}: {error.message}")
                self._bars.done(target.name)
        return codes

    async def _follow(self, target: Target) -> Job:
        """Submit a source and follow its job to the end."""
        self._bars.show(target.name, 0.0, "reading")
        job = await self._send(target)
        async for told in self._services.event_streams.follow(LOCAL_OWNER, job.id):
            if isinstance(told, StreamEvent):
                self._tell(target, told)
        return await self._services.jobs.get(LOCAL_OWNER, job.id)

    async def _finish(self, target: Target, task: asyncio.Task[Job]) -> ErrorRecord | None:
        """Write the transcript when the job has ended, or report why there is none."""
        try:
            job = await task
            if job.status is JobStatus.COMPLETED:
                await self._write(target, job)
                return None
            return job.error or ErrorRecord("job_cancelled", f"The job was {job.status.value}.")
        except DictographError as error:
            return ErrorRecord(error.code, error.message)

    async def _write(self, target: Target, job: Job) -> None:
        """Write the transcript, piece by piece."""
        format, rules = FORMATS[self._writing.format], self._writing.rules or DEFAULT_RULES
        words = format.stands_on_words(rules)
        transcript = await self._services.transcripts.open(LOCAL_OWNER, job.id, words=words)
        pieces = rendered(format, transcript.head, transcript.segments, rules)
        if target.file is None:
            heading = f"==> {target.title} <==\n" if target.title else ""
            await asyncio.to_thread(_print, heading, pieces)
        else:
            await asyncio.to_thread(_save, target.file, pieces)

    async def _send(self, target: Target) -> Job:
        intake = self._services.intake
        if target.source == STDIN:
            with _standard_input() as stream:
                return (await intake.upload(self._order, "stdin", stream)).job
        if target.is_url:
            return (await intake.url(self._order, target.source)).job
        path, is_stream = await asyncio.to_thread(_look_at, target.source)
        if is_stream:
            with await in_daemon_thread(lambda: path.open("rb", buffering=0)) as stream:
                return (await intake.upload(self._order, path.name, stream)).job
        return (await intake.path(self._order, str(path))).job

    def _tell(self, target: Target, event: StreamEvent) -> None:
        data = event.data
        match event.type:
            case "engine":
                self._bars.show(target.name, note=" ".join(dict.fromkeys((data["engine"], data["model"]))))
            case "segments":
                self._bars.show(target.name, data["progress"])
            case "warning":
                self._bars.say(f"dictograph: {target.name}: {data['message']}")
            case "retrying":
                self._bars.say(f"dictograph: {target.name}: {data['error']['message']} It is tried again.")


def _standard_input() -> BinaryIO:
    """Return standard input without a buffer: Python cannot end while a thread that waits for input holds one."""
    return open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)


def _look_at(source: str) -> tuple[Path, bool]:
    """Return the source's absolute path, and whether it is a pipe, as a shell makes it for `<(…)`.

    Raises:
        SourceNotFound: the source cannot be read.
    """
    path = Path(source).absolute()
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            path.open("rb").close()
    except OSError as error:
        raise SourceNotFound(f"It cannot be read: {error.strerror}.") from error
    if stat.S_ISDIR(mode):
        raise SourceNotFound("It is a folder; name the files in it.")
    return path, not stat.S_ISREG(mode)


def _print(heading: str, pieces: Iterable[str]) -> None:
    with contextlib.suppress(BrokenPipeError):  # the reader of the pipe has closed it
        sys.stdout.write(heading)
        sys.stdout.writelines(pieces)
        sys.stdout.flush()


def _save(file: Path, pieces: Iterable[str]) -> None:
    with written(file) as part, part.open("w", encoding="utf-8", newline="") as output:
        output.writelines(pieces)


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

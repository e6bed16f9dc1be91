"""Transcribe one job: its windows are planned, sent to the engine, and committed, in order.

Two tasks run side by side. The *feeder* takes windows as they become known, stores them as the job's plan, decides the
language before the first one, and puts them into the job's queue. The *committer* takes their results in order and
commits them. Only then may the next windows of the job be taken: so a kill never loses more than one batch.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
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
from dictograph.store.jobs.progress import StoredWindow
from dictograph.store.jobs.read import windows as stored_windows
from dictograph.worker.audio_pipeline import AudioPipeline
from dictograph.worker.batching.engine_dispatcher import EngineDispatcher
from dictograph.worker.batching.job_queue import Detect, JobQueue, WindowRequest
from dictograph.worker.capability_checks import ignored_options, refuse_unable
from dictograph.worker.language_account import SURE, LanguageAccount, uncertain
from dictograph.worker.pipeline_window import PipelineWindow
from dictograph.worker.planning import NumberedWindow, Planning
from dictograph.worker.speech_accounting import SpeechAccount, SpeechAccounts, no_words

#: The number of windows of speech from which the language is decided; the number that is tried first, and the
#: probability at which these are enough.
_OPENING = 4
_FIRST_TRY = 2
_SURE = 0.9

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

#: How many windows of an earlier attempt are read at once.
_PAGE = 64


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
        self._lease = lease
        self._database = database
        self._dispatcher = dispatcher
        self._audio_pipeline = audio_pipeline
        self._crash = crash
        self._on_commit = on_commit
        self._language = job.language
        self._multilingual = False
        self._account: LanguageAccount | None = None
        self._in_flight: deque[tuple[NumberedWindow, asyncio.Future[WindowResult]]] = deque()
        self._sent = asyncio.Event()
        self._fed = False
        self._slots = asyncio.Semaphore(_AHEAD_AT_FIRST)
        self._speech = SpeechAccounts.of_warnings(job.warnings)
        self._said = False

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
            await self._conclude_language()
        except BaseExceptionGroup as group:
            raise _first(group) from None
        finally:
            self._dispatcher.close_job(job_queue)
        await self._tell_if_nothing_was_said()

    async def _tell_if_nothing_was_said(self) -> None:
        """Warn of a transcript without any word, if the audio is not silent."""
        if self._said or not self._audio_pipeline.pcm.exists():
            return
        warning = no_words(await asyncio.to_thread(self._audio_pipeline.peak))
        if warning is not None:
            await self._database.write(lambda c: progress.warn(c, self._lease, [warning.as_dict()]))

    # --- the feeder

    async def _feed(self, job_queue: JobQueue, capabilities: Capabilities) -> None:
        opening: list[NumberedWindow] = []
        with_sound: list[NumberedWindow] = []
        enough = _OPENING if self._must_detect(capabilities) else 0
        async with contextlib.aclosing(self._planning(capabilities).windows()) as planned:
            async for window in planned:
                opening.append(window)
                if self._language is None and enough and await self._has_sound(window):
                    with_sound.append(window)
                longest = _LONG_OPENING if with_sound else _LONGEST_OPENING
                if self._language is not None or len(with_sound) >= enough or len(opening) >= longest:
                    await self._send_all(job_queue, capabilities, opening, with_sound)
                    opening.clear()
        await self._send_all(job_queue, capabilities, opening, with_sound)
        self._fed = True
        self._sent.set()

    async def _has_sound(self, window: NumberedWindow) -> bool:
        span = window.window.span
        return not is_empty(await asyncio.to_thread(pcm.read, window.window.pcm, span.start, span.end))

    def _planning(self, capabilities: Capabilities) -> Planning:
        warnings = ignored_options(self._job.options, capabilities, self._dispatcher.spec.name)
        return Planning(self._job, self._lease, self._database, self._audio_pipeline, self._crash, warnings)

    async def _decide_language(
        self, job_queue: JobQueue, capabilities: Capabilities, opening: Sequence[NumberedWindow]
    ) -> None:
        named, warnings = self._job.options.candidates, []
        if self._must_detect(capabilities):
            language, probability = await self._detect(job_queue, opening)
            if probability < SURE and not self._multilingual:
                warnings.append(uncertain(language, probability).as_dict())
        else:
            (language,), probability = named or capabilities.languages, None
        self._language = language
        await self._database.write(lambda c: progress.freeze_language(c, self._lease, language, probability, warnings))
        self._crash.reach(Point.LANGUAGE_FROZEN)

    def _must_detect(self, capabilities: Capabilities) -> bool:
        return len(self._job.options.candidates) != 1 and capabilities.detects_language

    async def _detect(self, job_queue: JobQueue, opening: Sequence[NumberedWindow]) -> tuple[str, float]:
        """Return the most probable language of the opening windows, weighted by their length, and its probability.

        Where the job names several, both are among these.
        """
        sums: defaultdict[str, float] = defaultdict(float)
        seconds = 0.0
        for windows in (opening[:_FIRST_TRY], opening[_FIRST_TRY:]):
            await self._weigh(job_queue, windows, sums)
            if not sums:
                name = self._dispatcher.spec.name
                raise EngineFailed(
                    f"The engine {name} named no language for the speech: this is a fault of the engine."
                )
            seconds += sum(window.seconds for window in windows)
            whole = sum(sums.values()) if self._job.options.candidates else seconds
            language = max(sorted(sums), key=sums.__getitem__)
            if sums[language] > _SURE * whole:
                break
        return language, round(sums[language] / whole, 4) if whole else 0.0

    async def _weigh(
        self, job_queue: JobQueue, windows: Sequence[NumberedWindow], sums: defaultdict[str, float]
    ) -> None:
        """Add the probabilities of the languages of these windows to `sums`, weighted by their length."""
        answers = [self._put(job_queue, window, Detect()) for window in windows]
        for window, answer in zip(windows, answers, strict=True):
            probabilities = await answer
            self._dispatcher.queue.let_go(job_queue)
            assert isinstance(probabilities, dict)
            among = self._job.options.candidates or probabilities
            for language, probability in probabilities.items():
                if language in among:
                    sums[language] += probability * window.seconds

    async def _send_all(
        self,
        job_queue: JobQueue,
        capabilities: Capabilities,
        windows: Sequence[NumberedWindow],
        with_sound: Sequence[NumberedWindow],
    ) -> None:
        """Send the windows. If need be, first decide the language, from the windows `with_sound` if there are any."""
        if windows and self._language is None:
            await self._decide_language(job_queue, capabilities, with_sound or windows[:_OPENING])
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
        speech, found = self._speech.summed(SpeechAccount.of(window, result) for window, result in results)
        warnings = [warning.as_dict() for warning in found]
        stored = [(window.index, _as_stored(result, window.window)) for window, result in results]

        def commit(connection: Connection) -> None:
            progress.commit_windows(connection, self._lease, stored, speech, warnings)
            self._crash.reach(Point.WINDOW_COMMITTING)

        account = await self._opened_account()
        await self._database.write(commit)
        self._crash.reach(Point.WINDOW_COMMITTED)
        for (window, _), (_, shape) in zip(results, stored, strict=True):
            self._note(account, window.window.start, window.window.end, shape)

    # --- what all windows say together

    def _note(self, account: LanguageAccount, start: float, end: float, result: Mapping[str, Any]) -> None:
        account.add(start, end, result)
        self._said = self._said or any((one.get("text") or "").strip() for one in result.get("segments") or ())

    async def _opened_account(self) -> LanguageAccount:
        """Return the account of languages, begun with the windows that earlier attempts have committed."""
        if self._account is None:
            self._account = account = LanguageAccount(None if self._multilingual else self._language)
            done = 0
            while done < self._job.windows_done:
                page = await self._database.read(self._page_from(done))
                for window in page:
                    self._note(account, window.start, window.end, window.result or {})
                done += max(len(page), 1)
        return self._account

    def _page_from(self, first: int) -> Callable[[Connection], list[StoredWindow]]:
        limit = min(_PAGE, self._job.windows_done - first)
        return lambda connection: stored_windows(connection, self._job.id, first - 1, limit)

    async def _conclude_language(self) -> None:
        """Record what the windows say about the language. A resumed attempt comes to the same."""
        account = await self._opened_account()
        most = account.most_spoken if self._multilingual else None
        warnings = [warning.as_dict() for warning in account.warnings()]
        if warnings or most is not None:
            await self._database.write(lambda c: progress.conclude_language(c, self._lease, most, warnings))


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

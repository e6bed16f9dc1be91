"""What the windows of a job say together: which languages are spoken, what has no words, and whether there are any."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sqlalchemy import Connection

from dictograph.engine.protocol import WindowResult
from dictograph.job import Job, Lease
from dictograph.store.database import Database
from dictograph.store.jobs import progress
from dictograph.store.jobs.progress import SpeechSeconds, StoredWindow
from dictograph.store.jobs.read import windows as stored_windows
from dictograph.worker.accounts.language_account import LanguageAccount
from dictograph.worker.accounts.speech_accounting import SpeechAccount, SpeechAccounts, no_words
from dictograph.worker.planning import NumberedWindow

#: How many windows of an earlier attempt are read at once.
_PAGE = 64


class JobAccount:
    """Takes the windows of one attempt in order, after those that earlier attempts have committed.

    A resumed attempt comes to the same as one that was never interrupted.
    """

    def __init__(self, job: Job, lease: Lease, database: Database) -> None:
        self._job = job
        self._lease = lease
        self._database = database
        self._speech = SpeechAccounts.of_warnings(job.warnings)
        self._languages: LanguageAccount | None = None
        self._said = False

    @property
    def anything_said(self) -> bool:
        """Whether any window has text."""
        return self._said

    def speech_of(
        self, results: Iterable[tuple[NumberedWindow, WindowResult]]
    ) -> tuple[SpeechSeconds, list[dict[str, Any]]]:
        """Return the seconds of speech in some windows, and the warnings that are due."""
        speech, found = self._speech.summed(SpeechAccount.of(window, result) for window, result in results)
        return speech, [warning.as_dict() for warning in found]

    async def open(self, language: str | None) -> None:
        """Read what earlier attempts have committed, once. `language` is the job's; None: each window has its own."""
        if self._languages is not None:
            return
        self._languages = LanguageAccount(language)
        done = 0
        while done < self._job.windows_done:
            page = await self._database.read(self._page_from(done))
            for window in page:
                self.add(window.start, window.end, window.result or {})
            done += max(len(page), 1)

    def add(self, start: float, end: float, result: Mapping[str, Any]) -> None:
        """Take a window that is committed, as it is stored. The account must be open."""
        assert self._languages is not None
        self._languages.add(start, end, result)
        self._said = self._said or any((one.get("text") or "").strip() for one in result.get("segments") or ())

    async def conclude(self) -> None:
        """Record what all windows say about the language."""
        assert self._languages is not None
        most = self._languages.most_spoken if self._languages.language is None else None
        warnings = [warning.as_dict() for warning in self._languages.warnings()]
        if warnings or most is not None:
            await self._database.write(lambda c: progress.conclude_language(c, self._lease, most, warnings))

    async def warn_of_no_words(self, peak: int) -> None:
        """Warn that there is no word in audio whose largest sample is `peak`, if it is not silent."""
        warning = no_words(peak)
        if warning is not None:
            await self._database.write(lambda c: progress.warn(c, self._lease, [warning.as_dict()]))

    def _page_from(self, first: int) -> Callable[[Connection], list[StoredWindow]]:
        limit = min(_PAGE, self._job.windows_done - first)
        return lambda connection: stored_windows(connection, self._job.id, first - 1, limit)

"""A transcript for its reader: the complete text, its figures, and prompts for a language model."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from dictograph.errors import JobStateConflict, NotFound
from dictograph.job import Job, JobStatus
from dictograph.prompts.library import Library
from dictograph.service.single_flight import SingleFlight
from dictograph.store.database import Database
from dictograph.store.texts import texts
from dictograph.text_stats import count_words, reading_minutes


@dataclass(frozen=True, slots=True)
class TranscriptReport:
    """A completed job's text. `language` is that of the text, if it is known. Minutes have two decimals."""

    text: str
    language: str | None
    audio_minutes: float
    words: int
    reading_minutes: float
    prompts: Mapping[str, str]


class TranscriptReports:
    """Reads the texts of completed jobs. Callers that read the same text at the same time share the work."""

    def __init__(self, database: Database, library: Library) -> None:
        self._database = database
        self._library = library
        self._texts: SingleFlight[str, str | None] = SingleFlight(self._text)

    async def of(self, job: Job) -> TranscriptReport:
        """Return the job's text with its figures and prompts.

        Raises:
            JobStateConflict: the job is not completed.
            NotFound: the job was removed.
        """
        if job.status is not JobStatus.COMPLETED:
            raise JobStateConflict(f"The job is {job.status}; there are prompts once it is completed.")
        text = await self._texts(job.id)
        if text is None:
            raise NotFound(f"There is no job {job.id}.")
        return await asyncio.to_thread(self._report, job, text)

    def choose_language(self, language: str | None) -> str:
        """Return the language of the prompts for a text in `language`."""
        return self._library.choose(language)

    def prompts(self, report: TranscriptReport, instead: str) -> dict[str, str]:
        """Return the prompts with the text `instead` in place of the transcript."""
        return self._library.write(report.language, instead, report.words)

    def _report(self, job: Job, text: str) -> TranscriptReport:
        words, language = count_words(text), "en" if job.options.task == "translate" else job.language
        return TranscriptReport(
            text,
            language,
            round((job.duration or 0.0) / 60, 2),
            words,
            reading_minutes(words),
            self._library.write(language, text, words),
        )

    async def _text(self, job_id: str) -> str | None:
        found = await self._database.read(lambda conn: texts(conn, [job_id]))
        return found.get(job_id)

"""A transcript for its reader: the whole text, figures of it, and prompts for a language model."""

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
    """A completed job's text. `language` is what the text is in, as far as that is known; minutes have two decimals."""

    text: str
    language: str | None
    audio_minutes: float
    words: int
    reading_minutes: float
    prompts: Mapping[str, str]


class TranscriptReports:
    """Reads the texts of completed jobs. Those who want the same one at the same time share the work."""

    def __init__(self, database: Database, library: Library) -> None:
        self._database = database
        self._library = library
        self._texts: SingleFlight[str, str | None] = SingleFlight(self._text)

    async def of(self, job: Job) -> TranscriptReport:
        """The job's text with all that is said of it.

        Raises:
            JobStateConflict: it is not completed.
            NotFound: it is gone.
        """
        if job.status is not JobStatus.COMPLETED:
            raise JobStateConflict(f"The job is {job.status}; there are prompts once it is completed.")
        text = await self._texts(job.id)
        if text is None:
            raise NotFound(f"There is no job {job.id}.")
        return await asyncio.to_thread(self._read, job, text)

    def choose_language(self, language: str | None) -> str:
        """The language in which prompts for a text in `language` are written."""
        return self._library.choose(language)

    def prompts(self, reading: TranscriptReport, instead: str) -> dict[str, str]:
        """The prompts with something else where the transcript would be."""
        return self._library.write(reading.language, instead, reading.words)

    def _read(self, job: Job, text: str) -> TranscriptReport:
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

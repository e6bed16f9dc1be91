"""Writes the transcript of a job: into its files, or to standard output."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dictograph.cli.text.progress_bars import ProgressBars
from dictograph.cli.text.text_table import length
from dictograph.cli.transcribe.targets import Target, written
from dictograph.errors import UnexpectedError
from dictograph.formats import FORMATS, Format, rendered
from dictograph.formats.lines import one_line
from dictograph.formats.subtitle_rules import DEFAULT_RULES, SubtitleRules
from dictograph.job import LOCAL_OWNER, Job
from dictograph.service.services import Services

#: How often a stream of text is looked at without news (s).
_QUIET_S = 60.0


@dataclass(frozen=True, slots=True)
class Writing:
    """How transcripts are written: the names of the formats, and the rules of subtitles where any are given."""

    formats: Sequence[str]
    rules: SubtitleRules | None = None


class TranscriptWriter:
    """Writes transcripts, each piece by piece."""

    def __init__(self, services: Services, writing: Writing, bars: ProgressBars) -> None:
        self._services = services
        self._writing = writing
        self._bars = bars

    async def save(self, target: Target, job: Job) -> None:
        """Write the files of a target, and say so in a line."""
        for format, file in target.files.items():
            await asyncio.to_thread(_save, file, await self._pieces(FORMATS[format], job))
        files = ", ".join(map(str, target.files.values()))
        facts = [job.language or "no language", length(job.duration), _taken(job)]
        self._bars.say(f"{target.name} → {files} ({', '.join(facts)})")

    async def print(self, target: Target, job: Job) -> None:
        """Write to standard output, under the target's title if it has one."""
        pieces = await self._pieces(FORMATS[self._writing.formats[0]], job)
        heading = f"==> {target.title} <==\n" if target.title else ""
        await asyncio.to_thread(_print, heading, pieces)

    async def print_as_it_comes(self, job: Job) -> bool:
        """Write plain text to standard output while the job runs. False when that text became invalid, because the job
        has begun again: then it has to be written anew."""
        try:
            async for update in self._services.transcript_stream.follow(LOCAL_OWNER, job.id, _QUIET_S):
                for text in filter(None, (one_line(segment.text) for segment in update.segments)):
                    with contextlib.suppress(BrokenPipeError):
                        self._bars.print(text)
        except UnexpectedError:
            self._bars.say("dictograph: the text so far is invalid, the job starts again")
            return False
        return True

    async def _pieces(self, format: Format, job: Job) -> Iterable[str]:
        rules = self._writing.rules or DEFAULT_RULES
        words = format.stands_on_words(rules)
        transcript = await self._services.transcripts.open(LOCAL_OWNER, job.id, words=words)
        return rendered(format, transcript.head, transcript.segments, rules)


def _taken(job: Job) -> str:
    """Return the time that the work took, in words."""
    if job.started_at is None or job.finished_at is None:
        return "–"
    seconds = (job.finished_at - job.started_at).total_seconds()
    return f"{seconds:.0f} s" if seconds < 60 else length(seconds)


def _print(heading: str, pieces: Iterable[str]) -> None:
    with contextlib.suppress(BrokenPipeError):  # the reader of the pipe has closed it
        sys.stdout.write(heading)
        sys.stdout.writelines(pieces)
        sys.stdout.flush()


def _save(file: Path, pieces: Iterable[str]) -> None:
    with written(file) as part, part.open("w", encoding="utf-8", newline="") as output:
        output.writelines(pieces)

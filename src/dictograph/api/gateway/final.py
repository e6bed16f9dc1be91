"""The last message of a request, in no more bytes than its clients accept: they close on a frame over 1 MiB."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from dictograph.api.gateway import messages
from dictograph.errors import NotFound
from dictograph.job import Job, JobStatus
from dictograph.service.compat.transcript_report import TranscriptReport, TranscriptReports

MOST_BYTES = 2**20

# In the languages of the prompts that ship; for those that users add, in English.
_ELSEWHERE = {
    "de": "(Das Transkript ist zu lang, um hier zu stehen: Setze ein, was GET /status/{id} als Transkription nennt.)",
    "en": "(The transcript is too long to stand here: put in what GET /status/{id} gives as the transcription.)",
}
_REST = " … (cut here: GET /status/{id} has the whole transcription)"


async def final(readings: TranscriptReports, job: Job) -> str:
    """Return the frame's text for a job that has ended."""
    if job.status is not JobStatus.COMPLETED:
        return encoded(messages.failed(job.id, messages.error_of(job), job.finished_at))
    try:
        reading = await readings.of(job)
    except NotFound:
        return encoded(messages.failed(job.id, messages.DELETED, None))
    return await asyncio.to_thread(_complete, readings, job, reading)


def encoded(message: dict[str, Any]) -> str:
    """Return a message as it is sent. A character that no text frame can carry becomes an escape."""
    text = json.dumps(message, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace").decode()


def _complete(readings: TranscriptReports, job: Job, reading: TranscriptReport) -> str:
    """Return the text in full, with the prompts in full. If that is too long, the prompts only say where the text is.
    If that is still too long, only the text's beginning is sent."""
    text = encoded(messages.complete(job, messages.result(reading, reading.text, reading.prompts)))
    if _size(text) <= MOST_BYTES:
        return text
    note = _ELSEWHERE.get(readings.choose_language(reading.language), _ELSEWHERE["en"]).format(id=job.id)
    prompts = readings.prompts(reading, note)
    text = encoded(messages.complete(job, messages.result(reading, reading.text, prompts)))
    if (over := _size(text) - MOST_BYTES) <= 0:
        return text
    beginning = shortened(reading.text, over, _REST.format(id=job.id))
    return encoded(messages.complete(job, messages.result(reading, beginning, prompts)))


def shortened(text: str, over: int, rest: str) -> str:
    """Return the text without its last words, followed by `rest`: at least `over` bytes less, as JSON has them."""
    left = over + _size(rest)
    cut = len(text)
    while left > 0 and cut > 0:
        # A character takes at most 6 bytes, so one step cuts no more than is needed. Then the rest is counted again.
        step = max(1, left // 6)
        left -= _size(json.dumps(text[max(0, cut - step) : cut], ensure_ascii=False)) - 2
        cut -= step
    return text[: max(cut, 0)].rpartition(" ")[0] + rest


def _size(text: str) -> int:
    return len(text.encode())

"""The bodies of answers, by `response_format`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator

from dictograph import formats
from dictograph.api.openai.fields import Asked
from dictograph.api.streams import in_blocks
from dictograph.formats.whisper_shapes import openai_json, openai_text, openai_verbose_json
from dictograph.job import Job
from dictograph.service.services import Services
from dictograph.service.transcripts import OpenTranscript

JSON_TYPE = "application/json"
_TEXT_TYPE = "text/plain; charset=utf-8"


def is_json(asked: Asked) -> bool:
    """Whether white space before the answer is no part of it."""
    return asked.response_format in ("json", "verbose_json")


def media_type(asked: Asked) -> str:
    return JSON_TYPE if is_json(asked) else _TEXT_TYPE


async def body_of(services: Services, job: Job, asked: Asked) -> AsyncGenerator[bytes, None]:
    """The transcript of a completed job. Raises NotFound when it was deleted."""
    async for block in in_blocks(_pieces(await services.transcripts.open(job.owner, job.id), asked)):
        yield block


def _pieces(opened: OpenTranscript, asked: Asked) -> Iterator[str]:
    head, segments = opened.head, opened.segments
    match asked.response_format:
        case "json":
            return openai_json(head, segments)
        case "verbose_json":
            return openai_verbose_json(head, segments, words=asked.words)
        case "text":
            return openai_text(head, segments)
        case name:
            return formats.render(name, head, segments)

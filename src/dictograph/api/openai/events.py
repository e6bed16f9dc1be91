"""`stream`: the text as it is transcribed, as Server-Sent Events."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from dictograph.api.event_encoding import SSE_ALIVE
from dictograph.api.openai.errors import refusal
from dictograph.api.server.streams import Stream
from dictograph.api.waiting import check_completed
from dictograph.errors import DictographError
from dictograph.formats.whisper_shapes import texts
from dictograph.job import Job
from dictograph.service.services import Services
from dictograph.service.streams.transcript_stream import TranscriptUpdate

_HEADERS = {"cache-control": "no-cache, no-transform", "x-accel-buffering": "no"}


async def streamed(services: Services, job: Job, seconds: float) -> Stream:
    """The answer to a call with `stream`. It begins with the first text, and after `seconds` in any case; what went
    wrong before is raised."""
    growth = services.transcript_stream.follow(job.owner, job.id, seconds)
    try:
        first = await anext(growth)
        if first.ended:
            check_completed(first.job)
    except BaseException:
        await growth.aclose()
        raise
    return Stream(_records(first, growth), "text/event-stream", _HEADERS)


async def _records(
    first: TranscriptUpdate, growth: AsyncGenerator[TranscriptUpdate, None]
) -> AsyncGenerator[bytes, None]:
    """The deltas, whose sum is the text, and the text; or what went wrong, which no status can tell any more."""
    told: list[str] = []
    async with aclosing(growth):
        try:
            now: TranscriptUpdate | None = first
            while now is not None:
                yield _deltas(now, told) or SSE_ALIVE
                if now.ended:
                    check_completed(now.job)
                    yield _done(told)
                now = await anext(growth, None)
        except DictographError as error:
            yield b"event: error\ndata: " + bytes(refusal(error).body) + b"\n\n"


def _deltas(growth: TranscriptUpdate, told: list[str]) -> bytes:
    """One for each segment that has text; what is told is added to `told`."""
    records = []
    for text in texts(growth.segments):
        delta = f" {text}" if told else text
        told.append(delta)
        records.append(_record("transcript.text.delta", {"delta": delta}))
    return b"".join(records)


def _done(told: Sequence[str]) -> bytes:
    return _record("transcript.text.done", {"text": "".join(told)})


def _record(kind: str, fields: dict[str, str]) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields}, ensure_ascii=False)}\n\n".encode()

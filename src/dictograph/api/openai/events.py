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
    """Return the answer to a call with `stream`. It begins with the first text, and after `seconds` in any case. An
    error before that is raised."""
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
    """Yield the deltas, whose sum is the text, and the text; or the error, which no status can report any more."""
    sent: list[str] = []
    async with aclosing(growth):
        try:
            now: TranscriptUpdate | None = first
            while now is not None:
                yield _deltas(now, sent) or SSE_ALIVE
                if now.ended:
                    check_completed(now.job)
                    yield _done(sent)
                now = await anext(growth, None)
        except DictographError as error:
            yield b"event: error\ndata: " + bytes(refusal(error).body) + b"\n\n"


def _deltas(update: TranscriptUpdate, sent: list[str]) -> bytes:
    """Return a delta for each segment that has text. Each delta is added to `sent`."""
    records = []
    for text in texts(update.segments):
        delta = f" {text}" if sent else text
        sent.append(delta)
        records.append(_record("transcript.text.delta", {"delta": delta}))
    return b"".join(records)


def _done(sent: Sequence[str]) -> bytes:
    return _record("transcript.text.done", {"text": "".join(sent)})


def _record(kind: str, fields: dict[str, str]) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields}, ensure_ascii=False)}\n\n".encode()

"""The results of a job: its transcript, its events as they happen, and prompts."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Header, Query
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from dictograph import formats
from dictograph.api.access import Reader
from dictograph.api.error_responses import Json
from dictograph.api.event_encoding import SSE_HEAD, sse
from dictograph.api.native.negotiate import choose_format
from dictograph.api.openapi_schemas import event_content, problems, transcript_content
from dictograph.api.server.streams import Stream, in_blocks
from dictograph.api.views import PromptsView
from dictograph.errors import DatabaseUnavailable
from dictograph.formats.subtitle_rules import DEFAULT_RULES, AskedRules
from dictograph.service.services import Services

log = logging.getLogger(__name__)

_PATH = "/v1/transcriptions/{job_id}"
_NUMBER = re.compile(r"[0-9]{1,15}")

if TYPE_CHECKING:
    FormatName = str
else:
    FormatName = Literal[tuple(formats.FORMATS)]


class TranscriptQuery(AskedRules):
    """The parameters of a transcript's address."""

    format: FormatName | None = Field(None, description="Overrides `Accept`.")


After = Annotated[
    int | None, Query(ge=0, le=10**15, description="Begin after the event of this number. Overrides Last-Event-ID.")
]
LastEventId = Annotated[
    str | None, Header(alias="Last-Event-ID", description="As browsers send it when they come back.")
]


def result_routes(services: Services) -> APIRouter:
    """Return GET transcript, events and prompts."""
    router = APIRouter(tags=["results"])

    @router.get(
        f"{_PATH}/transcript",
        response_class=Response,
        responses={
            200: {
                "description": "The transcript, as far as it has come.",
                "content": transcript_content(),
                "headers": {
                    "X-Transcript-Complete": {
                        "description": "`false` while the job is not completed.",
                        "schema": {"type": "string", "enum": ["true", "false"]},
                    }
                },
            },
            **problems(404, 406, 422),
        },
    )
    async def transcript(
        caller: Reader,
        job_id: str,
        asked: Annotated[TranscriptQuery, Query()],
        accept: Annotated[str | None, Header(include_in_schema=False)] = None,
    ) -> Response:
        """The transcript in a format of your choice; while the job runs, what is there of it."""
        kind = choose_format(asked.format, accept)
        rules = asked.rules() or DEFAULT_RULES
        opened = await services.transcripts.open(caller.owner, job_id, words=kind.stands_on_words(rules))
        pieces = formats.rendered(kind, opened.head, opened.segments, rules)
        headers = {
            "x-transcript-complete": str(opened.head.complete).lower(),
            "vary": "Accept",
            "cache-control": "no-cache",
        }
        return Stream(in_blocks(pieces), _with_charset(kind.media_type), headers)

    @router.get(
        f"{_PATH}/events",
        response_class=Response,
        responses={
            200: {
                "description": "The events as they happen.",
                "content": event_content(),
            },
            204: {"description": "Nothing comes any more: the job has ended, and its last event is the one named."},
            **problems(404, 422),
        },
    )
    async def events(caller: Reader, job_id: str, after: After = None, last_event_id: LastEventId = None) -> Response:
        """The job's events as Server-Sent Events: all that have been since `after`, then live, to the job's end."""
        last_seen = after if after is not None else _number(last_event_id)
        start = await services.event_streams.start_of(caller.owner, job_id, last_seen)
        if start is None:
            return Response(status_code=204)  # this tells an EventSource not to connect again
        headers = {"cache-control": "no-cache, no-transform", "x-accel-buffering": "no"}
        return Stream(_records(services, caller.owner, job_id, start), "text/event-stream", headers)

    @router.get(
        f"{_PATH}/prompts",
        response_model=PromptsView,
        responses={
            200: {"description": "The prompts, each with the whole transcript."},
            **problems(404, 409, 422),
        },
    )
    async def prompts(caller: Reader, job_id: str) -> Response:
        """Ready-made prompts for a language model, in the transcript's language, once the job is completed."""
        reading = await services.transcript_reports.of(await services.jobs.get(caller.owner, job_id))
        view = PromptsView(
            language=services.transcript_reports.choose_language(reading.language), prompts=dict(reading.prompts)
        )
        return await run_in_threadpool(Json, view.model_dump())

    return router


async def _records(services: Services, owner: str, job_id: str, after: int) -> AsyncGenerator[bytes, None]:
    yield SSE_HEAD
    async with aclosing(services.event_streams.follow(owner, job_id, after)) as stream:
        try:
            async for item in stream:
                yield sse(item)
        except DatabaseUnavailable as error:
            # The answer has begun, so no status can report it. A stream that ends early makes clients connect again.
            log.warning("the events of job %s end early: %s", job_id, error)


def _number(given: str | None) -> int:
    """Return the number in a Last-Event-ID. An id that is none of ours means from the beginning."""
    return int(given) if given is not None and _NUMBER.fullmatch(given) else 0


def _with_charset(media_type: str) -> str:
    """Return a media type with its charset. JSON is UTF-8 by definition; the other types must name it."""
    return media_type if media_type == "application/json" else f"{media_type}; charset=utf-8"

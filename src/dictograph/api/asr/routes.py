"""POST /asr and /detect-language: the audio in a form, all else in the query, text in the answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from dictograph.api.access import Creator
from dictograph.api.asr.errors import render
from dictograph.api.asr.parameters import OUTPUTS, AsrQuery, AsrRequest, Encode, RawSound, options_in
from dictograph.api.error_responses import Json
from dictograph.api.multipart import FormRules
from dictograph.api.server.streams import Stream, in_blocks
from dictograph.api.surface import Parts, route_class
from dictograph.api.upload_form import UploadForm
from dictograph.api.waiting import abort_on_error, cancel_on_disconnect, check_completed, until_ended
from dictograph.contract import Contract
from dictograph.errors import NotFound, ServerBusy
from dictograph.formats import Format, rendered
from dictograph.formats.subtitle_rules import SubtitleRules
from dictograph.job import Job
from dictograph.languages import language_name
from dictograph.service.auth.access import Caller
from dictograph.service.compat.contracts import limits_of, options_of
from dictograph.service.request import JobRequest
from dictograph.service.services import Services
from dictograph.service.shielded import run_to_completion

_FILE = "audio_file"

#: The status of the answer to a client that has gone. It never sees it.
_GONE = 499

#: Engines as that service calls them.
_ENGINES = {"whisper": "faster_whisper"}

#: ISO 639-2: the language cannot be determined.
_UNDETERMINED = {"detected_language": "undetermined", "language_code": "und", "confidence": 0.0}


def asr_routes(parts: Parts) -> APIRouter:
    """Return the routes that transcribe and that detect the language."""
    router = APIRouter(route_class=route_class(render), include_in_schema=False)

    @router.post("/asr")
    async def asr(request: Request, caller: Creator, asked: AsrRequest) -> Response:
        options = options_in(asked)
        job, filename = await _take(parts, request, caller, options, encoded=asked.encode is not False)
        try:
            job = await until_ended(parts.services, job, request)
        except ClientDisconnect:
            return Response(status_code=_GONE)  # the job goes on: the same request joins it later
        check_completed(job)
        return _answer(parts.services, job, asked, filename)

    @router.post("/detect-language")
    async def detect_language(request: Request, caller: Creator, encode: Encode = True) -> Response:
        job, _ = await _take(parts, request, caller, {}, encoded=encode, joins=False)
        try:
            return Json(await cancel_on_disconnect(request, _detected(parts.services, job)))
        except ClientDisconnect:
            return Response(status_code=_GONE)
        finally:
            await run_to_completion(_remove(parts.services, job))

    return router


async def _take(
    parts: Parts, request: Request, caller: Caller, options: Mapping[str, Any], *, encoded: bool, joins: bool = True
) -> tuple[Job, str]:
    """Return the job, and the file's name as it was sent."""
    order = JobRequest(
        options_of(parts.settings, Contract.ASR, options),
        contract=Contract.ASR,
        limits=limits_of(parts.settings, Contract.ASR),
        key_id=caller.key_id,
        joins=joins,
    )
    intake = parts.services.intake
    form = UploadForm(request, parts.pace, intake.max_upload, FormRules(_FILE, repeated=True))
    async with intake.begin_upload(caller.owner) as upload:
        filename = await form.read_fields()
        await form.read_file(upload, head=b"" if encoded else RawSound().header)
        accepted = await upload.finish(filename, order)
    return accepted.job, filename


def _answer(services: Services, job: Job, asked: AsrQuery, filename: str) -> Response:
    output = asked.output or "txt"
    engine = job.frozen.engine if job.frozen else ""
    headers = {
        "asr-engine": _ENGINES.get(engine, engine),
        "content-disposition": f'attachment; filename="{quote(filename)}.{output}"',
    }
    text = _text(services, job, OUTPUTS[output], asked.rules())
    return Stream(abort_on_error(job, text), "text/plain; charset=utf-8", headers)


async def _text(
    services: Services, job: Job, output: Format, rules: SubtitleRules | None
) -> AsyncGenerator[bytes, None]:
    opened = await services.transcripts.open(job.owner, job.id, words=output.stands_on_words(rules))
    async for block in in_blocks(rendered(output, opened.head, opened.segments, rules)):
        yield block


async def _detected(services: Services, job: Job) -> dict[str, Any]:
    """Return the language as soon as it is decided. No more audio is transcribed for it than necessary."""
    async with aclosing(services.event_streams.follow(job.owner, job.id)) as events:
        async for item in events:
            if getattr(item, "type", "") in ("language", "failed", "cancelled", "completed"):
                break
    job = await services.jobs.get(job.owner, job.id)
    if job.language is not None:
        return {
            "detected_language": language_name(job.language),
            "language_code": job.language,
            "confidence": job.language_probability or 0.0,
        }
    if not job.status.ended:
        raise ServerBusy("The service is stopping. Send the request again.")
    check_completed(job)
    return _UNDETERMINED


async def _remove(services: Services, job: Job) -> None:
    """Remove the job: it was made only for this answer."""
    try:
        await services.jobs.remove(job.owner, job.id)
    except NotFound:
        return

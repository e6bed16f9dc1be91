"""Jobs: made from uploads, looked up, listed, mailed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from dictograph.api.backend.auth import PREFIX, BackendAuth
from dictograph.api.backend.references import Uploaded, resolve
from dictograph.api.backend.responses import FileRefused, Route, details
from dictograph.api.backend.views import BackendJobView, job_shape
from dictograph.api.error_responses import Json
from dictograph.api.json_bodies import json_body, receive_json
from dictograph.api.server.response_middleware import BrokenOff
from dictograph.api.server.streams import Stream
from dictograph.api.surface import Parts
from dictograph.contract import Contract
from dictograph.errors import DatabaseUnavailable, NotFound
from dictograph.job import Job, JobStatus, Options
from dictograph.service.auth.access import Caller
from dictograph.service.compat.backend_mail import Sent
from dictograph.service.compat.backend_uploads import Uploads
from dictograph.service.compat.contracts import limits_of, options_of
from dictograph.service.intake import Accepted, Intake
from dictograph.service.jobs import Jobs, Listing
from dictograph.service.request import JobRequest, check_url
from dictograph.service.services import Services

_JOB = f"{PREFIX}/job"
#: For the list: the number of texts that are read from the database, and kept in memory, at once.
_TEXTS_AT_ONCE = 20

_UNKNOWN = "Job not found"
_UNREADABLE = "Nothing has been uploaded to this address, or it was kept long enough: upload the file first."


class TranscribeBody(BaseModel):
    """A job to be made. Every option of the native API may stand beside these."""

    model_config = ConfigDict(extra="allow")

    filename: str = Field(min_length=1, max_length=1000, examples=["talk.mp3"])
    url: str = Field(min_length=1, max_length=8192, description="The address uploaded to, a reference, or a URL.")
    mode: str | None = Field(None, description="A model's size; left out, the configured one.", examples=["base"])
    description: str | None = Field(None, max_length=10_000)
    language: str | None = Field(None, examples=["en"])
    webhook_url: str | None = None


class EmailBody(BaseModel):
    """Where to send a transcript."""

    email: str = Field(max_length=320, examples=["somebody@example.org"])


class EmailView(BaseModel):
    """How that went."""

    success: bool
    message: str


class ReadQuery(BaseModel):
    """The parameters of the list."""

    limit: Annotated[int, Query(ge=1, le=1000)] = 100
    cursor: Annotated[str, Query(max_length=500)] | None = None


def job_routes(parts: Parts, entrance: BackendAuth) -> APIRouter:
    """Return POST transcribe, GET status, GET read and POST email."""
    router = APIRouter(tags=["backend"], route_class=Route)
    services, pace = parts.services, parts.pace
    reader, creator = Depends(entrance.reader), Depends(entrance.creator)

    @router.post(
        f"{_JOB}/transcribe",
        response_model=BackendJobView,
        responses=details(409, 422),
        openapi_extra=json_body(TranscribeBody),
    )
    async def transcribe(request: Request, caller: Caller = creator) -> Response:
        """Transcribe what was uploaded."""
        body = await receive_json(request, pace, TranscribeBody)
        order = _order(parts, caller, body, request.headers.get("idempotency-key"))
        accepted = await _take(services.intake, services.uploads, order, body)
        return await _told(services, accepted.job, entrance.base(request))

    @router.get(
        f"{_JOB}/status/{{job_id}}",
        response_model=BackendJobView,
        responses=details(404, 422),
    )
    async def status(request: Request, job_id: str, caller: Caller = reader) -> Response:
        """A job. Its id, which nobody can guess, is the right to read it."""
        return await _told(services, await find(services.jobs, caller, job_id), entrance.base(request))

    @router.get(f"{_JOB}/read", response_model=list[BackendJobView], responses=details(422))
    async def read(request: Request, query: Annotated[ReadQuery, Query()], caller: Caller = reader) -> Response:
        """The caller's jobs, newest first; header `Link` has the address of the next page."""
        page = await services.jobs.page(caller.owner, Listing(cursor=query.cursor, limit=query.limit))
        base = entrance.base(request)
        headers = _next_page(base, query.limit, page.next_cursor)
        return Stream(_listed(services.jobs, page.jobs, base), "application/json", headers)

    @router.post(
        f"{_JOB}/{{job_id}}/email",
        response_model=EmailView,
        responses=details(404, 422),
        openapi_extra=json_body(EmailBody),
    )
    async def email(request: Request, job_id: str, caller: Caller = reader) -> Response:
        """Send the transcript by mail. Where that cannot be done, `message` says why."""
        address = (await receive_json(request, pace, EmailBody)).email
        sent = await _mail(services, await find(services.jobs, caller, job_id), address, caller.client)
        message = f"The transcript was sent to {address}." if sent.success else sent.reason
        return Json({"success": sent.success, "message": message})

    return router


async def find(jobs: Jobs, caller: Caller, job_id: str) -> Job:
    """Return a job that came in by this contract, of any owner, or another job of the caller. So every job in the list
    can be looked up. Raises NotFound."""
    try:
        job = await jobs.get(None, job_id)
    except NotFound as error:
        raise NotFound(_UNKNOWN) from error
    if job.contract is not Contract.BACKEND and job.owner != caller.owner:
        raise NotFound(_UNKNOWN)
    return job


def _order(parts: Parts, caller: Caller, body: TranscribeBody, key: str | None) -> JobRequest:
    given = {name: value for name, value in _options(body).items() if value not in (None, "")}
    return JobRequest(
        options_of(parts.settings, Contract.BACKEND, given),
        owner=caller.owner,
        key=key,
        contract=Contract.BACKEND,
        limits=limits_of(parts.settings, Contract.BACKEND),
        description=body.description,
        key_id=caller.key_id,
        webhook_url=check_url(body.webhook_url, "webhook_url") if body.webhook_url else None,
    )


def _options(body: TranscribeBody) -> Mapping[str, Any]:
    """Return the options among the body's fields. Older clients may send unknown fields: these are ignored."""
    extra = {name: value for name, value in (body.model_extra or {}).items() if name in Options.model_fields}
    return extra | {"language": body.language} | ({"model": body.mode} if body.mode else {})


async def _take(intake: Intake, uploads: Uploads, order: JobRequest, body: TranscribeBody) -> Accepted:
    named = resolve(body.url, uploads)
    if not isinstance(named, Uploaded):
        return await intake.url(order, named.url, body.filename)
    try:
        found = await uploads.look(order.owner, named.slot_id)
        return await intake.stored(order, body.filename, found)
    except NotFound as error:
        raise FileRefused(_UNREADABLE, param="url") from error


async def _told(services: Services, job: Job, base: str) -> Response:
    """Return a job with its text and every word. It is written in a thread: for hours of speech that takes long."""
    if job.status is not JobStatus.COMPLETED:
        return Json(job_shape(job, None, base))
    text = (await services.jobs.texts([job])).get(job.id)
    transcript = await services.transcripts.open(None, job.id)
    return await run_in_threadpool(lambda: Json(job_shape(job, text, base, transcript.segments)))


async def _listed(jobs: Jobs, found: Sequence[Job], base: str) -> AsyncGenerator[bytes, None]:
    """Yield the jobs as a JSON array. Only a few texts are in memory at a time: each may be of hours of speech."""
    mark = b"["
    for start in range(0, len(found), _TEXTS_AT_ONCE):
        batch = found[start : start + _TEXTS_AT_ONCE]
        try:
            texts = await jobs.texts(batch)
        except DatabaseUnavailable as error:
            raise BrokenOff("the list of jobs could not be read to its end") from error
        yield mark + await run_in_threadpool(_shaped, batch, texts, base)
        mark = b","
    yield b"]" if found else b"[]"


def _shaped(jobs: Sequence[Job], texts: Mapping[str, str | None], base: str) -> bytes:
    """Return the jobs in JSON, with commas between them."""
    return bytes(Json([job_shape(job, texts.get(job.id), base) for job in jobs]).body)[1:-1]


async def _mail(services: Services, job: Job, address: str, client: str) -> Sent:
    if job.status is not JobStatus.COMPLETED:
        return Sent(False, "The job is not completed, so there is no transcript to send.")
    texts = await services.jobs.texts([job])
    subject, text = f"Transcript of {job.filename}", texts.get(job.id) or ""
    return await services.mailer.send(address, subject, text, client=client)


def _next_page(base: str, limit: int, cursor: str | None) -> dict[str, str]:
    if cursor is None:
        return {}
    return {"link": f'<{base}{_JOB}/read?{urlencode({"limit": limit, "cursor": cursor})}>; rel="next"'}

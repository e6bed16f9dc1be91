"""The routes of the audio API. A call makes a durable job, and is answered when the job has ended."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from dictograph.api.access import Creator
from dictograph.api.multipart import FormRules, MultipartReader
from dictograph.api.openai.errors import UnknownAddress, not_allowed, render
from dictograph.api.openai.events import streamed
from dictograph.api.openai.fields import FIELD_OF, AudioRequest, Task, read_fields
from dictograph.api.openai.responses import body_of
from dictograph.api.server.streams import Stream
from dictograph.api.surface import Parts, route_class
from dictograph.api.upload_form import UploadForm
from dictograph.api.waiting import (
    abort_on_error,
    cancel_on_disconnect,
    check_completed,
    kept_alive,
    until_ended,
    wait_for_end,
)
from dictograph.contract import Contract
from dictograph.errors import DictographError, RequestError
from dictograph.job import Job, Options
from dictograph.service.auth.access import Caller
from dictograph.service.compat.contracts import limits_of, options_of
from dictograph.service.intake import Accepted
from dictograph.service.request import JobRequest

_PATH = "/v1/audio"
_CALLS: dict[str, Task] = {"transcriptions": "transcribe", "translations": "translate"}
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

#: The status of the answer to a client that has gone. It never sees it.
_GONE = 499

Key = Annotated[str | None, Header(alias="Idempotency-Key")]


def audio_routes(parts: Parts) -> APIRouter:
    """Return POST transcriptions and translations, and the answers for every other path and method beside them."""
    router = APIRouter(route_class=route_class(render), include_in_schema=False)

    @router.post(f"{_PATH}/transcriptions")
    async def transcriptions(request: Request, caller: Creator, key: Key = None) -> Response:
        return await _Call(parts, request, caller, "transcribe").answered(key)

    @router.post(f"{_PATH}/translations")
    async def translations(request: Request, caller: Creator, key: Key = None) -> Response:
        return await _Call(parts, request, caller, "translate").answered(key)

    @router.api_route(f"{_PATH}/{{rest:path}}", methods=_METHODS)
    async def nothing_else(request: Request, rest: str) -> Response:
        if rest not in _CALLS:
            raise UnknownAddress(f"Invalid URL ({request.method} {request.url.path}).")
        return not_allowed(request, "POST")

    return router


class _Call:
    """One call, from its form to its answer."""

    def __init__(self, parts: Parts, request: Request, caller: Caller, task: Task) -> None:
        self._parts = parts
        self._services = parts.services
        self._seconds = parts.settings.openai_keep_alive
        self._request = request
        self._caller = caller
        self._task = task
        self._asked = AudioRequest()

    async def answered(self, key: str | None) -> Response:
        accepted = await self._received(key)
        try:
            if self._asked.stream:
                return await cancel_on_disconnect(self._request, streamed(self._services, accepted.job, self._seconds))
            return await self._held(accepted.job)
        except ClientDisconnect:
            # The job goes on: the same request joins it later.
            return Response(status_code=_GONE)

    async def _received(self, key: str | None) -> Accepted:
        intake = self._services.intake
        form = UploadForm(self._request, self._parts.pace, intake.max_upload, FormRules(repeated=True))
        async with intake.begin_upload(self._caller.owner, key) as upload:
            filename = await form.read_fields()
            self._order(form)  # errors in the fields are reported before the file is read
            await form.read_file(upload)
            return await upload.finish(filename, self._order(form))

    async def _held(self, job: Job) -> Response:
        job = await cancel_on_disconnect(self._request, wait_for_end(self._services, job, self._seconds))
        body = body_of(self._services, job, self._asked)
        if not job.status.ended and self._asked.format.is_json:
            held = kept_alive(self._services, job, self._seconds, body)
            return Stream(abort_on_error(job, held), self._asked.format.media_type)
        # In text, white space would be part of the answer, so nothing can be sent before it.
        job = await until_ended(self._services, job, self._request)
        check_completed(job)
        return Stream(abort_on_error(job, body), self._asked.format.media_type)

    def _order(self, form: MultipartReader) -> JobRequest:
        """Return the job request of the form, as far as the form has arrived."""
        self._asked = asked = read_fields(form.values, self._task)
        if form.ended and asked.model is None:
            raise RequestError("You must provide a `model`: `whisper-1` is the one that is configured.", param="model")
        order = JobRequest(
            _options(self._parts, asked),
            contract=Contract.OPENAI,
            limits=limits_of(self._parts.settings, Contract.OPENAI),
            key_id=self._caller.key_id,
            joins=True,
        )
        self._services.intake.check(order)
        return order


def _options(parts: Parts, asked: AudioRequest) -> Options:
    given = dict(asked.options)
    if asked.model:
        offered = {model["id"]: model["engine"] for model in parts.services.status.models()}
        given["model"] = asked.model
        given |= {"engine": offered[asked.model]} if asked.model in offered else {}
    try:
        return options_of(parts.settings, Contract.OPENAI, given)
    except DictographError as error:
        error.param = FIELD_OF.get(error.param or "", error.param)
        raise

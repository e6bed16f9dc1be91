"""The native routes of jobs."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Header, Query
from pydantic import AwareDatetime, BaseModel, BeforeValidator
from starlette.requests import Request
from starlette.responses import Response

from dictograph.api.access import Changer, Creator, Reader
from dictograph.api.body import receive_reference, receive_upload
from dictograph.api.error_responses import Json, UnsupportedMediaType
from dictograph.api.openapi_schemas import creation_body, problems
from dictograph.api.server.body_rate import BodyRatePolicy
from dictograph.api.views import JobListView, JobView, job_view
from dictograph.job import Job, JobStatus
from dictograph.service.jobs import Listing
from dictograph.service.services import Services

MAX_WAIT_S = 300

_PATH = "/v1/transcriptions"
_DATE = re.compile(r"\d{4}-\d\d-\d\d[Tt ]")


Wait = Annotated[
    int, Query(ge=0, le=MAX_WAIT_S, description="Hold the answer until the job has ended, so many seconds at most.")
]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="A name for this request: sending it again within a day gives the same job.",
        min_length=1,
        max_length=255,
    ),
]


def _written_out(value: object) -> object:
    """Allow only times as in RFC 3339: the validator would read bare numbers as seconds since 1970."""
    if isinstance(value, str) and not _DATE.match(value):
        raise ValueError("give a time with its zone, as in 2026-01-31T12:00:00Z")
    return value


Time = Annotated[AwareDatetime, BeforeValidator(_written_out)]


class ListQuery(BaseModel):
    """The parameters of the list."""

    status: list[JobStatus] = []
    created_after: Time | None = None
    created_before: Time | None = None
    limit: Annotated[int, Query(ge=1, le=200)] = 50
    cursor: Annotated[str, Query(max_length=500)] | None = None


def transcription_routes(services: Services, pace: BodyRatePolicy) -> APIRouter:
    """Return POST, GET, DELETE, cancel and retry. `pace` is the least rate at which clients must send bodies."""
    router = APIRouter(tags=["transcriptions"])
    jobs, intake = services.jobs, services.intake

    async def answer(job: Job, status: int = 200, **headers: str) -> Response:
        view = job_view(job, await services.queue_estimates.of(job))
        return Json(view.model_dump(mode="json"), status, headers)

    @router.post(
        _PATH,
        status_code=202,
        response_model=JobView,
        openapi_extra=creation_body(),
        responses={
            200: {"model": JobView, "description": "It ended while the answer was held by `wait`."},
            202: {
                "description": "Accepted: the job is stored durably and will be run.",
                "headers": {"Location": {"description": "The job.", "schema": {"type": "string"}}},
            },
            **problems(400, 408, 409, 413, 415, 422, 507),
        },
    )
    async def create(request: Request, caller: Creator, wait: Wait = 0, key: Key = None) -> Response:
        """Transcribe a file: uploaded as multipart/form-data, or named in JSON by a `url` or a `path` of the server.

        The form's fields are the options, before or after the file.
        """
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "multipart/form-data":
            accepted = await receive_upload(request, pace, intake, caller, key)
        elif kind == "application/json":
            accepted = await receive_reference(request, pace, intake, caller, key)
        else:
            raise UnsupportedMediaType(
                "Send multipart/form-data with a file, or application/json with a url or path.", param="Content-Type"
            )
        job = await jobs.wait_until_ended(caller.owner, accepted.job.id, wait) if wait else accepted.job
        headers = {"location": f"{_PATH}/{job.id}"} | ({} if accepted.created else {"idempotency-replayed": "true"})
        return await answer(job, 200 if wait and job.status.ended else 202, **headers)

    @router.get(_PATH, response_model=JobListView, responses=problems(422))
    async def list_(caller: Reader, query: Annotated[ListQuery, Query()]) -> Response:
        """List jobs, newest first. `status` may be given several times."""
        page = await jobs.page(
            caller.owner,
            Listing(query.status, query.created_after, query.created_before, query.cursor, query.limit),
        )
        queue_estimates = await services.queue_estimates.of_all(page.jobs)
        view = JobListView(
            data=[job_view(job, queue_estimates[job.id]) for job in page.jobs], next_cursor=page.next_cursor
        )
        return Json(view.model_dump(mode="json"))

    @router.get(f"{_PATH}/{{job_id}}", response_model=JobView, responses=problems(404))
    async def get(caller: Reader, job_id: str) -> Response:
        """Look up a job."""
        return await answer(await jobs.get(caller.owner, job_id))

    @router.delete(f"{_PATH}/{{job_id}}", status_code=204, responses=problems(404, 409))
    async def remove(caller: Changer, job_id: str, force: bool = False) -> Response:
        """Delete a job with its audio, transcript and events; one that runs is stopped. A job whose result has not gone
        out to a broker yet is only deleted with `force`, and then nobody gets the result."""
        await jobs.remove(caller.owner, job_id, force=force)
        return Response(status_code=204)

    @router.post(f"{_PATH}/{{job_id}}/cancel", response_model=JobView, responses=problems(404, 409))
    async def cancel(caller: Changer, job_id: str) -> Response:
        """Stop a job that waits or runs."""
        return await answer(await jobs.cancel(caller.owner, job_id))

    @router.post(f"{_PATH}/{{job_id}}/retry", response_model=JobView, responses=problems(404, 409))
    async def retry(caller: Changer, job_id: str) -> Response:
        """Run a failed or cancelled job again, with the same options, from its last committed window."""
        return await answer(await jobs.retry(caller.owner, job_id))

    return router

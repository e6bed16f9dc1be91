"""Calls that are held until their job has ended, or their client has gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from dictograph.api.server.response_middleware import BrokenOff
from dictograph.errors import DictographError, JobStateConflict, ServerBusy, kind_of
from dictograph.job import Job, JobStatus
from dictograph.service.services import Services

T = TypeVar("T")

_LONG_S = 3600.0


async def until_ended(services: Services, job: Job, request: Request) -> Job:
    """Return the job once it has ended. The wait has no limit.

    Raises:
        ClientDisconnect: the client has gone. The job goes on.
        ServerBusy: the service stops. The job goes on later.
        NotFound: the job was deleted.
    """
    while not job.status.ended:
        job = await cancel_on_disconnect(request, _wait(services, job, _LONG_S))
    return job


async def wait_for_end(services: Services, job: Job, seconds: float) -> Job:
    """Return the job once it has ended, or as it is after `seconds`. Raises ServerBusy, NotFound."""
    return job if job.status.ended else await _wait(services, job, seconds)


async def kept_alive(
    services: Services, job: Job, seconds: float, answer: AsyncGenerator[bytes, None]
) -> AsyncGenerator[bytes, None]:
    """Yield a JSON answer once the job is completed. Until then, yield a space now and after each `seconds`. White
    space before a value is no part of it (RFC 8259, section 2). Raises what `wait_for_end` and `check_completed` do."""
    async with aclosing(answer):
        while not job.status.ended:
            yield b" "
            job = await wait_for_end(services, job, seconds)
        check_completed(job)
        async for block in answer:
            yield block


async def abort_on_error(job: Job, answer: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Yield an answer that has begun. Its status can no longer report an error, so the connection is cut instead, and
    the client tries again. Raises BrokenOff."""
    async with aclosing(answer):
        try:
            async for block in answer:
                yield block
        except DictographError as error:
            raise BrokenOff(f"job {job.id}: {error}") from error


def check_completed(job: Job) -> None:
    """Raise the error of a failed job, or JobStateConflict when the job was cancelled."""
    if job.status is JobStatus.COMPLETED:
        return
    if job.error is None:
        raise JobStateConflict("The job was cancelled before it was done.")
    raise kind_of(job.error.code)(job.error.message)


async def cancel_on_disconnect(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Return the result of `work`. Cancel it when the client closes its connection. Raises ClientDisconnect."""
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_until_gone(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientDisconnect
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _wait(services: Services, job: Job, seconds: float) -> Job:
    job = await services.jobs.wait_until_ended(job.owner, job.id, seconds)
    if not job.status.ended and services.event_streams.stopping:
        raise ServerBusy("The service is stopping; the job goes on later. Send the request again.")
    return job


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass

"""Tickets for connections that cannot carry a header: WebSockets and EventSources of web pages."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from dictograph.api.access import Reader
from dictograph.api.error_responses import Json
from dictograph.api.json_bodies import json_body, receive_json
from dictograph.api.openapi_schemas import problems
from dictograph.api.server.body_rate import BodyRatePolicy
from dictograph.api.views import Moment
from dictograph.service.services import Services


class TicketRequest(BaseModel):
    """What a ticket is to be good for."""

    model_config = ConfigDict(extra="forbid")

    job_id: str | None = Field(None, description="The one job that it is good for; left out: all of its owner's.")


class TicketView(BaseModel):
    """A right to read, for a minute."""

    ticket: str = Field(description="To be given as `?ticket=`.")
    expires_at: Moment


def ticket_routes(services: Services, pace: BodyRatePolicy) -> APIRouter:
    """Return POST /v1/tickets. `pace` is the least rate at which clients must send bodies."""
    router = APIRouter(tags=["access"])

    @router.post(
        "/v1/tickets",
        status_code=201,
        response_model=TicketView,
        openapi_extra=json_body(TicketRequest, required=False),
        responses=problems(404, 408, 413, 415, 422),
    )
    async def create(request: Request, caller: Reader) -> Response:
        """A ticket to read jobs with, good for a minute, for WebSockets and EventSources of a web page.

        It ends with the key that it was got with.
        """
        job_id = (await receive_json(request, pace, TicketRequest, required=False)).job_id
        if job_id is not None:
            await services.jobs.get(caller.owner, job_id)
        ticket = await services.authentication.tickets.issue(caller.key_id, job_id)
        view = TicketView(ticket=ticket.text, expires_at=ticket.expires_at)
        return Json(view.model_dump(mode="json"), 201, {"cache-control": "no-store"})

    return router

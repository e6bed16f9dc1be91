"""The native routes of webhooks: the delivery log, redelivery, secrets. Always those of the caller's owner."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from dictograph.api.access import Changer, Reader
from dictograph.api.error_responses import Json
from dictograph.api.openapi_schemas import problems
from dictograph.api.views import Moment
from dictograph.service.services import Services
from dictograph.service.webhooks import LONGEST_OVERLAP_S, OVERLAP_S
from dictograph.store.webhooks.delivery_log import Wanted
from dictograph.store.webhooks.receiver_secrets import Secret
from dictograph.webhooks.delivery import Delivery, DeliveryState

_PATH = "/v1/webhooks"


class DeliveryView(BaseModel):
    """Something that was told, or is to be told, to a receiver."""

    id: str
    webhook_id: str = Field(description="What the receiver gets as `webhook-id`, the same at every attempt.")
    job_id: str
    type: str = Field(examples=["transcription.completed"])
    url: str
    payload: dict[str, Any] = Field(description="What is sent.")
    state: DeliveryState | str = Field(description="`gone`: the receiver answered 410.")
    attempts: int
    status_code: int | None = Field(description="Of the last answer; null when there was none.")
    last_error: str | None = Field(description="Why the last attempt failed.")
    created_at: Moment
    attempted_at: Moment | None
    next_attempt_at: Moment | None = Field(description="null when there will be none.")


class DeliveryListView(BaseModel):
    """A page of the delivery log, newest first."""

    data: list[DeliveryView]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")


class SecretView(BaseModel):
    """A secret in force."""

    secret: str = Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
    state: Literal["current", "retiring"]
    created_at: Moment
    retires_at: Moment | None = Field(description="When it signs no more; null for the current one.")


class SecretListView(BaseModel):
    """The secrets in force, the current one first: each signs every webhook."""

    data: list[SecretView]


class DeliveryQuery(BaseModel):
    """The parameters of the log."""

    job_id: Annotated[str, Query(max_length=64)] | None = None
    state: DeliveryState | None = None
    limit: Annotated[int, Query(ge=1, le=200)] = 50
    cursor: Annotated[str, Query(max_length=500)] | None = None


Overlap = Annotated[
    float,
    Query(ge=0, le=LONGEST_OVERLAP_S, description="For so many seconds the secrets before it sign beside the new one."),
]


def webhook_routes(services: Services) -> APIRouter:
    """Return the routes of the log, redelivery and secrets."""
    router = APIRouter(tags=["webhooks"])
    webhooks = services.webhooks

    @router.get(f"{_PATH}/deliveries", response_model=DeliveryListView, responses=problems(422))
    async def deliveries(caller: Reader, query: Annotated[DeliveryQuery, Query()]) -> Response:
        """List the deliveries, newest first."""
        wanted = Wanted(query.job_id, query.state, query.cursor, query.limit)
        page = await webhooks.deliveries(caller.owner, wanted)
        view = DeliveryListView(data=[delivery_view(one) for one in page.deliveries], next_cursor=page.next_cursor)
        return Json(view.model_dump(mode="json"))

    @router.post(
        f"{_PATH}/deliveries/{{delivery_id}}/redeliver",
        status_code=202,
        response_model=DeliveryView,
        responses=problems(404),
    )
    async def redeliver(caller: Changer, delivery_id: str) -> Response:
        """Deliver it again, now, whatever its state; with the same `webhook-id`."""
        return Json(delivery_view(await webhooks.redeliver(caller.owner, delivery_id)).model_dump(mode="json"), 202)

    @router.get(f"{_PATH}/secret", response_model=SecretListView, responses=problems())
    async def secret(caller: Changer) -> Response:
        """Show what webhooks are signed with; the first time, a secret is made."""
        return _secrets(await webhooks.secrets(caller.owner))

    @router.post(f"{_PATH}/secret/rotate", response_model=SecretListView, responses=problems(422))
    async def rotate(caller: Changer, overlap_seconds: Overlap = OVERLAP_S) -> Response:
        """Make a new secret. For a while webhooks carry the signatures of both."""
        return _secrets(await webhooks.rotate(caller.owner, overlap_seconds))

    return router


def delivery_view(one: Delivery) -> DeliveryView:
    """Return a delivery as clients see it."""
    return DeliveryView(
        id=one.id,
        webhook_id=one.webhook_id,
        job_id=one.job_id,
        type=one.type,
        url=one.url,
        payload=one.payload,
        state=one.state,
        attempts=one.attempts,
        status_code=one.status_code,
        last_error=one.last_error,
        created_at=one.created_at,
        attempted_at=one.attempted_at,
        next_attempt_at=one.next_attempt_at,
    )


def secret_view(one: Secret) -> SecretView:
    """Return a secret as its owner sees it."""
    state: Literal["current", "retiring"] = "current" if one.retires_at is None else "retiring"
    return SecretView(secret=one.secret, state=state, created_at=one.created_at, retires_at=one.retires_at)


def _secrets(found: list[Secret]) -> Response:
    view = SecretListView(data=[secret_view(one) for one in found])
    return Json(view.model_dump(mode="json"), headers={"cache-control": "no-store"})

"""JSON bodies: bounded in size, read once the caller is known, and described in the OpenAPI document."""

from __future__ import annotations

from typing import Any, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from dictograph.api.body import parse_json, read_body
from dictograph.api.error_responses import MalformedBody
from dictograph.api.server.body_rate import BodyRatePolicy
from dictograph.errors import InvalidRequest

Body = TypeVar("Body", bound=BaseModel)


async def receive_json(request: Request, pace: BodyRatePolicy, model: type[Body], *, required: bool = True) -> Body:
    """Return the request's body. One that is not required may be empty or null: it then has no fields.

    Raises:
        InvalidRequest, RequestValidationError: the body does not fit the model.
        UploadTooLarge, and what `BodyRatePolicy.iter_body` does.
    """
    text = await read_body(request, pace)
    try:
        given = parse_json(text) if text or required else None
    except MalformedBody as error:
        raise InvalidRequest(error.message) from error
    if given is None and not required:
        given = {}
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in error.errors()]) from error


def json_body(model: type[BaseModel], *, required: bool = True) -> dict[str, Any]:
    """Return how this body is described in the OpenAPI document."""
    schema = model.model_json_schema()
    shape = schema if required else {"anyOf": [schema, {"type": "null"}]}
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": shape}}}}

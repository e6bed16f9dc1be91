"""JSON bodies: bounded, read after it is known who calls, and described in the document."""

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
    """The request's body; one that need not be there may be empty or null, which stands for no field at all.

    Raises:
        InvalidRequest, RequestValidationError: it is not of the form.
        UploadTooLarge, and what the pace does.
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
    """How such a body stands in the document."""
    schema = model.model_json_schema()
    shape = schema if required else {"anyOf": [schema, {"type": "null"}]}
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": shape}}}}

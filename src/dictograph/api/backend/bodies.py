"""JSON bodies: bounded, read after it is known who calls, and described in the document."""

from __future__ import annotations

from typing import Any, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from dictograph.api.body import parsed, whole
from dictograph.api.pace import Pace
from dictograph.api.problems import MalformedBody
from dictograph.errors import InvalidRequest

Body = TypeVar("Body", bound=BaseModel)


async def read_body(request: Request, pace: Pace, model: type[Body]) -> Body:
    """The request's body. Raises InvalidRequest or RequestValidationError when it is not of the form."""
    try:
        given = parsed(await whole(request, pace))
    except MalformedBody as error:
        raise InvalidRequest(error.message) from error
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in error.errors()]) from error


def json_body(model: type[BaseModel]) -> dict[str, Any]:
    """How such a body stands in the document."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": model.model_json_schema()}}}}

"""The bodies of requests that make jobs, read as they arrive: a form with the file, or JSON that names it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.requests import Request

from dictograph.api.error_responses import MalformedBody
from dictograph.api.server.body_rate import BodyRatePolicy
from dictograph.api.upload_form import UploadForm
from dictograph.errors import InvalidRequest, UploadTooLarge
from dictograph.service.auth.access import Caller
from dictograph.service.intake import Accepted, Intake
from dictograph.service.request import JobRequest, check_metadata, check_options, check_url

_JSON_BYTES = 64 * 1024


async def receive_upload(
    request: Request, pace: BodyRatePolicy, intake: Intake, caller: Caller, key: str | None
) -> Accepted:
    """Receive a native upload. Its file goes into storage as it arrives."""
    form = UploadForm(request, pace, intake.max_upload)
    async with intake.begin_upload(caller.owner, key) as upload:
        filename = await form.read_fields()
        _order_of_fields(form.fields)  # errors in the fields are reported before the file is read
        await form.read_file(upload)
        order = replace(_order_of_fields(form.fields), key_id=caller.key_id)
        return await upload.finish(filename, order)


async def receive_reference(
    request: Request, pace: BodyRatePolicy, intake: Intake, caller: Caller, key: str | None
) -> Accepted:
    """Receive a URL or path, named in JSON."""
    given = parse_json(await read_body(request, pace))
    if not isinstance(given, dict):
        raise InvalidRequest("The body must be a JSON object.")
    named = {name: given.pop(name) for name in ("url", "path") if given.get(name) is not None}
    if len(named) != 1:
        raise InvalidRequest("Name the audio by `url` or by `path`, one of them.", param="url")
    [(kind, location)] = named.items()
    if not isinstance(location, str) or not location:
        raise InvalidRequest(f"`{kind}` must be text.", param=kind)
    if "\0" in location or not _is_encodable(location):
        raise InvalidRequest(f"`{kind}` has characters that cannot be used.", param=kind)
    metadata = check_metadata(given.pop("metadata", {}))
    webhook_url = _webhook_url(given.pop("webhook_url", None))
    given.pop("url", None), given.pop("path", None)
    order = JobRequest(
        check_options(given, strict=True),
        metadata,
        caller.owner,
        key,
        key_id=caller.key_id,
        webhook_url=webhook_url,
    )
    return await (intake.url(order, location) if kind == "url" else intake.path(order, location))


def _order_of_fields(fields: Mapping[str, str]) -> JobRequest:
    """Return the options and metadata of a form's fields. An empty field counts as one that was left out."""
    given = {name: value for name, value in fields.items() if value != ""}
    text = given.pop("metadata", None)
    metadata = {} if text is None else check_metadata(parse_json(text.encode(), param="metadata"))
    webhook_url = _webhook_url(given.pop("webhook_url", None))
    return JobRequest(check_options(given, strict=False), metadata, webhook_url=webhook_url)


def _webhook_url(given: object) -> str | None:
    if given is None:
        return None
    if not isinstance(given, str):
        raise InvalidRequest("`webhook_url` must be text.", param="webhook_url")
    return check_url(given, "webhook_url")


async def read_body(request: Request, pace: BodyRatePolicy) -> bytes:
    """Read a small body. Raises UploadTooLarge, and what `BodyRatePolicy.iter_body` does."""
    body = bytearray()
    async for data in pace.iter_body(request):
        body += data
        if len(body) > _JSON_BYTES:
            raise UploadTooLarge(f"The JSON body is larger than {_JSON_BYTES} bytes.")
    return bytes(body)


def parse_json(text: bytes, param: str | None = None) -> Any:
    """Return the parsed JSON. Raises MalformedBody."""
    try:
        return json.loads(text.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        what = f"`{param}`" if param else "The body"
        raise MalformedBody(f"{what} is not valid JSON.", param=param) from error


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

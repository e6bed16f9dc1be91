"""The bodies of requests that make jobs, read as they arrive: a form with the file, or JSON that names it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.requests import Request

from dictograph.api.form import FileBegins, Form, FormRules
from dictograph.api.pace import Pace
from dictograph.api.problems import MalformedBody
from dictograph.errors import InvalidRequest, UploadTooLarge
from dictograph.service.access import Caller
from dictograph.service.intake import Intake
from dictograph.service.reception import Accepted
from dictograph.service.request import Order, check_metadata, check_options, check_url

_JSON_BYTES = 64 * 1024
# What a form has around its file: more is refused before a byte of it is read.
_FORM_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """How an upload of some contract is to be taken.

    Args:
        order_of: what is to be done with the audio, by the form's fields as far as they have come. Called when the
            file begins, so that what is wrong is said before it, and at the end.
        rules: what the form is like.
        key: the Idempotency-Key.
        max_bytes: what the contract allows; None: as much as the service takes.
        head: stands before the file's bytes, where they need one to be understood.
    """

    order_of: Callable[[Form], Order]
    rules: FormRules = field(default_factory=FormRules)
    key: str | None = None
    max_bytes: int | None = None
    head: bytes = b""


async def take_upload(request: Request, pace: Pace, intake: Intake, caller: Caller, key: str | None) -> Accepted:
    """Take in a native upload, its file going into storage as it comes."""
    upload = Upload(lambda form: _order_of_fields(form.fields), key=key)
    return await take_form(request, pace, intake, caller, upload)


async def take_form(request: Request, pace: Pace, intake: Intake, caller: Caller, upload: Upload) -> Accepted:
    """Take in a multipart upload of any contract, its file going into storage as it comes."""
    form = Form(request.headers.get("content-type", ""), upload.rules)
    _check_announced(request, min(intake.max_upload, upload.max_bytes or intake.max_upload))
    head = upload.head
    async with intake.receive(caller.owner, upload.key, upload.max_bytes) as reception:
        async for data in pace.pieces(request):
            for found in form.feed(data):
                if isinstance(found, FileBegins):
                    upload.order_of(form)
                else:
                    await reception.write(head + found.data)
                    head = b""
        filename = form.finish()
        return await reception.accept(filename, replace(upload.order_of(form), key_id=caller.key_id))


async def take_reference(request: Request, pace: Pace, intake: Intake, caller: Caller, key: str | None) -> Accepted:
    """Take in a URL or path, named in JSON."""
    given = parsed(await whole(request, pace))
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
    order = Order(
        check_options(given, strict=True),
        metadata,
        caller.owner,
        key,
        key_id=caller.key_id,
        webhook_url=webhook_url,
    )
    return await (intake.url(order, location) if kind == "url" else intake.path(order, location))


def _order_of_fields(fields: Mapping[str, str]) -> Order:
    """Options and metadata of a form's fields; an empty field is one that was left out."""
    given = {name: value for name, value in fields.items() if value != ""}
    text = given.pop("metadata", None)
    metadata = {} if text is None else check_metadata(parsed(text.encode(), param="metadata"))
    webhook_url = _webhook_url(given.pop("webhook_url", None))
    return Order(check_options(given, strict=False), metadata, webhook_url=webhook_url)


def _webhook_url(given: object) -> str | None:
    if given is None:
        return None
    if not isinstance(given, str):
        raise InvalidRequest("`webhook_url` must be text.", param="webhook_url")
    return check_url(given, "webhook_url")


def _check_announced(request: Request, limit: int) -> None:
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limit + _FORM_BYTES:
        raise UploadTooLarge(f"The upload is larger than {limit} bytes, the most that this service takes.")


async def whole(request: Request, pace: Pace) -> bytes:
    """A small body. Raises UploadTooLarge, and what the pace does."""
    body = bytearray()
    async for data in pace.pieces(request):
        body += data
        if len(body) > _JSON_BYTES:
            raise UploadTooLarge(f"The JSON body is larger than {_JSON_BYTES} bytes.")
    return bytes(body)


def parsed(text: bytes, param: str | None = None) -> Any:
    """What the JSON says. Raises MalformedBody."""
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

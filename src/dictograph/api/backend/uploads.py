"""Addresses for uploads, and the uploads. They replace the presigned URLs of a bucket that the older system used."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from dictograph.api.backend.auth import PREFIX, BackendAuth
from dictograph.api.backend.responses import FileRefused, Route, details
from dictograph.api.backend.validation import check_file, plain_type
from dictograph.api.error_responses import Json
from dictograph.api.json_bodies import json_body, receive_json
from dictograph.api.surface import Parts
from dictograph.blobs.protocol import DirectUpload
from dictograph.contract import Contract
from dictograph.errors import UploadTooLarge
from dictograph.service.auth.access import Caller
from dictograph.service.compat.backend_uploads import Offered, check_announced, expiry
from dictograph.store.compat.upload_slots import UploadSlot

OBJECTS = f"{PREFIX}/audio/object"

#: By the contract this is a GET, although it makes an address.
PRESIGN = f"{PREFIX}/audio/get_presigned_url"

_NO_TYPES = ("", "application/octet-stream")


class Announced(BaseModel):
    """A file before it is uploaded. `content_type` may be empty; `file_size` is in bytes."""

    filename: str = Field(max_length=1000, examples=["talk.mp3"])
    content_type: str = Field("", max_length=200, examples=["audio/mpeg"])
    file_size: int = Field(examples=[1048576])


class UrlView(BaseModel):
    """Where to `PUT` the file."""

    url: str


class PresignedView(UrlView):
    """The same, in all its parts."""

    method: str
    form_url: str = Field(description="Where to POST a form with `fields` and the file; empty where there is no such.")
    fields: dict[str, str] = Field(description="The fields of that form, which come before the file.")
    object: str = Field(description="The object's reference; `transcribe` takes it as `url`.")
    expires_at: str


def upload_routes(parts: Parts, entrance: BackendAuth) -> APIRouter:
    """Return GET get_presigned_url, POST presigned-url, and PUT of the file."""
    router = APIRouter(tags=["backend"], route_class=Route)
    uploads, settings = parts.services.uploads, parts.settings

    uploader = Depends(entrance.uploader)

    async def offer(request: Request, caller: Caller, announced: Announced) -> tuple[Offered, str]:
        check_file(settings, announced.filename, announced.content_type, announced.file_size)
        kind = announced.content_type.strip()
        offered = await uploads.offer(caller.owner, Contract.BACKEND, announced.filename, kind, announced.file_size)
        if offered.direct is not None:
            return offered, offered.direct.url
        slot = offered.slot
        signed = {"expires": expiry(slot), "signature": offered.signature}
        return offered, f"{entrance.base(request)}{object_path(slot.id, slot.filename)}?{urlencode(signed)}"

    @router.get(PRESIGN, response_model=UrlView, responses=details(400, 422))
    async def get_presigned_url(
        request: Request, announced: Annotated[Announced, Query()], caller: Caller = uploader
    ) -> Response:
        """An address that takes one `PUT` of the file, with the `Content-Type` that was announced."""
        _, url = await offer(request, caller, announced)
        return Json({"url": url})

    @router.post(
        f"{PREFIX}/audio/presigned-url",
        response_model=PresignedView,
        responses=details(422),
        openapi_extra=json_body(Announced),
    )
    async def presigned_url(request: Request, caller: Caller = uploader) -> Response:
        """The same address, with its method, its fields, the object's reference and the time at which it expires."""
        offered, url = await offer(request, caller, await receive_json(request, parts.pace, Announced))
        expires_at = datetime.fromtimestamp(offered.slot.expires_at, UTC).isoformat(timespec="seconds")
        form = offered.direct or DirectUpload("", "")
        return Json(
            {
                "url": url,
                "method": "PUT",
                "form_url": form.form_url,
                "fields": dict(form.fields),
                "object": reference(offered.slot),
                "expires_at": expires_at,
            }
        )

    @router.put(
        f"{OBJECTS}/{{slot_id}}/{{filename}}",
        openapi_extra=_body(),
        responses=details(400, 404, 408, 409, 413, 415, 422, 507),
    )
    async def put(request: Request, slot_id: str, filename: str, expires: str = "", signature: str = "") -> Response:
        """Upload the file to the address that was given for it, with exactly the announced number of bytes. The
        signature is the right to do so."""
        del filename
        slot = await uploads.open(slot_id, expires, signature)
        _check_headers(request.headers, slot, settings.backend_max_upload)
        async with uploads.begin_upload(slot, settings.backend_max_upload) as upload:
            async for data in parts.pace.iter_body(request):
                await upload.write(data)
            audio = await uploads.fill(upload)
        return Response(status_code=200, headers={"etag": f'"{audio.sha256}"'})

    return router


def object_path(slot_id: str, filename: str) -> str:
    """Return the path of an upload's address."""
    return f"{OBJECTS}/{slot_id}/{quote(filename, safe='')}"


def reference(slot: UploadSlot) -> str:
    """Return the reference of an upload. It does not depend on the service's host name."""
    return f"uploads/{slot.id}/{slot.filename}"


def _check_headers(headers: Mapping[str, str], slot: UploadSlot, largest: int) -> None:
    kind = plain_type(headers.get("content-type", ""))
    if kind != slot.content_type and not (slot.content_type == "" and kind in _NO_TYPES):
        raise FileRefused("The Content-Type is not the one that was announced for this address.", param="content-type")
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) > largest:
        raise UploadTooLarge(f"The upload is larger than {largest} bytes, the most that is taken.")
    if length.isdigit() and int(length) and "content-encoding" not in headers:
        check_announced(slot, int(length))  # before the body is read


def _body() -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}}

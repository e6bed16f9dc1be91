"""POST /upload: the files that are taken, and the messages that refuse the others."""

from __future__ import annotations

from starlette.requests import Request

from dictograph.api.error_responses import MalformedBody, UnsupportedMediaType
from dictograph.api.gateway.errors import Refused
from dictograph.api.surface import Parts
from dictograph.api.upload_form import UploadForm
from dictograph.contract import Contract
from dictograph.errors import InvalidRequest
from dictograph.job import Job
from dictograph.service.auth.access import Caller
from dictograph.service.compat.contracts import limits_of, options_of
from dictograph.service.request import JobRequest

#: File extensions that are taken. Whether a file has sound is found when it is transcribed.
EXTENSIONS = (
    *("mp3", "wav", "flac", "m4a", "aac", "ogg", "oga", "opus", "mp4", "webm", "mpeg", "mpga"),
    *("mov", "mkv", "avi", "wma", "amr", "aiff"),
)

_NO_PART = "No file part"
_NO_NAME = "No selected file"
_BAD_TYPE = f"Invalid file type. Allowed: {', '.join(EXTENSIONS)}"


async def take(request: Request, parts: Parts, caller: Caller) -> Job:
    """Store an upload, and return its job.

    Raises:
        Refused: the upload has no file, or its file is of a kind that is not taken.
        UploadTooLarge, UploadIncomplete, DatabaseUnavailable, …
    """
    settings = parts.settings
    limits = limits_of(settings, Contract.GATEWAY)
    order = JobRequest(
        options_of(settings, Contract.GATEWAY), contract=Contract.GATEWAY, limits=limits, key_id=caller.key_id
    )
    intake = parts.services.intake
    async with intake.begin_upload(caller.owner, max_bytes=limits.max_bytes) as upload:
        try:
            form = UploadForm(request, parts.pace, upload.limit)
            filename = await form.read_fields()
        except (MalformedBody, UnsupportedMediaType, InvalidRequest) as error:
            raise Refused(_NO_PART) from error
        _check_name(filename)
        await form.read_file(upload)
        return (await upload.finish(filename, order)).job


def _check_name(name: str) -> None:
    if not name.strip():
        raise Refused(_NO_NAME)
    if name.rpartition(".")[2].lower() not in EXTENSIONS or "." not in name:
        raise Refused(_BAD_TYPE)

"""The contract's form: one file, streamed into the folder of uploads."""

from __future__ import annotations

from starlette.requests import Request

from dictograph.api.error_responses import MalformedBody, UnsupportedMediaType
from dictograph.api.paths.responses import NO_FILE
from dictograph.api.server.body_rate import BodyRatePolicy
from dictograph.api.upload_form import UploadForm
from dictograph.errors import EmptyUpload, InvalidRequest, RequestError, UploadIncomplete
from dictograph.service.compat.path_uploads import PathUploads


class NoFile(RequestError):
    """The form has no file, or there is no form."""


async def take_file(request: Request, pace: BodyRatePolicy, uploads: PathUploads) -> str:
    """Receive the file of a form, and return its path.

    Raises:
        NoFile: the form has no file.
        UploadTooLarge, UploadIncomplete, EmptyUpload, RequestTimeout, StorageFull, StorageUnavailable.
    """
    try:
        form = UploadForm(request, pace, uploads.limit)
    except (MalformedBody, UnsupportedMediaType) as error:
        raise NoFile(NO_FILE) from error
    try:
        async with uploads.begin_upload(await form.read_fields()) as upload:
            await form.read_file(upload)
            return await uploads.keep(upload)
    except (InvalidRequest, MalformedBody, EmptyUpload, UploadIncomplete) as error:
        # A browser sends a file without a name when none was chosen.
        raise (error if form.filename else NoFile(NO_FILE)) from error

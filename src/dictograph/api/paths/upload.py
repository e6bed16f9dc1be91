"""The contract's form: one file, streamed into the folder of uploads."""

from __future__ import annotations

from starlette.requests import Request

from dictograph.api.form import FileBegins, Form
from dictograph.api.pace import Pace
from dictograph.api.paths.answers import NO_FILE
from dictograph.api.problems import MalformedBody, UnsupportedMediaType
from dictograph.errors import EmptyUpload, InvalidRequest, RequestError, UploadIncomplete
from dictograph.service.arrival import check_size
from dictograph.service.path_uploads import Incoming, PathUploads

#: What a form has around its file: more is refused before a byte of it is read.
_FORM_BYTES = 1024 * 1024


class NoFile(RequestError):
    """The form has no file, or there is no form."""


async def take_file(request: Request, pace: Pace, uploads: PathUploads) -> str:
    """Receive the file of a form; its path.

    Raises:
        NoFile: there is none.
        UploadTooLarge, UploadIncomplete, EmptyUpload, RequestTimeout, StorageFull, StorageUnavailable.
    """
    length = request.headers.get("content-length", "")
    if length.isdigit():
        check_size(int(length), uploads.limit + _FORM_BYTES)
    try:
        form = Form(request.headers.get("content-type", ""))
    except (MalformedBody, UnsupportedMediaType) as error:
        raise NoFile(NO_FILE) from error
    async with uploads.receive() as incoming:
        try:
            await _read(request, pace, form, incoming)
            return await incoming.keep()
        except (InvalidRequest, MalformedBody, EmptyUpload, UploadIncomplete) as error:
            # A browser sends a file without a name when none was chosen.
            raise (error if form.filename else NoFile(NO_FILE)) from error


async def _read(request: Request, pace: Pace, form: Form, incoming: Incoming) -> None:
    async for data in pace.pieces(request):
        for found in form.feed(data):
            if isinstance(found, FileBegins):
                incoming.begin(found.filename)
            else:
                await incoming.write(found.data)
    form.finish()

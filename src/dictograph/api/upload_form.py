"""The form of an upload as it arrives: the fields before its file, the file into its session, the fields after it."""

from __future__ import annotations

from starlette.requests import Request

from dictograph.api.multipart import NATIVE_RULES, FileChunk, FormRules, MultipartReader
from dictograph.api.server.body_rate import BodyRatePolicy
from dictograph.errors import UploadTooLarge
from dictograph.service.upload_session import UploadSession

#: Bytes that a form may have beside its file. More is refused before the body is read.
_FORM_BYTES = 1024 * 1024


class UploadForm(MultipartReader):
    """A multipart form that is read from its request in two steps. So errors in the fields before the file can be
    reported before the file is read. Both steps raise what MultipartReader and BodyRatePolicy do.
    """

    def __init__(self, request: Request, pace: BodyRatePolicy, limit: int, rules: FormRules = NATIVE_RULES) -> None:
        """Begin with the request's headers. The file may have `limit` bytes.

        Raises:
            MalformedBody, UnsupportedMediaType: the request has no form.
            UploadTooLarge: the announced length is too large.
        """
        super().__init__(request.headers.get("content-type", ""), rules)
        _check_announced(request, limit)
        self._pieces = pace.iter_body(request)
        self._file_bytes: list[bytes] = []

    async def read_fields(self) -> str:
        """Read up to the file, and return the file's name. More fields may follow it.

        Raises:
            InvalidRequest: there is no file.
        """
        more = True
        while self.filename is None and more:
            more = await self._read()
        return self.finish() if self.filename is None else self.filename

    async def read_file(self, upload: UploadSession, head: bytes = b"") -> None:
        """Read the rest of the form, its file into `upload`. `head` is written before the file's bytes, if it has any.

        Raises:
            UploadTooLarge, UploadIncomplete, StorageFull, StorageUnavailable.
        """
        more = True
        while more:
            for data in self._file_bytes:
                await upload.write(head + data)
                head = b""
            more = await self._read()
        self.finish()

    async def _read(self) -> bool:
        """Read the next piece of the body. Return False at its end."""
        piece = await anext(self._pieces, None)
        found = [] if piece is None else self.feed(piece)
        self._file_bytes = [one.data for one in found if isinstance(one, FileChunk)]
        return piece is not None


def _check_announced(request: Request, limit: int) -> None:
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limit + _FORM_BYTES:
        raise UploadTooLarge(f"The upload is larger than {limit} bytes, the most that this service takes.")

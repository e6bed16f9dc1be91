"""A multipart form while it arrives: fields are collected, the file's bytes are passed on at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from dictograph.api.error_responses import MalformedBody, UnsupportedMediaType
from dictograph.errors import InvalidRequest, UploadIncomplete

_MAX_FIELDS = 64
_MAX_FIELD_BYTES = 64 * 1024
_MAX_HEADER_BYTES = 8 * 1024
#: Everything of the body that is not the file's bytes: fields, headers, boundaries, and the bytes around them.
_MAX_BESIDE_BYTES = 1024 * 1024
#: Lines that begin with the boundary. A form has one for each part. If there are more, they are in the file, where none
#: may be (RFC 2046, section 5.1.1). They make the parser check every byte by itself: hundreds of times the work.
_MAX_DELIMITERS = 1024

#: A parameter of a header, its value quoted or not. A quote that is not closed goes to the end.
_PARAMETER = re.compile(r';\s*([^\s;="]+)\s*=\s*("(?:[^"\\]|\\.)*"?|[^;]*)')
#: A value that names its encoding (RFC 8187).
_EXTENDED = re.compile(r"(utf-8|iso-8859-1)'[^']*'((?:%[0-9a-f]{2}|[ -$&-~])+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FormRules:
    """The form that a contract expects.

    Args:
        file: the name of the part that is the file.
        repeated: whether a field may come several times, as `name[]` does for a list. If not, the form is refused.
    """

    file: str = "file"
    repeated: bool = False


NATIVE_RULES = FormRules()


@dataclass(frozen=True, slots=True)
class FileStart:
    """The file's part begins. `fields` are the fields before it."""

    filename: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FileChunk:
    """Some of the file."""

    data: bytes


class MultipartReader:
    """Reads a multipart/form-data body piece by piece.

    `values` are the fields' values, in the order in which they came. Every method raises MalformedBody, InvalidRequest
    or UploadIncomplete, with a message about the fault in the form.
    """

    def __init__(self, content_type: str, rules: FormRules = NATIVE_RULES) -> None:
        self.values: dict[str, list[str]] = {}
        self._rules = rules
        self.filename: str | None = None
        self._part = _Part()
        self._parts = 0
        self._ended = False
        self._beside = 0
        self._found: list[FileStart | FileChunk] = []
        boundary = _boundary(content_type)
        self._delimiter = b"\r\n--" + boundary
        self._delimiters = 0
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin_part,
                "on_header_field": self._header_name,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._part_data,
                "on_part_end": self._part_end,
                "on_end": self._end,
            },
        )

    @property
    def ended(self) -> bool:
        """Tell whether all fields have come."""
        return self._ended

    @property
    def fields(self) -> dict[str, str]:
        """Return the fields, each with its last value."""
        return {name: values[-1] for name, values in self.values.items()}

    def feed(self, data: bytes) -> Iterator[FileStart | FileChunk]:
        """Parse a piece of the body, and yield the parts of the file in it."""
        self._count_delimiters(data)
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise MalformedBody("The body is not well-formed multipart/form-data.") from error
        found, self._found = self._found, []
        self._beside += len(data) - sum(len(piece.data) for piece in found if isinstance(piece, FileChunk))
        if self._beside > _MAX_BESIDE_BYTES:
            raise InvalidRequest(f"The form has more than {_MAX_BESIDE_BYTES} bytes beside its file.")
        yield from found

    def finish(self) -> str:
        """Return the file's name, once the body has ended."""
        if not self._ended:
            raise UploadIncomplete("The upload ended before its form did: its closing boundary is missing.")
        if self.filename is None:
            raise InvalidRequest(
                f"The form has no file: send it as the part named {self._rules.file!r}.", param=self._rules.file
            )
        return self.filename

    def _count_delimiters(self, data: bytes) -> None:
        self._delimiters += data.count(self._delimiter)
        if self._delimiters > _MAX_DELIMITERS:
            raise MalformedBody("The form's boundary stands in its file, too: choose one that does not.")

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > _MAX_FIELDS:
            raise InvalidRequest(f"The form has more than {_MAX_FIELDS} fields.")
        self._part = _Part()

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._part.header_name += data[start:end]
        self._part.count(end - start)

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._part.header_value += data[start:end]
        self._part.count(end - start)

    def _header_end(self) -> None:
        part = self._part
        if part.header_name.lower() == b"content-disposition":
            part.disposition = bytes(part.header_value)
        part.header_name, part.header_value = bytearray(), bytearray()

    def _headers_finished(self) -> None:
        part = self._part
        disposition = part.disposition.decode("latin-1")
        kind, options = parse_options_header(disposition)
        if kind != b"form-data" or b"name" not in options:
            raise MalformedBody("A part of the form has no name.")
        part.name = _text(options[b"name"])
        if (filename := _filename(disposition, options)) is not None:
            self._begin_file(filename)
        elif part.name == self._rules.file:
            raise InvalidRequest(f"The part {part.name!r} must be a file, with a file name.", param=part.name)
        elif part.name in self.values and not self._rules.repeated:
            raise InvalidRequest(f"The field {part.name[:100]!r} is there twice.", param=part.name[:100])

    def _begin_file(self, filename: str) -> None:
        name, wanted = self._part.name, self._rules.file
        if name != wanted:
            raise InvalidRequest(f"The file must be the part named {wanted!r}, not {name[:100]!r}.", param=wanted)
        if self.filename is not None:
            raise InvalidRequest("The form has two files; send one in each request.", param=wanted)
        self.filename, self._part.is_file = filename, True
        self._found.append(FileStart(filename, self.fields))

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        part = self._part
        if part.is_file:
            self._found.append(FileChunk(data[start:end]))
            return
        part.value += data[start:end]
        if len(part.value) > _MAX_FIELD_BYTES:
            raise InvalidRequest(
                f"The field {part.name[:100]!r} is larger than {_MAX_FIELD_BYTES} bytes.", param=part.name[:100]
            )

    def _part_end(self) -> None:
        part = self._part
        if part.is_file:
            return
        try:
            text = part.value.decode()
        except UnicodeDecodeError as error:
            raise InvalidRequest(f"The field {part.name[:100]!r} is not UTF-8.", param=part.name[:100]) from error
        self.values.setdefault(part.name, []).append(text)

    def _end(self) -> None:
        self._ended = True


class _Part:
    """The part that is being read."""

    def __init__(self) -> None:
        self.name = ""
        self.is_file = False
        self.value = bytearray()
        self.disposition = b""
        self.header_name = bytearray()
        self.header_value = bytearray()
        self._header_bytes = 0

    def count(self, more: int) -> None:
        self._header_bytes += more
        if self._header_bytes > _MAX_HEADER_BYTES:
            raise MalformedBody("A part of the form has too large headers.")


def _boundary(content_type: str) -> bytes:
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        raise UnsupportedMediaType("Send multipart/form-data with a file.")
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= 70:  # RFC 2046, section 5.1.1
        raise MalformedBody("The Content-Type names no boundary, or too long a one.")
    return boundary


def _filename(disposition: str, options: Mapping[bytes, bytes]) -> str | None:
    """Return the file's name; None for a part that is no file.

    `filename*` is not meant for forms (RFC 7578, section 4.2). Standard clients still send it for names with letters
    that are not ASCII: alone, or beside a `filename` that is encoded as in mail.
    """
    if (extended := _extended_filename(disposition)) is not None:
        return extended
    return _text(options[b"filename"]) if b"filename" in options else None


def _extended_filename(disposition: str) -> str | None:
    for name, value in _PARAMETER.findall(disposition):
        if name.lower() == "filename*" and (found := _EXTENDED.fullmatch(value.strip().strip('"'))):
            try:
                return unquote(found[2], found[1], "strict")
            except UnicodeDecodeError:
                return None
    return None


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")

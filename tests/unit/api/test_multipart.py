"""The multipart reader: however the bytes are cut into pieces, the same form comes out."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dictograph.api.error_responses import MalformedBody, UnsupportedMediaType
from dictograph.api.multipart import FileChunk, FileStart, FormRules, MultipartReader
from dictograph.errors import InvalidRequest, UploadIncomplete

KIND = "multipart/form-data; boundary=edge"


def body(*parts: tuple[str, bytes, str | None]) -> bytes:
    text = b""
    for name, value, filename in parts:
        file = f'; filename="{filename}"' if filename is not None else ""
        text += f'--edge\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + value + b"\r\n"
    return text + b"--edge--\r\n"


def read(text: bytes, cuts: list[int]) -> tuple[MultipartReader, list[FileStart], bytes]:
    form, begins, data = MultipartReader(KIND), [], b""
    places = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    for start, end in pairwise(places):
        for found in form.feed(text[start:end]):
            if isinstance(found, FileStart):
                begins.append(found)
            else:
                data += found.data
    return form, begins, data


@given(
    data=st.binary(max_size=400).filter(lambda data: b"\r\n--edge" not in data)
    | st.lists(st.sampled_from([b"\r\n", b"--edge", b"--", b"\r", b"\n-", b"\r\n--edg", b"x"]), max_size=30)
    .map(b"".join)
    .filter(lambda data: b"\r\n--edge" not in b"\r\n" + data),
    cuts=st.lists(st.integers(0, 10_000), max_size=40),
)
def test_the_file_comes_out_byte_for_byte(data: bytes, cuts: list[int]) -> None:
    text = body(("language", b"de", None), ("file", data, "ä b.wav"), ("prompt", "ü".encode(), None))
    form, [begin], got = read(text, cuts)
    assert got == data
    assert form.finish() == "ä b.wav"
    assert begin.fields == {"language": "de"}
    assert form.fields == {"language": "de", "prompt": "ü"}


@given(cut=st.integers(0, 120))
def test_one_that_is_cut_is_never_taken_for_whole(cut: int) -> None:
    text = body(("file", b"sound", "a.wav"))
    form, _, _ = read(text[: min(cut, len(text) - 4)], [])
    with pytest.raises(UploadIncomplete):
        form.finish()


def test_what_stands_around_the_file_is_limited() -> None:
    form = MultipartReader(KIND)
    list(form.feed(body(("file", b"x", "a.wav")) + b"x" * 1_000_000))
    with pytest.raises(InvalidRequest, match="beside its file"):
        list(form.feed(b"x" * 65_536))


def test_a_file_may_be_larger_than_everything_else() -> None:
    form = MultipartReader(KIND)
    list(form.feed(body(("file", b"", "a.wav"))[: -len(b"\r\n--edge--\r\n")]))
    for _ in range(40):
        assert sum(len(piece.data) for piece in form.feed(b"x" * 65_536) if isinstance(piece, FileChunk)) > 65_000


@pytest.mark.parametrize("kind", ["text/plain", "application/json; boundary=x", "multipart/mixed; boundary=x", ""])
def test_other_kinds_of_body_are_refused(kind: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        MultipartReader(kind)


@pytest.mark.parametrize(
    "head", [b"Content-Disposition: form-data", b"X: y", b'Content-Disposition: attachment; name="file"']
)
def test_parts_need_a_name(head: bytes) -> None:
    with pytest.raises(MalformedBody):
        list(MultipartReader(KIND).feed(b"--edge\r\n" + head + b"\r\n\r\nx\r\n--edge--\r\n"))


def test_a_contract_says_what_its_form_is_like() -> None:
    text = (
        b'--edge\r\nContent-Disposition: form-data; name="list[]"\r\n\r\na\r\n'
        b'--edge\r\nContent-Disposition: form-data; name="list[]"\r\n\r\nb\r\n'
        b'--edge\r\nContent-Disposition: form-data; name="audio"; filename="x"\r\n\r\nsound\r\n'
        b"--edge--\r\n"
    )
    form = MultipartReader(KIND, FormRules(file="audio", repeated=True))
    begins, data = list(form.feed(text[:-6])), list(form.feed(text[-6:]))
    assert (form.values, form.fields) == ({"list[]": ["a", "b"]}, {"list[]": "b"})
    assert begins == [FileStart("x", {"list[]": "b"}), FileChunk(b"sound")]
    assert (data, form.ended, form.finish()) == ([], True, "x")
    with pytest.raises(InvalidRequest, match="twice"):
        list(MultipartReader(KIND, FormRules(file="audio")).feed(text))
    with pytest.raises(InvalidRequest, match="'file', not 'audio'"):
        list(MultipartReader(KIND, FormRules(repeated=True)).feed(text))


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        (b"; filename*=utf-8''b%C3%A4r.mp3", "bär.mp3"),
        (b"; filename=\"=?utf-8?B?YsOkci5tcDM=?=\"; filename*=utf-8''b%C3%A4r.mp3", "bär.mp3"),
        (b";FILENAME*=\"UTF-8'de'b%c3%a4r (1).mp3\" ; filename=b.mp3", "bär (1).mp3"),
        (b"; filename*=iso-8859-1''b%E4r.mp3", "bär.mp3"),
        (b"; filename=b.mp3; filename*=utf-8''b%E4r.mp3", "b.mp3"),
        (b"; filename=b.mp3; filename*=utf-8''b%zz.mp3", "b.mp3"),
        (b"; filename=b.mp3; filename*=utf-7''b%2BAOQ-r.mp3", "b.mp3"),
        (b"; filename=b.mp3; filename*=utf-8''", "b.mp3"),
        (b"; filename=b.mp3; filename*=evil.mp3", "b.mp3"),
        (b"; filename=\"a; filename*=utf-8''evil; .mp3\"", "a; filename*=utf-8''evil; .mp3"),
    ],
)
def test_a_name_that_says_how_it_is_written(parameters: bytes, name: str) -> None:
    head = b'--edge\r\nContent-Disposition: form-data; name="file"' + parameters
    form, [begin], data = read(head + b"\r\n\r\nsound\r\n--edge--\r\n", [])
    assert (begin.filename, form.finish(), data) == (name, name, b"sound")


def test_no_body_costs_the_parser_more_than_its_share() -> None:
    """A boundary of one letter, and a file in which nearly every line begins with it: each byte would be looked at."""
    form = MultipartReader("multipart/form-data; boundary=b")
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    list(form.feed(head))
    assert sum(len(piece.data) for piece in form.feed(b"\r\n--ba" * 60) if isinstance(piece, FileChunk)) > 300
    began = time.process_time()
    with pytest.raises(MalformedBody, match="boundary"):
        list(form.feed(b"\r\n--ba" * 2_000_000))
    assert time.process_time() - began < 0.5

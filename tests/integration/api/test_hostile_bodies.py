"""Bodies made to hurt: names, lengths, forms and JSON. Each is taken, or refused in the one shape; nothing is left."""

from __future__ import annotations

import json
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from dictograph.api.server import response_middleware
from tests.integration.api.live import Live, live
from tests.integration.api.raw import (
    BOUNDARY,
    END,
    JOBS,
    chunk,
    connected,
    exchange,
    file_part,
    head,
    part,
    received,
    upload,
)
from tests.service import eventually

NAMES = {
    "path": b"../../etc/passwd",
    "path of another system": b"C:\\Windows\\system32\\config",
    "drive": b"C:",
    "device": b"/dev/null",
    "dots": b"....",
    "dot": b".",
    "empty": b"",
    "spaces": b"   ",
    "NUL": b"a\0b.wav",
    "escapes of a terminal": b"\x1b]0;owned\x07\x1b[2J.wav",
    "tab": b"a\tb.wav",
    "line feed, encoded": b"a%0d%0aset-cookie: x.wav",
    "bidi marks": "a\u202egpj.exe\u2066\u2069.wav".encode(),
    "marks of no width": "a\u200b\u200d\ufeff.wav".encode(),
    "emoji of several parts": "👩‍👩‍👧‍👦🇩🇪.wav".encode(),
    "combining marks": ("a" + "\u0301" * 500 + ".wav").encode(),
    "lone surrogate": b"a\xed\xa0\x80b.wav",
    "no UTF-8": b"\xff\xfe\x80.wav",
    "overlong": b"\xc0\xaf\xc0\xae.wav",
    "300 bytes of one sign": "語".encode() * 100,
    "4000 letters": b"n" * 4000 + b".wav",
    "1000 signs of four bytes": "𝕒".encode() * 1000,
    "quotes": b'a\\"b\\".wav',
    "percent": b"%s%n%x.wav",
    "markup": b"<script>alert(1)</script>.wav",
    "shell": b"$(touch x);`id`|&.wav",
    "query": b"a.wav?x=1#y",
    "template": b"{{7*7}}${7*7}.wav",
}


@pytest.fixture(autouse=True)
def _removed(small: Live) -> Iterator[None]:
    """What one test leaves behind is no fault of the next."""
    yield
    with small.client() as client:
        for job in client.get(JOBS).json()["data"]:
            client.delete(f"{JOBS}/{job['id']}")


def nothing_left(api: Live) -> bool:
    return api.files() == []


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[Live]:
    """An application with little patience, whose jobs this file's tests remove themselves."""
    settings: dict[str, Any] = {"max_upload": 1_000_000, "upload_idle_timeout": 0.4}
    settings["path_roots"] = [tmp_path_factory.mktemp("roots")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(response_middleware, "LINGER_S", 0.2)
        with live(tmp_path_factory.mktemp("small"), migrated=migrated, **settings) as one:
            yield one


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_name_is_made_safe_to_show_and_names_no_file(small: Live, name: bytes) -> None:
    reply = upload(small, file_part(name=name) + END)
    assert reply.status == 202, reply.body
    job = json.loads(reply.body)
    check_shown(job["filename"])
    assert small.files() == [f"{job['id']}/0-audio"]
    with small.client() as client:
        for path in ("", "/transcript?format=srt", "/transcript?format=verbose_json"):
            answer = client.get(f"{JOBS}/{job['id']}{path}")
            assert answer.status_code == 200
            assert not any(job["filename"] in value for value in answer.headers.values())
        assert client.get(JOBS).json()["data"][0]["filename"] == job["filename"]
        assert client.delete(f"{JOBS}/{job['id']}").status_code == 204
    assert nothing_left(small)


def check_shown(name: str) -> None:
    assert 0 < len(name) <= 255
    assert not set("/\\") & set(name)
    assert not any(unicodedata.category(sign).startswith("C") for sign in name)


@pytest.mark.parametrize(
    "disposition",
    [
        b'; filename="' + b"n" * 10_000 + b'.wav"',
        b'; filename="a.wav\r\nX-Injected: yes"',
        b"; filename*=UTF-8''" + b"%41" * 4000,
        b'; filename="a.wav"' + b"; x=y" * 3000,
    ],
    ids=["10,000 letters", "a new line", "10,000 letters, encoded", "parameters"],
)
def test_a_name_too_long_to_be_one_is_refused_or_cut(small: Live, disposition: bytes) -> None:
    reply = upload(small, part("file", b"sound", disposition) + END)
    assert reply.status in (202, 400), reply
    if reply.status == 202:
        check_shown(json.loads(reply.body)["filename"])
        assert "x-injected" not in reply.headers
    else:
        assert reply.code == "invalid_request"
        assert nothing_left(small)


def test_names_in_paths_queries_and_headers(small: Live) -> None:
    odd = ["../../etc/passwd", "%00", "%0d%0ax:y", "%e2%80%ae", "%ff%fe", "a" * 10_000, "..%2f..%2f", "🎵", "%", "%zz"]
    with small.client() as client:
        for name in odd:
            for path in (f"{JOBS}/{name}", f"{JOBS}/{name}/transcript", f"{JOBS}/{name}/events"):
                assert client.get(path).status_code == 404, path
            assert client.delete(f"{JOBS}/{name}").status_code in (404, 405)
            assert client.post(f"{JOBS}/{name}/retry").status_code == 404
            assert client.get(f"{JOBS}?cursor={name}").status_code == 422
            assert client.get(f"{JOBS}?status={name}").status_code == 422
            assert client.get(f"/{name}").status_code == 404
        for key in (b"", b"k" * 256, b"\xff", b"a\tb", b"k" * 10_000):
            with_key = {b"idempotency-key": key}
            files = {"file": ("a.wav", b"sound")}
            assert client.post(JOBS, files=files, headers=with_key).status_code == 422, key
    assert nothing_left(small)


LOCATIONS = [
    "a" * 10_000,
    "../../etc/passwd",
    "/etc/passwd",
    "a\0b",
    "a\nb",
    "\u202e",
    "\ud800",
    "",
    " ",
    "C:\\x",
    "~root",
]


@pytest.mark.parametrize("kind", ["url", "path"])
@pytest.mark.parametrize("location", LOCATIONS, ids=lambda location: ascii(location[:20]))
def test_locations_in_json(small: Live, kind: str, location: str) -> None:
    reply = upload(small, json.dumps({kind: location}).encode(), kind="application/json")
    assert reply.status in (400, 422)
    assert reply.code in ("invalid_request", "path_not_allowed")


FILE = file_part(b"x" * 1000) + END


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (head(f"content-length: {len(FILE) + 5}") + FILE, 408, "request_timeout"),
        (head(f"content-length: {len(FILE) - 5}") + FILE, 400, "upload_incomplete"),
        (head("content-length: 0"), 400, "upload_incomplete"),
        (head(), 400, "upload_incomplete"),
        (head("content-length: -1") + FILE, 400, "invalid_request"),
        (head("content-length: +5") + FILE, 400, "invalid_request"),
        (head("content-length: 5 5") + FILE, 400, "invalid_request"),
        (head("content-length: 0x10") + FILE, 400, "invalid_request"),
        (head("content-length: 1e3") + FILE, 400, "invalid_request"),
        (head("content-length: ") + FILE, 400, "invalid_request"),
        (head("content-length: " + "9" * 19) + FILE, 413, "upload_too_large"),
        (head("content-length: " + "9" * 5000) + FILE, 400, "invalid_request"),
        (head("content-length: 5", "content-length: 6") + FILE, 400, "invalid_request"),
        (head("content-length: 5, 6") + FILE, 400, "invalid_request"),
        (head("transfer-encoding: gzip") + FILE, 400, "invalid_request"),
        (head("transfer-encoding: gzip, chunked") + chunk(FILE) + b"0\r\n\r\n", 400, "invalid_request"),
        (head("transfer-encoding: chunked", "transfer-encoding: chunked") + FILE, 400, "invalid_request"),
        (head("transfer-encoding: xchunked") + FILE, 400, "invalid_request"),
        (head("transfer-encoding: chunked") + b"-1\r\n" + FILE, 400, None),
        (head("transfer-encoding: chunked") + b"ffffffffffffffffffff1\r\n" + FILE, 400, None),
        (head("transfer-encoding: chunked") + b"ffffffff\r\n" + FILE, 408, "request_timeout"),
        (head("transfer-encoding: chunked") + b"5;" + b"x" * 40_000, 400, None),
        (head("transfer-encoding: chunked") + chunk(FILE), 408, "request_timeout"),
    ],
    ids=lambda given: repr(given[100:150]) if isinstance(given, bytes) else "",
)  # fmt: skip
def test_a_length_that_is_wrong(small: Live, request_: bytes, status: int, code: str | None) -> None:
    reply = exchange(small, request_)
    assert reply.status == status, reply
    if code is not None:
        assert reply.code == code, reply
    eventually(lambda: nothing_left(small))


def test_a_chunked_body_with_a_length_beside_it_is_one_request_and_no_second(small: Live) -> None:
    """Request smuggling: whoever in front went by the length would take the rest for another request."""
    smuggled = b"DELETE /v1/transcriptions/x HTTP/1.1\r\nhost: localhost\r\n\r\n"
    for order in (
        ("transfer-encoding: chunked", "content-length: 4"),
        ("content-length: 4", "transfer-encoding: chunked"),
    ):
        reply = exchange(small, head(*order) + chunk(FILE) + b"0\r\n\r\n" + smuggled)
        assert reply.status in (202, 400)
        assert reply.body.count(b"HTTP/1.1") == 0, "it was answered twice"
        if reply.status == 202:
            assert reply.headers["connection"] == "close"
            with small.client() as client:
                client.delete(f"{JOBS}/{json.loads(reply.body)['id']}")
    assert nothing_left(small)


def test_a_client_that_waits_to_be_asked_is_asked(small: Live) -> None:
    with connected(small) as raw:
        raw.sendall(head("expect: 100-continue", f"content-length: {len(FILE)}"))
        assert raw.recv(100).startswith(b"HTTP/1.1 100")
        raw.sendall(FILE)
        reply = received(raw)
    assert reply.startswith(b"HTTP/1.1 202")
    with connected(small) as raw:
        raw.sendall(head("expect: 100-continue", "content-length: 999999999999"))
        assert received(raw).startswith(b"HTTP/1.1 413"), "refused without a byte of it"
    with small.client() as client:
        client.delete(f"{JOBS}/{json.loads(reply.partition(bytes([13, 10]) * 2)[2])['id']}")


B = BOUNDARY.encode()
FORMS = {
    "no end": file_part(),
    "nothing but the end": END,
    "10,000 parts": part("x", b"") * 10_000 + END,
    "10,000 parts without names": b"--%b\r\n\r\n\r\n" % B * 10_000 + END,
    "one field 10,000 times": part("language", b"en") * 10_000 + END,
    "a part without a name": b"--%b\r\nContent-Disposition: form-data\r\n\r\nx\r\n" % B + END,
    "a part of no form": b"--%b\r\nContent-Disposition: attachment; name=file\r\n\r\nx\r\n" % B + END,
    "a part without headers": b"--%b\r\n\r\nx\r\n" % B + END,
    "a header of 100 kB": b"--%b\r\nX: %b\r\n\r\nx\r\n" % (B, b"x" * 100_000) + END,
    "10,000 headers": b"--%b\r\n%b\r\nx\r\n" % (B, b"X: y\r\n" * 10_000) + END,
    "a header without an end": b"--%b\r\n%b" % (B, b"X" * 100_000),
    "a form in the form": part("x", file_part() + END) + END,
    "a mixed part": b"--%b\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y--\r\n" % B + END,
    "a field of 900 kB": file_part() + part("prompt", b"x" * 900_000) + END,
    "900 kB before the first boundary": b"x" * 900_000 + b"\r\n" + file_part() + END,
    "900 kB after the last boundary": file_part(b"") + END + b"x" * 900_000,
    "an unknown field": file_part() + part("nonsense", b"1") + END,
    "an unknown field of an odd name": file_part() + part("\u202e\0\n".encode(), b"1") + END,
    "a field that is no UTF-8": file_part() + part("prompt", b"\xff\xfe") + END,
    "a field with NUL": file_part() + part("metadata", b'{"a":"\\u0000"}') + END,
    "metadata that is a bomb": file_part() + part("metadata", b'{"a":' * 10_000 + b"1" + b"}" * 10_000) + END,
    "metadata of numbers": file_part() + part("metadata", b'{"a":1e999}') + END,
    "two files": file_part() * 2 + END,
    "a file of another name": part("audio", b"x", b'; filename="a"') + END,
    "line feeds alone": (file_part() + END).replace(b"\r\n", b"\n"),
    "a boundary with nothing behind it": b"--" + B,
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_form_that_is_a_trick(small: Live, form: bytes) -> None:
    reply = upload(small, form)
    assert reply.status in (400, 413, 422), reply
    assert reply.code in ("invalid_request", "invalid_option", "upload_incomplete", "empty_upload", "upload_too_large")
    assert len(reply.body) < 2000
    assert nothing_left(small)


def test_what_stands_behind_the_end_of_a_form_is_no_part_of_it(small: Live) -> None:
    reply = upload(small, file_part(b"sound") + END + file_part(b"more") + part("language", b"xx") + END)
    assert reply.status == 202
    job = json.loads(reply.body)
    assert job["options"]["language"] is None
    assert (small.settings.storage / job["id"] / "0-audio").read_bytes() == b"sound"


@pytest.mark.parametrize(
    "kind",
    [
        "multipart/form-data; boundary=" + "b" * 1000,
        'multipart/form-data; boundary=""',
        "multipart/form-data; boundary=\xff\xfe",
        f"multipart/form-data; boundary={BOUNDARY}; boundary=other",
        "multipart/form-data; charset=utf-7; boundary=x",
        "multipart/mixed; boundary=" + BOUNDARY,
        "multipart/form-data" + "; x=y" * 2000,
        "application/json; charset=utf-16",
        "application/x-www-form-urlencoded",
        "",
        "/",
        "\xff",
    ],
    ids=ascii,
)
def test_a_content_type_that_is_a_trick(small: Live, kind: str) -> None:
    body = file_part() + END
    lines = f"POST {JOBS} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {len(body)}\r\n"
    reply = exchange(small, (lines + f"content-type: {kind}\r\n\r\n").encode("latin-1") + body)
    assert reply.status in (400, 415, 422), reply
    assert nothing_left(small)


BOMBS = {
    "100,000 brackets": b"[" * 100_000,
    "60,000 brackets": b"[" * 60_000,
    "30,000 objects": b'{"a":' * 12_000,
    "brackets in the metadata": b'{"url":"http://x.example","metadata":' + b'{"a":' * 9_000 + b"1" + b"}" * 9_001,
    "a list of a million numbers": b'{"url":"http://x.example","a":[' + b"1," * 1_000_000 + b"1]}",
    "NaN": b'{"url":"http://x.example","temperature":NaN}',
    "infinity": b'{"url":"http://x.example","temperature":Infinity}',
    "a number too large": b'{"url":"http://x.example","temperature":1e999}',
    "an integer of 60,000 digits": b'{"url":"http://x.example","beam_size":' + b"9" * 60_000 + b"}",
    "an integer in the metadata": b'{"url":"http://x.example","metadata":{"a":' + b"9" * 60_000 + b"}}",
    "1e999 in the metadata": b'{"url":"http://x.example","metadata":{"a":1e999}}',
    "a key twice": b'{"url":"http://x.example","url":5}',
    "a lone surrogate": b'{"url":"http://x.example/\\ud800"}',
    "a lone surrogate in the metadata": b'{"url":"http://x.example","metadata":{"a":"\\udc00"}}',
    "a lone surrogate as a key": b'{"url":"http://x.example","\\ud800":1}',
    "no UTF-8": b'{"url":"http://x.example/\xff"}',
    "UTF-16": '{"url":"http://x.example"}'.encode("utf-16"),
    "a mark of byte order": b'\xef\xbb\xbf{"url":"http://x.example"}',
    "a list": b"[]",
    "a number": b"5",
    "null": b"null",
    "nothing": b"",
    "spaces": b" " * 60_000,
    "both": b'{"url":"http://x.example","path":"/x"}',
    "neither": b"{}",
    "a list for a URL": b'{"url":["http://x.example"]}',
    "an object for a URL": b'{"url":{"toString":"http://x.example"}}',
    "what is no option": b'{"url":"http://x.example","__proto__":{"a":1},"constructor":1}',
    "options of other kinds": b'{"url":"http://x.example","beam_size":[],"language":{}}',
    "half of it": b'{"url":"http://x.exam',
}  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_json_that_is_a_bomb(small: Live, bomb: bytes) -> None:
    reply = upload(small, bomb, kind="application/json")
    assert reply.status in (400, 413, 422), reply
    assert reply.code in ("invalid_request", "invalid_option", "upload_too_large")
    assert len(reply.body) < 2000


def test_50_mb_of_json_are_refused_at_once(small: Live) -> None:
    began = time.monotonic()
    with connected(small) as raw:
        raw.sendall(head("content-length: 50000000", kind="application/json") + b'{"a":[' + b"1," * 40_000)
        answer = raw.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413")
    assert time.monotonic() - began < 10


STAGES = {
    "the head": head("content-length: 100000", "idempotency-key: cut")[:-20],
    "before the body": head("content-length: 100000", "idempotency-key: cut"),
    "in the first boundary": head("content-length: 100000", "idempotency-key: cut") + b"--front",
    "in a part's head": head("content-length: 100000", "idempotency-key: cut") + file_part()[:40],
    "in the file": head("content-length: 700000", "idempotency-key: cut") + file_part(b"x" * 500_000)[:-200_000],
    "in the last boundary": head(f"content-length: {len(FILE)}", "idempotency-key: cut") + FILE[:-3],
    "in a chunk": head("transfer-encoding: chunked", "idempotency-key: cut") + chunk(FILE)[:-9],
    "between chunks": head("transfer-encoding: chunked", "idempotency-key: cut") + chunk(FILE[:-200]),
    "before the last chunk": head("transfer-encoding: chunked", "idempotency-key: cut") + chunk(FILE),
}


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
@pytest.mark.parametrize("abruptly", [False, True], ids=["closed", "reset"])
def test_a_client_that_vanishes_leaves_nothing_and_its_key_is_free(small: Live, stage: bytes, abruptly: bool) -> None:
    with connected(small) as raw:
        if abruptly:
            raw.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER of 0 s: closing resets
        raw.sendall(stage)
    eventually(lambda: nothing_left(small))
    with small.client() as client:
        assert client.get(JOBS).json()["data"] == []

        def again() -> httpx.Response | None:
            answer = client.post(JOBS, files={"file": ("b.wav", b"y")}, headers={"idempotency-key": "cut"})
            return None if answer.status_code == 409 else answer

        answer = eventually(again)
        assert answer.status_code == 202
        assert client.delete(f"{JOBS}/{answer.json()['id']}").status_code == 204
    eventually(lambda: nothing_left(small))

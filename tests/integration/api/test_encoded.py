"""A body with a Content-Encoding is refused by every contract, not stored as if it were the audio itself."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.api.live import Live, live

SOUND = b"RIFF" + bytes(100)
FORM = {"content-type": "multipart/form-data; boundary=x"}
ADDRESS = "/api/v1/audio/presigned-url"


@pytest.fixture(scope="module")
def encoded_api(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[Live]:
    anonymous = ["gateway-read", "backend", "path"]
    with live(tmp_path_factory.mktemp("encoded"), migrated=migrated, anonymous=anonymous) as one:
        yield one


@pytest.fixture
def client(encoded_api: Live) -> Iterator[httpx.Client]:
    with encoded_api.client() as client:
        yield client


def form(field: str = "file") -> bytes:
    named = f'--x\r\nContent-Disposition: form-data; name="{field}"; filename="a.wav"\r\n\r\n'.encode()
    return named + SOUND + b"\r\n--x--\r\n"


def refused(answer: httpx.Response) -> None:
    assert answer.status_code == 415, answer.text
    assert answer.headers["accept-encoding"] == "identity"
    assert "Send it unencoded" in answer.text


def everything(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*") if path.is_file() and "dictograph.db" not in path.name}


@pytest.mark.parametrize(
    ("route", "field"),
    [
        ("/v1/transcriptions", "file"),
        ("/v1/audio/transcriptions", "file"),
        ("/upload", "file"),
        ("/asr", "audio_file"),
        ("/detect-language", "audio_file"),
    ],
)
def test_an_encoded_form_is_refused_and_leaves_nothing(
    encoded_api: Live, client: httpx.Client, route: str, field: str
) -> None:
    before = everything(encoded_api.settings.data_dir)
    for coding in ("gzip", "identity, br", "DEFLATE"):
        body = gzip.compress(form(field))
        refused(client.post(route, content=body, headers={**FORM, "content-encoding": coding}))
    refused(client.post(route, content=form(field), headers={**FORM, "content-encoding": "gzip"}))
    assert everything(encoded_api.settings.data_dir) == before


def test_it_has_a_code_that_stays(client: httpx.Client) -> None:
    for route in ("/v1/transcriptions", "/v1/audio/transcriptions"):
        error = client.post(route, content=form(), headers={**FORM, "content-encoding": "gzip"}).json()["error"]
        assert (error["code"], error["param"]) == ("unsupported_encoding", "content-encoding")


@pytest.mark.parametrize("coding", ["identity", "Identity", ""])
def test_identity_is_no_encoding(client: httpx.Client, coding: str) -> None:
    for route in ("/v1/transcriptions", "/upload"):
        answer = client.post(route, content=form(), headers={**FORM, "content-encoding": coding})
        assert answer.is_success, answer.text


def test_json_that_is_encoded_is_refused(client: httpx.Client) -> None:
    json: dict[str, Any] = {"headers": {"content-type": "application/json", "content-encoding": "gzip"}}
    refused(client.post("/v1/transcriptions", content=gzip.compress(b'{"path": "/a.wav"}'), **json))
    refused(client.post(ADDRESS, content=gzip.compress(b'{"filename": "a.wav", "file_size": 1}'), **json))


def test_an_address_to_upload_to_takes_nothing_encoded_and_can_be_used_afterwards(client: httpx.Client) -> None:
    wanted = {"filename": "a.wav", "content_type": "audio/wav", "file_size": len(SOUND)}
    url = client.post(ADDRESS, json=wanted).json()["url"]
    kind = {"content-type": "audio/wav"}
    refused(client.put(url, content=gzip.compress(SOUND), headers={**kind, "content-encoding": "gzip"}))
    assert client.put(url, content=SOUND, headers={**kind, "content-encoding": "identity"}).status_code == 200

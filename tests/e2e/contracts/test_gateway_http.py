"""The gateway's contract over HTTP, as its scripts and web clients call it."""

from __future__ import annotations

import json
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
import requests

from tests.needs import need
from tests.service import Service, eventually, service

TALK = Path(__file__).parents[3] / "src" / "dictograph" / "samples" / "count.wav"
KEY = "letmein"
LIMIT = 200_000


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with service(
        tmp_path_factory.mktemp("gateway"),
        listen="gateway@127.0.0.1:0,gateway@127.0.0.1:0",
        anonymous="gateway-read",
        gateway_api_key=KEY,
        gateway_max_upload=LIMIT,
    ) as up:
        yield up.wait_until_ready()


def upload(one: Service, name: str, data: bytes, key: str | None = KEY) -> requests.Response:
    headers = {} if key is None else {"X-API-Key": key}
    return requests.post(f"{one.base}/upload", files={"file": (name, data)}, headers=headers, timeout=30)


def status(one: Service, request_id: str) -> dict[str, Any]:
    answer = requests.get(f"{one.base}/status/{request_id}", timeout=30)
    assert answer.status_code == 200, answer.text
    shape: dict[str, Any] = answer.json()
    return shape


def ended(one: Service, request_id: str) -> dict[str, Any]:
    shape: dict[str, Any] = {}

    def look() -> bool:
        shape.update(status(one, request_id))
        return "result" in shape or "error" in shape

    eventually(look)
    return shape


@pytest.mark.contract("gateway", "GET /health", "200 while the process lives, with the state of the broker")
def test_health(one: Service) -> None:
    answer = requests.get(f"{one.base}/health", timeout=30)
    assert answer.status_code == 200
    assert answer.json() == {"status": "Audio-Gateway is healthy", "kafka": "disconnected"}


@pytest.mark.contract("gateway", "POST /upload", "202 with message, request_id and original_filename")
@pytest.mark.contract("gateway", "GET /status/{request_id}", "state, progress and websocket_url, then the result")
def test_an_upload_becomes_a_transcript(one: Service) -> None:
    answer = upload(one, "talk.mp3", TALK.read_bytes())  # another name: the content decides
    assert answer.status_code == 202
    shape = answer.json()
    request = shape.pop("request_id")
    assert str(UUID(request)) == request
    assert shape == {"message": "Audio file queued for transcription", "original_filename": "talk.mp3"}
    address = f"ws://{urlsplit(one.base).netloc}"
    early = status(one, request)
    assert early.keys() >= {"request_id", "status", "progress", "message", "websocket_url"}
    late = ended(one, request)
    assert late.keys() == {"request_id", "status", "progress", "message", "websocket_url", "result"}
    assert (late["request_id"], late["status"], late["progress"]) == (request, "completed", 1)
    assert late["websocket_url"] == early["websocket_url"] == address
    result = late["result"]
    assert re.fullmatch(r"[0-9a-f]{16}", result["transcription"])
    assert result["audio_duration_minutes"] == 0.05
    assert result.keys() == {
        "audio_duration_minutes",
        "transcription_word_count",
        "estimated_reading_time_minutes",
        "transcription",
        "prompts",
    }
    assert result["prompts"].keys() == {"summary_tasks_and_todos", "presentation_structure", "journalistic_summary"}


@pytest.mark.contract("gateway", "POST /upload", "as curl sends it")
def test_curl_uploads(one: Service) -> None:
    form = ["-F", f"file=@{TALK};filename=Grüße & co.WAV"]
    done = subprocess.run(
        [need("curl"), "-sS", "-H", f"X-API-Key: {KEY}", *form, "-w", "\n%{http_code}", f"{one.base}/upload"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    body, _, code = done.stdout.rpartition("\n")
    assert code == "202"
    assert json.loads(body)["original_filename"] == "Grüße & co.WAV"


@pytest.mark.contract("gateway", "POST /upload", "401 Unauthorized, before the body is taken")
@pytest.mark.parametrize("key", [None, "wrong", ""])
def test_a_key_is_needed(one: Service, key: str | None) -> None:
    answer = upload(one, "talk.wav", b"sound", key)
    assert (answer.status_code, answer.json()) == (401, {"error": "Unauthorized"})


def test_without_a_key_no_body_is_waited_for(one: Service) -> None:
    parts = urlsplit(one.base)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as raw:
        raw.sendall(
            f"POST /upload HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: multipart/form-data; boundary=x\r\n"
            "Content-Length: 100000\r\n\r\n".encode()
        )
        assert raw.recv(65536).startswith(b"HTTP/1.1 401 ")


@pytest.mark.contract("gateway", "POST /upload", "400 No file part, No selected file, Invalid file type")
@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"files": {"audio": ("talk.wav", b"x")}}, "No file part"),
        ({"files": {"note": (None, "a field")}}, "No file part"),
        ({"data": {"file": "a field"}}, "No file part"),
        ({"json": {"file": "talk.wav"}}, "No file part"),
        ({}, "No file part"),
        ({"data": b"nothing", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, "No file part"),
        ({"data": b'--x\r\nContent-Disposition: form-data; name="file"; filename=""\r\n\r\n\r\n--x--\r\n',
          "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, "No selected file"),
        ({"files": {"file": ("notes.txt", b"x")}}, "Invalid file type. Allowed: "),
        ({"files": {"file": ("mp3", b"x")}}, "Invalid file type. Allowed: "),
        ({"files": {"file": ("talk.mp3.exe", b"x")}}, "Invalid file type. Allowed: "),
    ],
)  # fmt: skip
def test_what_is_no_upload_is_refused(one: Service, given: dict[str, Any], error: str) -> None:
    headers = {"X-API-Key": KEY, **given.pop("headers", {})}
    answer = requests.post(f"{one.base}/upload", headers=headers, timeout=30, **given)
    assert answer.status_code == 400, answer.text
    assert answer.json().keys() == {"error"}
    assert answer.json()["error"].startswith(error)
    if error.startswith("Invalid"):
        assert {"mp3", "wav", "m4a", "ogg", "webm"} <= set(re.findall(r"\w+", answer.json()["error"]))


@pytest.mark.contract("gateway", "POST /upload", "413 above the contract's own limit")
def test_the_limit_is_the_contracts_own(one: Service) -> None:
    assert upload(one, "talk.wav", b"x" * LIMIT).status_code == 202
    answer = upload(one, "talk.wav", b"x" * (LIMIT + 1))
    assert answer.status_code == 413
    assert answer.json().keys() == {"error"}
    assert upload(one, "talk.wav", b"x" * 3_000_000).status_code == 413


@pytest.mark.contract("gateway", "GET /status/{request_id}", "200 with status unknown for an id it never gave")
@pytest.mark.parametrize("given", ["6b3f0e0e-0000-4000-8000-000000000000", "nothing", "a b", "x" * 200])
def test_an_unknown_request(one: Service, given: str) -> None:
    shape = status(one, given)
    assert shape.keys() == {"request_id", "status", "message", "websocket_url"}
    assert (shape["request_id"], shape["status"]) == (given, "unknown")


@pytest.mark.contract("gateway", "GET /status/{request_id}", "with the error of a request that failed")
def test_text_named_as_audio_is_accepted_and_fails(one: Service) -> None:
    answer = upload(one, "test.mp3", b"This is text and no sound at all.\n" * 50)
    assert answer.status_code == 202
    shape = ended(one, answer.json()["request_id"])
    assert shape.keys() == {"request_id", "status", "progress", "message", "websocket_url", "error"}
    assert (shape["status"], shape["error"]) == ("failed", "Audio file is corrupted or unreadable")
    assert shape["progress"] == 0

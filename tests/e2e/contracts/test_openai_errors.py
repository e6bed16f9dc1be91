"""Errors of OpenAI's audio API: their four keys, their statuses, and what the package makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import openai
import pytest
import requests
from openai import OpenAI

from tests.e2e.contracts.spoken import long, short
from tests.service import Service, eventually, service

TRANSCRIPTIONS = "POST /v1/audio/transcriptions"
PATH = "/v1/audio/transcriptions"
SMALL = 4 * 2**20


def shows(row: str, what: str) -> pytest.MarkDecorator:
    return pytest.mark.contract("openai", row, what)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with service(tmp_path_factory.mktemp("openai"), max_upload=SMALL) as one:
        yield one.wait_until_ready()


@pytest.fixture(scope="module")
def client(one: Service) -> Iterator[OpenAI]:
    with OpenAI(api_key="sk-none", base_url=f"{one.base}/v1") as client:
        yield client


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return short(tmp_path_factory.mktemp("audio"), seed=8)[0]


def error_of(answer: requests.Response) -> dict[str, Any]:
    """The error of an answer, whose shape never differs."""
    body = answer.json()
    assert set(body) == {"error"}
    error: dict[str, Any] = body["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert isinstance(error["message"], str)
    assert isinstance(error["type"], str)
    assert answer.headers["x-request-id"]
    return error


@shows(TRANSCRIPTIONS, "a bad or missing field, or what cannot be done here, is 400 and named in `param`")
@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "model"),
        ({"model": ""}, "model"),
        ({"response_format": "pdf"}, "response_format"),
        ({"response_format": "diarized_json"}, "response_format"),
        ({"timestamp_granularities[]": "word"}, "response_format"),
        ({"timestamp_granularities[]": "letter", "response_format": "verbose_json"}, "timestamp_granularities[]"),
        ({"include[]": "logprobs"}, "include[]"),
        ({"known_speaker_names[]": "Ada"}, "known_speaker_names[]"),
        ({"languages[]": ["de", "klingon"]}, "languages[]"),
        ({"language": "klingon"}, "language"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": "1.5"}, "temperature"),
        ({"stream": "perhaps"}, "stream"),
        ({"chunking_strategy": "{"}, "chunking_strategy"),
        ({"chunking_strategy": '{"type": "server_vad", "threshold": 7}'}, "chunking_strategy"),
    ],
)
def test_bad_fields(one: Service, audio: Path, fields: dict[str, Any], param: str) -> None:
    form = fields if param == "model" else {"model": "whisper-1", **fields}
    with audio.open("rb") as file:
        answer = requests.post(one.base + PATH, data=form, files={"file": file}, timeout=60)
    assert answer.status_code == 400
    error = error_of(answer)
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert param.rstrip("s[]") in error["message"] or param == "chunking_strategy"


@shows(TRANSCRIPTIONS, "an unknown model is 404 `model_not_found`")
def test_unknown_model(client: OpenAI, audio: Path) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.audio.transcriptions.create(model="whisper-9", file=audio)
    assert (caught.value.code, caught.value.type, caught.value.param) == (
        "model_not_found", "invalid_request_error", "model",
    )  # fmt: skip


@shows("GET /v1/models/{model_id:path}", "an unknown model is 404 `model_not_found`")
@pytest.mark.parametrize("name", ["whisper-9", "openai/whisper-9", "whisper-1x"])
def test_unknown_model_is_not_found(client: OpenAI, name: str) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve(name)
    assert caught.value.code == "model_not_found"


@shows(TRANSCRIPTIONS, "an empty file, none, and one that is no audio are 400; nothing of them is tried again")
def test_bad_files(one: Service, client: OpenAI) -> None:
    jobs = len(one.get("/v1/transcriptions").json()["data"])
    with pytest.raises(openai.BadRequestError) as caught:
        client.audio.transcriptions.create(model="whisper-1", file=("a.mp3", b""))
    assert caught.value.code == "empty_upload"
    with pytest.raises(openai.BadRequestError) as caught:
        client.audio.transcriptions.create(model="whisper-1", file=("a.mp3", b"this is text"))
    assert (caught.value.code, caught.value.type) == ("unsupported_format", "invalid_request_error")
    answer = requests.post(one.base + PATH, data={"model": "whisper-1"}, files={"other": b"x"}, timeout=60)
    assert (answer.status_code, error_of(answer)["param"]) == (400, "file")
    newest, *_ = one.get("/v1/transcriptions").json()["data"]
    assert (newest["status"], newest["attempt"]) == ("failed", 1)
    assert len(one.get("/v1/transcriptions").json()["data"]) == jobs + 1


@shows("POST /v1/audio/translations", "what an engine cannot do (translate, a language) is 400, by name")
@pytest.mark.parametrize(("call", "fields"), [("translations", {}), ("transcriptions", {"language": "de"})])
def test_what_an_engine_cannot_do(one: Service, audio: Path, call: str, fields: dict[str, str]) -> None:
    with audio.open("rb") as file:
        form = {"model": "whisper-1", **fields}
        answer = requests.post(f"{one.base}/v1/audio/{call}", data=form, files={"file": file}, timeout=60)
    assert (answer.status_code, error_of(answer)["code"]) == (400, "unsupported_by_engine")


@shows(TRANSCRIPTIONS, "a stream of what is no audio is 400 as well")
def test_a_stream_that_never_begins(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError):
        client.audio.transcriptions.create(model="whisper-1", file=("a.mp3", b"some more text"), stream=True)


@shows(TRANSCRIPTIONS, "a file that is too large is 413")
def test_too_large(one: Service) -> None:
    files = {"file": ("a.wav", b"\0" * (SMALL + 1))}
    answer = requests.post(one.base + PATH, data={"model": "whisper-1"}, files=files, timeout=60)
    assert answer.status_code == 413
    error = error_of(answer)
    assert (error["type"], error["code"]) == ("invalid_request_error", "upload_too_large")


@shows(TRANSCRIPTIONS, "a body that is no form has the same shape of error")
@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [("application/json", b"{}", 415), ("multipart/form-data; boundary=x", b"junk", 400), ("", b"", 415)],
)
def test_no_form(one: Service, kind: str, body: bytes, status: int) -> None:
    answer = requests.post(one.base + PATH, data=body, headers={"content-type": kind}, timeout=60)
    assert answer.status_code == status
    error_of(answer)


@shows(TRANSCRIPTIONS, "the wrong method is 405 with `Allow`")
@pytest.mark.parametrize("path", [PATH, "/v1/audio/translations"])
def test_wrong_method(one: Service, path: str) -> None:
    answer = requests.get(one.base + path, timeout=60)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    error_of(answer)


@shows("GET /v1/models/{model_id:path}", "a model cannot be changed")
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_models_cannot_be_changed(one: Service, method: str) -> None:
    answer = requests.request(method, f"{one.base}/v1/models/whisper-1", timeout=60)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    error_of(answer)


@shows("an address that is not there", "is 404 in the same shape, under all of /v1/audio")
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_unknown_address(one: Service, method: str) -> None:
    answer = requests.request(method, f"{one.base}/v1/audio/speech", timeout=60)
    assert (answer.status_code, error_of(answer)["code"]) == (404, "unknown_url")


@shows(TRANSCRIPTIONS, "a page of another origin, and a foreign Host, are 403")
@pytest.mark.parametrize("header", [{"origin": "https://evil.example"}, {"host": "evil.example"}])
def test_strangers(one: Service, header: dict[str, str]) -> None:
    answer = requests.post(one.base + PATH, headers=header, timeout=60)
    assert answer.status_code == 403
    error_of(answer)


@shows(TRANSCRIPTIONS, "an engine that fails for good is 500, which the package does not try again")
def test_engine_trouble(one: Service, client: OpenAI, tmp_path: Path) -> None:
    audio, _ = short(tmp_path, seed=9)
    one.behave()
    answer = client.audio.transcriptions.create(model="whisper-1", file=audio)
    one.behave(raise_on=answer.text.split())
    before = len(one.get("/v1/transcriptions").json()["data"])
    with pytest.raises(openai.InternalServerError) as caught:
        client.audio.transcriptions.create(model="whisper-1", file=audio, prompt="again")
    one.behave()
    assert (caught.value.code, caught.value.type) == ("engine_failed", "server_error")
    assert caught.value.response.headers["x-should-retry"] == "false"
    jobs = one.get("/v1/transcriptions").json()["data"]
    assert (len(jobs), jobs[0]["attempt"]) == (before + 1, 3)


@shows(TRANSCRIPTIONS, "a job that somebody cancels is 400, and not tried again")
def test_cancelled(one: Service, client: OpenAI, tmp_path: Path) -> None:
    audio, _ = short(tmp_path, seed=10)
    one.behave(delay=20)
    with _cancelling(one), pytest.raises(openai.BadRequestError) as caught:
        client.audio.transcriptions.create(model="whisper-1", file=audio)
    one.behave()
    assert caught.value.code == "job_state_conflict"


@shows(TRANSCRIPTIONS, "with a stream, what goes wrong in the middle is its last event")
def test_a_stream_that_breaks(one: Service, client: OpenAI, tmp_path: Path) -> None:
    audio = long(tmp_path, seed=11, windows=3)
    *good, bad = client.audio.transcriptions.create(model="whisper-1", file=audio).text.split()
    one.behave(raise_on=[bad], max_batch=1)
    stream = client.audio.transcriptions.create(model="whisper-1", file=audio, stream=True, prompt="again")
    deltas = [getattr(next(stream), "delta", None) for _ in good]
    with pytest.raises(openai.APIError) as caught:
        next(stream)
    one.behave()
    assert "".join(map(str, deltas)).split() == good
    assert caught.value.code == "engine_failed"


@contextmanager
def _cancelling(one: Service) -> Iterator[None]:
    """Cancels the next job that runs."""

    def cancel() -> None:
        [job] = eventually(lambda: one.get("/v1/transcriptions?status=processing").json()["data"])
        assert one.post(f"/v1/transcriptions/{job['id']}/cancel").status_code == 200

    thread = Thread(target=cancel)
    thread.start()
    try:
        yield
    finally:
        thread.join()

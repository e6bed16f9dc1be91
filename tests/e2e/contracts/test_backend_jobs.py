"""Jobs of the backend's contract: made of uploads, looked up, listed; and its errors."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from uuid import uuid4

import numpy as np
import pytest
import requests

from tests.audio_files import write_noise, write_wav
from tests.e2e.contracts.backend_client import SETTINGS, Backend
from tests.service import TINY, eventually, service
from tests.speech import say

TRANSCRIBE, STATUS = "POST /api/v1/job/transcribe", "GET /api/v1/job/status/{job_id}"
READ = "GET /api/v1/job/read"
JOB = (
    "id", "filename", "status", "creation_date", "update_date", "result_text", "processing_time_seconds",
    "error_message", "url", "description", "whisper_model", "language", "language_probability", "duration", "progress",
    "segments", "words",
)  # fmt: skip


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    with service(tmp_path_factory.mktemp("service"), **SETTINGS) as up:
        yield Backend(up)


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noise(tmp_path_factory.mktemp("audio") / "my talk (1).wav", 2, 1)


@pytest.mark.contract("backend", TRANSCRIBE, "200 with the job, pending, in every field")
def test_a_new_job_has_its_shape(backend: Backend, audio: Path) -> None:
    url = backend.uploaded(audio)
    answer = backend.transcribe(filename=audio.name, url=url, description="a trial", language="en")
    assert answer.status_code == 200
    job = answer.json()
    assert tuple(job) == JOB
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", job["id"])
    assert (job["filename"], job["status"], job["progress"]) == (audio.name, "pending", 0)
    assert (job["description"], job["language"]) == ("a trial", "en")
    assert job["result_text"] is job["error_message"] is job["processing_time_seconds"] is None
    assert job["url"] == urlunsplit(urlsplit(url)._replace(query=""))
    for date in (job["creation_date"], job["update_date"]):
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", date)


@pytest.mark.contract("backend", STATUS, "200 with the job; completed, it has its text")
def test_a_completed_job(backend: Backend, audio: Path) -> None:
    job = backend.done(audio)
    assert tuple(job) == JOB
    assert re.fullmatch(r"[0-9a-f]{16}", job["result_text"])
    assert job["progress"] == 100
    assert isinstance(job["processing_time_seconds"], int)
    assert job["error_message"] is None
    assert job["duration"] == 2.0


@pytest.mark.parametrize("form", ["as given", "other order", "no signature", "other host", "path", "object"])
@pytest.mark.contract(
    "backend", TRANSCRIBE, "`url` as it was given, in another order, without its signature, or `object`"
)
def test_an_upload_can_be_named_in_many_ways(backend: Backend, audio: Path, form: str) -> None:
    given = backend.uploaded(audio)
    parts = urlsplit(given)
    slot = parts.path.split("/")[5]
    url = {
        "as given": given,
        "other order": urlunsplit(parts._replace(query=urlencode(list(reversed(parse_qsl(parts.query)))))),
        "no signature": urlunsplit(parts._replace(query="")),
        "other host": urlunsplit(parts._replace(netloc="stt.example.org", scheme="https")),
        "path": parts.path,
        "object": f"uploads/{slot}/{audio.name}",
    }[form]
    answer = backend.transcribe(filename=audio.name, url=url)
    assert answer.status_code == 200, answer.text
    assert backend.ended(answer.json()["id"])["status"] == "completed"


@pytest.mark.contract("backend", TRANSCRIBE, "one upload may have several jobs, with a text each")
def test_two_jobs_of_one_upload(backend: Backend, audio: Path) -> None:
    url = backend.uploaded(audio)
    jobs = [backend.transcribe(filename=audio.name, url=url).json()["id"] for _ in range(2)]
    texts = {backend.ended(job)["result_text"] for job in jobs}
    assert len(set(jobs)) == 2
    assert len(texts) == 1


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("s3://bucket/talk.mp3", "No bucket"), ("S3://bucket/talk.mp3", "No bucket"), ("ftp://example.org/a", "http"),
        ("talk.mp3", "http"), ("file:///etc/passwd", "http"), ("http://[", "URL"), ("uploads/nobody/a.mp3", "upload"),
        ("/api/v1/audio/object/9bd4d69e-1bba-4169-b5ad-16dfcc0be0df/talk.mp3", "upload"),
    ],
)  # fmt: skip
@pytest.mark.contract("backend", TRANSCRIBE, '400 `{"detail"}` for what cannot be read, a bucket that is not there too')
def test_what_is_no_upload_is_refused(backend: Backend, url: str, words: str) -> None:
    answer = backend.transcribe(filename="talk.mp3", url=url)
    assert answer.status_code == 400, answer.text
    assert words in answer.json()["detail"]


@pytest.mark.contract("backend", TRANSCRIBE, "400 while nothing has been uploaded")
def test_an_address_without_a_file_is_refused(backend: Backend, audio: Path) -> None:
    answer = backend.transcribe(filename=audio.name, url=backend.url_for(audio))
    assert answer.status_code == 400
    assert "uploaded" in answer.json()["detail"]


@pytest.mark.contract("backend", TRANSCRIBE, "other URLs are fetched, by the guard's rules; the reason is in the job")
def test_a_url_inside_the_network_is_not_fetched(backend: Backend) -> None:
    answer = backend.transcribe(filename="talk.wav", url=f"{backend.base}/health?secret=1")
    assert answer.status_code == 200, answer.text
    job = backend.ended(answer.json()["id"])
    assert (job["status"], job["filename"]) == ("failed", "talk.wav")
    assert "127.0.0.1" in job["error_message"]
    assert "secret" not in str(job)


@pytest.mark.parametrize(
    "body",
    [
        {}, [], {"filename": "a.mp3"}, {"url": "uploads/x/a.mp3"}, {"filename": 1, "url": "uploads/x/a"},
        {"filename": "a.mp3", "url": None}, {"filename": "a.mp3", "url": "uploads/x/a.mp3", "language": "no such"},
        {"filename": "a.mp3", "url": "uploads/x/a.mp3", "beam_size": 99}, {"filename": "", "url": "uploads/x/a"},
        {"filename": "a.mp3", "url": "uploads/x/a.mp3", "mode": 3},
        {"filename": "a.mp3", "url": "uploads/x/a.mp3", "webhook_url": "ftp://x"},
    ],
)  # fmt: skip
@pytest.mark.contract("backend", TRANSCRIBE, '422 `{"detail"}` for a body that is not of the form')
def test_a_body_that_is_not_of_the_form(backend: Backend, body: Any) -> None:
    answer = requests.post(f"{backend.base}/api/v1/job/transcribe", json=body, timeout=30)
    assert answer.status_code == 422, answer.text
    assert isinstance(answer.json()["detail"], str)


@pytest.mark.contract(
    "backend", TRANSCRIBE, "fields that nobody knows are left alone; options of the native API are taken"
)
def test_more_fields(backend: Backend, audio: Path) -> None:
    job = backend.job_of(audio, user_id=17, mode="", beam_size="3", language=None, prompt="Digits.")
    found = backend.service.rows(
        "SELECT options, limits, contract, owner FROM transcription_job WHERE id = ?", job["id"]
    )
    options, limits, contract, owner = found[0]
    assert json.loads(options)["beam_size"] == 3
    assert json.loads(options)["prompt"] == "Digits."
    assert json.loads(limits)["max_bytes"] == 10 * 2**20
    assert (contract, owner) == ("backend", "backend")


@pytest.mark.contract("backend", TRANSCRIBE, "`mode` names the model; one that cannot be had is no other's job")
def test_a_model_that_is_not_offered(backend: Backend, audio: Path) -> None:
    answer = backend.transcribe(filename=audio.name, url=backend.uploaded(audio), mode="no-such-model")
    assert answer.status_code == 422
    assert "no-such-model" in answer.json()["detail"]


@pytest.mark.contract("backend", STATUS, "failed: the reason in `error_message`")
def test_a_file_that_is_no_audio(backend: Backend, tmp_path: Path) -> None:
    text = tmp_path / "notes.wav"
    text.write_text("These are words, but nobody says them.")
    job = backend.ended(backend.job_of(text)["id"])
    assert job["status"] == "failed"
    assert job["error_message"]
    assert job["result_text"] is None


@pytest.mark.contract("backend", STATUS, "a cancelled job has failed, with that as its reason")
def test_a_cancelled_job(backend: Backend, audio: Path) -> None:
    backend.service.behave(delay=3)
    try:
        job = backend.job_of(audio)["id"]
        eventually(lambda: backend.status(job)["status"] == "processing")
        backend.cancel(job)
        ended = backend.ended(job)
        assert (ended["status"], ended["error_message"]) == ("failed", "The job was cancelled.")
    finally:
        backend.service.behave()


@pytest.mark.contract("backend", STATUS, '404 `{"detail"}` for an unknown job, and for one of another contract')
def test_an_unknown_job(backend: Backend, audio: Path) -> None:
    native = backend.service.submit(audio)
    for job in (str(uuid4()), "x", "..", native, "a" * 500):
        answer = requests.get(f"{backend.base}/api/v1/job/status/{job}", timeout=30)
        assert answer.status_code == 404, job
        assert answer.json().keys() == {"detail"}


@pytest.mark.contract("backend", STATUS, '500 `{"detail"}` for a fault of ours, which stands in the log alone')
def test_a_fault_says_nothing_of_what_it_was(backend: Backend, audio: Path) -> None:
    job = backend.done(audio)["id"]
    with closing(sqlite3.connect(urlsplit(backend.service.database).path)) as database:
        database.execute("UPDATE transcription_job SET creation_date = 'never' WHERE id = ?", (job,))
        database.commit()
        answer = requests.get(f"{backend.base}/api/v1/job/status/{job}", timeout=30)
        database.execute("DELETE FROM transcription_job WHERE id = ?", (job,))
        database.commit()
    assert (answer.status_code, answer.json()) == (500, {"detail": "Internal server error"})
    assert "Traceback" in backend.service.words_of_log()


@pytest.mark.contract("backend", READ, "200, a bare array, newest first, of the caller's own jobs alone")
@pytest.mark.contract("backend", READ, "`limit` and `cursor`, with a `Link` to the next page")
def test_the_list_of_jobs(backend: Backend, audio: Path) -> None:
    native = backend.service.submit(audio)
    mine = [backend.done(audio)["id"] for _ in range(3)]
    url, seen = f"{backend.base}/api/v1/job/read", list[dict[str, Any]]()
    whole = requests.get(url, timeout=30)
    assert isinstance(whole.json(), list)
    assert [job["id"] for job in whole.json()[:3]] == mine[::-1]
    assert native not in [job["id"] for job in whole.json()]
    assert all(tuple(job) == JOB for job in whole.json())
    assert whole.json()[0]["result_text"]
    next_page = f"{url}?limit=2"
    while next_page:
        answer = requests.get(next_page, timeout=30)
        assert len(answer.json()) <= 2
        seen += answer.json()
        next_page = answer.links.get("next", {}).get("url", "")
    assert seen == whole.json()
    for bad in ("limit=0", "limit=x", "limit=100000", "cursor=bad"):
        assert requests.get(f"{url}?{bad}", timeout=30).status_code == 422, bad


@pytest.mark.contract("backend", "GET /", "200 with a JSON `message`")
@pytest.mark.contract("backend", "GET /api/v1", "200 with a JSON `message`")
def test_the_health_checks(backend: Backend) -> None:
    for path in ("/", "/api/v1"):
        answer = requests.get(backend.base + path, timeout=30)
        assert answer.status_code == 200
        assert isinstance(answer.json()["message"], str)


@pytest.mark.contract(
    "backend", "OPTIONS /api/v1/{rest:path}", "public; what is not there is a 404 in this contract's shape"
)
def test_addresses_that_are_not_there(backend: Backend) -> None:
    options = requests.options(f"{backend.base}/api/v1/job/transcribe", timeout=30)
    assert (options.status_code, options.headers["allow"]) == (204, "POST, OPTIONS")
    missing = requests.get(f"{backend.base}/api/v1/no/such", timeout=30)
    assert (missing.status_code, missing.json().keys()) == (404, {"detail"})
    wrong = requests.delete(f"{backend.base}/api/v1/job/read", timeout=30)
    assert (wrong.status_code, wrong.json().keys(), wrong.headers["allow"]) == (405, {"detail"}, "GET")


@pytest.mark.contract("backend", STATUS, "language with probability, segments with their figures, words with theirs")
def test_what_whisper_has_to_say(tmp_path: Path) -> None:
    spoken = np.concatenate([np.zeros(8000, np.int16), say("one two three"), np.zeros(8000, np.int16)])
    audio = write_wav(tmp_path / "digits.wav", spoken)
    with service(tmp_path, engine="whisper", model=TINY, extra_engines="", anonymous="backend") as up:
        job = Backend(up).done(audio)
    assert job["result_text"] == "one two three"
    assert job["language"] == "en"
    assert 0 < job["language_probability"] <= 1
    assert job["segments"][0].keys() >= {
        "id", "start", "end", "text", "avg_logprob", "compression_ratio", "no_speech_prob", "temperature",
    }  # fmt: skip
    assert [word["word"] for word in job["words"]] == ["one", "two", "three"]
    assert all(0 <= word["start"] < word["end"] <= job["duration"] and word["probability"] > 0 for word in job["words"])
    assert job["whisper_model"]

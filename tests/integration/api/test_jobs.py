"""The native routes of jobs, over a real socket."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from dictograph import __version__
from dictograph.service.status import Readiness
from tests.integration.api.live import MODELS, FakeWorker, Live
from tests.service import eventually

JOBS = "/v1/transcriptions"


def upload(client: httpx.Client, data: bytes = b"RIFF....", name: str = "talk.wav", **fields: Any) -> dict[str, Any]:
    answer = client.post(JOBS, files={"file": (name, data)}, data=fields)
    assert answer.status_code == 202, answer.text
    shape: dict[str, Any] = answer.json()
    return shape


def error_of(answer: httpx.Response) -> tuple[int, str]:
    assert set(answer.json()) == {"error"}
    assert answer.json()["error"]["message"]
    assert answer.headers["x-request-id"]
    return answer.status_code, answer.json()["error"]["code"]


@pytest.mark.contract("native", "POST /v1/transcriptions", "202 with the job; its audio is stored whole")
def test_an_upload_is_stored_whole_with_its_options(api: Live, client: httpx.Client) -> None:
    job = upload(client, b"x" * 700_000, language="de", word_timestamps="true", metadata='{"case": [17, "ü"]}')
    assert job["status"] == "pending"
    assert job["filename"] == "talk.wav"
    assert job["source"] == {"kind": "upload", "url": None, "path": None}
    assert (job["options"]["language"], job["options"]["word_timestamps"]) == ("de", True)
    assert job["metadata"] == {"case": [17, "ü"]}
    assert job["queue_position"] == 1
    assert job["created_at"].endswith("Z")
    assert api.files() == [f"{job['id']}/0-audio"]
    assert (api.settings.data_dir / "blobs" / api.files()[0]).read_bytes() == b"x" * 700_000
    assert client.get(f"{JOBS}/{job['id']}").json() == job


def test_fields_may_come_after_the_file(client: httpx.Client) -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nsound\r\n'
        b'--x\r\nContent-Disposition: form-data; name="language"\r\n\r\nfr\r\n--x--\r\n'
    )
    answer = client.post(JOBS, content=body, headers={"content-type": "multipart/form-data; boundary=x"})
    assert answer.status_code == 202
    assert answer.headers["location"] == f"{JOBS}/{answer.json()['id']}"
    assert answer.json()["options"]["language"] == "fr"


@pytest.mark.contract("native", "POST /v1/transcriptions", "a URL is taken, and shown without its secrets")
def test_a_url_is_taken_and_shown_without_its_secrets(client: httpx.Client, api: Live) -> None:
    answer = client.post(JOBS, json={"url": "https://example.org/a/t%C3%A4lk.mp3?sig=secret#x", "beam_size": 2})
    assert answer.status_code == 202
    assert answer.json()["source"] == {"kind": "url", "url": "https://example.org/a/t%C3%A4lk.mp3", "path": None}
    assert answer.json()["filename"] == "tälk.mp3"
    assert api.files() == []


@pytest.mark.contract("native", "POST /v1/transcriptions", "a path beneath a root is taken")
def test_a_path_beneath_a_root_is_taken(client: httpx.Client, api: Live) -> None:
    file = api.settings.path_roots[0] / "talk.mp3"
    file.write_bytes(b"sound")
    answer = client.post(JOBS, json={"path": str(file), "metadata": {"a": 1}})
    assert answer.status_code == 202
    assert answer.json()["source"] == {"kind": "path", "url": None, "path": str(file)}


def test_a_path_outside_and_one_that_is_missing_get_the_same_answer(client: httpx.Client, api: Live) -> None:
    outside = client.post(JOBS, json={"path": "/etc/passwd"})
    missing = client.post(JOBS, json={"path": str(api.settings.path_roots[0] / "none.mp3")})
    assert error_of(outside) == (400, "path_not_allowed")
    assert outside.json() == missing.json()


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        ({}, 422, "invalid_request", "url"),
        ([], 422, "invalid_request", None),
        ({"url": "https://a.org/x", "path": "/x"}, 422, "invalid_request", "url"),
        ({"url": 5}, 422, "invalid_request", "url"),
        ({"url": "ftp://a.org/x"}, 422, "invalid_request", "url"),
        ({"url": "https://user:pw@a.org/x"}, 422, "invalid_request", "url"),
        ({"url": "https://a.org:99999/x"}, 422, "invalid_request", "url"),
        ({"url": "https://[/x"}, 422, "invalid_request", "url"),
        ({"path": "a\0b"}, 422, "invalid_request", "path"),
        ({"url": "https://a.org/x", "beam_size": 0}, 422, "invalid_option", "beam_size"),
        ({"url": "https://a.org/x", "beam_size": "5"}, 422, "invalid_option", "beam_size"),
        ({"url": "https://a.org/x", "prompt": "a\0b"}, 422, "invalid_option", "prompt"),
        ({"url": "https://a.org/x", "bogus": 1}, 422, "invalid_option", "bogus"),
        ({"url": "https://a.org/x", "bo\ud800gus": 1}, 422, "invalid_option", "options"),
        ({"url": "https://a.org/x", "engine": "none"}, 422, "invalid_option", "engine"),
        ({"url": "https://a.org/x", "model": "huge"}, 422, "model_not_allowed", "model"),
        ({"url": "https://a.org/x", "metadata": [1]}, 422, "invalid_request", "metadata"),
        ({"url": "https://a.org/x", "metadata": {"a": "x" * 17_000}}, 422, "invalid_request", "metadata"),
        ({"url": "https://a.org/x", "metadata": {"a": "\ud800"}}, 422, "invalid_request", "metadata"),
    ],
)
def test_bad_json_requests_are_named(
    shared: httpx.Client, body: object, status: int, code: str, param: str | None
) -> None:
    answer = shared.post(JOBS, content=json.dumps(body), headers={"content-type": "application/json"})
    assert error_of(answer) == (status, code)
    assert answer.json()["error"].get("param") == param


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b"[" * 30_000, b'{"url": NaN}', b'{"metadata": ' + b'{"a":' * 500 + b"1" + b"}" * 501]
)
def test_what_is_no_json_is_refused(shared: httpx.Client, body: bytes) -> None:
    answer = shared.post(JOBS, content=body, headers={"content-type": "application/json"})
    assert error_of(answer)[0] in (400, 422)


def test_a_json_body_that_is_too_large_is_refused(client: httpx.Client) -> None:
    assert error_of(client.post(JOBS, json={"url": "x" * 70_000})) == (413, "upload_too_large")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""])
def test_other_content_types_are_refused(shared: httpx.Client, kind: str) -> None:
    answer = shared.post(JOBS, content=b"{}", headers={"content-type": kind})
    assert error_of(answer) == (415, "unsupported_media_type")


@pytest.mark.contract("native", "GET /v1/transcriptions", "by pages and filters")
def test_jobs_are_listed_by_pages_and_filters(client: httpx.Client, hand: FakeWorker) -> None:
    ids = [upload(client, name=f"{number}.wav")["id"] for number in range(5)]
    hand.finish_one(1)
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = client.get(JOBS, params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [job["id"] for job in page["data"]]
        cursor = page["next_cursor"]
    assert seen == ids[::-1]
    done = client.get(JOBS, params={"status": "completed"}).json()["data"]
    assert [job["id"] for job in done] == [ids[0]]
    both = client.get(JOBS, params={"status": ["completed", "pending"]}).json()["data"]
    assert len(both) == 5
    middle = client.get(f"{JOBS}/{ids[2]}").json()["created_at"]
    assert len(client.get(JOBS, params={"created_before": "2001-01-01T00:00:00+02:00"}).json()["data"]) == 0
    assert len(client.get(JOBS, params={"created_after": middle}).json()["data"]) in (2, 3)


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=201", "limit=x", "status=odd", "cursor=%FF", "cursor=bm90aGluZw",
        "cursor=WyIwMDAxLTAxLTAxVDAwOjAwOjAwKzE0OjAwIiwgIngiXQ", "created_after=5", "created_after=2026-01-01T00:00:00",
        "created_before=9999-12-31T23:59:59-14:00",
    ],
)  # fmt: skip
def test_bad_filters_are_refused(shared: httpx.Client, query: str) -> None:
    assert error_of(shared.get(f"{JOBS}?{query}")) == (422, "invalid_request")


@pytest.mark.parametrize("id", ["00000000-0000-0000-0000-000000000000", "nothing", "%00", "%FF", "a" * 500, "..%2fx"])
def test_unknown_and_impossible_ids_are_not_found(shared: httpx.Client, id: str) -> None:
    for method, path in (
        ("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("POST", "/retry"), ("GET", "/transcript"),
        ("GET", "/events"),
    ):  # fmt: skip
        assert error_of(shared.request(method, f"{JOBS}/{id}{path}")) == (404, "not_found"), (method, path)


@pytest.mark.contract(
    "native", "POST /v1/transcriptions/{job_id}/cancel", "a job is stopped; one that has ended is 409"
)
@pytest.mark.contract("native", "POST /v1/transcriptions/{job_id}/retry", "a job is run again; one that waits is 409")
def test_cancel_and_retry(client: httpx.Client, hand: FakeWorker) -> None:
    job = upload(client)["id"]
    assert error_of(client.post(f"{JOBS}/{job}/retry")) == (409, "job_state_conflict")
    assert client.post(f"{JOBS}/{job}/cancel").json()["status"] == "cancelled"
    assert error_of(client.post(f"{JOBS}/{job}/cancel")) == (409, "job_state_conflict")
    assert client.post(f"{JOBS}/{job}/retry").json()["status"] == "pending"
    hand.claim()
    hand.fail()
    failed = client.get(f"{JOBS}/{job}").json()
    assert failed["status"] == "failed"
    assert failed["error"]["code"] == "corrupt_audio"
    assert failed["error"]["stage"] == "DECODE"


@pytest.mark.contract("native", "DELETE /v1/transcriptions/{job_id}", "nothing of the job is left")
def test_delete_leaves_nothing(client: httpx.Client, hand: FakeWorker, api: Live) -> None:
    job = upload(client)["id"]
    hand.finish_one()
    assert client.delete(f"{JOBS}/{job}").status_code == 204
    assert error_of(client.get(f"{JOBS}/{job}")) == (404, "not_found")
    assert error_of(client.delete(f"{JOBS}/{job}")) == (404, "not_found")
    assert api.files() == []
    for table in ("transcription_job", "events", "transcription_window", "outbox"):
        count = hand.database.read_now(lambda c, t=table: c.exec_driver_sql(f"SELECT count(*) FROM {t}").scalar_one())  # type: ignore[misc]
        assert count == 0, table


@pytest.mark.contract("native", "GET /v1/transcriptions/{job_id}", "progress while it runs")
def test_progress_is_shown_while_it_runs(client: httpx.Client, hand: FakeWorker) -> None:
    job = upload(client)["id"]
    hand.claim()
    hand.freeze()
    hand.plan(4)
    hand.commit(0)
    seen = client.get(f"{JOBS}/{job}").json()
    assert (seen["progress"], seen["seconds_done"], seen["duration"]) == (0.25, 10.0, 40.0)
    assert seen["eta_seconds"] >= 0  # it may all have been a matter of milliseconds
    assert (seen["engine"], seen["model"], seen["revision"], seen["language"]) == ("whisper", "small", "r1", "en")


@pytest.mark.contract("native", "POST /v1/transcriptions", "`wait` holds the answer to the end")
def test_wait_holds_the_answer_to_the_end(client: httpx.Client, hand: FakeWorker) -> None:
    answers: list[httpx.Response] = []
    send = threading.Thread(
        target=lambda: answers.append(client.post(f"{JOBS}?wait=20", files={"file": ("a.wav", b"x")}))
    )
    send.start()
    eventually(lambda: hand.database.read_now(lambda c: c.exec_driver_sql("SELECT 1 FROM transcription_job").all()))
    assert not answers
    hand.finish_one()
    send.join(20)
    assert answers[0].status_code == 200
    assert answers[0].json()["status"] == "completed"


def test_wait_gives_up_when_the_time_is_up(client: httpx.Client) -> None:
    answer = client.post(f"{JOBS}?wait=1", files={"file": ("a.wav", b"x")})
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    assert error_of(client.post(f"{JOBS}?wait=301", files={"file": ("a.wav", b"x")})) == (422, "invalid_request")


def test_a_method_that_is_not_there_names_those_that_are(client: httpx.Client) -> None:
    answer = client.put(JOBS)
    assert error_of(answer) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, POST"
    assert client.post("/health").headers["allow"] == "GET"
    assert client.post(f"{JOBS}/x").headers["allow"] == "DELETE, GET"
    assert error_of(client.get("/nowhere")) == (404, "not_found")


def test_head_is_get_without_its_body(client: httpx.Client) -> None:
    job = upload(client)["id"]
    for path in ("/health", JOBS, f"{JOBS}/{job}", f"{JOBS}/{job}/transcript"):
        answer = client.head(path)
        assert (answer.status_code, answer.content) == (200, b""), path


@pytest.mark.contract("native", "GET /health", "the process lives")
@pytest.mark.contract("native", "GET /ready", "503 with the reason until it can transcribe")
@pytest.mark.contract("native", "GET /v1/status", "what waits and what runs")
def test_health_ready_models_and_status(client: httpx.Client, api: Live) -> None:
    upload(client)
    assert client.get("/health").json() == {"status": "ok", "version": __version__}
    assert (client.get("/ready").status_code, client.get("/ready").json()["ready"]) == (200, True)
    api.readiness = Readiness(False, "fetching small", MODELS)
    not_ready = client.get("/ready")
    assert (not_ready.status_code, not_ready.json()["reason"]) == (503, "fetching small")
    assert [model["id"] for model in client.get("/v1/models").json()["data"]] == ["small", "en-us"]
    status = client.get("/v1/status").json()
    assert (status["queue_length"], status["running"], status["counts"]["pending"]) == (1, 0, 1)
    assert status["uptime_seconds"] >= 0


def test_a_fault_of_ours_shows_no_traceback(
    client: httpx.Client, api: Live, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(owner: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(type(api.services.status), "status", lambda board, owner: broken(owner))
    answer = client.get("/v1/status")
    assert error_of(answer) == (500, "internal_error")
    assert "secret" not in answer.text
    assert answer.headers["x-request-id"] in caplog.text
    assert "a secret" in caplog.text


def test_names_are_made_safe_to_show(client: httpx.Client) -> None:
    assert upload(client, name="../../etc/\u202epasswd.mp3")["filename"] == "passwd.mp3"


def test_the_database_of_another_process_is_seen(client: httpx.Client, hand: FakeWorker, tmp_path: Path) -> None:
    job = upload(client)["id"]
    hand.remove(job)
    assert client.get(f"{JOBS}/{job}").status_code == 404

"""The path contract as its clients call it: every answer, every refusal."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests

from tests.audio_files import write_noise
from tests.needs import need
from tests.service import Service, eventually, service

SAMPLES = Path(__file__).parents[3] / "src" / "dictograph" / "samples"


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    roots = folder / "roots"
    (roots / "deep").mkdir(parents=True)
    (roots / "talk.wav").write_bytes((SAMPLES / "count.wav").read_bytes())
    write_noise(roots / "deep" / "noise.wav", 2, seed=1)
    (roots / "notes.mp3").write_text("This is there, but it is no audio.\n" * 40)
    (roots / "way out").symlink_to(folder)
    settings = {"listen": "path@127.0.0.1:0,127.0.0.1:0", "path_roots": roots, "anonymous": "path"}
    with service(folder, **settings, max_upload="2MB") as up:
        yield up.wait_until_ready()


@pytest.fixture(scope="module")
def roots(one: Service) -> Path:
    return one.folder / "roots"


def transcribe(one: Service, path: str | Path) -> requests.Response:
    return requests.post(f"{one.base}/transcribe", json={"path": str(path)}, timeout=30)


def status(one: Service, path: str | Path) -> dict[str, Any]:
    answer = requests.get(f"{one.base}/status", params={"path": str(path)}, timeout=30)
    assert answer.status_code == 200, answer.text
    shape: dict[str, Any] = answer.json()
    return shape


def ended(one: Service, path: str | Path) -> dict[str, Any]:
    """The status once it is another than `processing`."""
    return eventually(lambda: shape if (shape := status(one, path))["status"] != "processing" else None)


@pytest.mark.contract("path", "POST /transcribe", "202 with status and id, and Location leads to the status")
@pytest.mark.contract("path", "GET /status", "processing, then completed with the text")
def test_a_path_is_sent_and_asked_for_until_its_text_is_there(one: Service, roots: Path) -> None:
    one.behave(delay=2)
    answer = transcribe(one, roots / "talk.wav")
    assert answer.status_code == 202
    assert answer.json() == {"status": "processing", "id": answer.json()["id"]}
    assert status(one, roots / "talk.wav") == {"status": "processing"}
    one.behave()
    end = ended(one, roots / "talk.wav")
    assert end == {"status": "completed", "transcription": end["transcription"]}
    assert len(end["transcription"]) == 16  # the digest that this engine says
    assert requests.get(one.base + answer.headers["location"], timeout=30).json() == end
    [(contract, owner)] = one.rows("SELECT contract, owner FROM transcription_job WHERE id = ?", answer.json()["id"])
    assert (contract, owner) == ("path", "path")


@pytest.mark.contract("path", "GET /status", "the newest job of the path, not an older one")
def test_a_path_that_is_sent_again_has_the_status_of_its_newest_job(one: Service, roots: Path) -> None:
    talk = roots / "changing.wav"
    talk.write_text("no audio yet")
    transcribe(one, talk)
    assert ended(one, talk)["status"] == "error"
    talk.write_bytes((SAMPLES / "count.wav").read_bytes())
    transcribe(one, talk)
    assert ended(one, talk)["status"] == "completed"


@pytest.mark.parametrize(
    "body", [{"json": {}}, {"json": {"path": ""}}, {"json": {"path": None}}, {"json": {"path": 7}}, {"json": []}, {}]
)
@pytest.mark.contract("path", "POST /transcribe", "400 Missing path parameter")
def test_a_body_without_a_path_is_told_so(one: Service, body: dict[str, Any]) -> None:
    answer = requests.post(f"{one.base}/transcribe", timeout=30, **body)
    assert (answer.status_code, answer.json()) == (400, {"error": "Missing path parameter"})


def test_a_body_that_is_no_json_is_refused(one: Service) -> None:
    answer = requests.post(f"{one.base}/transcribe", data=b'{"path": ', timeout=30)
    assert answer.status_code == 400
    assert list(answer.json()) == ["error"]


@pytest.mark.contract("path", "POST /transcribe", "404 for a file that is not there")
def test_a_file_that_is_not_there_is_404(one: Service, roots: Path) -> None:
    for missing in (roots / "none.mp3", roots / "none" / "at all.mp3", roots / "deep"):
        answer = transcribe(one, missing)
        assert (answer.status_code, list(answer.json())) == (404, ["error"]), missing
        assert answer.json()["error"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_404(one: Service, roots: Path) -> None:
    (roots / "secret.mp3").write_bytes(b"secret")
    (roots / "secret.mp3").chmod(0)
    assert transcribe(one, roots / "secret.mp3").status_code == 404


@pytest.mark.contract("path", "POST /transcribe", "outside of the roots the same 400, whether it is there or not")
def test_outside_of_the_roots_nothing_can_be_learned(one: Service, roots: Path) -> None:
    there, not_there = one.folder / "service.log", one.folder / "none.log"
    assert there.exists()
    outside: list[str | Path] = [
        *(there, not_there, "/etc/passwd", "/etc/no-such-file", "/"),
        *(f"{roots}/../service.log", f"{roots}/../none.log", f"{roots}/way out/service.log", f"{roots}/way out/none"),
        *(f"{roots}-2/talk.wav", f"{roots}/a\0b", f"{roots}/\udc80"),
    ]
    answers = {(answer.status_code, answer.text) for answer in (transcribe(one, path) for path in outside)}
    assert len(answers) == 1, answers
    [(code, _)] = answers
    assert code == 400


def test_what_a_path_says_by_itself_is_told(one: Service, roots: Path) -> None:
    for path, words in (("talk.wav", "absolute path"), ("~/talk.wav", "absolute path"), (roots, "is a folder")):
        answer = transcribe(one, path)
        assert (answer.status_code, words in answer.json()["error"]) == (400, True)


def test_a_way_through_the_outside_tells_nothing_of_it(one: Service, roots: Path) -> None:
    """The folders that `..` comes back from are not looked for."""
    for way in (one.folder / "data", one.folder / "no such folder"):
        assert transcribe(one, f"{way}/../roots/none.mp3").status_code == 404
        assert transcribe(one, f"{way}/../roots/deep/noise.wav").status_code == 202


@pytest.mark.contract("path", "GET /status", "a file that is there but is no audio was accepted and ends in error")
def test_what_is_no_audio_is_accepted_and_ends_in_error(one: Service, roots: Path) -> None:
    assert transcribe(one, roots / "notes.mp3").status_code == 202
    answer = ended(one, roots / "notes.mp3")
    assert (set(answer), answer["status"]) == ({"status", "error"}, "error")
    assert answer["error"].startswith("The file is text, not audio.")


@pytest.mark.contract("path", "GET /status", "a completed job without speech has the text [no speech]")
def test_a_recording_without_speech_has_a_text_that_is_not_empty(one: Service, roots: Path) -> None:
    transcribe(one, roots / "deep" / "noise.wav")
    assert ended(one, roots / "deep" / "noise.wav") == {"status": "completed", "transcription": "[no speech]"}


@pytest.mark.contract("path", "GET /status", "a cancelled job is an error")
def test_a_cancelled_job_is_an_error(one: Service, roots: Path) -> None:
    one.behave(delay=60)
    talk = roots / "cancelled.wav"
    talk.write_bytes((SAMPLES / "hello.mp3").read_bytes())
    job = transcribe(one, talk).json()["id"]
    cancelled = subprocess.run(
        [sys.executable, "-m", "dictograph", "jobs", "cancel", job, "--data-dir", one.data],
        cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False, env=os.environ,
    )  # fmt: skip
    one.behave()
    assert cancelled.returncode == 0, cancelled.stderr
    assert status(one, talk) == {"status": "error", "error": "The transcription was cancelled."}


@pytest.mark.contract("path", "GET /status", "404 for a path that nobody has sent, 400 without a path")
def test_a_path_that_nobody_sent_has_no_status(one: Service, roots: Path) -> None:
    answer = requests.get(f"{one.base}/status", params={"path": f"{roots}/deep"}, timeout=30)
    assert (answer.status_code, answer.json()["status"]) == (404, "error")
    answer = requests.get(f"{one.base}/status", timeout=30)
    assert (answer.status_code, answer.json()) == (400, {"error": "Missing path parameter"})


@pytest.mark.contract("path", "GET /health", "200, plain OK")
def test_health_is_two_letters(one: Service) -> None:
    said = subprocess.run(
        [need("curl"), "-s", "-i", f"{one.base}/health"], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    assert said.startswith("HTTP/1.1 200")
    assert "content-type: text/plain" in said.lower()
    assert said.endswith("\n\nOK")


@pytest.mark.contract("path", "anything else", "404 as JSON")
def test_anything_else_is_404(one: Service) -> None:
    for method, path in (
        *(("GET", "/"), ("GET", "/nothing/here"), ("GET", "/transcribe"), ("POST", "/status"), ("DELETE", "/health")),
        *(("GET", "/upload"), ("GET", "/status/123"), ("PUT", "/transcribe"), ("GET", "/docs"), ("POST", "/asr")),
    ):
        answer = requests.request(method, one.base + path, timeout=30)
        assert (answer.status_code, answer.json()) == (404, {"error": "Not found"}), (method, path)


def test_the_native_routes_are_there_beside_it(one: Service) -> None:
    assert requests.get(f"{one.base}/ready", timeout=30).status_code == 200
    assert one.process is not None
    [worker] = requests.get(f"{one.base}/v1/workers", timeout=30).json()["data"]
    assert worker["pid"] == one.process.pid


def plain_address(one: Service) -> str:
    """The second address that it said it listens on, without a contract before it."""
    [line] = [line for line in one.words_of_log().splitlines() if "Dictograph listens on" in line]
    return line.split()[-1]


def test_on_a_plain_address_the_path_routes_are_there_too(one: Service, roots: Path) -> None:
    base = plain_address(one)
    assert base != one.base
    answer = httpx.post(f"{base}/transcribe", json={"path": str(roots / "talk.wav")}, timeout=30)
    assert answer.status_code == 202
    assert httpx.get(base + answer.headers["location"], timeout=30).json()["status"] in ("processing", "completed")
    assert httpx.get(f"{base}/health", timeout=30).text != "OK"

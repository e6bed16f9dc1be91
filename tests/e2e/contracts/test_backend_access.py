"""The backend with its switches thrown: pages of allowed origins only, no pages of the API, behind a proxy, no mail."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from websockets.exceptions import InvalidStatus

from tests.audio_files import write_noise
from tests.e2e.contracts.backend_client import SETTINGS, Backend
from tests.service import service

ORIGIN = "https://pages.example"
PUBLIC = "https://stt.example.org"


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """Its own calls come from a page that is allowed to make them."""
    switches = {"backend_require_origin": "true", "backend_origins": ORIGIN, "backend_docs": "false"}
    folder = tmp_path_factory.mktemp("service")
    with service(folder, **SETTINGS, **switches, public_url=f"{PUBLIC}/") as up:
        yield Backend(up, Origin=ORIGIN)


@pytest.mark.contract(
    "backend", "GET /api/v1/job/read", "access control: 403 `error`, `message` without an allowed page"
)
def test_calls_need_a_page(backend: Backend) -> None:
    for path in ("job/read", "job/status/x", "audio/get_presigned_url?filename=a.mp3&file_size=1"):
        answer = requests.get(f"{backend.base}/api/v1/{path}", timeout=30)
        assert (answer.status_code, answer.json().keys()) == (403, {"error", "message"}), path
        assert answer.json()["error"] == "Forbidden"
    assert "no allowed origin" in backend.service.words_of_log()
    post = requests.post(f"{backend.base}/api/v1/job/transcribe", json={}, headers={"Origin": "https://evil.example"})
    assert (post.status_code, post.json()["error"]) == (403, "Forbidden")


@pytest.mark.contract("backend", "GET /api/v1/job/read", "access control: by `Origin`, else by `Referer`")
def test_the_page_is_told_by_origin_or_referer(backend: Backend) -> None:
    read = f"{backend.base}/api/v1/job/read"
    for good in ({"Origin": ORIGIN}, {"Referer": f"{ORIGIN}/page?x=1"}, {"Referer": f"{ORIGIN}:443/"}):
        assert requests.get(read, headers=good, timeout=30).status_code == 200, good
    for bad in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Referer": f"https://evil.example/{ORIGIN}"},
        {"Referer": f"{ORIGIN}.evil.example/"},
        {"Referer": "http://["},
        {"Origin": "https://evil.example", "Referer": ORIGIN},
    ):
        assert requests.get(read, headers=bad, timeout=30).status_code == 403, bad


@pytest.mark.contract("backend", "GET /api/v1", "public, whatever is switched on")
@pytest.mark.contract("backend", "GET /", "public, whatever is switched on")
def test_health_and_options_are_public(backend: Backend) -> None:
    for path in ("/", "/api/v1"):
        assert requests.get(backend.base + path, timeout=30).status_code == 200
    assert requests.options(f"{backend.base}/api/v1/job/transcribe", timeout=30).status_code == 204


@pytest.mark.contract("backend", "WS /api/v1/job/ws/{job_id}", "access control: 403 before the handshake")
def test_the_socket_needs_a_page_too(backend: Backend) -> None:
    with pytest.raises(InvalidStatus) as refused, backend.socket("x"):
        pass
    assert refused.value.response.status_code == 403
    assert json.loads(refused.value.response.body)["error"] == "Forbidden"
    with backend.socket("x", origin=ORIGIN) as socket:
        assert json.loads(socket.recv(timeout=10))["type"] == "connected"


@pytest.mark.contract("backend", "GET /docs", "403 when switched off")
@pytest.mark.contract("backend", "GET /redoc", "403 when switched off")
@pytest.mark.contract("backend", "GET /openapi.json", "403 when switched off")
def test_the_pages_of_the_api_are_closed(backend: Backend) -> None:
    for path in ("/docs", "/redoc", "/openapi.json"):
        answer = requests.get(backend.base + path, timeout=30)
        assert (answer.status_code, answer.json()["error"]) == (403, "Forbidden"), path


@pytest.mark.contract("backend", "GET /api/v1/audio/get_presigned_url", "an address under the name that clients know")
def test_the_address_is_the_one_that_the_operator_set(backend: Backend) -> None:
    """What headers of proxies say counts for nothing: anybody can send them."""
    liar = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http", "Forwarded": "host=evil.example"}
    url = backend.presign("a.mp3", "audio/mpeg", 5, headers=liar).json()["url"]
    assert url.startswith(f"{PUBLIC}/api/v1/audio/")
    put = requests.put(url.replace(PUBLIC, backend.base), b"sound", headers={"Content-Type": "audio/mpeg"}, timeout=30)
    assert put.status_code == 200  # the signature is the right to do so, as it was with a bucket


@pytest.mark.contract(
    "backend", "POST /api/v1/job/{job_id}/email", '200 `{"success": false}` and why, without a mail server or a text'
)
def test_nothing_is_mailed_without_a_server_or_a_text(backend: Backend, tmp_path: Path) -> None:
    audio = write_noise(tmp_path / "talk.wav", 2, 1)
    url = backend.url_for(audio).replace(PUBLIC, backend.base)
    assert backend.put(url, audio.read_bytes()).status_code == 200
    backend.service.behave(delay=2)
    job = backend.transcribe(filename=audio.name, url=url).json()["id"]
    for words in ("not completed", "no mail server"):
        email = f"{backend.base}/api/v1/job/{job}/email"
        answer = backend.session.post(email, json={"email": "reader@example.org"}, timeout=30)
        assert (answer.status_code, answer.json()["success"]) == (200, False)
        assert words in answer.json()["message"]
        backend.ended(job)
    backend.service.behave()


@pytest.mark.contract("backend", "GET /api/v1/job/read", "with a key: that owner's jobs, which all can be looked up")
def test_a_key_has_jobs_of_its_own(backend: Backend, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dictograph", "keys", "create", "--owner", "alice"]
    folder = ["--data-dir", str(backend.service.data)]
    key = subprocess.run([*command, *folder], check=True, capture_output=True, text=True).stdout.strip()
    alice = Backend(backend.service, Origin=ORIGIN, Authorization=f"Bearer {key}")
    with write_noise(tmp_path / "talk.wav", 2, 1).open("rb") as file:
        headers = {"Authorization": f"Bearer {key}"}
        answer = requests.post(f"{backend.base}/v1/transcriptions", headers=headers, files={"file": file}, timeout=30)
        native = answer.json()["id"]
    url = alice.url_for(tmp_path / "talk.wav").replace(PUBLIC, backend.base)
    assert alice.put(url, (tmp_path / "talk.wav").read_bytes()).status_code == 200
    mine = alice.transcribe(filename="talk.wav", url=url).json()["id"]
    assert alice.ended(mine)["status"] == alice.ended(native)["status"] == "completed"
    read = f"{backend.base}/api/v1/job/read"
    assert {job["id"] for job in alice.session.get(read, timeout=30).json()} == {mine, native}
    assert not {mine, native} & {job["id"] for job in backend.session.get(read, timeout=30).json()}
    # Who knows its id may read a job of this contract, and none of another.
    assert backend.status(mine)["id"] == mine
    assert backend.session.get(f"{backend.base}/api/v1/job/status/{native}", timeout=30).status_code == 404
    # The audio is not told by the job's id, but the address of the upload, without its signature, is.
    told = backend.status(mine)["url"]
    assert backend.transcribe(filename="talk.wav", url=told).status_code == 400
    assert alice.transcribe(filename="talk.wav", url=told).status_code == 200
    bad = {"Origin": ORIGIN, "Authorization": "Bearer nobody"}
    assert requests.get(read, headers=bad, timeout=30).status_code == 401

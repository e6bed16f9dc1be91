"""Addresses to upload to: given, signed, used once, gone after a while."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import pytest
import requests

from tests.audio_files import write_noise
from tests.e2e.contracts.backend_client import SETTINGS, Backend
from tests.files import files_below
from tests.needs import need
from tests.service import eventually, service

GET, POST = "GET /api/v1/audio/get_presigned_url", "POST /api/v1/audio/presigned-url"
PUT = "PUT /api/v1/audio/object/{slot_id}/{filename}"
MOST = 10 * 2**20


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    with service(tmp_path_factory.mktemp("service"), **SETTINGS) as up:
        yield Backend(up)


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noise(tmp_path_factory.mktemp("audio") / "talk.wav", 2, 1)


def stored(backend: Backend) -> list[Path]:
    return files_below(backend.service.data / "blobs")


@pytest.mark.contract("backend", GET, "200 with a `url` that takes the file")
@pytest.mark.contract("backend", PUT, "200 with an ETag; what was sent is stored")
def test_an_address_takes_the_file(backend: Backend, audio: Path) -> None:
    answer = backend.presign("talk.wav", "audio/wav", audio.stat().st_size)
    assert answer.status_code == 200
    assert answer.json().keys() == {"url"}
    put = backend.put(answer.json()["url"], audio.read_bytes())
    assert (put.status_code, put.content) == (200, b"")
    assert put.headers["etag"].strip('"')
    assert audio.read_bytes() in [path.read_bytes() for path in stored(backend)]


@pytest.mark.contract("backend", POST, "the same, and `method`, `fields`, `object`, `expires_at`")
def test_the_other_form_says_all_there_is_to_know(backend: Backend, audio: Path) -> None:
    body: dict[str, Any] = {"filename": audio.name, "content_type": "audio/wav", "file_size": audio.stat().st_size}
    answer = requests.post(f"{backend.base}/api/v1/audio/presigned-url", json=body, timeout=30)
    assert answer.status_code == 200
    said = answer.json()
    assert (said["method"], said["fields"]) == ("PUT", {})
    left = datetime.fromisoformat(said["expires_at"]) - datetime.now(UTC)
    assert 3500 < left.total_seconds() <= 3601
    assert backend.put(said["url"], audio.read_bytes()).status_code == 200
    job = backend.transcribe(filename=audio.name, url=said["object"])
    assert job.status_code == 200, job.text
    assert backend.ended(job.json()["id"])["status"] == "completed"


@pytest.mark.contract("backend", PUT, "as curl -T sends it")
def test_curl_uploads(backend: Backend, audio: Path) -> None:
    command = [need("curl"), "-sS", "-o", "-", "-w", "%{http_code}", "-H", "Content-Type: audio/wav", "-T", str(audio)]
    said = subprocess.run([*command, backend.url_for(audio)], capture_output=True, text=True, check=True).stdout
    assert said == "200"


@pytest.mark.contract("backend", PUT, "any other Content-Type than the announced one is refused")
def test_the_content_type_is_part_of_the_address(backend: Backend, audio: Path) -> None:
    url = backend.url_for(audio)
    answer = backend.put(url, audio.read_bytes(), "audio/mpeg")
    assert answer.status_code == 400
    assert "Content-Type" in answer.json()["detail"]
    assert backend.put(url, audio.read_bytes(), "Audio/WAV").status_code == 200


def changed(url: str, **query: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query=urlencode({**dict(parse_qsl(parts.query)), **query})))


@pytest.mark.contract("backend", PUT, "403 when the address was changed, or its signature is missing")
def test_a_changed_address_is_refused(backend: Backend, audio: Path) -> None:
    url = backend.url_for(audio)
    parts = urlsplit(url)
    other = urlsplit(backend.url_for(audio)).path
    for bad in (
        changed(url, signature="0" * 64),
        changed(url, signature="é"),
        changed(url, expires="99999999999"),
        urlunsplit(parts._replace(query="")),
        urlunsplit(parts._replace(path=other)),
        url.replace(parts.path.split("/")[5], "nobody"),
    ):
        answer = backend.put(bad, audio.read_bytes())
        assert answer.status_code == 403, bad
        assert "signature" in answer.json()["detail"]
    order = urlunsplit(parts._replace(query="&".join(reversed(parts.query.split("&")))))
    assert backend.put(order, audio.read_bytes()).status_code == 200


@pytest.mark.contract("backend", PUT, "the same file may come again, another one is refused with 409")
def test_one_address_is_for_one_file(backend: Backend, audio: Path) -> None:
    url = backend.url_for(audio)
    first = backend.put(url, audio.read_bytes())
    again = backend.put(url, audio.read_bytes())
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.headers["etag"] == again.headers["etag"]
    before = len(stored(backend))
    assert backend.put(url, bytes(len(audio.read_bytes()))).status_code == 409
    assert len(stored(backend)) == before


@pytest.mark.contract("backend", PUT, "400 for more or fewer bytes than were announced, 413 for more than any file has")
def test_the_announced_size_is_kept(backend: Backend, audio: Path) -> None:
    before, url, sound = len(stored(backend)), backend.url_for(audio), audio.read_bytes()
    wrong = [sound + b"x", sound[:-1], b"x"]
    for body in (*wrong, *(in_chunks(one) for one in wrong)):  # of those in chunks the length is not said
        answer = backend.put(url, body)
        assert (answer.status_code, str(len(sound)) in answer.json()["detail"]) == (400, True), answer.text
    assert backend.put(url, b"").status_code == 400
    assert backend.put(url, b"\0" * (MOST + 1)).status_code == 413
    assert len(stored(backend)) == before
    assert backend.transcribe(filename=audio.name, url=url).status_code == 400
    assert backend.put(url, in_chunks(sound)).status_code == 200


@pytest.mark.contract("backend", PUT, "400 as soon as there is too much, however much was to come")
def test_too_much_is_refused_while_it_comes(backend: Backend, audio: Path) -> None:
    before, url = len(stored(backend)), backend.url_for(audio)
    answer = backend.put(url, (b"\0" * 2**20 for _ in range(4)))
    assert (answer.status_code, "more than" in answer.json()["detail"]) == (400, True)
    assert len(stored(backend)) == before
    largest = backend.presign("talk.wav", "audio/wav", MOST).json()["url"]
    assert backend.put(largest, b"\0" * MOST).status_code == 200


def in_chunks(body: bytes) -> Iterator[bytes]:
    """The same without a length."""
    return (body[first : first + 10_000] for first in range(0, len(body), 10_000))


@pytest.mark.contract("backend", PUT, "an upload that breaks off leaves nothing, and may be sent again")
def test_half_an_upload_is_none(backend: Backend, audio: Path) -> None:
    before, url = len(stored(backend)), str(backend.presign(audio.name, "audio/wav", 900_000).json()["url"])
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port)) as raw:
        head = f"PUT {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: audio/wav\r\n"
        raw.sendall(f"{head}Content-Length: 900000\r\n\r\n".encode() + b"\0" * 400_000)
        eventually(lambda: len(stored(backend)) > before, what="nothing of the upload is being written")
    eventually(lambda: len(stored(backend)) == before, what="the rest of it stays")
    assert backend.transcribe(filename="talk.wav", url=url).status_code == 400
    assert backend.put(url, b"\0" * 900_000).status_code == 200


@pytest.mark.parametrize(
    ("filename", "content_type"),
    [
        ("talk.mp3", "audio/mpeg"), ("talk.m4a", "audio/x-m4a"), ("talk.opus", "audio/ogg"), ("talk.mp4", "video/mp4"),
        ("talk.mpeg", "video/mpeg"), ("talk.webm", "video/webm"), ("talk.flac", ""), ("TALK.WAV", "Audio/Wav"),
        ("talk.webm", "audio/webm;codecs=opus"), ("Mein Gespräch (1) + 2.mp3", "audio/mpeg"), ("a.b.ogg", "audio/ogg"),
    ],
)  # fmt: skip
@pytest.mark.contract("backend", GET, "types and names as browsers send them")
def test_files_as_browsers_name_them(backend: Backend, filename: str, content_type: str) -> None:
    answer = backend.presign(filename, content_type, len(b"some sound"))
    assert answer.status_code == 200, answer.text
    assert backend.put(answer.json()["url"], b"some sound", content_type).status_code == 200


@pytest.mark.contract("backend", GET, "names with spaces as `+` and with raw parentheses")
def test_a_query_as_pages_write_it(backend: Backend) -> None:
    query = "filename=my+talk+(1).mp3&content_type=audio/mpeg&file_size=10"
    url = requests.get(f"{backend.base}/api/v1/audio/get_presigned_url?{query}", timeout=30).json()["url"]
    assert "/my%20talk%20%281%29.mp3?" in url


@pytest.mark.parametrize(
    ("filename", "content_type", "size", "word"),
    [
        ("talk.mp3", "audio/mpeg", MOST + 1, "10 MB"), ("talk.mp3", "audio/mpeg", 0, "empty"),
        ("talk.mp3", "audio/mpeg", -1, "empty"), ("talk.mp3", "text/html", 10, "type"),
        ("talk.mp3", "audio/", 10, "type"), ("talk.mov", "video/quicktime", 10, "type"), ("talk.exe", "", 10, "mp3"),
        ("talk", "audio/mpeg", 10, "extension"), (".mp3", "audio/mpeg", 10, "extension"),
        ("", "audio/mpeg", 10, "extension"),
    ],
)  # fmt: skip
@pytest.mark.contract("backend", GET, '400 `{"detail"}` when size, type or extension is refused')
@pytest.mark.contract("backend", POST, '400 `{"detail"}` by the same rules')
def test_the_rules_of_files(backend: Backend, filename: str, content_type: str, size: int, word: str) -> None:
    body: dict[str, Any] = {"filename": filename, "content_type": content_type, "file_size": size}
    for answer in (
        backend.presign(filename, content_type, size),
        requests.post(f"{backend.base}/api/v1/audio/presigned-url", json=body, timeout=30),
    ):
        assert answer.status_code == 400, answer.text
        assert answer.json().keys() == {"detail"}
        assert word in answer.json()["detail"]


@pytest.mark.contract("backend", GET, "a file of exactly the largest size is taken")
def test_the_largest_size_is_taken(backend: Backend) -> None:
    assert backend.presign("talk.mp3", "audio/mpeg", MOST).status_code == 200


@pytest.mark.contract("backend", POST, '422 `{"detail"}` for a body that is not of the form')
def test_a_form_that_is_not_kept(backend: Backend) -> None:
    url = f"{backend.base}/api/v1/audio/presigned-url"
    bodies: list[Any] = [{}, {"filename": "a.mp3", "file_size": "many"}, [], {"filename": 1, "file_size": 1}]
    answers = [requests.post(url, json=body, timeout=30) for body in bodies]
    answers.append(requests.post(url, data=b"{", headers={"content-type": "application/json"}, timeout=30))
    answers.append(requests.get(f"{backend.base}/api/v1/audio/get_presigned_url?filename=a.mp3", timeout=30))
    for answer in answers:
        assert answer.status_code == 422, answer.text
        assert isinstance(answer.json()["detail"], str)


@pytest.mark.contract("backend", PUT, "403 once the address has expired; uploads go after a while, used or not")
def test_addresses_expire_and_uploads_go(tmp_path: Path, audio: Path) -> None:
    keep = {"audio_retention": "300ms", "orphan_age": "300ms", "backend_upload_expiry": "3s"}
    with service(tmp_path, **SETTINGS, **keep) as up:
        backend = Backend(up)
        late, unused = backend.url_for(audio), backend.uploaded(audio)
        assert backend.done(audio)["result_text"]
        eventually(lambda: stored(backend) == [], what="uploads stay")
        assert backend.put(late, audio.read_bytes()).status_code == 403
        assert backend.transcribe(filename="talk.wav", url=unused).status_code == 400

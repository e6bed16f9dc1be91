"""What clients of the path contract upload: whatever it is called, its content decides, and its path is fresh."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from dictograph.blobs.protocol import NOTES
from tests.audio_files import write_wav
from tests.e2e.contracts.test_path_calls import ended, status, transcribe
from tests.media import ffmpeg
from tests.needs import need
from tests.service import TINY, Service, eventually, service
from tests.speech import say

MAX = 2_000_000


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    whisper = {"engine": "whisper", "model": TINY, "extra_engines": ""}
    contract = {"listen": "path@127.0.0.1:0", "anonymous": "path", "max_upload": MAX}
    with service(tmp_path_factory.mktemp("service"), **whisper, **contract) as up:
        yield up.wait_until_ready()


def uploads(one: Service) -> list[tuple[str, list[str]]]:
    """All folders of uploads, and what is in them. Some may go meanwhile, and `os.walk` lets them."""
    return sorted((folder, sorted(files)) for folder, _, files in os.walk(one.data / "uploads"))


def send(one: Service, name: str, content: bytes, kind: str = "audio/wav") -> requests.Response:
    return requests.post(f"{one.base}/upload", files={"file": (name, content, kind)}, timeout=30)


@pytest.mark.contract("path", "POST /upload", "WebM/Opus under the name recording.wav: the content decides")
def test_a_recording_of_a_browser_under_a_wrong_name_and_type(one: Service, tmp_path: Path) -> None:
    spoken = write_wav(tmp_path / "spoken.wav", say("one two three", "en-us"))
    ffmpeg("-i", spoken, "-c:a", "libopus", "-f", "webm", tmp_path / "recording.webm")
    answer = send(one, "recording.wav", (tmp_path / "recording.webm").read_bytes())
    assert answer.status_code == 200
    assert list(answer.json()) == ["path"]
    path = answer.json()["path"]
    assert Path(path).read_bytes() == (tmp_path / "recording.webm").read_bytes()
    assert transcribe(one, path).status_code == 202
    assert ended(one, path) == {"status": "completed", "transcription": "one two three"}


@pytest.mark.contract("path", "POST /upload", "as curl sends it; each upload has a path of its own")
def test_the_same_file_twice_has_two_paths(one: Service, tmp_path: Path) -> None:
    (tmp_path / "talk.mp3").write_bytes(b"no audio at all, and taken as it is")
    command = [need("curl"), "-s", "-F", f"file=@{tmp_path / 'talk.mp3'}", f"{one.base}/upload"]
    said = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    assert said[0] != said[1]
    assert all(text.startswith('{"path":"') for text in said)


@pytest.mark.parametrize(
    "name",
    [
        "../../../etc/cron.d/x",
        "/etc/passwd",
        "..",
        ".",
        "a/b\\c.wav",
        "\u202etxt.exe",
        "x" * 2000,
        "-rf",
        "a&b?c#d e.wav",
        "x.part",
    ],
)
def test_a_hostile_name_leads_nowhere(one: Service, name: str) -> None:
    answer = send(one, name, b"text")
    assert answer.status_code == 200, answer.text
    path = Path(answer.json()["path"])
    assert path.parent.parent == one.data / "uploads"
    assert path.read_bytes() == b"text"
    assert set(path.name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    assert not path.name.startswith(("-", "."))
    assert len(path.name) <= 80


@pytest.mark.contract("path", "POST /upload", "400 No file uploaded")
def test_without_a_file_it_is_told_so(one: Service) -> None:
    url = f"{one.base}/upload"
    for answer in (
        requests.post(url, timeout=30),
        requests.post(url, json={"file": "talk.mp3"}, timeout=30),
        requests.post(url, data={"file": "talk.mp3"}, timeout=30),
        requests.post(url, files={"audio": ("talk.mp3", b"abc")}, timeout=30),
        requests.post(url, files={"file": (None, "talk.mp3")}, timeout=30),
        requests.post(url, files={"file": ("", b"")}, timeout=30),
        requests.post(url, data=b"--x", headers={"content-type": "multipart/form-data; boundary=x"}, timeout=30),
    ):
        assert (answer.status_code, answer.json()) == (400, {"error": "No file uploaded"})


@pytest.mark.contract("path", "POST /upload", "413 as JSON when it is too large, and nothing is left")
def test_too_large_a_file_is_refused_and_gone(one: Service) -> None:
    before = uploads(one)
    answer = send(one, "long.wav", bytes(MAX + 1))
    assert (answer.status_code, list(answer.json())) == (413, ["error"])
    assert uploads(one) == before
    answer = requests.post(f"{one.base}/upload", files={"file": ("empty.wav", b"")}, timeout=30)
    assert answer.status_code == 400
    assert uploads(one) == before


@pytest.mark.contract("path", "POST /upload", "415 as JSON when the body is encoded, and nothing is left")
def test_an_upload_that_is_encoded_is_refused(one: Service) -> None:
    before = uploads(one)
    body = gzip.compress(
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nsound\r\n--x--\r\n'
    )
    headers = {"content-type": "multipart/form-data; boundary=x", "content-encoding": "gzip"}
    answer = one.post("/upload", content=body, headers=headers)
    assert (answer.status_code, list(answer.json())) == (415, ["error"])
    assert uploads(one) == before


def test_an_upload_that_breaks_off_leaves_no_half_file(one: Service) -> None:
    before = uploads(one)

    def body() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + bytes(600_000)
        eventually(lambda: len(uploads(one)) > len(before))
        raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        one.post("/upload", content=body(), headers={"content-type": "multipart/form-data; boundary=x"})
    eventually(lambda: uploads(one) == before)


@pytest.mark.contract("path", "POST /upload", "an upload goes after the audio's retention, when no job needs it")
def test_uploads_are_removed_when_they_were_kept_long_enough(tmp_path: Path) -> None:
    contract = {"listen": "path@127.0.0.1:0", "anonymous": "path", "audio_retention": "1s", "orphan_age": "1s"}
    foreign = tmp_path / "data" / "uploads" / "of somebody else"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("kept")
    os.utime(foreign, (1, 1))
    with service(tmp_path, **contract) as one:
        one.wait_until_ready()
        half = tmp_path / "data" / "uploads" / ("0" * 32) / "talk.wav.part"
        half.parent.mkdir()
        half.write_text("the power was cut")
        os.utime(half, (1, 1))
        one.behave(delay=3)
        unused = send(one, "unused.wav", b"never asked for").json()["path"]
        needed = send(one, "needed.wav", (Path(TINY).parents[2] / "fixtures" / "jfk.flac").read_bytes()).json()["path"]
        began = time.monotonic()
        assert transcribe(one, needed).status_code == 202
        eventually(lambda: not Path(unused).exists())
        if status(one, needed)["status"] == "processing":
            assert Path(needed).exists(), "its job may need it"
        assert ended(one, needed)["status"] == "completed"
        eventually(lambda: not Path(needed).exists())
        assert time.monotonic() - began > 1
        eventually(lambda: not half.parent.exists())
        eventually(
            lambda: {path.name for path in foreign.parent.iterdir()} == {foreign.name, NOTES}, 20
        )  # a file goes before its folder


@pytest.mark.contract("path", "POST /upload", "500 as JSON when it fails here")
def test_a_failure_of_the_service_is_500_as_json(tmp_path: Path) -> None:
    with service(tmp_path, listen="path@127.0.0.1:0", anonymous="path") as one:
        shutil.rmtree(one.data / "uploads")
        (one.data / "uploads").write_text("this is no folder any more")
        answer = send(one, "talk.wav", b"some audio")
        assert (answer.status_code, list(answer.json())) == (500, ["error"])
        assert "Traceback" not in answer.text

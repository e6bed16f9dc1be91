"""A service whose audio is in a bucket of a real S3 server; both are killed and come back.

Nothing is left in the bucket that no row names, and no job pays for the server.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests

from tests.audio_files import write_noise
from tests.e2e.contracts.backend_client import SETTINGS, Backend
from tests.s3 import S3Server, own_server
from tests.service import Service, eventually, service

#: Quick: what is left over is removed after a second.
SWEPT = {"orphan_age": "1s"}


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with own_server() as one:
        yield one


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noise(tmp_path_factory.mktemp("audio") / "talk.wav", 4, 1)


def keys(server: S3Server, bucket: str) -> set[str]:
    found = server.client().list_objects_v2(Bucket=bucket).get("Contents", [])
    return {one["Key"] for one in found if "dictograph-storage/" not in one["Key"]}


def parts(server: S3Server, bucket: str) -> list[Any]:
    found: list[Any] = server.client().list_multipart_uploads(Bucket=bucket).get("Uploads") or []
    return found


def test_parts_that_a_killed_process_left_are_aborted(tmp_path: Path, server: S3Server) -> None:
    bucket = server.new_bucket()
    stored = server.settings(bucket)
    large = write_noise(tmp_path / "large.wav", 3000, 1)  # 48 MB: six parts
    with service(tmp_path, **stored, crash_at="part.uploaded") as one:
        with pytest.raises(httpx.HTTPError):
            one.submit(large)
        eventually(lambda: one.was_killed)
    assert len(parts(server, bucket)) == 1
    assert keys(server, bucket) == set()
    with service(tmp_path, **stored, **SWEPT) as one:
        eventually(lambda: not parts(server, bucket), 60, "left-over parts are aborted")
        assert one.base


def test_a_copy_whose_row_was_not_written_is_swept(tmp_path: Path, server: S3Server, audio: Path) -> None:
    bucket = server.new_bucket()
    stored = {**SETTINGS, **server.settings(bucket)}
    with service(tmp_path, **stored, crash_at="object.copied") as one:
        backend = Backend(one)
        url = backend.uploaded(audio)
        with pytest.raises(requests.ConnectionError):
            backend.transcribe(filename=audio.name, url=url)
        eventually(lambda: one.was_killed)
    before = keys(server, bucket)
    assert len(before) == 2, "what was uploaded, and its copy"
    with service(tmp_path, **stored, **SWEPT) as one:
        backend = Backend(one)
        job = backend.ended(backend.transcribe(filename=audio.name, url=url).json()["id"])
        assert job["status"] == "completed"
        slot = next(key for key in before if key.endswith("-upload"))
        eventually(lambda: keys(server, bucket) == {slot, f"{job['id']}/0-audio"}, 60, "the copy is swept")


def test_what_happens_while_the_server_is_away(tmp_path: Path, server: S3Server, audio: Path) -> None:
    """An upload gets 503 with the reason, a job that runs goes on, none is begun, and none pays for it."""
    bucket = server.new_bucket()
    stored = {**server.settings(bucket), "s3_timeout": "2s", "concurrency": 1}
    with service(tmp_path, **stored) as one:
        one.behave(delay=3.0)
        running = one.submit(audio)
        eventually(lambda: one.job(running)["status"] == "processing")
        waiting = one.submit(audio)
        server.kill()
        began = time.monotonic()
        refused = one.post("/v1/transcriptions", files={"file": ("talk.wav", audio.read_bytes())})
        assert time.monotonic() - began < 45
        error = refused.json()["error"]
        assert (refused.status_code, error["code"]) == (503, "storage_unavailable")
        assert "(Unreachable)" in error["message"]
        one.behave()
        assert one.wait_for(running)["status"] == "completed"
        reason = eventually(lambda: _not_ready(one), 60, "it says why it takes nothing")
        assert "storage" in reason
        assert one.job(waiting)["status"] in ("pending", "processing")
        server.start()
        assert one.wait_for(waiting)["status"] == "completed"
        [(failures,)] = one.rows("SELECT max(failures) FROM transcription_job")
        assert failures == 0


def _not_ready(one: Service) -> str:
    answer = one.get("/ready")
    return "" if answer.status_code == 200 else answer.text


def test_a_backup_brings_the_bucket_back(tmp_path: Path, server: S3Server, audio: Path) -> None:
    old, new, saved = server.new_bucket(), server.new_bucket(), tmp_path / "saved"
    for folder in ("old", "new"):
        (tmp_path / folder).mkdir()
    with service(tmp_path / "old", **server.settings(old, "there")) as one:
        job = one.wait_for(one.submit(audio))
        assert job["status"] == "completed"
        told = _command(one, "backup", str(saved))
        assert "1 audio files" in told
    restored = Service(tmp_path / "new", **server.settings(new))
    _command(restored, "restore", str(saved))
    assert keys(server, new) == {f"{job['id']}/0-audio"}
    client = server.client()
    assert client.get_object(Bucket=new, Key=f"{job['id']}/0-audio")["Body"].read() == audio.read_bytes()
    assert "this database's own" in _command(restored, "doctor", check=False)
    assert f"s3://{new}/ can be written" in _command(restored, "doctor", check=False)


def _command(one: Service, *words: str, check: bool = True) -> str:
    settings = {f"DICTOGRAPH_{name.upper()}": str(value) for name, value in one.settings.items()}
    done = subprocess.run(
        [sys.executable, "-m", "dictograph", *words],
        env={**os.environ, **settings}, capture_output=True, text=True, check=False, cwd=one.folder,
    )  # fmt: skip
    assert done.returncode == 0 or not check, done.stdout + done.stderr
    return done.stdout

"""A profile alone is the old system at its old addresses; its variables and file are read as they were."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from dictograph.job import Options
from tests.e2e.contracts.spoken import short
from tests.service import TINY, Service, eventually

COUNT = Path(__file__).parents[3] / "src" / "dictograph" / "samples" / "count.wav"
START = "start without any other setting"
NAMES = "variables and files of the old system"

#: config.ini of the old backend, with all of its keys.
CONFIG = """\
[database]
ref_table = transcription_job

[aws]
bucket_name = audio
access_key = AWS_ACCESS_KEY_ENV
region = eu-west-3
[redis]
host = redis
pub_sub_channel = job_updates
[celery]
task_time_limit = 600
task_max_retries = 1    # two attempts
[file]
max_size_mb = 1
allowed_audio_extensions = mp3,wav # no others
whisper_model = base
[whisper]
cpu_threads = 1
beam_size = 2
word_timestamps = false
[middleware]
requests_per_minute = 600
[colours]
sky = blue
"""


def is_free(port: int) -> bool:
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("", port))
        except OSError:
            return False
    return True


@contextmanager
def old(folder: Path, profile: str, *ports: int, **settings: Any) -> Iterator[Service]:
    """A service of these profiles, on their own ports; somebody else may be trying the same out on this machine."""
    eventually(lambda: all(map(is_free, ports)), 120, f"{ports} are in use")
    one = Service(folder, "serve", "--profile", profile, **{"listen": "", **settings})
    one.start()
    try:
        if ports:
            eventually(lambda: "Dictograph listens on" in one.words_of_log() or not one.running)
            one.base = f"http://127.0.0.1:{ports[0]}"
        else:
            one.wait_until_up()
        yield one
    finally:
        if one.running:
            one.kill()


def frozen(one: Service, contract: str) -> list[tuple[Any, ...]]:
    query = "SELECT limits, max_attempts, options FROM transcription_job WHERE contract = ?"
    return [
        (json.loads(limits), attempts, Options.model_validate(json.loads(options)).model_dump())
        for limits, attempts, options in one.rows(query, contract)
    ]


def transcribe(base: str, **more: str) -> dict[str, Any]:
    """A job of the backend's contract, as its pages make one."""
    audio = COUNT.read_bytes()
    asked = {"filename": "count.wav", "content_type": "audio/wav", "file_size": len(audio)}
    url = httpx.post(f"{base}/api/v1/audio/presigned-url", json=asked, timeout=30).json()["url"]
    assert httpx.put(url, content=audio, headers={"content-type": "audio/wav"}, timeout=30).is_success
    answer = httpx.post(f"{base}/api/v1/job/transcribe", json={"filename": "count.wav", "url": url, **more}, timeout=30)
    assert answer.status_code == 200, answer.text
    shape: dict[str, Any] = answer.json()
    return shape


@pytest.mark.contract("gateway", START, "ports 5000 and 8765 of 127.0.0.1, log lines, 100 MB frozen into jobs")
def test_the_gateway_at_its_two_ports(tmp_path: Path) -> None:
    with old(tmp_path, "gateway", 5000, 8765) as one:
        assert one.get("/health").json() == {"status": "Audio-Gateway is healthy", "kafka": "disconnected"}
        with connect("ws://127.0.0.1:8765", proxy=None) as ws:
            ws.send('{"type": "get_status"}')
            assert json.loads(ws.recv(10))["data"]["status"] == "idle"
        answer = one.post("/upload", files={"file": ("count.wav", COUNT.read_bytes())})
        assert answer.status_code == 202, answer.text
        assert [(limits, attempts) for limits, attempts, _ in frozen(one, "gateway")] == [({"max_bytes": 104857600}, 3)]
        log = one.words_of_log()
        for line in (
            "Starting Audio-Gateway on 127.0.0.1:5000",
            "Starting WebSocket server on 127.0.0.1:8765",
            "Starting Transcription Service...",
            "profile gateway; the queue is on Kafka at localhost:9092",
            "Failed to connect to Kafka at localhost:9092: no broker answers",
        ):
            assert line in log
        assert "without a key" not in log  # nobody else can reach it


@pytest.mark.contract("backend", START, "port 3203, the embedded database and storage, 10 MB and 4 attempts in jobs")
def test_the_backend_at_its_port(tmp_path: Path) -> None:
    with old(tmp_path, "backend", 3203) as one:
        assert isinstance(one.get("/").json()["message"], str)
        assert one.get("/api/v1").status_code == 200
        assert one.get("/docs").status_code == 200
        job = transcribe(one.base)
        assert [job["status"], job["whisper_model"]] == ["pending", None]
        [(limits, attempts, options)] = frozen(one, "backend")
        assert (limits, attempts) == ({"max_bytes": 10 * 2**20, "max_attempts": 4}, 4)
        assert (options["engine"], options["model"], options["word_timestamps"]) == ("auto", None, True)
        assert (one.data / "dictograph.db").is_file()
        assert "open    to all who can reach this machine, without a key: the routes of backend" in one.words_of_log()
        assert "http://0.0.0.0:3203 (backend)" in one.words_of_log()


@pytest.mark.contract("path", START, "port 4000, a pool of ten")
def test_the_path_service_at_its_port(tmp_path: Path) -> None:
    with old(tmp_path, "path", 4000) as one:
        assert one.get("/health").text == "OK"
        path = one.post("/upload", files={"file": ("recording.wav", COUNT.read_bytes())}).json()["path"]
        assert one.post("/transcribe", json={"path": path}).status_code == 202
        assert eventually(lambda: one.get("/status", params={"path": path}).json().get("transcription"))


@pytest.mark.contract("gateway", START, "beside the others in one process, each at its own address")
def test_several_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "0")
    with old(tmp_path, "gateway,path,backend", 5000, 8765, 4000, 3203) as one:
        assert one.get("/health").json()["status"] == "Audio-Gateway is healthy"
        assert httpx.get("http://127.0.0.1:4000/health", timeout=30).text == "OK"
        assert "message" in httpx.get("http://127.0.0.1:3203/", timeout=30).json()
        listening = next(line for line in one.words_of_log().splitlines() if "listens on" in line)
        platform = listening.rpartition("http://0.0.0.0:")[2]  # the port is a free one
        assert httpx.get(f"http://127.0.0.1:{platform}/health", timeout=30).json()["kafka"] == "disconnected"


@pytest.mark.contract(
    "gateway", NAMES, "MODEL_ID is the model of its jobs and of no others; API_KEY, MAX_CONTENT_LENGTH"
)
@pytest.mark.contract("backend", NAMES, "config.ini: limits, model, options; a model that cannot be had fails the job")
def test_each_contract_has_the_model_and_limits_of_its_own_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(TINY, model := tmp_path / "model")
    for name, value in {
        "MODEL_ID": str(model), "API_KEY": "old", "MAX_CONTENT_LENGTH": "1000000", "HF_HUB_OFFLINE": "1",
        "FILE_ALLOWED_AUDIO_EXTENSIONS": "wav", "UPLOAD_FOLDER": str(tmp_path / "some" / "audio"),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    (tmp_path / "config.ini").write_text(CONFIG)
    settings = {"engine": "whisper", "models_dir": tmp_path / "models", "listen": "gateway@127.0.0.1:0"}
    speech, text = short(tmp_path, 5)
    with old(tmp_path, "gateway,backend", **settings) as one:
        upload = {"files": {"file": ("talk.wav", speech.read_bytes())}}
        assert one.post("/upload", **upload).status_code == 401
        request_id = one.post("/upload", **upload, headers={"X-API-Key": "old"}).json()["request_id"]
        large = {"files": {"file": ("a.wav", b"x" * 1_000_001)}}
        assert one.post("/upload", **large, headers={"X-API-Key": "old"}).status_code == 413
        assert len(list((tmp_path / "some" / "audio").rglob("0-audio"))) == 1

        gateways = {"filename": "a.wav", "url": "https://audio.example/a.wav", "mode": str(model)}
        assert "is not offered" in one.post("/api/v1/job/transcribe", json=gateways).json()["detail"]
        jobs = [transcribe(one.base)["id"], transcribe(one.base, mode="medium")["id"]]
        [(limits, attempts, options), _] = frozen(one, "backend")
        assert (limits, attempts) == ({"max_bytes": 2**20, "max_attempts": 2}, 2)
        assert [options[name] for name in ("engine", "model", "beam_size", "word_timestamps")] == [
            "whisper", "base", 2, False,
        ]  # fmt: skip
        for name, size in {"a.wav": 2**20 + 1, "a.mp3": 1000}.items():
            asked = {"filename": name, "content_type": "audio/wav", "file_size": size}
            assert one.post("/api/v1/audio/presigned-url", json=asked).status_code == 400

        done = eventually(lambda: one.get(f"/status/{request_id}").json().get("result"))
        assert done["transcription"].split() == text.split()
        for job_id, name in zip(jobs, ("base", "medium"), strict=True):
            failed = eventually(partial(_failed, one, job_id))
            assert failed
            assert f"The model {name} is unavailable" in failed["error_message"]
        log = one.words_of_log()
        assert "Failed to load AI model: base: " in log
        assert "config.ini [colours] sky is no setting of Dictograph, and is ignored." in log
        assert "config.ini [aws] bucket_name yields to UPLOAD_FOLDER in the environment" in log
        assert "Redis at redis:6379/0 cannot be used: the name of the host cannot be resolved" in log
        assert "AWS_ACCESS_KEY_ENV" not in log


def _failed(one: Service, job_id: str) -> dict[str, Any] | None:
    job: dict[str, Any] = one.get(f"/api/v1/job/status/{job_id}").json()
    return job if job["status"] == "failed" else None


@pytest.mark.contract("gateway", NAMES, "an UPLOAD_FOLDER that cannot be written is a clear error at the start")
def test_an_upload_folder_that_cannot_be_written_is_told_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("UPLOAD_FOLDER", str(tmp_path / "file" / "audio"))
    one = Service(tmp_path, "serve", "--profile", "gateway", listen="127.0.0.1:0").start()
    eventually(lambda: not one.running)
    assert one.stop() == 3
    told = (
        f"{tmp_path / 'file' / 'audio'} cannot be written (DICTOGRAPH_STORAGE_URL, or UPLOAD_FOLDER): Not a directory"
    )
    assert told in one.words_of_log()

"""The backend's WebSocket: what its pages rely on, frame by frame."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from tests.audio_files import write_noise
from tests.e2e.contracts.backend_client import SETTINGS, Backend
from tests.service import eventually, service

WS = "WS /api/v1/job/ws/{job_id}"
ORIGIN = "https://pages.example"


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    with service(tmp_path_factory.mktemp("service"), **SETTINGS, backend_origins=ORIGIN) as up:
        yield Backend(up)


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noise(tmp_path_factory.mktemp("audio") / "talk.wav", 2, 1)


@pytest.fixture
def long_job(backend: Backend, tmp_path: Path) -> Iterator[str]:
    """A job of several windows, each of which takes a while."""
    backend.service.behave(delay=0.4, max_batch=1)
    yield backend.job_of(write_noise(tmp_path / "long.wav", 100, 7))["id"]
    backend.service.behave()


def check(frames: list[dict[str, Any]], job: str) -> None:
    """What holds for all frames of all jobs."""
    first, *updates = frames
    assert first["type"] == "connected"
    assert first.keys() == {"type", "job_id", "connection_id", "message", "timestamp"}
    assert {frame["job_id"] for frame in frames} == {job}
    for frame in updates:
        assert frame["type"] == "job_update"
        assert frame["status"] in ("pending", "processing", "completed", "failed")
        assert type(frame["progress"]) is int
        assert 0 <= frame["progress"] <= 100
        assert isinstance(frame["message"], str)


@pytest.mark.contract("backend", WS, "`connected`, the state, every change, the result, and 1000 from the service")
def test_a_job_is_followed_from_its_beginning_to_its_end(backend: Backend, long_job: str) -> None:
    frames, code = backend.frames(long_job)
    check(frames, long_job)
    assert code == 1000
    updates = frames[1:]
    states = [frame["status"] for frame in updates]
    assert [state for i, state in enumerate(states) if state not in states[:i]][-2:] == ["processing", "completed"]
    progress = [frame["progress"] for frame in updates]
    assert progress == sorted(progress)
    assert any(0 < done < 100 for done in progress)
    assert [frame for frame, following in pairwise(updates) if frame == following] == []
    last = updates[-1]
    assert last["result"] == backend.status(long_job)["result_text"]
    assert isinstance(last["processing_time"], float)
    assert states.count("completed") == 1


@pytest.mark.contract("backend", WS, "every frame of a completed job, the first one too, carries the whole result")
def test_who_comes_after_the_end_gets_it_at_once(backend: Backend, audio: Path) -> None:
    job = backend.done(audio)
    frames, code = backend.frames(job["id"])
    check(frames, job["id"])
    assert code == 1000
    [only] = frames[1:]
    assert only == {
        "type": "job_update",
        "job_id": job["id"],
        "status": "completed",
        "progress": 100,
        "message": only["message"],
        "result": job["result_text"],
        "language": job["language"],
        "language_probability": job["language_probability"],
        "processing_time": only["processing_time"],
    }
    assert only["processing_time"] > 0


@pytest.mark.contract("backend", WS, "failed: the reason in `error` and in `message`")
def test_a_failed_job(backend: Backend, tmp_path: Path) -> None:
    text = tmp_path / "notes.wav"
    text.write_text("These are words, but nobody says them.")
    job = backend.job_of(text)["id"]
    frames, code = backend.frames(job)
    check(frames, job)
    assert (frames[-1]["status"], code) == ("failed", 1000)
    assert frames[-1]["error"] == frames[-1]["message"] == backend.status(job)["error_message"]
    assert frames[-1]["result"] is None


@pytest.mark.contract("backend", WS, "a cancelled job is failed, with a reason")
def test_a_cancelled_job(backend: Backend, long_job: str) -> None:
    backend.service.behave(delay=1.5, max_batch=1)
    eventually(lambda: backend.status(long_job)["progress"] > 0)
    backend.cancel(long_job)
    frames, code = backend.frames(long_job)
    assert (frames[-1]["status"], frames[-1]["error"], code) == ("failed", "The job was cancelled.", 1000)


@pytest.mark.contract("backend", WS, "an unknown job: one failed update and 1000, so that no page comes back for ever")
def test_an_unknown_job(backend: Backend, audio: Path) -> None:
    for job in (str(uuid4()), "x", backend.service.submit(audio)):
        frames, code = backend.frames(job)
        check(frames, job)
        assert (len(frames), code) == (2, 1000)
        assert frames[1]["status"] == "failed"
        assert frames[1]["error"] == frames[1]["message"] == "Job not found"


@pytest.mark.contract("backend", WS, "pages of allowed origins, and programs; no other page")
def test_whose_pages_may_follow(backend: Backend, audio: Path) -> None:
    job = backend.done(audio)["id"]
    with backend.socket(job, origin=ORIGIN) as socket:
        assert json.loads(socket.recv(timeout=10))["type"] == "connected"
    with pytest.raises(InvalidStatus) as refused, backend.socket(job, origin="https://evil.example"):
        pass
    assert refused.value.response.status_code == 403


@pytest.mark.contract("backend", WS, "what a client says is said back; the answer to a ping is not")
@pytest.mark.contract("backend", WS, "`ping` after 10 s of silence")
def test_echo_and_ping(backend: Backend, tmp_path: Path) -> None:
    backend.service.behave(delay=13)
    try:
        job = backend.job_of(write_noise(tmp_path / "slow.wav", 1, 3))["id"]
        with backend.socket(job) as socket:
            connection = json.loads(socket.recv(timeout=10))["connection_id"]
            socket.send('{"type": "pong"}')
            socket.send("Hällo\n")
            while (frame := json.loads(socket.recv(timeout=20)))["type"] == "job_update":
                assert frame["status"] in ("pending", "processing")
            assert (frame["type"], frame["data"], frame["job_id"]) == ("echo", "Hällo\n", job)
            while (frame := json.loads(socket.recv(timeout=20)))["type"] == "job_update":
                assert frame["status"] in ("pending", "processing")
            assert frame["type"] == "ping"
            assert frame["connection_id"] == connection
            assert frame.keys() >= {"timestamp", "message"}
    finally:
        backend.service.behave()


@pytest.mark.contract("backend", WS, "while the service stops: not 1000, so that pages come back")
def test_a_service_that_stops_does_not_say_that_it_is_done(tmp_path: Path) -> None:
    with service(tmp_path, **SETTINGS) as up:
        up.behave(delay=5)
        backend = Backend(up)
        job = backend.job_of(write_noise(tmp_path / "talk.wav", 2, 1))["id"]
        with backend.socket(job) as socket:
            assert json.loads(socket.recv(timeout=10))["type"] == "connected"
            assert up.process is not None
            up.process.terminate()
            with pytest.raises(ConnectionClosedError) as closed:
                list(socket)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1012

"""The path contract's shapes, and the names that its uploads get."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient

from dictograph.api.paths.responses import render, status_of
from dictograph.api.surface import route_class
from dictograph.errors import DatabaseUnavailable, InvalidOption, NotFound, StorageFull, TooManyRequests, Unauthorized
from dictograph.job import ErrorRecord, JobStatus
from dictograph.service.compat.path_uploads import safe_name


class _Job:
    """As much of a job as its status takes."""

    def __init__(self, status: JobStatus, error: ErrorRecord | None = None) -> None:
        self.status, self.error = status, error


@pytest.mark.parametrize(
    ("status", "text", "shape"),
    [
        (JobStatus.PENDING, "", {"status": "processing"}),
        (JobStatus.PROCESSING, "", {"status": "processing"}),
        (JobStatus.COMPLETED, " one two\n", {"status": "completed", "transcription": "one two"}),
        (JobStatus.COMPLETED, " ", {"status": "completed", "transcription": "[no speech]"}),
        (JobStatus.FAILED, "half", {"status": "error", "error": "It broke."}),
        (JobStatus.CANCELLED, "half", {"status": "error", "error": "The transcription was cancelled."}),
    ],
)
def test_every_state_is_one_of_three(status: JobStatus, text: str, shape: dict[str, str]) -> None:
    job: Any = _Job(status, ErrorRecord("engine_failed", "It broke."))
    assert status_of(job, text) == shape


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidOption("It is bad."), 400),
        (NotFound("It is gone."), 404),
        (Unauthorized("Who are you?"), 401),
        (TooManyRequests("Too often.", retry_after=3), 429),
        (StorageFull("It is full."), 500),
        (DatabaseUnavailable("It is away."), 500),
        (RuntimeError("a secret of ours"), 500),
    ],
)
def test_every_error_is_one_shape(error: Exception, status: int) -> None:
    router = APIRouter(route_class=route_class(render))

    @router.get("/")
    async def fail() -> None:
        raise error

    app = FastAPI()
    app.include_router(router)
    answer = TestClient(app).get("/")
    assert answer.status_code == status
    assert list(json.loads(answer.text)) == ["error"]
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("talk.mp3", "talk.mp3"),
        ("Grüße & Küsse.wav", "Gr_e_K_sse.wav"),
        ("C:\\audio\\talk one.mp3", "talk_one.mp3"),
        ("../../.bashrc", "bashrc"),
        ("-rf", "rf"),
        ("a.part.part", "a"),
        (".part", "part"),
        ("日本語", "audio"),
        ("", "audio"),
        ("x" * 200 + ".mp3", "x" * 76 + ".mp3"),
        ("x." + "y" * 200, ("x." + "y" * 200)[:80]),
    ],
)
def test_a_name_needs_no_quoting(given: str, safe: str) -> None:
    assert safe_name(given) == safe
    assert not safe.endswith(".part")

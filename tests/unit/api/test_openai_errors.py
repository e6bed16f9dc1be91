"""Every error there is, as OpenAI's clients get it."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from starlette.requests import Request

from dictograph.api.openai.errors import refusal, render, render_natively
from dictograph.errors import (
    DatabaseUnavailable,
    DictographError,
    EngineCrashed,
    IdempotencyInProgress,
    JobStateConflict,
    ModelNotAllowed,
    StorageFull,
    TooManyRequests,
    Unauthorized,
    UnsupportedByEngine,
    kinds,
)

NOBODY = cast("Request", None)


def made(kind: type[DictographError]) -> DictographError:
    return TooManyRequests("No.", retry_after=7.5) if kind is TooManyRequests else kind("No.", param="field")


def error_of(answer: Any) -> dict[str, Any]:
    error: dict[str, Any] = json.loads(answer.body)["error"]
    return error


@pytest.mark.parametrize(
    "kind", [kind for kind in kinds() if kind.__module__ == "dictograph.errors"], ids=lambda kind: kind.__name__
)
def test_every_error_has_all_four_keys_and_a_status_that_clients_know(kind: type[DictographError]) -> None:
    for answer in (refusal(made(kind)), render_natively(NOBODY, made(kind))):
        error = error_of(answer)
        assert list(error) == ["message", "type", "param", "code"]
        assert error["message"] == "No."
        assert isinstance(error["type"], str)
        assert isinstance(error["code"], str)
        assert (error["type"] == "server_error") == (answer.status_code >= 500)
    assert refusal(made(kind)).status_code in {400, 401, 403, 404, 405, 406, 408, 409, 413, 415, 429, 500, 503}
    assert error_of(render_natively(NOBODY, made(kind)))["code"] == kind.code


@pytest.mark.parametrize(
    ("kind", "status", "code", "headers"),
    [
        (Unauthorized, 401, "invalid_api_key", {"www-authenticate": "Bearer"}),
        (ModelNotAllowed, 404, "model_not_found", {}),
        (TooManyRequests, 429, "rate_limit_exceeded", {"retry-after": "8"}),
        (DatabaseUnavailable, 503, "database_unavailable", {"retry-after": "5"}),
        (StorageFull, 503, "storage_full", {}),
        (UnsupportedByEngine, 400, "unsupported_by_engine", {}),
        (IdempotencyInProgress, 409, "idempotency_in_progress", {}),
        (JobStateConflict, 400, "job_state_conflict", {"x-should-retry": "false"}),
        (EngineCrashed, 500, "engine_crashed", {"x-should-retry": "false"}),
    ],
)
def test_what_clients_go_by(kind: type[DictographError], status: int, code: str, headers: dict[str, str]) -> None:
    answer = refusal(made(kind))
    assert (answer.status_code, error_of(answer)["code"]) == (status, code)
    assert {name: value for name, value in answer.headers.items() if not name.startswith("content-")} == headers


def test_a_fault_of_ours_tells_nothing() -> None:
    for answer in (render(NOBODY, None), render_natively(NOBODY, None)):
        assert answer.status_code == 500
        assert error_of(answer)["code"] == "internal_error"
        assert "x-should-retry" not in answer.headers

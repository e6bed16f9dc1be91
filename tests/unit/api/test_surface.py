"""What a surface answers when something goes wrong, whatever raised it."""

from __future__ import annotations

import pytest
from fastapi import APIRouter, FastAPI, HTTPException
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.testclient import TestClient

from dictograph.api.surface import route_class
from dictograph.errors import DictographError, NotFound


class _Body(BaseModel):
    name: str


def _render(request: Request, error: DictographError | RequestValidationError | None) -> Response:
    del request
    status = 500 if error is None else getattr(error, "status", 422)
    return PlainTextResponse(f"told: {type(error).__name__}", status)


@pytest.fixture(scope="module")
def client() -> TestClient:
    router = APIRouter(route_class=route_class(_render))

    @router.post("/body")
    async def body(given: _Body) -> str:
        return given.name

    @router.get("/{what}")
    async def fail(what: str) -> None:
        raise {"ours": NotFound("gone"), "framework": HTTPException(415, "no"), "fault": ValueError("oops")}[what]

    app = FastAPI()
    app.include_router(router)
    return TestClient(app)


@pytest.mark.parametrize(
    ("what", "status", "told"),
    [("ours", 404, "NotFound"), ("framework", 400, "MalformedBody"), ("fault", 500, "NoneType")],
)
def test_every_error_has_the_surfaces_shape(client: TestClient, what: str, status: int, told: str) -> None:
    answer = client.get(f"/{what}")
    assert (answer.status_code, answer.text) == (status, f"told: {told}")


def test_a_body_that_is_no_json_is_no_fault_of_ours(client: TestClient) -> None:
    for body in (b"\xff\xfe", b"{", b"[" * 100_000):
        answer = client.post("/body", content=body, headers={"content-type": "application/json"})
        assert answer.status_code in (400, 422), answer.text
        assert answer.text.startswith("told: ")

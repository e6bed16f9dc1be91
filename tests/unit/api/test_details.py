"""What only the operator may know, hosts and folders, is told to no client, whatever the contract; the log has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import psycopg
import pytest
from starlette.requests import Request
from starlette.responses import Response

from dictograph.api import error_responses
from dictograph.api.asr import errors as asr
from dictograph.api.backend import responses as backend
from dictograph.api.gateway import errors as gateway
from dictograph.api.openai import errors as openai
from dictograph.api.paths import responses as paths
from dictograph.errors import DictographError
from dictograph.store.backends.postgres_errors import as_outage

NOBODY = cast("Request", None)

AWAY = psycopg.OperationalError('connection to server at "10.1.2.3", port 40667 failed: Connection refused')

SHAPES: dict[str, Callable[[DictographError], Response]] = {
    "native": error_responses.error_response,
    "openai": lambda error: openai.render(NOBODY, error),
    "openai, natively": lambda error: openai.render_natively(NOBODY, error),
    "asr": lambda error: asr.render(NOBODY, error),
    "gateway": lambda error: gateway.render(NOBODY, error),
    "backend": lambda error: backend.answer(NOBODY, error),
    "path": lambda error: paths.render(NOBODY, error),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_no_client_learns_where_the_database_is(shape: Callable[[DictographError], Response]) -> None:
    outage = as_outage(AWAY)
    assert outage is not None
    body = bytes(shape(outage).body).decode()
    assert "10.1.2.3" not in body
    assert "40667" not in body
    assert "10.1.2.3" in str(outage), "the log is where the operator looks"


def test_an_error_without_details_is_its_message() -> None:
    assert str(DictographError("It is broken.")) == "It is broken."
    assert str(DictographError("It is broken.", detail="/srv/a")) == "It is broken (/srv/a)."

"""Tickets: what a web page uses where it can send no header."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from dictograph.service.auth import tickets
from tests.integration.api.live import FakeWorker, Live, live
from tests.integration.api.raw import connected, exchange, head, parsed, received
from tests.keys import by_key, make_key, revoke

JOBS = "/v1/transcriptions"


@pytest.fixture
def secret(api: Live) -> str:
    return make_key(api.settings.database, "alice").secret


@pytest.fixture
def job(client: httpx.Client, hand: FakeWorker, secret: str) -> str:
    """A finished job of hers."""
    id = new_job(client, secret)
    hand.finish_one()
    return id


def new_job(client: httpx.Client, secret: str) -> str:
    answer = client.post(JOBS, files={"file": ("talk.mp3", b"x")}, headers=by_key(secret))
    return str(answer.json()["id"])


def ticket(client: httpx.Client, secret: str, **wanted: Any) -> str:
    answer = client.post("/v1/tickets", headers=by_key(secret), json=wanted)
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return str(answer.json()["ticket"])


def refusal(url: str, **more: Any) -> int:
    """The status with which a WebSocket is refused before it is one."""
    with pytest.raises(InvalidStatus) as refused, connect(url, **more):
        pass
    body = json.loads(refused.value.response.body)
    assert body["error"]["code"] in ("unauthorized", "scope_missing")
    return refused.value.response.status_code


@pytest.mark.contract("native", "POST /v1/tickets", "opens WebSockets, events and transcripts for a minute")
def test_a_ticket_opens_what_is_read_of_a_job(client: httpx.Client, api: Live, job: str, secret: str) -> None:
    for wanted in ({}, {"job_id": job}):
        one = ticket(client, secret, **wanted)
        assert one.startswith("dt_")
        for part in ("", "/transcript", "/events"):
            assert client.get(f"{JOBS}/{job}{part}").status_code == 401
            assert client.get(f"{JOBS}/{job}{part}", params={"ticket": one}).status_code == 200
            assert client.head(f"{JOBS}/{job}", params={"ticket": one}).status_code == 200
        with connect(f"{api.ws_base}{JOBS}/{job}/ws?ticket={one}") as socket:
            assert [json.loads(frame)["type"] for frame in socket][-1] == "completed"


def test_a_ticket_changes_nothing_and_lists_nothing(client: httpx.Client, job: str, secret: str) -> None:
    query = {"ticket": ticket(client, secret)}
    assert client.post(f"{JOBS}/{job}/cancel", params=query).status_code == 401
    assert client.delete(f"{JOBS}/{job}", params=query).status_code == 401
    assert client.get(JOBS, params=query).status_code == 401
    assert client.post("/v1/tickets", params=query).status_code == 401


@pytest.mark.contract("native", "POST /v1/tickets", "for one job, if that is said")
def test_a_ticket_of_one_job_opens_no_other(client: httpx.Client, api: Live, job: str, secret: str) -> None:
    other = new_job(client, secret)
    one = ticket(client, secret, job_id=job)
    assert client.get(f"{JOBS}/{other}", params={"ticket": one}).status_code == 401
    assert refusal(f"{api.ws_base}{JOBS}/{other}/ws?ticket={one}") == 401


def test_a_ticket_is_its_owners(client: httpx.Client, api: Live, job: str) -> None:
    bob = make_key(api.settings.database, "bob").secret
    assert client.get(f"{JOBS}/{job}", params={"ticket": ticket(client, bob)}).status_code == 404
    assert client.post("/v1/tickets", headers=by_key(bob), json={"job_id": job}).status_code == 404
    writer = make_key(api.settings.database, "alice", scopes=("transcribe",)).secret
    assert client.post("/v1/tickets", headers=by_key(writer)).status_code == 403


@pytest.mark.contract("native", "POST /v1/tickets", "ends with the key that it was got with")
def test_a_ticket_ends_with_its_key_and_its_minute(
    client: httpx.Client, api: Live, job: str, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = make_key(api.settings.database, "alice")
    one = ticket(client, key.secret)
    assert client.get(f"{JOBS}/{job}", params={"ticket": one}).status_code == 200
    revoke(api.settings.database, key.key.id)
    assert client.get(f"{JOBS}/{job}", params={"ticket": one}).status_code == 401
    monkeypatch.setattr(tickets, "LIFETIME_S", -1)
    assert client.get(f"{JOBS}/{job}", params={"ticket": ticket(client, secret)}).status_code == 401


def test_every_process_on_the_database_knows_the_tickets_of_the_others(
    client: httpx.Client, api: Live, job: str, secret: str, tmp_path: Path
) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    with live(folder, database_url=api.settings.database) as other, other.client() as there:
        query = {"ticket": ticket(client, secret)}
        assert there.get(f"{JOBS}/{job}/transcript", params=query).status_code == 200
        assert client.get(f"{JOBS}/{job}", params={"ticket": ticket(there, secret)}).status_code == 200


def test_what_is_no_ticket_of_ours_opens_nothing(client: httpx.Client, job: str, secret: str) -> None:
    one = ticket(client, secret)
    said, _, signature = one.partition(".")
    forged = [
        *("", "dt_", "dt_.", "x", "dt_x.y", said, f"{said}.", f".{signature}", one + "A", "dt_" + one, "ü", "x" * 9000),
        f"{said}.{'A' * len(signature)}",
        f"{said[:-1]}{'A' if said[-1] != 'A' else 'B'}.{signature}",
    ]
    for text in forged:
        answer = client.get(f"{JOBS}/{job}", params={"ticket": text})
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized"), text


@pytest.mark.contract("native", "WS /v1/transcriptions/{job_id}/ws", "refused with 401 or 403 before it is one")
def test_a_websocket_without_a_right_is_refused_before_it_is_one(
    client: httpx.Client, api: Live, job: str, secret: str
) -> None:
    url = f"{api.ws_base}{JOBS}/{job}/ws"
    writer = make_key(api.settings.database, "alice", scopes=("transcribe",)).secret
    assert refusal(url) == 401
    assert refusal(url, additional_headers=by_key("dg_nobody")) == 401
    assert refusal(url, additional_headers=by_key(writer)) == 403
    with connect(url, additional_headers=by_key(secret)) as socket:
        assert json.loads(socket.recv())["seq"] == 1


def test_without_keys_a_ticket_is_to_be_had_and_not_needed(client: httpx.Client, hand: FakeWorker) -> None:
    id = new_job(client, "")
    one = ticket(client, "")
    hand.finish_one()
    assert client.get(f"{JOBS}/{id}/transcript", params={"ticket": one}).status_code == 200


def test_who_has_no_key_sends_no_body(client: httpx.Client, api: Live, secret: str) -> None:
    assert client.post("/v1/tickets", headers=by_key(secret)).status_code == 201
    for length in ("content-length: 50000000", "transfer-encoding: chunked"):
        with connected(api) as raw:  # and nothing of the body: whoever waited for it would never answer
            raw.sendall(head(length, target="/v1/tickets", kind="application/json"))
            assert parsed(received(raw)).code == "unauthorized"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 201, None),
        (b"null", 201, None),
        (b"{}", 201, None),
        (b'{"job_id": null}', 201, None),
        (b'{"job_id": 7}', 422, "invalid_request"),
        (b'{"job": "x"}', 422, "invalid_request"),
        (b"[]", 422, "invalid_request"),
        (b"{", 422, "invalid_request"),
        (b'{"job_id": "\\u0000"}', 404, "not_found"),
        (b'{"job_id": "%b"}' % (b"x" * 70_000), 413, "upload_too_large"),
    ],
    ids=lambda given: repr(given[:20]) if isinstance(given, bytes) else "",
)
def test_what_a_ticket_is_asked_for_with(api: Live, body: bytes, status: int, code: str | None) -> None:
    told = head(f"content-length: {len(body)}", target="/v1/tickets", kind="application/json")
    reply = exchange(api, told + body)
    assert reply.status == status, reply
    assert code is None or reply.code == code


def test_the_document_says_what_a_ticket_is_asked_for_with(client: httpx.Client) -> None:
    operation = client.get("/openapi.json").json()["paths"]["/v1/tickets"]["post"]
    assert operation["requestBody"]["required"] is False
    given, nothing = operation["requestBody"]["content"]["application/json"]["schema"]["anyOf"]
    assert "job_id" in given["properties"]
    assert nothing == {"type": "null"}

"""Who may call the routes of older systems: by their own key, without one, and how often."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.api.live import Live, live
from tests.keys import by_key, make_key

CHOSEN = "the key of old"


def upload(client: httpx.Client, key: str | None = None) -> httpx.Response:
    headers = by_key(key) if key is not None else {}
    return client.post("/upload", files={"file": ("talk.mp3", b"x")}, headers=headers)


def announced(client: httpx.Client, **more: Any) -> httpx.Response:
    wanted = {"filename": "talk.mp3", "content_type": "audio/mpeg", "file_size": 10}
    return client.post("/api/v1/audio/presigned-url", json=wanted, **more)


@pytest.fixture
def gateway(tmp_path: Path, migrated: Path) -> Iterator[Live]:
    with live(tmp_path, migrated=migrated, gateway_api_key=CHOSEN, anonymous="gateway-read") as one:
        yield one


def test_the_gateways_own_key_opens_its_uploads_and_nothing_else(gateway: Live) -> None:
    with gateway.client() as client:
        assert [upload(client, key).status_code for key in (None, "wrong", CHOSEN)] == [401, 401, 202]
        made = upload(client, CHOSEN).json()["request_id"]
        assert client.get(f"/status/{made}").json()["status"] != "unknown", "reading is open"
        assert client.get(f"/status/{made}", headers=by_key(CHOSEN)).status_code == 200
        assert client.get("/v1/transcriptions").status_code == 401, "there is a key, so nobody is local"
        assert client.get("/v1/transcriptions", headers=by_key(CHOSEN)).status_code == 401
        alice = make_key(gateway.settings.database).secret
        assert upload(client, alice).status_code == 202


def test_a_key_that_somebody_chose_cannot_be_guessed_at_will(gateway: Live) -> None:
    alice = make_key(gateway.settings.database).secret
    with gateway.client() as client:
        answers = [upload(client, f"guess {number}").status_code for number in range(31)]
        assert answers == [401] * 30 + [429]
        assert upload(client, CHOSEN).status_code == 429, "not even with the right one, or guessing would go on"
        assert upload(client, alice).status_code == 202


def test_calls_of_the_backend_are_limited_by_address_whoever_calls(tmp_path: Path, migrated: Path) -> None:
    with (
        live(tmp_path, migrated=migrated, anonymous="backend", backend_requests_per_minute=3) as api,
        api.client() as client,
    ):
        key = by_key(make_key(api.settings.database).secret)
        assert [client.get("/api/v1/job/read", headers=one).status_code for one in ({}, key, {}, {})] == [200] * 3 + [
            429
        ]
        refused = client.get("/api/v1/job/read")
        assert set(refused.json()) == {"detail"}
        assert int(refused.headers["retry-after"]) in range(1, 61)
        assert client.get("/api/v1").status_code == 200
        assert client.get("/v1/transcriptions", headers=key).status_code == 200


def test_an_address_to_upload_to_is_no_job_yet(tmp_path: Path, migrated: Path) -> None:
    with (
        live(tmp_path, migrated=migrated, anonymous="backend", create_rate_limit="1/hour") as api,
        api.client() as client,
    ):
        assert [announced(client).status_code for _ in range(3)] == [200] * 3


def test_what_is_open_does_not_look_at_keys_while_there_are_none(tmp_path: Path, migrated: Path) -> None:
    with live(tmp_path, migrated=migrated, anonymous="backend") as api, api.client() as client:
        assert client.get("/api/v1/job/read", headers=by_key("whatever")).status_code == 200
        make_key(api.settings.database)
        assert client.get("/api/v1/job/read").status_code == 200
        assert client.get("/api/v1/job/read", headers=by_key("whatever")).status_code == 401

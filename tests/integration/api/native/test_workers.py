"""Everybody hears who works, and how much; at what, only those whose job it is, and the operator."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx

from dictograph.store.workers import WorkerState, announce
from tests.integration.api.live import FakeWorker, Live
from tests.keys import by_key, make_key


def test_jobs_of_others_are_counted_and_not_named(api: Live, client: httpx.Client, hand: FakeWorker) -> None:
    state = WorkerState("hand", "far-away", 4711, datetime.now(UTC), {"ready": False, "reason": "loading", "slots": 2})
    hand.database.write_now(lambda conn: announce(conn, state))
    keys = {name: make_key(api.settings.database, name).secret for name in ("alice", "bob")}
    operator = make_key(api.settings.database, "operator", scopes=("admin",)).secret
    sent = client.post(
        "/v1/transcriptions", files={"file": ("secret.mp3", b"not looked at")}, headers=by_key(keys["alice"])
    )
    hand.claim()

    def told(secret: str) -> dict[str, Any]:
        [one] = client.get("/v1/workers", headers=by_key(secret)).json()["data"]
        assert (one["host"], one["pid"], one["running"], one["slots"]) == ("far-away", 4711, 1, 2)
        assert (one["ready"], one["reason"], one["engines"]) == (False, "loading", [])
        shape: dict[str, Any] = one
        return shape

    assert [job["id"] for job in told(keys["alice"])["jobs"]] == [sent.json()["id"]]
    assert [job["filename"] for job in told(operator)["jobs"]] == ["secret.mp3"]
    assert told(keys["bob"])["jobs"] == []
    assert client.get("/v1/workers").status_code == 401

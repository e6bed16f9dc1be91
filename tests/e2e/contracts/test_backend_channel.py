"""The backend's channel on Redis, beside its WebSocket: API and worker are two processes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.audio_files import write_noise
from tests.e2e.contracts.backend_client import SETTINGS, Backend
from tests.redis import RedisServer
from tests.service import Service, eventually


@pytest.fixture
def backend(tmp_path: Path, redis: RedisServer) -> Iterator[Backend]:
    url = redis.url(redis.new_database())
    channel = f"job_updates-{uuid4().hex}"
    api = Service(tmp_path, "api", **SETTINGS, queue_url=url, redis_channel=channel, concurrency=1)
    worker = api.beside("worker", "worker")
    try:
        api.start().wait_until_up()
        worker.start()
        api.wait_until_ready()
        yield Backend(api)
    finally:
        for one in (api, worker):
            if one.running:
                one.stop()


@pytest.mark.contract(
    "backend", "Channel `job_updates`", "the same objects as the WebSocket sends, API and worker apart"
)
def test_the_channel_has_what_the_websocket_sends(backend: Backend, redis: RedisServer, tmp_path: Path) -> None:
    subscription = redis.client().pubsub()
    subscription.subscribe(backend.service.settings["redis_channel"])
    published: list[dict[str, Any]] = []

    def ended() -> bool:
        while (message := subscription.get_message(timeout=0.1)) is not None:
            if message["type"] == "message":
                published.append(json.loads(message["data"]))
        return bool(published) and published[-1]["status"] == "completed"

    backend.service.behave(delay=0.3, max_batch=1)
    job = backend.job_of(write_noise(tmp_path / "long.wav", 100, 7))["id"]
    frames, code = backend.frames(job)
    eventually(ended)
    sent = [frame for frame in frames if frame["type"] == "job_update"]
    assert code == 1000
    assert sent[-1] == published[-1]
    assert sent[-1]["result"] == backend.status(job)["result_text"]
    rest = iter(published)
    assert [frame for frame in sent if frame not in rest] == [], "in the same order; the WebSocket may leave some out"
    assert published[0]["status"] == "pending"
    assert len([frame for frame in published if 0 < frame["progress"] < 100]) > 1

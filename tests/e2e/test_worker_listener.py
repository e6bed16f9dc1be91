"""A worker alone: its probes, its metrics, and the gateway's WebSocket, beside an API on the same data folder."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import httpx
from websockets.sync.client import connect

from tests.audio_files import write_noise
from tests.service import Service, eventually


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_an_api_and_a_worker_share_the_gateways_addresses(tmp_path: Path) -> None:
    http, news, probes = free_port(), free_port(), free_port()
    api = Service(tmp_path, "api", name="api", listen=f"gateway@127.0.0.1:{http},gateway@127.0.0.1:{news}",
                  gateway_api_key="secret", profile="gateway", worker_listen=f"127.0.0.1:{probes}")  # fmt: skip
    worker = api.beside("worker", "worker")
    api.start().wait_until_up()
    assert "Starting Audio-Gateway on" in api.words_of_log()
    assert "Starting WebSocket server on" not in api.words_of_log()
    try:
        with socket.socket() as one:
            assert one.connect_ex(("127.0.0.1", news)) != 0  # the worker is down, and the old health check sees it
        worker.start()
        base = f"http://127.0.0.1:{probes}"
        eventually(lambda: answers(f"{base}/readyz") == 200, what="the worker is not ready")
        assert [answers(f"{base}{path}") for path in ("/", "/health", "/healthz", "/ready", "/no")] == [200] * 4 + [404]
        with connect(f"ws://127.0.0.1:{news}") as told:
            audio = write_noise(tmp_path / "a.wav", 3, seed=1)
            with audio.open("rb") as file:
                answer = api.post("/upload", files={"file": (audio.name, file)}, headers={"X-API-Key": "secret"})
            request = answer.json()["request_id"]
            told.send(json.dumps({"type": "join", "request_id": request}))
            assert request in ended(told)
        metrics = httpx.get(f"{base}/metrics").text
        assert re.search(r'stt_jobs_total\{status="completed"\} 0', metrics)
        assert "\ndictograph_jobs_waiting 0.0\n" in metrics
        assert "\ndictograph_oldest_wait_seconds 0.0\n" in metrics
        assert f"Starting WebSocket server on 127.0.0.1:{news}" in worker.words_of_log()
        taken = worker.beside("second", "worker", data_dir=tmp_path / "other").start()
        assert taken.process is not None
        assert taken.process.wait(60) == 3
        assert f"Cannot listen on 127.0.0.1:{news}" in taken.words_of_log()
    finally:
        worker.stop()
        api.stop()


def answers(url: str) -> int:
    try:
        return httpx.get(url).status_code
    except httpx.TransportError:
        return 0


def ended(told: object) -> str:
    """The frame that ends the request."""
    for frame in told:  # type: ignore[attr-defined]
        if json.loads(frame)["type"] == "transcription_complete":
            return str(frame)
    return ""

"""An API on a machine without a worker tidies up after one that was killed there."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from dictograph.runtime.crash import Point
from tests.audio_files import write_noise
from tests.service import Service, eventually

KEY = {"Idempotency-Key": "once"}


def test_a_key_that_a_killed_api_was_using_is_free_again(tmp_path: Path) -> None:
    audio = write_noise(tmp_path / "noise.wav", 2, 1).read_bytes()
    service = Service(tmp_path)
    service.start("api", crash_at=Point.UPLOAD_STORED.value).wait_until_up()
    with pytest.raises(httpx.TransportError):
        service.post("/v1/transcriptions", files={"file": audio}, headers=KEY)
    eventually(lambda: service.was_killed, what="it dies where it was told to")
    service.start("api").wait_until_up()
    try:
        answer = eventually(lambda: _accepted(service, audio), 20, "the key is never free again")
        assert answer.json()["status"] == "pending"
    finally:
        service.kill()


def _accepted(service: Service, audio: bytes) -> httpx.Response | None:
    answer = service.post("/v1/transcriptions", files={"file": audio}, headers=KEY)
    assert answer.status_code in (202, 409), answer.text
    return answer if answer.status_code == 202 else None

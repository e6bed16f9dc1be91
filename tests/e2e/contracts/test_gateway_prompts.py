"""The gateway's result by a real engine: figures, and prompts in the language that was spoken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from websockets.sync.client import connect

from tests.e2e.contracts.spoken import short
from tests.service import TINY, Service, service


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("gateway")
    own = folder / "prompts" / "de" / "digits.md"
    own.parent.mkdir(parents=True)
    own.write_text("Welche Ziffern kommen in diesen {words} Wörtern vor?\n\n{transcript}\n", encoding="utf-8")
    with service(
        folder,
        listen="gateway@127.0.0.1:0,gateway@127.0.0.1:0",
        engine="whisper",
        model=TINY,
        extra_engines="",
        prompts_dir=folder / "prompts",
    ) as up:
        yield up.wait_until_ready()


def result(one: Service, language: str) -> tuple[dict[str, Any], str]:
    """What comes of spoken digits, and what was said."""
    file, said = short(one.folder, 3, language)
    with file.open("rb") as sound:
        answer = requests.post(f"{one.base}/upload", files={"file": sound}, timeout=30)
    with connect(one.base.replace("http:", "ws:")) as client:
        client.send(json.dumps({"type": "join", "request_id": answer.json()["request_id"]}))
        while (message := json.loads(client.recv(timeout=60)))["type"] != "transcription_complete":
            assert message["type"] in ("joined", "status_update"), message
    shape: dict[str, Any] = message["result"]
    return shape, said


@pytest.mark.contract("gateway", "transcription_complete", "prompts in the transcript's language, the user's own too")
@pytest.mark.parametrize(("language", "sign"), [("de", "Schreibe auf Deutsch"), ("en", "Write in English")])
def test_prompts_speak_the_language_of_the_transcript(one: Service, language: str, sign: str) -> None:
    shape, said = result(one, language)
    assert shape["transcription"].lower().replace(",", "").replace(".", "").split() == said.split()
    assert shape["transcription_word_count"] == 5
    assert shape["estimated_reading_time_minutes"] == 0.02
    assert 0 < shape["audio_duration_minutes"] < 0.2
    prompts = dict(shape["prompts"])
    own = prompts.pop("digits", None)
    assert prompts.keys() == {"summary_tasks_and_todos", "presentation_structure", "journalistic_summary"}
    assert all(sign in prompt for prompt in prompts.values())
    assert all(f"```\n{shape['transcription']}\n```" in prompt for prompt in prompts.values())
    expected = f"Welche Ziffern kommen in diesen 5 Wörtern vor?\n\n```\n{shape['transcription']}\n```"
    assert own == (expected if language == "de" else None)


def test_a_service_with_a_broken_template_does_not_start(one: Service) -> None:
    broken = one.folder / "broken" / "en" / "mine.md"
    broken.parent.mkdir(parents=True)
    broken.write_text("There is no place for it.")
    other = Service(one.folder, name="broken", prompts_dir=broken.parents[1], data_dir=one.folder / "elsewhere")
    assert other.start().process is not None
    assert other.process is not None
    assert other.process.wait(30) != 0
    words = other.words_of_log()
    assert str(broken) in words
    assert "has no {transcript}" in words
    assert "Traceback" not in words

"""A first start, with weights to be fetched: the service is there at once, and jobs wait for them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.audio_files import write_wav
from tests.hub import Hub, serving
from tests.service import TINY, eventually, service
from tests.speech import say


def test_jobs_wait_while_weights_arrive_with_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audio = write_wav(tmp_path / "a.wav", say("three four five"))
    with serving(Hub(TINY, pause_at=800_000)) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        settings = {"engine": "auto", "extra_engines": "", "models_dir": tmp_path / "models"}
        with service(tmp_path, **settings) as one:
            job = one.submit(audio)
            eventually(lambda: "being fetched" in one.get("/ready").text, what="no progress on /ready")
            not_ready = one.get("/ready")
            assert not_ready.status_code == 503
            (small,) = [model for model in not_ready.json()["models"] if model["id"] == "small"]
            assert small["state"] == "fetching"
            assert 0 <= small["progress"] < 1
            assert one.job(job)["status"] == "pending"
            assert one.get("/health").status_code == 200
            hub.go_on.set()
            done = one.wait_for(job)
            assert (done["status"], done["engine"], done["model"]) == ("completed", "whisper", "small")
            assert done["revision"] == hub.commit
            assert json.loads(one.transcript(job))["text"] == "three four five"
            eventually(lambda: one.get("/ready").status_code == 200)
            assert "fetching model small" in one.words_of_log()


def test_auto_falls_back_with_a_warning_and_whisper_never_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No hub answers: `auto` takes sphinx and says so; a job that asks for whisper fails by name."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    audio = write_wav(tmp_path / "a.wav", say("three four five"))
    settings = {"engine": "auto", "extra_engines": "", "models_dir": tmp_path / "models", "max_attempts": 1}
    with service(tmp_path, **settings) as one:
        done = one.wait_for(one.submit(audio))
        assert (done["status"], done["engine"]) == ("completed", "sphinx")
        assert [warning["code"] for warning in done["warnings"]] == ["engine_fallback"]
        failed = one.wait_for(one.submit(audio, engine="whisper"))
        assert (failed["status"], failed["error"]["code"]) == ("failed", "model_unavailable")
        assert "Transcribing with sphinx" in one.words_of_log()

"""A first start, with weights to be fetched: the service is there at once, and jobs wait for them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.audio_files import write_wav
from tests.e2e.contracts.test_profiles import transcribe
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
    settings |= {"weights_patience": 0}
    with service(tmp_path, **settings) as one:
        done = one.wait_for(one.submit(audio))
        assert (done["status"], done["engine"]) == ("completed", "sphinx")
        assert [warning["code"] for warning in done["warnings"]] == ["engine_fallback"]
        failed = one.wait_for(one.submit(audio, engine="whisper"))
        assert (failed["status"], failed["error"]["code"]) == ("failed", "model_unavailable")
        assert "Transcribing with sphinx" in one.words_of_log()


def test_an_outage_of_the_hub_costs_no_job_an_attempt_and_what_cannot_be_had_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway's model is out of reach for a while; a mode of the backend is found to be nowhere, later."""
    audio = write_wav(tmp_path / "a.wav", say("three four five"))
    with serving(Hub(TINY, repository="Systran/faster-whisper-tiny", busy=True)) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        settings = {"engine": "sphinx", "extra_engines": "", "models_dir": tmp_path / "models"}
        settings |= {"profile": "gateway,backend", "gateway_model": "tiny", "backend_modes": "medium"}
        with service(tmp_path, **settings) as one:
            with audio.open("rb") as file:
                request_id = one.post("/upload", files={"file": ("a.wav", file)}).json()["request_id"]
            by_mode = transcribe(one.base, mode="medium")["id"]
            tried = "/api/models/Systran/faster-whisper-{}/revision/main"
            eventually(
                lambda: all(
                    [path for _, path, _ in hub.requests].count(tried.format(m)) > 1 for m in ("tiny", "medium")
                ),
                what="it is not tried again",
            )
            assert one.rows("SELECT status, attempt FROM transcription_job") == [("pending", 0)] * 2
            (warning,) = one.get("/ready").json()["warnings"]
            assert warning.startswith("Jobs of the gateway contract need the model tiny, which is unavailable: the hub")
            assert warning in one.words_of_log()

            hub.busy = False
            done = eventually(lambda: one.get(f"/status/{request_id}").json().get("result"))
            assert done["transcription"] == "three four five"
            failed = eventually(lambda: one.rows("SELECT attempt FROM transcription_job WHERE status = 'failed'"))
            assert failed == [(1,)], "what will not pass was tried again"
            assert "the hub has no model" in one.get(f"/api/v1/job/status/{by_mode}").json()["error_message"]
            again = {"filename": "a.wav", "url": "https://audio.example/a.wav", "mode": "medium"}
            refused = one.post("/api/v1/job/transcribe", json=again)
            assert 400 <= refused.status_code < 500
            assert "The model medium is unavailable here: the hub has no model" in refused.json()["detail"]
            assert one.rows("SELECT attempt FROM transcription_job WHERE status = 'completed'") == [(1,)]
            assert one.get("/ready").json()["warnings"] == []

            with audio.open("rb") as file:
                refused = one.post("/v1/transcriptions", files={"file": ("a.wav", file)}, data={"model": "small"})
            assert (refused.status_code, refused.json()["error"]["code"]) == (422, "model_not_allowed")
            assert "not fetched with this DICTOGRAPH_ENGINE" in refused.json()["error"]["message"]

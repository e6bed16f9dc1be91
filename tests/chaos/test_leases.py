"""Jobs that are given back, or taken from the dead, or cancelled in the middle."""

from __future__ import annotations

from pathlib import Path

from tests.audio_files import write_noise
from tests.service import Service, eventually, service

PLAIN = {"vad_filter": "false"}


def test_a_stopping_service_gives_its_jobs_back_uncounted(tmp_path: Path) -> None:
    audio = write_noise(tmp_path / "a.wav", 250, 1)
    with service(tmp_path) as one:
        one.behave(delay=0.4, max_batch=1)
        job = one.submit(audio, **PLAIN)
        eventually(lambda: one.job(job)["seconds_done"] > 0)
        assert one.stop() == 0
        ((status, failures, lease),) = one.rows("SELECT status, failures, lease_token FROM transcription_job")
        assert (status, failures, lease) == ("pending", 0, None)
        windows_before = len(one.engine_log())
        one.start().wait_until_up()
        done = one.wait_for(job)
        assert (done["status"], done["failures"]) == ("completed", 0)
        assert len(one.engine_log()) > windows_before
        assert len(set(one.engine_log())) >= len(one.engine_log()) - 2, "committed windows were done again"


def test_a_killed_worker_is_noticed_at_once_on_its_own_host(tmp_path: Path) -> None:
    """With a lease of an hour, only the free lock file can tell."""
    audio = write_noise(tmp_path / "a.wav", 100, 1)
    one = Service(tmp_path, lease="1h")
    one.behave(delay=0.4, max_batch=1)
    one.start().wait_until_up()
    job = one.submit(audio, **PLAIN)
    eventually(lambda: one.job(job)["status"] == "processing")
    one.kill()
    one.start().wait_until_up()
    try:
        assert one.wait_for(job)["status"] == "completed"
    finally:
        one.stop()


def test_cancel_takes_effect_in_the_middle_of_a_batch(tmp_path: Path) -> None:
    audio, other = (write_noise(tmp_path / f"{seed}.wav", 60, seed) for seed in (1, 2))
    with service(tmp_path) as one:
        one.wait_until_ready()  # the proof of inference would be as slow
        one.behave(delay=20, max_batch=8)
        job = one.submit(audio, **PLAIN)
        eventually(lambda: one.job(job)["status"] == "processing")
        assert one.post(f"/v1/transcriptions/{job}/cancel").json()["status"] == "cancelled"
        one.behave(delay=0)
        neighbour = one.submit(other, **PLAIN)
        done = one.wait_for(neighbour, 18)
        assert (done["status"], done["failures"]) == ("completed", 0)
        assert one.job(job)["status"] == "cancelled"

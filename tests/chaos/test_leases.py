"""Workers that stop, and come back too late."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.audio_files import write_noise
from tests.service import Service, eventually, service

PLAIN = {"vad_filter": "false"}


def test_a_worker_stopped_past_its_lease_has_every_write_refused(tmp_path: Path) -> None:
    """Two workers on one database: the first is stopped, the second takes over, the first comes back."""
    audio = write_noise(tmp_path / "a.wav", 250, 1)
    api = Service(tmp_path, lease="2s")
    api.behave(delay=0.4, max_batch=1)
    first, second = _sibling(api, "first"), _sibling(api, "second")
    api.start("api").wait_until_up()
    first.start("worker")
    try:
        job = api.submit(audio, **PLAIN)
        eventually(lambda: api.job(job)["seconds_done"] > 0)
        assert first.process is not None
        eventually(lambda: _stopped_outside_of_a_write(first, api))
        second.start("worker")
        eventually(lambda: api.job(job)["attempt"] == 2, 60, "nobody takes over")
        taken_at = api.job(job)["seconds_done"]
        os.killpg(first.process.pid, signal.SIGCONT)
        done = api.wait_for(job)
        assert (done["status"], done["attempt"]) == ("completed", 2)
        assert taken_at < done["duration"]
        eventually(lambda: "no longer ours" in first.words_of_log(), 30, "the first worker never noticed")
        _nothing_was_written_by_the_first(api, job)
        assert first.running
    finally:
        for one in (first, second, api):
            if one.running:
                assert one.stop() == 0


def _sibling(api: Service, name: str) -> Service:
    one = Service(api.folder, **api.settings)
    one.log = api.folder / f"{name}.log"
    return one


def _stopped_outside_of_a_write(worker: Service, api: Service) -> bool:
    """Stop a worker; but one that is stopped in a transaction would keep SQLite's one lock for as long as it is."""
    assert worker.process is not None
    os.killpg(worker.process.pid, signal.SIGSTOP)  # the worker; its children are in sessions of their own
    with closing(sqlite3.connect(api.data / "dictograph.db", timeout=1, isolation_level=None)) as database:
        try:
            database.execute("BEGIN IMMEDIATE")
            database.rollback()
        except sqlite3.OperationalError:
            os.killpg(worker.process.pid, signal.SIGCONT)
            return False
    return True


def _nothing_was_written_by_the_first(api: Service, job: str) -> None:
    events = api.rows("SELECT seq, type, data FROM events WHERE job_id = ? ORDER BY seq", job)
    assert [seq for seq, _, _ in events] == list(range(1, len(events) + 1))
    committed = [json.loads(data)["index"] for _, type, data in events if type == "segments"]
    assert committed == sorted(set(committed)), "a window was committed twice"
    starts = [json.loads(data)["attempt"] for _, type, data in events if type == "started"]
    assert starts == [1, 2]


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

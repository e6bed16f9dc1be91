"""Forty connections that send bodies in chunks of one byte, beside a job that runs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.audio_files import write_noise
from tests.service import NO_TLS, ROOT, Service, eventually, service

PLAIN = {"vad_filter": "false"}


def test_they_cost_a_running_job_nothing(tmp_path: Path) -> None:
    audio = write_noise(tmp_path / "a.wav", 600, 1)
    with service(tmp_path, lease="3s", concurrency=1) as one:
        one.wait_until_ready()  # the proof of inference would be as slow
        one.behave(delay=0.5, max_batch=1)
        job = one.submit(audio, **PLAIN)
        eventually(lambda: one.job(job)["status"] == "processing")
        with attacked(one):
            healths = 0
            while one.job(job)["status"] == "processing":
                # The bound is generous: a machine under test is busy. Unbounded, one answer took a minute and more.
                assert httpx.get(f"{one.base}/health", timeout=10, verify=NO_TLS).status_code == 200
                healths += 1
            assert healths >= 10
        done = one.job(job)
        assert (done["status"], done["attempt"], done["failures"]) == ("completed", 1, 0)


@contextmanager
def attacked(one: Service) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-m", "tests.hostile.tiny_chunks", one.base, "40"], cwd=ROOT)
    try:
        yield
    finally:
        assert process.poll() is None, "the attack ended by itself"
        process.kill()
        process.wait()

"""A hundred uploads at once to a real service: each is taken or told to come back, none is lost."""

from __future__ import annotations

import hashlib
import random
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from threading import Barrier

import httpx
import psutil

from tests.service import Service, eventually

CROWD = 100
SIZE = 2 * 2**20
MANY = httpx.Limits(max_connections=CROWD)


def test_a_hundred_uploads_at_once(tmp_path: Path) -> None:
    """Without a worker: how jobs are run is not what is asked here."""
    one = Service(tmp_path, "api")
    one.start().wait_until_up()
    try:
        assert one.process is not None
        process = psutil.Process(one.process.pid)
        together = Barrier(CROWD)
        with ThreadPoolExecutor(CROWD) as crowd, httpx.Client(base_url=one.base, timeout=120, limits=MANY) as client:
            upload(client, 0, Barrier(1))
            before = process.memory_info().rss
            sending = [crowd.submit(upload, client, number, together) for number in range(1, CROWD + 1)]
            most = 0
            while wait(sending, timeout=0.2).not_done:
                most = max(most, process.memory_info().rss)
            assert one.get("/health").status_code == 200
        taken = [task.result() for task in sending]
        assert set(one.rows("SELECT id FROM transcription_job")) >= {(job_id,) for job_id, _ in taken}
        for job_id, digest in taken:
            file = one.data / "blobs" / job_id / "0-audio"
            assert hashlib.sha256(file.read_bytes()).hexdigest() == digest
        assert len(list((one.data / "blobs").rglob("*-audio*"))) == CROWD + 1
        growth = (most - before) / 2**20
        print(f"{CROWD} uploads of {SIZE // 2**20} MiB at once: the service grew by {growth:.0f} MiB")
        assert growth < 120, "a part of the 200 MiB that were sent"
        assert one.stop() == 0
    finally:
        if one.running:
            one.kill()


def upload(client: httpx.Client, number: int, together: Barrier) -> tuple[str, str]:
    """Send what nobody else sends, again for as long as one is told to come back; the job's id, and the digest."""
    data = random.Random(number).randbytes(SIZE)

    def attempt() -> httpx.Response | None:
        answer = client.post("/v1/transcriptions", files={"file": (f"{number}.wav", data)})
        if answer.status_code in (429, 503):
            assert int(answer.headers["retry-after"]) > 0
            return None
        assert answer.status_code == 202, answer.text
        return answer

    together.wait(60)
    return eventually(attempt, 60).json()["id"], hashlib.sha256(data).hexdigest()

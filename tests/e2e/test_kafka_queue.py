"""Workers that are woken through Kafka: the API and the worker are two processes, and nothing else would wake one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kafka import Broker
from tests.service import Service, eventually

TALK = Path(__file__).parents[2] / "src" / "dictograph" / "samples" / "count.wav"

#: So rarely does a worker look for jobs by itself, in seconds.
POLL_S = 120


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, kafka_broker: Broker) -> Iterator[Service]:
    """The API, beside a worker with the same settings; on SQLite no process can wake another one."""
    url, folder = f"kafka://{kafka_broker.servers}", tmp_path_factory.mktemp("woken")
    up = Service(folder, "api", queue_url=url, poll_interval=POLL_S)
    worker = up.beside("worker", "worker")
    try:
        up.start().wait_until_up()
        worker.start()
        yield up.wait_until_ready()
    finally:
        for one in (up, worker):
            if one.running:
                one.kill()


def test_a_job_is_done_long_before_a_worker_would_look_for_it(api: Service) -> None:
    first = api.submit(TALK)

    def again() -> bool:
        api.submit(TALK)  # until the worker listens, wake-ups are lost, as they may be
        return bool(api.job(first)["status"] == "completed")

    eventually(again, longest=1)
    began = time.monotonic()
    for _ in range(5):
        api.wait_for(api.submit(TALK))
    assert time.monotonic() - began < POLL_S / 2

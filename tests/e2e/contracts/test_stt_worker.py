"""Contract K with a real broker, where its guarantees are hardest: a worker's data folder is deleted, and partitions go
from one worker to another. What it answers in peace is shown by `e2e/combinations/test_stt_jobs.py`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from tests.e2e.contracts import spoken
from tests.kafka import Broker
from tests.service import Service, eventually
from tests.stt_field import Field, value
from tests.web_folder import served


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a folder with recordings."""
    folder = tmp_path_factory.mktemp("audio")
    spoken.short(folder, seed=1)[0].rename(folder / "short.wav")
    spoken.long(folder, seed=2, windows=2).rename(folder / "long.wav")
    with served(folder) as url:
        yield url


@pytest.mark.contract(
    "stt-worker", "embedded database", "a worker that is killed and whose data folder is deleted loses no job"
)
def test_a_worker_that_is_killed_and_whose_folder_is_deleted_loses_nothing(
    tmp_path: Path, kafka_broker: Broker, audio: str
) -> None:
    field = Field(kafka_broker)
    worker = Service(tmp_path, "worker", **field.settings(audio))
    worker.behave(delay=1, max_batch=1)
    names = [f"j-{n}" for n in range(4)]
    field.put(value(jobId=names[0], audioUrl=f"{audio}/long.wav"))
    field.put(*(value(jobId=name, audioUrl=f"{audio}/short.wav") for name in names[1:]))
    worker.start()
    try:
        eventually(lambda: len(worker.engine_log()) > 1, 120, "a job is in the middle")
        worker.kill()
        shutil.rmtree(worker.data)
        worker.behave()
        worker.start()
        eventually(lambda: set(field.answers(field.results)) == set(names), 180, str(worker.log))
        eventually(field.all_is_committed)
        assert {job: len(ids) for job, ids in field.ids(field.results).items()} == dict.fromkeys(names, 1)
        assert field.read(field.letters) == []
    finally:
        worker.stop()


@pytest.mark.contract("stt-worker", "consumer group", "a second worker takes over partitions; one message for each job")
def test_a_second_worker_joins_and_each_job_is_answered_once(tmp_path: Path, kafka_broker: Broker, audio: str) -> None:
    field = Field(kafka_broker, partitions=4)
    names = [f"j-{n}" for n in range(12)]
    field.put(*(value(jobId=name, audioUrl=f"{audio}/short.wav") for name in names))
    workers = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        workers.append(Service(tmp_path / name, "worker", **field.settings(audio)))
        workers[-1].behave(delay=1)
    try:
        workers[0].start()
        eventually(lambda: len(field.answers(field.results)) >= 2, 120, str(workers[0].log))
        workers[0].behave(delay=30)  # what is left is not done before the second one is there
        workers[1].start()
        eventually(lambda: _has_work(workers[1]), 180, "the second one gets no work")
        workers[0].behave()
        eventually(lambda: set(field.answers(field.results)) == set(names), 180, str(workers[1].log))
        assert {job: len(mine) for job, mine in field.answers(field.results).items()} == dict.fromkeys(names, 1)
        assert field.read(field.letters) == []
        eventually(field.all_is_committed)
    finally:
        for worker in workers:
            worker.stop()


def _has_work(worker: Service) -> bool:
    try:
        return bool(worker.rows("SELECT count(*) FROM intake")[0][0] > 0)
    except OperationalError:  # it has not made its database yet
        return False

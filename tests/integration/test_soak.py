"""The judge of the kill suite sees what is wrong: each fault, made by hand in a database that had none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy

from dictograph.store.database import Database
from dictograph.store.jobs import lease, progress
from dictograph.store.migrate import upgrade
from tests.integration.store.store_driver import AT_ONCE, StoreDriver
from tests.postgres import Cluster
from tests.service import Service
from tests.soak import stale_lease_writer
from tests.soak.faults import FAULTS, Seen, find_faults

AUDIO = Path("talk.wav")


class Scene:
    """Two jobs of one file, each done after a lost attempt, and nothing wrong."""

    def __init__(self, folder: Path, url: str) -> None:
        self.service = Service(folder, **({"database_url": url} if url else {}))
        self.service.data.mkdir()
        upgrade(self.service.database)
        self.database = Database.open(self.service.database)
        self.bench = StoreDriver(self.database)
        self.jobs = [self._job() for _ in range(2)]
        self.seen = Seen(dict.fromkeys(self.jobs, AUDIO))

    def sql(self, *statements: str) -> None:
        def run(connection: sqlalchemy.Connection) -> None:
            for statement in statements:
                connection.execute(sqlalchemy.text(statement.format(job=self.jobs[0])))

        self.database.write_now(run)

    def faults(self) -> list[str]:
        return [name for name, found in find_faults(self.service, self.seen).items() if found]

    def _job(self) -> str:
        job = self.bench.create(audio=None).id
        self.bench.fail(self.bench.claim().lease)
        self.bench.whole(self.bench.claim().lease)
        return job


@pytest.fixture(params=["sqlite", "postgresql"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    cluster: Cluster | None = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    scene = Scene(tmp_path, cluster.new_database() if cluster else "")
    yield scene
    scene.database.close_now()


def _unnamed(scene: Scene) -> None:
    (scene.service.data / "blobs").mkdir()
    (scene.service.data / "blobs" / "stray").touch()


def _another_job(scene: Scene) -> None:
    scene.bench.create(audio=None)
    scene.bench.whole(scene.bench.claim().lease)


MADE: dict[str, Callable[[Scene], None]] = {
    "lost": lambda s: s.sql("UPDATE transcription_job SET status = 'failed' WHERE id = '{job}'"),
    "ended_twice": lambda s: s.sql("UPDATE events SET type = 'failed' WHERE job_id = '{job}' AND seq = 1"),
    "event_gaps": lambda s: s.sql("DELETE FROM events WHERE job_id = '{job}' AND seq = 1"),
    "windows_twice": lambda s: s.sql(
        "UPDATE events SET data = '{{\"index\": 0}}' WHERE job_id = '{job}' AND type = 'segments'"
    ),
    "attempts_mixed": lambda s: s.sql(
        "UPDATE events SET data = '{{\"attempt\": 1}}' WHERE job_id = '{job}' AND type = 'started'"
    ),
    "orphans": _unnamed,
    "transcripts_differ": lambda s: s.sql(
        "UPDATE transcription_window SET result = '{{\"segments\": []}}' WHERE job_id = '{job}' AND number = 1"
    ),
    "keys_with_two_jobs": _another_job,
}


def test_where_nothing_is_wrong_nothing_is_found(scene: Scene) -> None:
    assert scene.faults() == []


@pytest.mark.parametrize("fault", MADE)
def test_what_is_wrong_is_found(scene: Scene, fault: str) -> None:
    MADE[fault](scene)
    assert scene.faults() == [fault]


def test_what_was_seen_by_others_counts(scene: Scene) -> None:
    scene.seen = Seen(scene.seen.promised, missed=["an event"], accepted=["complete"])
    assert scene.faults() == ["stale_writes_accepted", "followers_missed"]
    assert {*MADE, *scene.faults()} == set(FAULTS)


def test_an_impostor_is_refused_and_without_the_fence_it_is_not(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = stale_lease_writer.StaleLeaseWriter(scene.service.database)
    try:
        _lose_a_job(scene, judge)
        judge.strike(1)
        assert (judge.tried, judge.refused, dict(judge.accepted)) == (11, 11, {})
        _lose_a_job(scene, judge)
        monkeypatch.setattr(stale_lease_writer, "WRITES", {"record_audio": stale_lease_writer.WRITES["record_audio"]})
        monkeypatch.setattr(progress, "fence", lambda *_, **__: 1)
        judge.strike(1)
        assert dict(judge.accepted) == {"record_audio": 1}
    finally:
        judge.close()


def _lose_a_job(scene: Scene, judge: stale_lease_writer.StaleLeaseWriter) -> None:
    scene.bench.running()
    judge.look()
    assert scene.bench.write(lease.lose_of_workers, ["w1"], AT_ONCE)
    judge.look()

"""The service is killed, again and again, wherever it stands: nothing is lost, nothing is done twice.

`CHAOS_KILLS` and `CHAOS_SEED` in the environment set how often, and from which seed.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from itertools import cycle, islice
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from dictograph.crash import Point
from tests.audio_files import write_noise
from tests.service import Service, eventually

KILLS = int(os.environ.get("CHAOS_KILLS", "30"))
SEED = int(os.environ.get("CHAOS_SEED", "20261121"))
MAX_BATCH = 2
OPTIONS = {"vad_filter": "false"}


class Torture:
    """A service with always some jobs under way, and what was promised to its clients."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self.rng = rng
        self.service = Service(
            folder,
            max_attempts=100,
            concurrency=3,
            path_roots=folder,
            orphan_age="1s",
            lease="20s",
        )
        self.service.behave(delay=0.15, max_batch=MAX_BATCH)
        self.audio = [
            write_noise(folder / f"noise{seed}.wav", seconds, seed) for seed, seconds in enumerate((95, 40, 160))
        ]
        self.promised: dict[str, Path] = {}
        self.kills = Counter[str]()
        self.mid_attempt = 0

    def submit(self) -> None:
        """One more job, by upload or by path; a call cut by a kill is repeated with its key at the next start."""
        file, key = self.rng.choice(self.audio), uuid4().hex
        for _ in range(2):
            try:
                answer = self._post(file, key)
            except httpx.TransportError:
                return  # never acknowledged: it may be there or not, and both are right
            if answer.status_code == 202:
                self.promised[answer.json()["id"]] = file
                return
            assert answer.status_code in (409, 503), answer.text

    def _post(self, file: Path, key: str) -> httpx.Response:
        headers = {"Idempotency-Key": key}
        if self.rng.random() < 0.4:
            body = {"path": str(file), "vad_filter": False}
            return self.service.post("/v1/transcriptions", json=body, headers=headers)
        with file.open("rb") as data:
            return self.service.post("/v1/transcriptions", files={"file": data}, data=OPTIONS, headers=headers)

    def unended(self) -> int:
        query = "SELECT count(*) FROM transcription_job WHERE status IN ('pending', 'processing')"
        return int(self.service.rows(query)[0][0])

    def keep_busy(self) -> None:
        while self.service.running and self.unended() < 3:
            self.submit()

    def kill_once(self, point: str) -> None:
        """Start, give it work, and see it die: at the named point, or (empty) at a random time."""
        armed = f"{point}:{self.rng.randint(1, 3)}" if point else ""
        self.service.start(crash_at=armed)
        try:
            self.service.wait_until_up()
        except AssertionError:
            if self.service.running or not self.service.was_killed:
                raise
        moment = time.monotonic() + (20 if point else self.rng.uniform(0.3, 2.0))
        while self.service.running and time.monotonic() < moment:
            self.keep_busy()
            time.sleep(0.02)
        named = not self.service.running
        if self.service.running:
            self.service.kill()
        self.kills[point if named and point else "random"] += 1
        self.mid_attempt += self._was_mid_attempt()

    def every_point_was_reached(self) -> bool:
        return {point.value for point in Point} <= set(self.kills)

    def _was_mid_attempt(self) -> bool:
        return bool(self.service.rows("SELECT 1 FROM transcription_job WHERE status = 'processing' LIMIT 1"))


@pytest.fixture(scope="module")
def tortured(tmp_path_factory: pytest.TempPathFactory) -> Torture:
    """A service that was killed often enough and then left in peace until all was done."""
    torture = Torture(tmp_path_factory.mktemp("kills"), random.Random(SEED))
    points = cycle(part for point in Point for part in (point.value, ""))
    for point in islice(points, 4 * KILLS):
        torture.kill_once(point)
        if torture.mid_attempt >= KILLS and torture.every_point_was_reached():
            break
    service = torture.service.start().wait_until_ready()
    eventually(lambda: torture.unended() == 0, 180, "not all jobs end")
    eventually(lambda: _unnamed_files(service) == [], 60, f"files that no row names: {_unnamed_files(service)}")
    eventually(lambda: service.rows("SELECT count(*) FROM outbox")[0][0] == 0, 30, "the outbox is not emptied")
    assert service.stop() == 0
    print(f"\n{KILLS} kills that met a job mid-attempt, of {sum(torture.kills.values())}: {dict(torture.kills)}")
    return torture


def test_every_promised_job_is_completed(tortured: Torture) -> None:
    status = dict(tortured.service.rows("SELECT id, status FROM transcription_job"))
    assert {job: status.get(job) for job in tortured.promised} == dict.fromkeys(tortured.promised, "completed")
    assert set(status.values()) == {"completed"}


def test_every_job_ended_once_and_its_events_have_no_gap(tortured: Torture) -> None:
    ends = tortured.service.rows(
        "SELECT j.id, j.last_seq, count(*), count(DISTINCT e.seq), min(e.seq), max(e.seq),"
        " sum(e.type IN ('completed', 'failed', 'cancelled'))"
        " FROM transcription_job j JOIN events e ON e.job_id = j.id GROUP BY j.id"
    )
    assert ends
    for job, last, events, different, first, highest, terminal in ends:
        assert (events, different, first, highest, terminal) == (last, last, 1, last, 1), job


def test_equal_audio_has_equal_transcripts_whatever_befell_it(tortured: Torture) -> None:
    windows = tortured.service.rows("SELECT job_id, number, result FROM transcription_window ORDER BY job_id, number")
    plans: dict[str, list[str]] = {}
    for job, index, result in windows:
        assert result is not None
        assert index == len(plans.setdefault(job, []))
        plans[job].append(result)
    for file in tortured.audio:
        of_file = {tuple(plans[job]) for job, promised in tortured.promised.items() if promised == file}
        assert len(of_file) <= 1, f"{file.name} was transcribed in {len(of_file)} ways"


def test_windows_are_transcribed_once_but_for_a_batch_per_kill(tortured: Torture) -> None:
    windows = int(tortured.service.rows("SELECT count(*) FROM transcription_window")[0][0])
    repeated = len(tortured.service.engine_log()) - windows - _proofs(tortured)
    assert 0 <= repeated <= MAX_BATCH * sum(tortured.kills.values())


def test_every_crash_point_was_reached(tortured: Torture) -> None:
    assert tortured.every_point_was_reached(), tortured.kills
    assert tortured.mid_attempt >= KILLS


def _proofs(tortured: Torture) -> int:
    """Windows of the start-up's proof of inference: the digests that no job has."""
    of_jobs = {
        segment["text"]
        for (result,) in tortured.service.rows("SELECT result FROM transcription_window")
        for segment in _loads(result)["segments"]
    }
    return sum(text not in of_jobs for text in tortured.service.engine_log())


def _loads(text: str) -> dict[str, list[dict[str, str]]]:
    shape: dict[str, list[dict[str, str]]] = json.loads(text)
    return shape


def _unnamed_files(service: Service) -> list[str]:
    blobs, scratch = service.data / "blobs", service.data / "scratch"
    named = {name for (name,) in service.rows("SELECT audio_name FROM transcription_job WHERE audio_name IS NOT NULL")}
    stray = [str(path.relative_to(blobs)) for path in blobs.rglob("*") if path.is_file()]
    left = [str(path) for path in scratch.rglob("*.pcm")]
    return [name for name in stray if name not in named] + left

"""A database of an earlier revision, left by a kill in the middle of its work, is brought up to date and goes on.

`tests/fixtures/database/REVISION.sql` are the rows of a service that was killed: a job that had completed, one
that had failed, one in the middle (two of its five windows committed), one that waited, one cancelled. All values
are quoted, so that both kinds of database take them. `record.py` beside them made them, with that revision's own code.
With a migration comes the file of the revision before it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from dictograph.store import migrate
from tests.audio_files import write_noise
from tests.postgres import Cluster
from tests.service import Service, eventually, service

FIXTURES = sorted((Path(__file__).parents[1] / "fixtures" / "database").glob("*.sql"))
OPTIONS = {"vad_filter": "false"}

#: What each job was given, by its file's name: seconds of noise, and the seed.
AUDIO = {"noise1.wav": (20, 1), "noise2.wav": (130, 2), "noise3.wav": (40, 3), "noise4.wav": (10, 4)}


def insert_rows(url: str, fixture: Path) -> None:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as conn:
        for statement in fixture.read_text(encoding="utf-8").split(";\n"):
            if statement.strip():
                conn.exec_driver_sql(statement)
    engine.dispose()


def stored_audio(url: str) -> dict[str, str]:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as conn:
        rows = conn.execute(text("SELECT audio_name, filename FROM transcription_job WHERE audio_name IS NOT NULL"))
        named = {row.audio_name: row.filename for row in rows}
    engine.dispose()
    return named


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda path: path.stem)
def test_jobs_that_were_under_way_end_after_the_upgrade(
    fixture: Path, kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    url = f"sqlite:///{data / 'dictograph.db'}"
    if kind == "postgresql":
        postgres: Cluster = request.getfixturevalue("postgres")
        url = postgres.new_database()
    assert migrate.upgrade(url, fixture.stem) == fixture.stem
    insert_rows(url, fixture)
    for name, filename in stored_audio(url).items():
        file = data / "blobs" / name
        file.parent.mkdir(parents=True)
        if filename in AUDIO:
            write_noise(file, *AUDIO[filename])
        else:
            file.write_bytes(b"no audio" * 100)

    with service(tmp_path, database_url=url, lease="3s") as one:
        assert migrate.current(url) == migrate.head()
        jobs = eventually(lambda: ended(one), what="all jobs have ended")
        assert {name: job["status"] for name, job in jobs.items()} == {
            "noise1.wav": "completed",
            "bad.mp3": "failed",
            "noise2.wav": "completed",
            "noise3.wav": "completed",
            "noise4.wav": "cancelled",
        }
        for name in ("noise1.wav", "noise2.wav", "noise3.wav"):
            again = one.submit(write_noise(tmp_path / name, *AUDIO[name]), **OPTIONS)
            one.wait_for(again)
            assert one.transcript(jobs[name]["id"], "txt") == one.transcript(again, "txt")
        resumed = jobs["noise2.wav"]
        assert resumed["attempt"] >= 2, "one more than the attempt that the upgrade ended"
        assert resumed["progress"] == 1
        assert one.get(f"/v1/transcriptions/{jobs['noise3.wav']['id']}").json()["attempt"] == 1


def test_each_revision_but_the_newest_has_its_rows() -> None:
    revisions = {
        path.name.split("_")[0] for path in (Path(migrate.__file__).parent / "migrations/versions").glob("0*.py")
    }
    assert {path.stem for path in FIXTURES} == revisions - {migrate.head()}


def ended(one: Service) -> dict[str, Any] | None:
    jobs = {job["filename"]: job for job in one.get("/v1/transcriptions").json()["data"]}
    return jobs if all(job["status"] not in ("pending", "processing") for job in jobs.values()) else None

"""The job table of an older system becomes ours, with its rows; nothing of it is lost, and reports go on."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from dictograph.contract import Contract
from dictograph.errors import DatabaseUnavailable
from dictograph.job import Job, JobStatus, SourceKind
from dictograph.store import migrate
from dictograph.store.backends.dialects import make_missing, migrating
from dictograph.store.compat import legacy_import
from dictograph.store.database import Database
from dictograph.store.events import read_events
from dictograph.store.jobs.read import get_job, list_jobs, windows
from tests.postgres import Cluster
from tests.service import ask

_STATES = ("pending", "processing", "completed", "failed")
_WHEN = datetime(2025, 7, 7, 14, 30, 10, tzinfo=UTC)


def old_table(upper: bool = True, uuid: bool = True, **more: Any) -> sa.Table:
    """The older system's table, as its models or its migrations made it."""
    labels = [state.upper() if upper else state for state in _STATES]
    return sa.Table(
        "transcription_job",
        sa.MetaData(
            naming_convention={"pk": "pk_%(table_name)s", "ix": "ix_job_newest"} if more.get("named") else None
        ),
        sa.Column("id", sa.Uuid() if uuid else sa.String(), primary_key=True),
        sa.Column("filename", sa.String(255), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("status", sa.Enum(*labels, name="job_status"), nullable=False, index=True),
        sa.Column("result_text", sa.Text()),
        sa.Column("error_message", sa.Text()),
        sa.Column("processing_time_seconds", sa.Integer()),
        sa.Column("description", sa.String()),
        sa.Column("creation_date", sa.DateTime(timezone=True), server_default=sa.func.now()),
        sa.Column("update_date", sa.DateTime(timezone=True)),
        sa.Column("department", sa.String(), nullable=False, server_default="none"),
    )


def old_row(table: sa.Table, state: str, **more: Any) -> dict[str, Any]:
    id = uuid4()
    assert isinstance(table.c.status.type, sa.Enum)
    upper = "PENDING" in table.c.status.type.enums
    return {
        "id": id if isinstance(table.c.id.type, sa.Uuid) else str(id),
        "filename": f"{state}.mp3",
        "url": f"https://bucket.example.org/{state}.mp3?X-Amz-Signature=0",
        "status": state.upper() if upper else state,
        "creation_date": _WHEN,
        "update_date": _WHEN,
        "result_text": None,
        "error_message": None,
        "processing_time_seconds": None,
        "description": None,
        **more,
    }


_ALL: tuple[tuple[str, dict[str, Any]], ...] = (
    ("pending", {}),
    ("processing", {"description": "from last week"}),
    ("completed", {"result_text": "Grüße an alle.", "processing_time_seconds": 12}),
    ("failed", {"error_message": "no audio in it", "processing_time_seconds": 3}),
)


def filled(url: str, table: sa.Table, rows: list[dict[str, Any]] | None = None) -> dict[str, dict[str, Any]]:
    """An older system's database; its rows by their id."""
    rows = [old_row(table, state, **more) for state, more in _ALL] if rows is None else rows
    make_missing(url)
    with migrating(url) as conn:
        table.create(conn)
        conn.execute(sa.insert(table), rows)
    return {str(row["id"]): row for row in rows}


@contextmanager
def opened(url: str) -> Iterator[Database]:
    database = Database.open(url)
    try:
        yield database
    finally:
        database.close_now()


def jobs_of(url: str) -> dict[str, Job]:
    with opened(url) as database:
        page = database.read_now(lambda conn: list_jobs(conn, "backend", limit=1000))
        return {job.id: job for job in page.jobs}


@pytest.mark.parametrize("upper", [True, False], ids=["UPPER", "lower"])
@pytest.mark.parametrize("uuid", [True, False], ids=["uuid", "varchar"])
@pytest.mark.contract("backend", "transcription_job", "an old table is adopted with its rows")
def test_every_row_becomes_a_job(empty_url: str, upper: bool, uuid: bool) -> None:
    rows = filled(empty_url, old_table(upper, uuid))
    assert migrate.upgrade(empty_url) == migrate.head()
    jobs = jobs_of(empty_url)
    assert {id: job.filename for id, job in jobs.items()} == {id: row["filename"] for id, row in rows.items()}
    by_state = {job.filename.removesuffix(".mp3"): job for job in jobs.values()}
    assert {job.contract for job in jobs.values()} == {Contract.BACKEND}
    assert {job.created_at for job in jobs.values()} == {_WHEN}
    assert by_state["completed"].status is JobStatus.COMPLETED
    assert by_state["completed"].processing_seconds == 12
    assert by_state["failed"].status is JobStatus.FAILED
    assert by_state["failed"].error is not None
    assert by_state["failed"].error.message == "no audio in it"
    for state in ("pending", "processing"):
        assert by_state[state].status is JobStatus.PENDING, state
        assert by_state[state].source.kind is SourceKind.URL
        assert by_state[state].source.location == rows[by_state[state].id]["url"]
    assert by_state["processing"].description == "from last week"


def test_the_text_is_there_for_reports_and_as_a_transcript(empty_url: str) -> None:
    rows = filled(empty_url, old_table())
    migrate.upgrade(empty_url)
    done = next(id for id, row in rows.items() if row["result_text"])
    names = "filename, url, status, result_text, processing_time_seconds, description"
    found = ask(empty_url, f"SELECT {names} FROM transcription_job WHERE id = ?", done)
    row = rows[done]
    assert found == [(row["filename"], row["url"], "completed", row["result_text"], 12, None)]
    with opened(empty_url) as database:
        [window] = database.read_now(lambda conn: windows(conn, done, -1, 10, committed_only=True))
        assert window.result is not None
        assert window.result["segments"][0]["text"] == "Grüße an alle."
        waits = next(id for id, row in rows.items() if row["filename"] == "pending.mp3")
        assert [event.type for event in database.read_now(lambda conn: read_events(conn, waits, 0))] == ["created"]


def test_the_older_tables_are_kept_as_they_were(empty_url: str) -> None:
    table = old_table(named=True)
    rows = filled(empty_url, table)
    with migrating(empty_url) as conn:
        conn.execute(sa.text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        conn.execute(sa.text("ALTER TABLE alembic_version ADD COLUMN note VARCHAR"))
        conn.execute(sa.text("INSERT INTO alembic_version VALUES ('0001', 'theirs')"))
    migrate.upgrade(empty_url)
    assert migrate.current(empty_url) == migrate.head()
    assert ask(empty_url, "SELECT * FROM alembic_version_old") == [("0001", "theirs")]
    kept = ask(empty_url, "SELECT filename, department FROM transcription_job_old")
    assert sorted(kept) == sorted((row["filename"], "none") for row in rows.values())


def test_a_second_time_changes_nothing(empty_url: str) -> None:
    filled(empty_url, old_table())
    migrate.upgrade(empty_url)
    before = jobs_of(empty_url)
    migrate.upgrade(empty_url)
    assert jobs_of(empty_url) == before
    assert ask(empty_url, "SELECT count(*) FROM transcription_job") == [(4,)]


def test_killed_in_the_middle_nothing_has_changed(empty_url: str) -> None:
    rows = filled(empty_url, old_table())
    program = (
        "import os, signal\nfrom dictograph.store import migrate\nfrom dictograph.store.compat import legacy_import\n"
        "legacy_import._add_texts = lambda *args: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"migrate.upgrade({empty_url!r})"
    )
    ended = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert migrate.current(empty_url) is None
    assert ask(empty_url, "SELECT count(*) FROM transcription_job WHERE department = 'none'") == [(4,)]
    migrate.upgrade(empty_url)
    assert jobs_of(empty_url).keys() == rows.keys()


def test_more_rows_than_are_read_at_once(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(legacy_import, "_BATCH", 7)
    table = old_table(uuid=False)
    rows = [old_row(table, "completed", result_text=f"text {number}") for number in range(40)]
    filled(empty_url, table, rows)
    migrate.upgrade(empty_url)
    texts = ask(empty_url, "SELECT result_text FROM transcription_job")
    assert sorted(text for (text,) in texts) == sorted(row["result_text"] for row in rows)


def test_odd_rows_are_jobs_as_well(empty_url: str) -> None:
    table = old_table(upper=False, uuid=False)
    rows = [
        old_row(table, "pending", id="in-a-bucket", url="s3://bucket/talk.mp3"),
        old_row(table, "pending", id="no-url", url=""),
        old_row(table, "completed", id="a name with spaces", update_date=None),
        old_row(table, "failed", id="no-reason"),
    ]
    filled(empty_url, table, rows)
    migrate.upgrade(empty_url)
    jobs = jobs_of(empty_url)
    for id in ("in-a-bucket", "no-url"):
        assert jobs[id].status is JobStatus.FAILED
        assert (error := jobs[id].error) is not None
        assert "cannot be fetched" in error.message
    [renamed] = [job for job in jobs.values() if job.metadata]
    assert renamed.metadata == {"old_id": "a name with spaces"}
    assert UUID(renamed.id)
    assert jobs["no-reason"].error is not None
    assert jobs["no-reason"].error.message


def test_what_is_neither_theirs_nor_ours_is_left_alone(empty_url: str) -> None:
    make_missing(empty_url)
    with migrating(empty_url) as conn:
        conn.execute(sa.text("CREATE TABLE transcription_job (number INTEGER)"))
    with pytest.raises(DatabaseUnavailable, match="of its own"):
        migrate.upgrade(empty_url)
    assert ask(empty_url, "SELECT * FROM transcription_job") == []


def test_an_adopted_job_can_be_looked_up_by_the_id_that_clients_know(empty_url: str) -> None:
    rows = filled(empty_url, old_table())
    migrate.upgrade(empty_url)
    with opened(empty_url) as database:
        for job_id in rows:
            assert database.read_now(partial(get_job, owner="backend", job_id=job_id)).id == job_id


def test_reports_with_a_user_and_views_of_their_own_go_on(postgres: Cluster) -> None:
    url = postgres.new_database()
    table = old_table()
    filled(url, table)
    with migrating(url) as conn:
        conn.execute(sa.text("DROP ROLE IF EXISTS reporter"))
        conn.execute(sa.text("CREATE ROLE reporter"))
        conn.execute(sa.text("GRANT SELECT ON transcription_job TO reporter"))
        report = "SELECT id, filename, status FROM transcription_job WHERE filename LIKE '%mp3'"
        conn.execute(sa.text(f"CREATE VIEW report AS {report}"))
        conn.execute(sa.text("GRANT SELECT ON report TO reporter"))
        conn.execute(sa.text("CREATE VIEW done AS SELECT id FROM transcription_job WHERE status = 'COMPLETED'"))
    migrate.upgrade(url)
    with migrating(url) as conn:
        conn.execute(sa.text("UPDATE transcription_job SET filename = 'new.mp3'"))
        conn.execute(sa.text("SET LOCAL ROLE reporter"))
        assert set(conn.execute(sa.text("SELECT filename FROM report")).scalars()) == {"new.mp3"}
        assert conn.execute(sa.text("SELECT count(*) FROM transcription_job")).scalar_one() == 4
    # It names a label that there is no more: it stays with the older table, and the log says so.
    assert ask(url, "SELECT count(*) FROM done") == [(1,)]


@pytest.fixture
def sqlite_file(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'old.db'}"
    make_missing(url)
    return url


def test_times_of_sqlite_are_read_in_every_form(sqlite_file: str) -> None:
    with migrating(sqlite_file) as conn:
        conn.execute(
            sa.text(
                "CREATE TABLE transcription_job (id VARCHAR PRIMARY KEY, filename VARCHAR, url VARCHAR, "
                "status VARCHAR, creation_date DATETIME, update_date DATETIME)"
            )
        )
        forms = ["2025-07-07 14:30:10", "2025-07-07 14:30:10.000000", "2025-07-07T16:30:10+02:00"]
        for number, form in enumerate(forms):
            values = {"id": f"job-{number}", "when": form}
            row = "VALUES (:id, 'a.mp3', 'http://example.org/a', 'JobStatus.COMPLETED', :when, :when)"
            conn.execute(sa.text(f"INSERT INTO transcription_job {row}"), values)
    migrate.upgrade(sqlite_file)
    jobs = jobs_of(sqlite_file)
    assert len(jobs) == 3
    assert {job.created_at for job in jobs.values()} == {_WHEN}


def test_whatever_sqlite_holds_in_a_row_keeps_no_other_from_being_adopted(sqlite_file: str) -> None:
    columns = "filename, url, status, result_text, error_message, processing_time_seconds, description, creation_date"
    with migrating(sqlite_file) as conn:
        conn.execute(sa.text(f"CREATE TABLE transcription_job (id TEXT PRIMARY KEY, {columns.replace(',', ' BLOB,')})"))
        add = f"INSERT INTO transcription_job (id, {columns}) VALUES "
        for odd in (
            "('good', 'a.mp3', 'http://x', 'completed', 'hello', NULL, 3.7, NULL, '2024-01-01 00:00:00')",
            "(NULL, 'b.mp3', 'http://x', 'completed', 'hello', NULL, 'soon', NULL, 'never')",
            "(NULL, X'ff', 'http://x', 'failed', X'ff', X'fe', 1e300, X'fd', '0001-01-01T00:00:00+14:00')",
            "('lines', 'a' || char(10) || 'Bcc: b', X'ff', 7, 3, 4, -1, 5, 6)",
        ):
            conn.exec_driver_sql(add + odd)
    migrate.upgrade(sqlite_file)
    found = jobs_of(sqlite_file)
    assert len(found) == 4
    assert (found["good"].status, found["good"].processing_seconds) == (JobStatus.COMPLETED, 3.0)
    assert found["lines"].filename == "a Bcc: b"
    assert {job.processing_seconds for job in found.values()} == {3.0, None}

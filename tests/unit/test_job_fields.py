"""A field of a job is in every place that it belongs to; where it is not, the test says which place lacks it."""

from __future__ import annotations

from dataclasses import MISSING, Field, fields, replace
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import JSON, Boolean, Column, Enum, Integer

from dictograph.api.views import job_view
from dictograph.contract import Contract, JobLimits
from dictograph.job import Job, JobStatus, Options, Source, SourceKind, StoredAudio
from dictograph.service.queue_estimate import QueueEstimate
from dictograph.store.jobs.accept import NewJob, first_values
from dictograph.store.jobs.rows import JOB_COLUMNS, JobRow, as_job
from dictograph.store.tables import Real, UtcDateTime

NOW = datetime(2026, 1, 2, tzinfo=UTC)

#: Columns that only questions to the database use.
SERVES_THE_STORE = {
    "processing_time_seconds": "an older service's reports",
    "available_at": "when the job may be claimed",
    "alone": "whether its worker may run nothing beside it",
    "lease_token": "the fence",
    "lease_expires_at": "the lease",
    "worker_id": "who holds the lease",
    "claimed_at": "the time that is spent on the job",
    "claim_engine": "what a worker must be able to run",
    "claim_model": "what a worker must be able to run",
    "events_pruned": "whether the pruner was there",
    "join_mark": "which requests may share the job",
    "path_mark": "how the job is found by its path",
}

#: Fields that the native API does not show.
NOT_SHOWN = {
    "owner": "who asks knows it",
    "contract": "an affair of the surface that took the job in",
    "limits": "an affair of the contract",
    "description": "for the contract that has it",
    "key_id": "the operator's",
    "webhook_url": "may hold secrets; it is in the list of deliveries",
    "priority": "the operator's",
    "audio": "where the bytes lie is an affair of the storage",
    "last_seq": "the number of the last event; streams tell it",
    "windows_done": "`seconds_done` says it in the client's terms",
    "windows_planned": "`duration` says it in the client's terms",
    "plan_complete": "an affair of the worker",
    "unknown_limits": "an affair of the contract",
    "rules": "an affair of the worker; an event tells when they change",
}

#: Whatever a job can be created with, and another value than a plain upload has.
OTHERS: dict[str, Any] = {
    "id": "another",
    "owner": "another",
    "filename": "another.wav",
    "source": Source(SourceKind.URL, "https://example.org/a.wav"),
    "options": Options(beam_size=2),
    "metadata": {"a": 1},
    "contract": Contract.GATEWAY,
    "limits": JobLimits(max_audio=5.0),
    "description": "another",
    "key_id": "key",
    "webhook_url": "https://example.org/hook",
    "join_mark": "mark",
    "audio": StoredAudio("another", "ab" * 32, 7),
    "priority": 7,
    "max_attempts": 7,
    "needs": "another",
}

_TEXTS = {"contract": "gateway", "source_kind": "url", "url": "https://example.org/a.wav"}
_JSON: dict[str, Any] = {
    "options": {"beam_size": 2, "of_a_later_version": 1},
    "limits": {"max_audio": 5.0, "of_a_later_version": 1},
    "metadata": {"a": 1},
    "warnings": [{"code": "a", "message": "b"}],
}


class _NotedRow:
    """A row that has another value than the default in every column, and notes which of them are read."""

    def __init__(self, **values: Any) -> None:
        self.values = {column.name: _value(column) for column in JOB_COLUMNS} | values
        self.read: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.read.add(name)
        return self.values[name]


def _shown(job: Job) -> set[str]:
    """Return what `job_view` reads of a job, by the job's own properties too."""
    read = set()

    class Noted(Job):
        def __getattribute__(self, name: str) -> Any:
            read.add(name)
            return super().__getattribute__(name)

    noted = Noted(**{one.name: getattr(job, one.name) for one in fields(Job)})
    read.clear()
    job_view(noted, QueueEstimate())
    return read


def test_every_column_is_read_into_the_job_or_serves_the_store() -> None:
    row = _NotedRow()
    as_job(cast("JobRow", row))
    lost = {column.name for column in JOB_COLUMNS} - row.read - SERVES_THE_STORE.keys()
    assert not lost, (
        f"store/jobs/rows.py: as_job() does not read {sorted(lost)}; or say in SERVES_THE_STORE what they are for"
    )
    assert not SERVES_THE_STORE.keys() & row.read, "SERVES_THE_STORE names columns that as_job() reads"


def test_every_field_of_a_job_comes_from_its_row() -> None:
    job = as_job(cast("JobRow", _NotedRow()))
    lost = [one.name for one in fields(Job) if getattr(job, one.name) == _default(one)]
    assert not lost, (
        f"store/jobs/rows.py: as_job() leaves {lost} at their defaults; or store/tables.py has no column for them"
    )


def test_every_field_of_a_new_job_is_stored() -> None:
    plain = NewJob("id", "owner", "a.wav", Source(SourceKind.UPLOAD), Options())
    names = [one.name for one in fields(NewJob)]
    unknown = [name for name in names if name not in OTHERS]
    assert not unknown, f"tests/unit/test_job_fields.py: OTHERS has no value for {unknown}"
    before = first_values(plain, 0.0)
    lost = [name for name in names if first_values(replace(plain, **{name: OTHERS[name]}), 0.0) == before]
    assert not lost, f"store/jobs/accept.py: first_values() does not store {lost}"


def test_every_field_of_a_job_is_shown_to_clients_or_has_a_reason_why_not() -> None:
    # What a job waits for is told by one field or another.
    shown = set().union(*(_shown(as_job(cast("JobRow", row))) for row in (_NotedRow(), _NotedRow(put_off_for=None))))
    lost = {one.name for one in fields(Job)} - shown - NOT_SHOWN.keys()
    assert not lost, f"api/views.py: job_view() shows nothing of {sorted(lost)}; or say in NOT_SHOWN why not"
    assert not NOT_SHOWN.keys() & shown, "NOT_SHOWN names fields that job_view() shows"


def _value(column: Column[Any]) -> Any:
    """Return a value that is no default of a `Job`."""
    match column.type:
        case JSON():
            return _JSON[column.name]
        case Enum():
            return JobStatus.PENDING
        case Boolean():
            return True
        case Integer():
            return 7
        case Real():
            return 7.5
        case UtcDateTime():
            return NOW
        case _:
            return _TEXTS.get(column.name, column.name)


def _default(one: Field[Any]) -> object:
    if one.default_factory is not MISSING:
        return one.default_factory()
    return one.default

"""The tables, as SQLAlchemy sees them. The migrations make them; a test compares the two."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Computed,
    DateTime,
    Dialect,
    Enum,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    literal,
)

from dictograph.job import JobStatus
from dictograph.store.text_type import clean

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time in UTC: with time zone where the database knows it, as sortable text where not."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


class SafeText(TypeDecorator[str]):
    """Text, without what a database cannot keep."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - inherited
        return None if value is None else clean(value)


class LongSafeText(SafeText):
    """Words of any length."""

    impl = Text
    cache_ok = True


class Real(TypeDecorator[float]):
    """A float that comes back as one: from RETURNING, SQLite gives whole numbers as integers."""

    impl = Float
    cache_ok = True

    def process_result_value(self, value: float | None, dialect: Dialect) -> float | None:  # noqa: ARG002 - inherited
        return None if value is None else float(value)


#: SQLite counts up only a column that is declared INTEGER.
_Counter = BigInteger().with_variant(Integer, "sqlite")

_Status = Enum(JobStatus, name="job_status", values_callable=lambda states: [state.value for state in states])


def status_is(status: JobStatus) -> ColumnElement[bool]:
    """The condition spelled with a literal: SQLite takes no partial index for a bound parameter."""
    return job.c.status == literal(status, _Status, literal_execute=True)


#: The job table carries the columns of an older service's reports (`filename` to `update_date`)
#: under their names, and ours beside them. `*_at` of type float are seconds since 1970 by the
#: database's clock. `claim_engine` and `claim_model` are what a worker must be able to run: what the
#: client wanted, and once it is frozen, what was frozen. `claim_needs` names what a worker must support beside, ""
#: where every version does; `put_off_for` is what the last worker that put the job off did not know of it. `rules` is
#: the version of the rules that its plan was made by; null: of the first ones.
job = Table(
    "transcription_job",
    metadata,
    Column("id", SafeText(64), primary_key=True),
    Column("owner", SafeText(200), nullable=False),
    Column("filename", SafeText, nullable=False),
    Column("url", SafeText, nullable=False),
    Column("status", _Status, nullable=False),
    Column("result_text", LongSafeText),
    Column("error_message", LongSafeText),
    Column("processing_time_seconds", Integer),
    Column("description", SafeText),
    Column("creation_date", UtcDateTime, nullable=False),
    Column("update_date", UtcDateTime, nullable=False),
    Column("source_kind", SafeText(16), nullable=False),
    Column("options", JSON, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("max_attempts", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("last_seq", Integer, nullable=False),
    Column("available_at", Real, nullable=False),
    Column("alone", Boolean, nullable=False),
    Column("lease_token", SafeText(64)),
    Column("lease_expires_at", Real),
    Column("worker_id", SafeText(64)),
    Column("claimed_at", Real),
    Column("claim_engine", SafeText(64), nullable=False),
    Column("claim_model", SafeText, nullable=False),
    Column("claim_needs", SafeText(200), nullable=False, server_default=""),
    Column("put_off_for", LongSafeText),
    Column("frozen_engine", SafeText(64)),
    Column("frozen_model", SafeText),
    Column("frozen_revision", SafeText),
    Column("audio_name", SafeText),
    Column("audio_sha256", SafeText(64)),
    Column("audio_size", BigInteger),
    Column("language", SafeText(16)),
    Column("language_probability", Real),
    Column("duration", Real),
    Column("seconds_done", Real, nullable=False),
    Column("windows_done", Integer, nullable=False),
    Column("windows_planned", Integer, nullable=False),
    Column("plan_complete", Boolean, nullable=False),
    Column("rules", SafeText(16)),
    Column("processing_seconds", Real),
    Column("started_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("error_code", SafeText(64)),
    Column("error_stage", SafeText(16)),
    Column("warnings", JSON, nullable=False),
    Column("events_pruned", Boolean, nullable=False),
    # Through which contract it came in, what that allows, with which key, and whom its end is told.
    Column("contract", SafeText(32), nullable=False, server_default="native"),
    Column("limits", JSON, nullable=False, server_default="{}"),
    Column("key_id", SafeText(64)),
    Column("webhook_url", LongSafeText),
    # Equal for requests that may share a job; null where none may.
    Column("join_mark", SafeText(64)),
    # The digest of its path, for a job that is asked for by it; an index cannot hold a path of any length.
    Column("path_mark", SafeText(64)),
    # The owner again, but only while the job waits or runs. SQLite has no other way to be led into an
    # index of such rows alone: it takes any index on the owner, and with it a million ended jobs.
    Column("queued_owner", SafeText(200), Computed("CASE WHEN status = 'pending' THEN owner END", persisted=True)),
    Column("running_owner", SafeText(200), Computed("CASE WHEN status = 'processing' THEN owner END", persisted=True)),
)


def _partial(name: str, *columns: Any, where: ColumnElement[bool]) -> Index:
    return Index(name, *columns, sqlite_where=where, postgresql_where=where)


# Pending and running rows are few among all that ever were: their indexes hold nothing else. The
# first answers "the best row of this owner for this engine, model and needs" without looking at another.
_partial(
    "ix_job_claim",
    *(job.c.queued_owner, job.c.claim_engine, job.c.claim_model, job.c.claim_needs),
    *(job.c.priority.desc(), job.c.available_at, job.c.alone),
    where=job.c.queued_owner.is_not(None),
)
_partial("ix_job_put_off", job.c.queued_owner, where=job.c.put_off_for.is_not(None))
_partial("ix_job_queue", job.c.priority.desc(), job.c.available_at, job.c.id, where=job.c.status == JobStatus.PENDING)
_partial("ix_job_running", job.c.running_owner, where=job.c.running_owner.is_not(None))
_partial("ix_job_expiry", job.c.lease_expires_at, where=job.c.status == JobStatus.PROCESSING)
_partial("ix_job_audio", job.c.audio_name, where=job.c.audio_name.is_not(None))
_partial("ix_job_finished", job.c.finished_at, where=job.c.finished_at.is_not(None))
_partial("ix_job_finished_audio", job.c.finished_at, where=job.c.audio_name.is_not(None))
_partial("ix_job_finished_events", job.c.finished_at, where=job.c.events_pruned.is_(False))
# No index begins with the status: SQLite would take it for what the partial ones answer at once.
_partial("ix_job_failed", job.c.creation_date, job.c.id, where=job.c.status == JobStatus.FAILED)
_partial("ix_job_join", job.c.join_mark, where=job.c.join_mark.is_not(None))
_partial(
    "ix_job_path",
    *(job.c.path_mark, job.c.owner, job.c.creation_date, job.c.id),
    where=job.c.path_mark.is_not(None),
)
Index("ix_job_newest", job.c.creation_date, job.c.id, job.c.status)
Index("ix_job_owner_newest", job.c.owner, job.c.creation_date, job.c.id, job.c.status)


def _job_id(*, primary_key: bool = False) -> Column[str]:
    reference = ForeignKey("transcription_job.id", ondelete="CASCADE")
    return Column("job_id", SafeText(64), reference, primary_key=primary_key, nullable=False)


#: A stretch of a job's audio in seconds; `result` is null until it is committed.
window = Table(
    "transcription_window",
    metadata,
    _job_id(primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("start_s", Real, nullable=False),
    Column("end_s", Real, nullable=False),
    Column("sha256", SafeText(64), nullable=False),
    Column("result", JSON(none_as_null=True)),
)

#: What happened to a job, numbered from 1 without a gap.
event = Table(
    "events",
    metadata,
    _job_id(primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("type", SafeText(32), nullable=False),
    Column("data", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

#: What must reach the outside; a row goes when it was sent.
outbox = Table(
    "outbox",
    metadata,
    Column("id", _Counter, primary_key=True, autoincrement=True),
    _job_id(),
    Column("destination", SafeText(200), nullable=False),
    Column("message_id", SafeText(200), nullable=False, unique=True),
    Column("payload", JSON, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("available_at", Real, nullable=False),
    Column("last_error", LongSafeText),
    Column("created_at", UtcDateTime, nullable=False),
    sqlite_autoincrement=True,  # an id is never given twice, so that `sent` names one message only
)
Index("ix_outbox_due", outbox.c.available_at, outbox.c.id)
Index("ix_outbox_order", outbox.c.job_id, outbox.c.destination, outbox.c.id)

#: What could not be delivered and never can be.
dead_letter = Table(
    "dead_letter",
    metadata,
    Column("id", _Counter, primary_key=True, autoincrement=True),
    _job_id(),
    Column("destination", SafeText(200), nullable=False),
    Column("message_id", SafeText(200), nullable=False),
    Column("payload", JSON, nullable=False),
    Column("error_code", SafeText(64), nullable=False),
    Column("error_message", LongSafeText, nullable=False),
    Column("stage", SafeText(16), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)
Index("ix_dead_letter_job", dead_letter.c.job_id)

#: A client's name for a request. `job_id` is null while the job is being created by `process_id`.
idempotency_key = Table(
    "idempotency_key",
    metadata,
    Column("owner", SafeText(200), primary_key=True),
    Column("key", SafeText(255), primary_key=True),
    Column("process_id", SafeText(64), nullable=False),
    Column("job_id", SafeText(64), ForeignKey("transcription_job.id", ondelete="CASCADE")),
    Column("fingerprint", SafeText(128)),
    Column("created_at", Real, nullable=False),
)
Index("ix_idempotency_key_job", idempotency_key.c.job_id)
Index("ix_idempotency_key_age", idempotency_key.c.created_at)

#: The processes that run jobs, as they last said.
worker = Table(
    "worker",
    metadata,
    Column("id", SafeText(64), primary_key=True),
    Column("host", SafeText(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("seen_at", Real, nullable=False),
    Column("state", JSON, nullable=False),
)

#: A client's right to be somebody: the hash of its key, never the key.
api_key = Table(
    "api_key",
    metadata,
    Column("id", SafeText(64), primary_key=True),
    Column("owner", SafeText(200), nullable=False),
    Column("name", SafeText(200), nullable=False),
    Column("hash", SafeText(64), nullable=False, unique=True),
    Column("scopes", JSON, nullable=False),
    Column("rate_limits", JSON, nullable=False),
    Column("webhook_url", LongSafeText),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", Real),
    Column("revoked_at", Real),
    Column("last_used_at", Real),
    Column("replaced_by", SafeText(64)),
)
Index("ix_api_key_owner", api_key.c.owner)

#: What this service signs with: tickets, upload addresses. All processes on a database share it.
server_secret = Table(
    "server_secret",
    metadata,
    Column("name", SafeText(64), primary_key=True),
    Column("value", SafeText(200), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

#: An object that somebody was given an address to upload to, before there is a job of it. `size` is null until it is
#: there; `*_at` are seconds since 1970.
upload_slot = Table(
    "upload_slot",
    metadata,
    Column("id", SafeText(64), primary_key=True),
    Column("owner", SafeText(200), nullable=False),
    Column("contract", SafeText(32), nullable=False),
    Column("filename", SafeText, nullable=False),
    Column("content_type", SafeText(200), nullable=False),
    Column("announced_size", BigInteger, nullable=False),
    Column("object_name", SafeText, nullable=False, unique=True),
    Column("created_at", Real, nullable=False),
    Column("expires_at", Real, nullable=False),
    Column("size", BigInteger),
    Column("sha256", SafeText(64)),
)
Index("ix_upload_slot_age", upload_slot.c.created_at)

#: What webhooks of an owner are signed with. Until `retires_at` (seconds since 1970) an old one signs beside the new.
webhook_secret = Table(
    "webhook_secret",
    metadata,
    Column("id", SafeText(64), primary_key=True),
    Column("owner", SafeText(200), nullable=False),
    Column("secret", SafeText(200), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("retires_at", Real),
)
Index("ix_webhook_secret_owner", webhook_secret.c.owner)

#: What was to be told, and how it went: `state` is pending, delivered, failed or gone. Its message lies in the outbox
#: while it is pending.
webhook_delivery = Table(
    "webhook_delivery",
    metadata,
    Column("id", SafeText(64), primary_key=True),
    _job_id(),
    Column("owner", SafeText(200), nullable=False),
    Column("message_id", SafeText(200), nullable=False),
    Column("type", SafeText(64), nullable=False),
    Column("url", LongSafeText, nullable=False),
    Column("payload", JSON, nullable=False),
    Column("state", SafeText(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("status_code", Integer),
    Column("last_error", LongSafeText),
    Column("created_at", UtcDateTime, nullable=False),
    Column("attempted_at", UtcDateTime),
)
Index("ix_webhook_delivery_job", webhook_delivery.c.job_id)
Index("ix_webhook_delivery_owner", webhook_delivery.c.owner, webhook_delivery.c.created_at)

#: Which places of stored files belong to this database, and how often they were swept: the marker in the place says
#: the same. `swept_at` is when the last sweep began, in seconds since 1970.
storage_mark = Table(
    "storage_mark",
    metadata,
    Column("place", SafeText(32), primary_key=True),
    Column("identity", SafeText(32), nullable=False),
    Column("counter", BigInteger, nullable=False),
    Column("swept_at", Real, nullable=False),
)

#: Stored files that nothing names, and when that was first seen, in seconds since 1970.
stray = Table(
    "stray",
    metadata,
    Column("place", SafeText(32), primary_key=True),
    Column("name", SafeText, primary_key=True),
    Column("seen_at", Real, nullable=False),
)
Index("ix_stray_age", stray.c.place, stray.c.seen_at)

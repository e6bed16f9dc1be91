"""The tables for SQLAlchemy. The migrations create them; a test compares the two."""

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
    LargeBinary,
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
    """An aware time in UTC: with time zone where the database supports it, else as sortable text."""

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
    """Text without the characters that a database cannot store."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - inherited
        return None if value is None else clean(value)


class LongSafeText(SafeText):
    """Text of any length."""

    impl = Text
    cache_ok = True


class Real(TypeDecorator[float]):
    """A float that is read back as a float: from RETURNING, SQLite gives whole numbers as integers."""

    impl = Float
    cache_ok = True

    def process_result_value(self, value: float | None, dialect: Dialect) -> float | None:  # noqa: ARG002 - inherited
        return None if value is None else float(value)


#: SQLite increments only a column that is declared INTEGER.
_Counter = BigInteger().with_variant(Integer, "sqlite")

_Status = Enum(JobStatus, name="job_status", values_callable=lambda states: [state.value for state in states])


def status_is(status: JobStatus) -> ColumnElement[bool]:
    """Return the condition with a literal: SQLite uses no partial index for a bound parameter."""
    return job.c.status == literal(status, _Status, literal_execute=True)


#: The job table carries the columns of an older service's reports (`filename` to `update_date`)
#: under their names, and ours beside them. `*_at` of type float are seconds since 1970 by the
#: database's clock. `claim_engine` and `claim_model` are the engine and model that a worker must be able to run: those
#: of the request, later the frozen ones. `claim_needs` names the other features that a worker must support, "" when
#: every version does. `put_off_for` names the features that were unknown to the last worker that put the job off.
#: `rules` is the version of the rules for its plan; null: the first one. `alone`: the job has to run exclusively.
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
    Column("speech_seconds", Real),
    Column("covered_seconds", Real),
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
    # The contract of the request, its limits, the key of the request, and the receiver of the end's webhook.
    Column("contract", SafeText(32), nullable=False, server_default="native"),
    Column("limits", JSON, nullable=False, server_default="{}"),
    Column("key_id", SafeText(64)),
    Column("webhook_url", LongSafeText),
    # The dedup key: equal for requests that may share a job; null when they may not.
    Column("join_mark", SafeText(64)),
    # The digest of its path, for a job that is requested by path; an index cannot hold a path of any length.
    Column("path_mark", SafeText(64)),
    # The owner again, but only while the job waits or runs. Without it, SQLite does not use an index of only such
    # rows: it takes any index on the owner, and with it a million ended jobs.
    Column("queued_owner", SafeText(200), Computed("CASE WHEN status = 'pending' THEN owner END", persisted=True)),
    Column("running_owner", SafeText(200), Computed("CASE WHEN status = 'processing' THEN owner END", persisted=True)),
)


def _partial(name: str, *columns: Any, where: ColumnElement[bool]) -> Index:
    return Index(name, *columns, sqlite_where=where, postgresql_where=where)


# Pending and running rows are few among all rows: their indexes hold no others. The first index gives the best row of
# an owner for an engine, a model and needs, without reading another row.
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
# No index begins with the status: SQLite would use it in place of the faster partial ones.
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


#: A window of a job's audio, in seconds; `result` is null until it is committed.
window = Table(
    "transcription_window",
    metadata,
    _job_id(primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("start_s", Real, nullable=False),
    Column("end_s", Real, nullable=False),
    Column("sha256", SafeText(64), nullable=False),
    Column("channel", Integer),
    Column("spans", JSON(none_as_null=True)),
    Column("result", JSON(none_as_null=True)),
)

#: The events of a job, numbered from 1 without a gap.
event = Table(
    "events",
    metadata,
    _job_id(primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("type", SafeText(32), nullable=False),
    Column("data", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

#: The messages that came from a broker. `sender_id` is the job's id as the sender gave it, `sender_mark` its digest (an
#: index cannot hold a text of any length); `value_mark` is that of the value. `value` is null where it was too long to
#: be kept. A message that is no valid job has no `job_id`, but an `error_code`. `attempt` is the number that it came
#: with. `reply` says where answers go, as the settings were when it came; `ends` counts the answers of its job.
intake = Table(
    "intake",
    metadata,
    Column("id", SafeText(64), primary_key=True),
    Column("contract", SafeText(32), nullable=False),
    Column("job_id", SafeText(64), ForeignKey("transcription_job.id", ondelete="CASCADE")),
    Column("sender_id", LongSafeText),
    Column("sender_mark", SafeText(64)),
    Column("topic", SafeText(255), nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("key", LargeBinary),
    Column("value", LargeBinary),
    Column("value_mark", SafeText(64), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("trace", JSON, nullable=False),
    Column("reply", JSON, nullable=False),
    Column("error_code", SafeText(64)),
    Column("ends", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)
Index("ix_intake_job", intake.c.job_id)
Index("ix_intake_age", intake.c.created_at)
Index("ix_intake_value", intake.c.contract, intake.c.value_mark)
Index(
    "ix_intake_sender",
    *(intake.c.contract, intake.c.sender_mark),
    unique=True,
    sqlite_where=intake.c.job_id.is_not(None),
    postgresql_where=intake.c.job_id.is_not(None),
)


def _job_or_intake() -> tuple[Column[str], Column[str]]:
    """Return the references of a message: to a job, or to the intake row of what became no job, or to both."""
    return (
        Column("job_id", SafeText(64), ForeignKey("transcription_job.id", ondelete="CASCADE")),
        Column("intake_id", SafeText(64), ForeignKey("intake.id", ondelete="CASCADE")),
    )


#: Messages to be sent; a row is removed when its message was sent. Those with one `order_key` and one destination are
#: sent in the order of their ids, each after the end of the one before; null: in any order.
outbox = Table(
    "outbox",
    metadata,
    Column("id", _Counter, primary_key=True, autoincrement=True),
    *_job_or_intake(),
    Column("order_key", SafeText(64)),
    Column("destination", SafeText(200), nullable=False),
    Column("message_id", SafeText(200), nullable=False, unique=True),
    Column("payload", JSON, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("available_at", Real, nullable=False),
    Column("last_error", LongSafeText),
    Column("created_at", UtcDateTime, nullable=False),
    sqlite_autoincrement=True,  # an id is never used twice, so that `mark_sent` names one message only
)
Index("ix_outbox_due", outbox.c.available_at, outbox.c.id)
Index("ix_outbox_order", outbox.c.order_key, outbox.c.destination, outbox.c.id)
Index("ix_outbox_job", outbox.c.job_id)
Index("ix_outbox_intake", outbox.c.intake_id)

#: Messages that can never be delivered.
dead_letter = Table(
    "dead_letter",
    metadata,
    Column("id", _Counter, primary_key=True, autoincrement=True),
    *_job_or_intake(),
    Column("destination", SafeText(200), nullable=False),
    Column("message_id", SafeText(200), nullable=False),
    Column("payload", JSON, nullable=False),
    Column("error_code", SafeText(64), nullable=False),
    Column("error_message", LongSafeText, nullable=False),
    Column("stage", SafeText(16), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)
Index("ix_dead_letter_job", dead_letter.c.job_id)
Index("ix_dead_letter_intake", dead_letter.c.intake_id)

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

#: The worker processes, with the last announced state.
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

#: The API keys of clients: the hash of each key, never the key.
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

#: The secrets for signing tickets and upload addresses. All processes on a database share them.
server_secret = Table(
    "server_secret",
    metadata,
    Column("name", SafeText(64), primary_key=True),
    Column("value", SafeText(200), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

#: An object that a client may upload, before there is a job for it. `size` is null until the object is stored; `*_at`
#: are seconds since 1970.
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

#: The signing secrets of an owner's webhooks. Until `retires_at` (seconds since 1970) an old one signs beside the new.
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

#: The webhook deliveries and their results: `state` is pending, delivered, failed or gone. The message of a pending
#: delivery is in the outbox.
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

#: The places of stored files that belong to this database, and how often each was swept: the marker in the place has
#: the same facts. `swept_at` is the start of the last sweep, in seconds since 1970.
storage_mark = Table(
    "storage_mark",
    metadata,
    Column("place", SafeText(32), primary_key=True),
    Column("identity", SafeText(32), nullable=False),
    Column("counter", BigInteger, nullable=False),
    Column("swept_at", Real, nullable=False),
)

#: Stray files, which no row names, and when each was first seen, in seconds since 1970.
stray = Table(
    "stray",
    metadata,
    Column("place", SafeText(32), primary_key=True),
    Column("name", SafeText, primary_key=True),
    Column("seen_at", Real, nullable=False),
)
Index("ix_stray_age", stray.c.place, stray.c.seen_at)

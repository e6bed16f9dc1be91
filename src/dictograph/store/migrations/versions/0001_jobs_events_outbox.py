"""Add jobs, their windows and events, the outbox, dead letters, idempotency keys and workers."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_STATES = ("pending", "processing", "completed", "failed", "cancelled")


def upgrade() -> None:
    _create_job()
    _create_job_indexes()
    _create_progress()
    _create_outbox()
    _create_dead_letter()
    _create_idempotency_key()
    _create_worker()


def downgrade() -> None:
    for table in ("worker", "idempotency_key", "dead_letter", "outbox", "events", "transcription_window"):
        op.drop_table(table)
    op.drop_table("transcription_job")
    sa.Enum(name="job_status").drop(op.get_bind())


def _time() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def _counter() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _job_id() -> sa.Column[str]:
    return sa.Column("job_id", sa.String(64), nullable=False)


def _belongs_to_job(table: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_job_id_transcription_job"
    return sa.ForeignKeyConstraint(["job_id"], ["transcription_job.id"], name=name, ondelete="CASCADE")


def _owner_while(name: str, status: str) -> sa.Column[str]:
    rule = sa.Computed(f"CASE WHEN status = '{status}' THEN owner END", persisted=True)
    return sa.Column(name, sa.String(200), rule)


def _create_job() -> None:
    op.create_table(
        "transcription_job",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("filename", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("status", sa.Enum(*_STATES, name="job_status"), nullable=False),
        sa.Column("result_text", sa.Text()),
        sa.Column("error_message", sa.Text()),
        sa.Column("processing_time_seconds", sa.Integer()),
        sa.Column("description", sa.String()),
        sa.Column("creation_date", _time(), nullable=False),
        sa.Column("update_date", _time(), nullable=False),
        sa.Column("source_kind", sa.String(16), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_seq", sa.Integer(), nullable=False),
        sa.Column("available_at", sa.Float(), nullable=False),
        sa.Column("alone", sa.Boolean(), nullable=False),
        sa.Column("lease_token", sa.String(64)),
        sa.Column("lease_expires_at", sa.Float()),
        sa.Column("worker_id", sa.String(64)),
        sa.Column("claimed_at", sa.Float()),
        sa.Column("claim_engine", sa.String(64), nullable=False),
        sa.Column("claim_model", sa.String(), nullable=False),
        sa.Column("frozen_engine", sa.String(64)),
        sa.Column("frozen_model", sa.String()),
        sa.Column("frozen_revision", sa.String()),
        sa.Column("audio_name", sa.String()),
        sa.Column("audio_sha256", sa.String(64)),
        sa.Column("audio_size", sa.BigInteger()),
        sa.Column("language", sa.String(16)),
        sa.Column("language_probability", sa.Float()),
        sa.Column("duration", sa.Float()),
        sa.Column("seconds_done", sa.Float(), nullable=False),
        sa.Column("windows_done", sa.Integer(), nullable=False),
        sa.Column("windows_planned", sa.Integer(), nullable=False),
        sa.Column("plan_complete", sa.Boolean(), nullable=False),
        sa.Column("processing_seconds", sa.Float()),
        sa.Column("started_at", _time()),
        sa.Column("finished_at", _time()),
        sa.Column("error_code", sa.String(64)),
        sa.Column("error_stage", sa.String(16)),
        sa.Column("warnings", sa.JSON(), nullable=False),
        sa.Column("events_pruned", sa.Boolean(), nullable=False),
        _owner_while("queued_owner", "pending"),
        _owner_while("running_owner", "processing"),
        sa.PrimaryKeyConstraint("id", name="pk_transcription_job"),
    )


def _create_job_indexes() -> None:
    pending, processing = "status = 'pending'", "status = 'processing'"
    best_first: list[str | sa.TextClause] = [sa.text("priority DESC"), "available_at"]
    _job_index(
        "ix_job_claim",
        ["queued_owner", "claim_engine", "claim_model", *best_first, "alone"],
        "queued_owner IS NOT NULL",
    )
    _job_index("ix_job_queue", [*best_first, "id"], pending)
    _job_index("ix_job_running", ["running_owner"], "running_owner IS NOT NULL")
    _job_index("ix_job_expiry", ["lease_expires_at"], processing)
    _job_index("ix_job_audio", ["audio_name"], "audio_name IS NOT NULL")
    _job_index("ix_job_finished", ["finished_at"], "finished_at IS NOT NULL")
    _job_index("ix_job_finished_audio", ["finished_at"], "audio_name IS NOT NULL")
    unpruned = {"sqlite": "events_pruned IS 0", "postgresql": "events_pruned IS false"}
    _job_index("ix_job_finished_events", ["finished_at"], unpruned[op.get_bind().dialect.name])
    _job_index("ix_job_failed", ["creation_date", "id"], "status = 'failed'")
    _job_index("ix_job_newest", ["creation_date", "id", "status"])
    _job_index("ix_job_owner_newest", ["owner", "creation_date", "id", "status"])


def _job_index(name: str, columns: Sequence[str | sa.TextClause], where: str | None = None) -> None:
    part = sa.text(where) if where else None
    op.create_index(name, "transcription_job", columns, sqlite_where=part, postgresql_where=part)


def _create_progress() -> None:
    op.create_table(
        "transcription_window",
        _job_id(),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("start_s", sa.Float(), nullable=False),
        sa.Column("end_s", sa.Float(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("result", sa.JSON()),
        sa.PrimaryKeyConstraint("job_id", "number", name="pk_transcription_window"),
        _belongs_to_job("transcription_window"),
    )
    op.create_table(
        "events",
        _job_id(),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("created_at", _time(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "seq", name="pk_events"),
        _belongs_to_job("events"),
    )


def _create_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", _counter(), autoincrement=True, nullable=False),
        _job_id(),
        sa.Column("destination", sa.String(200), nullable=False),
        sa.Column("message_id", sa.String(200), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("available_at", sa.Float(), nullable=False),
        sa.Column("last_error", sa.Text()),
        sa.Column("created_at", _time(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.UniqueConstraint("message_id", name="uq_outbox_message_id"),
        _belongs_to_job("outbox"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_due", "outbox", ["available_at", "id"])
    op.create_index("ix_outbox_order", "outbox", ["job_id", "destination", "id"])


def _create_dead_letter() -> None:
    op.create_table(
        "dead_letter",
        sa.Column("id", _counter(), autoincrement=True, nullable=False),
        _job_id(),
        sa.Column("destination", sa.String(200), nullable=False),
        sa.Column("message_id", sa.String(200), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("error_code", sa.String(64), nullable=False),
        sa.Column("error_message", sa.Text(), nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("created_at", _time(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_dead_letter"),
        _belongs_to_job("dead_letter"),
    )
    op.create_index("ix_dead_letter_job", "dead_letter", ["job_id"])


def _create_idempotency_key() -> None:
    op.create_table(
        "idempotency_key",
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("process_id", sa.String(64), nullable=False),
        sa.Column("job_id", sa.String(64)),
        sa.Column("fingerprint", sa.String(128)),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "key", name="pk_idempotency_key"),
        _belongs_to_job("idempotency_key"),
    )
    op.create_index("ix_idempotency_key_job", "idempotency_key", ["job_id"])
    op.create_index("ix_idempotency_key_age", "idempotency_key", ["created_at"])


def _create_worker() -> None:
    op.create_table(
        "worker",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", _time(), nullable=False),
        sa.Column("seen_at", sa.Float(), nullable=False),
        sa.Column("state", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_worker"),
    )

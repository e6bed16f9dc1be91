"""Add a job's contract, API keys, upload slots and webhooks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TABLES = ("api_key", "server_secret", "upload_slot", "webhook_secret", "webhook_delivery")
_COLUMNS = ("contract", "limits", "key_id", "webhook_url", "join_mark", "path_mark")


def upgrade() -> None:
    for column in (
        sa.Column("contract", sa.String(32), nullable=False, server_default="native"),
        sa.Column("limits", sa.JSON(), nullable=False, server_default="{}"),
        sa.Column("key_id", sa.String(64)),
        sa.Column("webhook_url", sa.Text()),
        sa.Column("join_mark", sa.String(64)),
        sa.Column("path_mark", sa.String(64)),
    ):
        op.add_column("transcription_job", column)
    joined = sa.text("join_mark IS NOT NULL")
    op.create_index("ix_job_join", "transcription_job", ["join_mark"], sqlite_where=joined, postgresql_where=joined)
    named = sa.text("path_mark IS NOT NULL")
    by_path = ["path_mark", "owner", "creation_date", "id"]
    op.create_index("ix_job_path", "transcription_job", by_path, sqlite_where=named, postgresql_where=named)
    _create_keys()
    _create_upload_slot()
    _create_webhooks()


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_table(table)
    op.drop_index("ix_job_path", "transcription_job")
    op.drop_index("ix_job_join", "transcription_job")
    for column in reversed(_COLUMNS):
        op.drop_column("transcription_job", column)


def _time() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def _create_keys() -> None:
    op.create_table(
        "api_key",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("rate_limits", sa.JSON(), nullable=False),
        sa.Column("webhook_url", sa.Text()),
        sa.Column("created_at", _time(), nullable=False),
        sa.Column("expires_at", sa.Float()),
        sa.Column("revoked_at", sa.Float()),
        sa.Column("last_used_at", sa.Float()),
        sa.Column("replaced_by", sa.String(64)),
        sa.PrimaryKeyConstraint("id", name="pk_api_key"),
        sa.UniqueConstraint("hash", name="uq_api_key_hash"),
    )
    op.create_index("ix_api_key_owner", "api_key", ["owner"])
    op.create_table(
        "server_secret",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("value", sa.String(200), nullable=False),
        sa.Column("created_at", _time(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_server_secret"),
    )


def _create_upload_slot() -> None:
    op.create_table(
        "upload_slot",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("contract", sa.String(32), nullable=False),
        sa.Column("filename", sa.String(), nullable=False),
        sa.Column("content_type", sa.String(200), nullable=False),
        sa.Column("announced_size", sa.BigInteger(), nullable=False),
        sa.Column("object_name", sa.String(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.Column("size", sa.BigInteger()),
        sa.Column("sha256", sa.String(64)),
        sa.PrimaryKeyConstraint("id", name="pk_upload_slot"),
        sa.UniqueConstraint("object_name", name="uq_upload_slot_object_name"),
    )
    op.create_index("ix_upload_slot_age", "upload_slot", ["created_at"])


def _create_webhooks() -> None:
    op.create_table(
        "webhook_secret",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("secret", sa.String(200), nullable=False),
        sa.Column("created_at", _time(), nullable=False),
        sa.Column("retires_at", sa.Float()),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_secret"),
    )
    op.create_index("ix_webhook_secret_owner", "webhook_secret", ["owner"])
    op.create_table(
        "webhook_delivery",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("job_id", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("message_id", sa.String(200), nullable=False),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("status_code", sa.Integer()),
        sa.Column("last_error", sa.Text()),
        sa.Column("created_at", _time(), nullable=False),
        sa.Column("attempted_at", _time()),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_delivery"),
        sa.ForeignKeyConstraint(
            ["job_id"],
            ["transcription_job.id"],
            name="fk_webhook_delivery_job_id_transcription_job",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_webhook_delivery_job", "webhook_delivery", ["job_id"])
    op.create_index("ix_webhook_delivery_owner", "webhook_delivery", ["owner", "created_at"])

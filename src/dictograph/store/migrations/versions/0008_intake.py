"""Add the messages that came from a broker; messages to be sent may belong to one of them instead of to a job."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# SQLite cannot make a column nullable in place: the tables are made anew there.
_KEPT: dict[str, dict[str, Any]] = {"outbox": {"sqlite_autoincrement": True}, "dead_letter": {}}


def upgrade() -> None:
    _create_intake()
    for table, kept in _KEPT.items():
        with op.batch_alter_table(table, table_kwargs=kept) as batch:
            batch.alter_column("job_id", existing_type=sa.String(64), nullable=True)
            batch.add_column(sa.Column("intake_id", sa.String(64)))
            batch.create_foreign_key(
                f"fk_{table}_intake_id_intake", "intake", ["intake_id"], ["id"], ondelete="CASCADE"
            )
        op.create_index(f"ix_{table}_intake", table, ["intake_id"])
    op.drop_index("ix_outbox_order", "outbox")
    op.add_column("outbox", sa.Column("order_key", sa.String(64)))
    op.execute("UPDATE outbox SET order_key = job_id")
    op.create_index("ix_outbox_order", "outbox", ["order_key", "destination", "id"])
    op.create_index("ix_outbox_job", "outbox", ["job_id"])


def downgrade() -> None:
    op.drop_index("ix_outbox_job", "outbox")
    op.drop_index("ix_outbox_order", "outbox")
    for table, kept in _KEPT.items():
        op.execute(sa.delete(sa.table(table)).where(sa.column("job_id").is_(None)))
        op.drop_index(f"ix_{table}_intake", table)
        with op.batch_alter_table(table, table_kwargs=kept) as batch:
            batch.drop_constraint(f"fk_{table}_intake_id_intake", type_="foreignkey")
            batch.drop_column("intake_id")
            batch.alter_column("job_id", existing_type=sa.String(64), nullable=False)
    op.drop_column("outbox", "order_key")
    op.create_index("ix_outbox_order", "outbox", ["job_id", "destination", "id"])
    op.drop_table("intake")


def _create_intake() -> None:
    op.create_table(
        "intake",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("contract", sa.String(32), nullable=False),
        sa.Column("job_id", sa.String(64)),
        sa.Column("sender_id", sa.Text()),
        sa.Column("sender_mark", sa.String(64)),
        sa.Column("topic", sa.String(255), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.LargeBinary()),
        sa.Column("value", sa.LargeBinary()),
        sa.Column("value_mark", sa.String(64), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("trace", sa.JSON(), nullable=False),
        sa.Column("reply", sa.JSON(), nullable=False),
        sa.Column("error_code", sa.String(64)),
        sa.Column("ends", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_intake"),
        sa.ForeignKeyConstraint(
            ["job_id"], ["transcription_job.id"], name="fk_intake_job_id_transcription_job", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_intake_job", "intake", ["job_id"])
    op.create_index("ix_intake_age", "intake", ["created_at"])
    op.create_index("ix_intake_value", "intake", ["contract", "value_mark"])
    has_job = sa.text("job_id IS NOT NULL")
    op.create_index(
        "ix_intake_sender",
        "intake",
        ["contract", "sender_mark"],
        unique=True,
        sqlite_where=has_job,
        postgresql_where=has_job,
    )

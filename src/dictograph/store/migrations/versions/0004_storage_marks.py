"""Add the owner of a storage, the number of its sweeps, and its stray files."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_PLACES = ("storage", "path_uploads")


def upgrade() -> None:
    marks = op.create_table(
        "storage_mark",
        sa.Column("place", sa.String(32), nullable=False),
        sa.Column("identity", sa.String(32), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("swept_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("place", name="pk_storage_mark"),
    )
    op.create_table(
        "stray",
        sa.Column("place", sa.String(32), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("seen_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("place", "name", name="pk_stray"),
    )
    op.create_index("ix_stray_age", "stray", ["place", "seen_at"])
    identity = secrets.token_hex(16)
    op.bulk_insert(marks, [{"place": one, "identity": identity, "counter": 0, "swept_at": 0.0} for one in _PLACES])


def downgrade() -> None:
    op.drop_table("stray")
    op.drop_table("storage_mark")

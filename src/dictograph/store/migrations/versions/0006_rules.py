"""Add the version of the rules for a job's plan."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("transcription_job", sa.Column("rules", sa.String(16)))


def downgrade() -> None:
    op.drop_column("transcription_job", "rules")

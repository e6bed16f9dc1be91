"""Add the speech and the channel of a window, and a job's account of spoken and covered seconds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("transcription_window", sa.Column("channel", sa.Integer()))
    op.add_column("transcription_window", sa.Column("spans", sa.JSON()))
    op.add_column("transcription_job", sa.Column("speech_seconds", sa.Float()))
    op.add_column("transcription_job", sa.Column("covered_seconds", sa.Float()))


def downgrade() -> None:
    op.drop_column("transcription_job", "covered_seconds")
    op.drop_column("transcription_job", "speech_seconds")
    op.drop_column("transcription_window", "spans")
    op.drop_column("transcription_window", "channel")

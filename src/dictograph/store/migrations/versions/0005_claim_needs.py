"""Add the features that a worker must support to run a job, and the reason why a job was put off."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TABLE = "transcription_job"
_PAIR = ["queued_owner", "claim_engine", "claim_model"]
_ORDER: list[str | sa.TextClause] = [sa.text("priority DESC"), "available_at", "alone"]


def upgrade() -> None:
    op.add_column(_TABLE, sa.Column("claim_needs", sa.String(200), nullable=False, server_default=""))
    op.add_column(_TABLE, sa.Column("put_off_for", sa.Text()))
    _index_the_claim([*_PAIR, "claim_needs"])
    _partial("ix_job_put_off", ["queued_owner"], "put_off_for IS NOT NULL")


def downgrade() -> None:
    op.drop_index("ix_job_put_off", _TABLE)
    _index_the_claim(_PAIR)
    op.drop_column(_TABLE, "put_off_for")
    op.drop_column(_TABLE, "claim_needs")


def _index_the_claim(columns: list[str]) -> None:
    op.drop_index("ix_job_claim", _TABLE)
    _partial("ix_job_claim", [*columns, *_ORDER], "queued_owner IS NOT NULL")


def _partial(name: str, columns: list[str | sa.TextClause], where: str) -> None:
    op.create_index(name, _TABLE, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))

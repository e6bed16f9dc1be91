"""On PostgreSQL: room for updates in place, and vacuum before the dead rows of a large table are many."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

#: A job's row is written anew at every commit of its windows. With room on its page the new one goes
#: beside the old one, and no index has to be told. The dead rows of the default, a fifth of a million,
#: would be in the way of every claim.
_JOB = {
    "fillfactor": 75,
    "autovacuum_vacuum_scale_factor": 0.01,
    "autovacuum_vacuum_threshold": 1000,
    "autovacuum_analyze_scale_factor": 0.02,
}

#: All that comes into the outbox goes again, mostly within a second.
_OUTBOX = {"autovacuum_vacuum_scale_factor": 0.0, "autovacuum_vacuum_threshold": 1000}


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table, options in (("transcription_job", _JOB), ("outbox", _OUTBOX)):
            words = ", ".join(f"{name} = {value}" for name, value in options.items())
            op.execute(f"ALTER TABLE {table} SET ({words})")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table, options in (("transcription_job", _JOB), ("outbox", _OUTBOX)):
            op.execute(f"ALTER TABLE {table} RESET ({', '.join(options)})")

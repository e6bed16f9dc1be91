"""Run by Alembic: migrations go over the connection that `dictograph.store.migrate` gives."""

from __future__ import annotations

from alembic import context

from dictograph.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    render_as_batch=True,  # SQLite cannot alter most of a table in place
)
with context.begin_transaction():
    context.run_migrations()

"""Alembic's environment: runs the migrations in the transaction that storage/migrating.py began."""

from __future__ import annotations

from alembic import context

from storage.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
with context.begin_transaction():  # a no-op: the caller's transaction is already open
    context.run_migrations()

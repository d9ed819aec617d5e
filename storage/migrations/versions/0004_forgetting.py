"""Tombstones, what is to be erased, when consent was given, and what tainted a model.

A home whose owner declared a ground before there was a mode goes on learning as it did: its
`consent_mode` becomes `declared`, as a declaration makes it from now on.

`IF NOT EXISTS`: forgetting puts the tombstones into backups that are older than this revision too.
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE IF NOT EXISTS tombstones (hash TEXT NOT NULL PRIMARY KEY, at_ms INTEGER NOT NULL)
    """,
    """
    CREATE TABLE erasures (
        erasure_id INTEGER NOT NULL PRIMARY KEY,
        at_ms INTEGER NOT NULL, asked_by TEXT NOT NULL, member_id INTEGER,
        names TEXT NOT NULL DEFAULT '[]',
        message_ids BLOB NOT NULL,
        done TEXT NOT NULL DEFAULT '[]'
    )
    """,
    "ALTER TABLE members ADD COLUMN consent_at_ms INTEGER",
    "ALTER TABLE model_versions ADD COLUMN tainted_at_ms INTEGER",
    "ALTER TABLE model_versions ADD COLUMN tainted_because TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE model_versions ADD COLUMN retrain_by_ms INTEGER",
    "ALTER TABLE model_versions ADD COLUMN deferred_at_ms INTEGER",
    "ALTER TABLE model_versions ADD COLUMN deferred_by TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE model_versions ADD COLUMN deferred_why TEXT NOT NULL DEFAULT ''",
    """
    INSERT INTO config (name, value)
    SELECT 'consent_mode', 'declared' WHERE EXISTS (SELECT 1 FROM declarations)
    ON CONFLICT (name) DO NOTHING
    """,
)


def upgrade() -> None:
    """Make the tables and the columns, and set the mode."""
    for statement in STATEMENTS:
        op.execute(statement)

"""How far each channel was read, the verdict on each message, and until when a channel is quiet."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE cursors (
        name TEXT NOT NULL, channel_id INTEGER NOT NULL,
        message_id INTEGER NOT NULL, at_ms INTEGER NOT NULL,
        PRIMARY KEY (name, channel_id)
    )
    """,
    """
    CREATE TABLE verdicts (
        message_id INTEGER NOT NULL PRIMARY KEY,
        channel_id INTEGER NOT NULL, at_ms INTEGER NOT NULL,
        verdict TEXT NOT NULL, reason TEXT NOT NULL,
        detail TEXT NOT NULL DEFAULT '', outcome TEXT NOT NULL DEFAULT '',
        attempts INTEGER NOT NULL DEFAULT 0, reply_id INTEGER,
        recalled INTEGER NOT NULL DEFAULT 0, prompt_tokens INTEGER NOT NULL DEFAULT 0,
        evaluated_tokens INTEGER NOT NULL DEFAULT 0, reply_tokens INTEGER NOT NULL DEFAULT 0,
        total_s FLOAT NOT NULL DEFAULT 0
    )
    """,
    "CREATE INDEX verdicts_by_time ON verdicts (at_ms, verdict, outcome, total_s)",
    "CREATE INDEX verdicts_by_channel ON verdicts (channel_id, message_id)",
    "ALTER TABLE channels ADD COLUMN quiet_until_ms INTEGER NOT NULL DEFAULT 0",
)


def upgrade() -> None:
    """Make the tables, the indexes and the column."""
    for statement in STATEMENTS:
        op.execute(statement)

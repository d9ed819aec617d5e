"""The base tables, and the full-text index over what was written.

The SQL is frozen here: a later change to storage/schema.py must not change what this revision
makes.
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    """
    CREATE TABLE config (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)
    """,
    """
    CREATE TABLE statistics (
        statistic_id INTEGER NOT NULL PRIMARY KEY,
        name TEXT NOT NULL, value FLOAT NOT NULL, at_ms INTEGER NOT NULL
    )
    """,
    "CREATE INDEX statistics_by_name ON statistics (name, at_ms)",
    """
    CREATE TABLE members (
        member_id INTEGER NOT NULL PRIMARY KEY,
        name TEXT NOT NULL, nickname TEXT NOT NULL,
        is_bot INTEGER NOT NULL DEFAULT 0,
        is_excluded INTEGER NOT NULL DEFAULT 0,
        consent TEXT NOT NULL DEFAULT 'unset'
    )
    """,
    """
    CREATE TABLE channels (
        channel_id INTEGER NOT NULL PRIMARY KEY,
        guild_id INTEGER NOT NULL, guild_name TEXT NOT NULL, name TEXT NOT NULL,
        parent_id INTEGER,
        is_allowed INTEGER NOT NULL DEFAULT 1
    )
    """,
    """
    CREATE TABLE messages (
        message_id INTEGER NOT NULL PRIMARY KEY,
        channel_id INTEGER NOT NULL, author_id INTEGER NOT NULL,
        content TEXT NOT NULL, created_at_ms INTEGER NOT NULL,
        origin TEXT NOT NULL, kind TEXT NOT NULL,
        edited_at_ms INTEGER, deleted_at_ms INTEGER, reply_to_id INTEGER,
        reactions TEXT NOT NULL DEFAULT '[]',
        mentioned_ids TEXT NOT NULL DEFAULT '[]',
        attachment_names TEXT NOT NULL DEFAULT '[]'
    )
    """,
    "CREATE INDEX messages_by_channel ON messages (channel_id, message_id)",
    """
    CREATE TABLE conversation_context (
        line_id INTEGER NOT NULL PRIMARY KEY,
        channel_id INTEGER NOT NULL, role TEXT NOT NULL, name TEXT NOT NULL,
        text TEXT NOT NULL, at_ms INTEGER NOT NULL, message_id INTEGER
    )
    """,
    "CREATE INDEX context_by_channel ON conversation_context (channel_id, line_id)",
    "CREATE INDEX context_by_message ON conversation_context (message_id)",
    """
    CREATE TABLE model_versions (
        version_id TEXT NOT NULL PRIMARY KEY,
        kind TEXT NOT NULL, status TEXT NOT NULL, gguf_path TEXT NOT NULL,
        sha256 TEXT NOT NULL, size_bytes INTEGER NOT NULL, created_at_ms INTEGER NOT NULL,
        base TEXT NOT NULL,
        dataset_sha256 TEXT NOT NULL DEFAULT '', profile TEXT NOT NULL DEFAULT '',
        parents TEXT NOT NULL DEFAULT '[]', notes TEXT NOT NULL DEFAULT ''
    )
    """,
)

# External content: the text lies once, in `messages`. Contentless-delete tables would want SQLite
# 3.43, newer than the one that many a Python 3.10 carries. Every row is in the index, a deleted
# message's empty text too, so that FTS5's 'rebuild' and 'integrity-check' agree with the triggers.
# New rows are indexed by message_store.py in the transaction that writes them: FTS5 is twice
# as fast from one statement as from a trigger a row (196,000 messages: 2.9 s, not 5.7).
FULL_TEXT = (
    """
    CREATE VIRTUAL TABLE messages_fts USING fts5 (
        content, content='messages', content_rowid='message_id',
        tokenize="unicode61 remove_diacritics 2"
    )
    """,
    """
    CREATE TRIGGER messages_fts_delete AFTER DELETE ON messages
    BEGIN
        INSERT INTO messages_fts (messages_fts, rowid, content)
        VALUES ('delete', old.message_id, old.content);
    END
    """,
    """
    CREATE TRIGGER messages_fts_update AFTER UPDATE OF content ON messages
    WHEN old.content IS NOT new.content
    BEGIN
        INSERT INTO messages_fts (messages_fts, rowid, content)
        VALUES ('delete', old.message_id, old.content);
        INSERT INTO messages_fts (rowid, content) VALUES (new.message_id, new.content);
    END
    """,
)


def upgrade() -> None:
    """Make everything; the caller's transaction holds it together."""
    for statement in TABLES + FULL_TEXT:
        op.execute(statement)

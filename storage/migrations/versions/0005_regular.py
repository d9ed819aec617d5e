"""Settings by channel, who may read a channel, the persona's messages, and rehearsals.

Full text is searched by stems from here on ("waited" finds "waiting"), so its index is built anew:
5 s for a million messages, in the one transaction of all of this. A home whose bot spoke in public
already goes on speaking there: verdicts of a month say so, and the transcripts, those of channels
with an id of Discord's.
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

STATEMENTS = (
    "DROP TABLE messages_fts",
    """
    CREATE VIRTUAL TABLE messages_fts USING fts5 (
        content, content='messages', content_rowid='message_id',
        tokenize="porter unicode61 remove_diacritics 2"
    )
    """,
    "INSERT INTO messages_fts (messages_fts) VALUES ('rebuild')",
    "ALTER TABLE channels ADD COLUMN readers TEXT",
    """
    CREATE TABLE channel_config (
        channel_id INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,
        PRIMARY KEY (channel_id, name)
    )
    """,
    """
    CREATE TABLE replies (
        message_id INTEGER NOT NULL PRIMARY KEY,
        asked_id INTEGER NOT NULL, channel_id INTEGER NOT NULL, at_ms INTEGER NOT NULL,
        line INTEGER NOT NULL DEFAULT 0,
        score FLOAT, good FLOAT NOT NULL DEFAULT 0, bad FLOAT NOT NULL DEFAULT 0,
        answers INTEGER NOT NULL DEFAULT 0,
        deleted_at_ms INTEGER, quieted_at_ms INTEGER
    )
    """,
    "CREATE INDEX replies_by_time ON replies (at_ms)",
    "CREATE INDEX replies_by_asked ON replies (asked_id)",
    """
    CREATE TABLE rehearsals (
        rehearsal_id INTEGER NOT NULL PRIMARY KEY,
        kind TEXT NOT NULL, began_at_ms INTEGER NOT NULL, ended_at_ms INTEGER,
        version_id TEXT NOT NULL DEFAULT '', model_sha256 TEXT NOT NULL DEFAULT '',
        settings TEXT NOT NULL DEFAULT '{}', options TEXT NOT NULL DEFAULT '{}',
        messages INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '',
        accepted INTEGER NOT NULL DEFAULT 0, answered INTEGER NOT NULL DEFAULT 0,
        accepted_at_ms INTEGER
    )
    """,
    """
    CREATE TABLE rehearsed (
        rehearsed_id INTEGER NOT NULL PRIMARY KEY,
        rehearsal_id INTEGER NOT NULL, message_id INTEGER NOT NULL, channel_id INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        verdict TEXT NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL DEFAULT '',
        parts TEXT NOT NULL DEFAULT '{}',
        draft TEXT NOT NULL DEFAULT '', guard TEXT NOT NULL DEFAULT '',
        source_ids TEXT NOT NULL DEFAULT '[]', total_s FLOAT NOT NULL DEFAULT 0,
        answer TEXT NOT NULL DEFAULT '', answered_at_ms INTEGER, answered_by INTEGER,
        posted_id INTEGER
    )
    """,
    "CREATE UNIQUE INDEX rehearsed_once ON rehearsed (rehearsal_id, message_id)",
    "CREATE INDEX rehearsed_posted ON rehearsed (posted_id)",
    """
    INSERT INTO config (name, value)
    SELECT 'speaks_in_public', 'on' WHERE EXISTS (SELECT 1 FROM verdicts WHERE outcome = 'sent')
    OR EXISTS (SELECT 1 FROM conversation_context WHERE role = 'own' AND channel_id >= 4194304)
    ON CONFLICT (name) DO NOTHING
    """,
)


def upgrade() -> None:
    """Make the tables, the columns and the index."""
    for statement in STATEMENTS:
        op.execute(statement)

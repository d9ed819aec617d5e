"""The tables of mynah.db at the newest revision; the migrations make them, a test holds both equal.

SQLite is the truth. Times are milliseconds since 1970 in UTC; ids are Discord snowflakes (up to 63
bits). Messages have no foreign keys: a message may be stored before its author or channel has been
seen.
"""

from __future__ import annotations

from sqlalchemy import Column, Float, Index, Integer, LargeBinary, MetaData, Table, Text, text

HEAD = "0006"
"""The newest revision in storage/migrations/versions; compared before Alembic is imported."""

metadata = MetaData()

config = Table(
    "config",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

statistics = Table(
    "statistics",
    metadata,
    Column("statistic_id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("value", Float, nullable=False),
    Column("at_ms", Integer, nullable=False),
    Index("statistics_by_name", "name", "at_ms"),
)

members = Table(
    "members",
    metadata,
    Column("member_id", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("nickname", Text, nullable=False),
    Column("is_bot", Integer, nullable=False, server_default=text("0")),
    Column("is_excluded", Integer, nullable=False, server_default=text("0")),
    Column("consent", Text, nullable=False, server_default=text("'unset'")),
    Column("consent_at_ms", Integer),
)

channels = Table(
    "channels",
    metadata,
    Column("channel_id", Integer, primary_key=True, autoincrement=False),
    Column("guild_id", Integer, nullable=False),
    Column("guild_name", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("parent_id", Integer),
    Column("is_allowed", Integer, nullable=False, server_default=text("1")),
    Column("quiet_until_ms", Integer, nullable=False, server_default=text("0")),
    Column("readers", Text),
)
"""`readers`: who may read the channel on the platform, as JSON (storage.records.Readers); NULL
where nobody said."""

channel_config = Table(
    "channel_config",
    metadata,
    Column("channel_id", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
"""What counts in one channel and its threads instead of the setting of that name."""

messages = Table(
    "messages",
    metadata,
    Column("message_id", Integer, primary_key=True, autoincrement=False),
    Column("channel_id", Integer, nullable=False),
    Column("author_id", Integer, nullable=False),
    Column("content", Text, nullable=False),
    Column("created_at_ms", Integer, nullable=False),
    Column("origin", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("edited_at_ms", Integer),
    Column("deleted_at_ms", Integer),
    Column("reply_to_id", Integer),
    Column("reactions", Text, nullable=False, server_default=text("'[]'")),
    Column("mentioned_ids", Text, nullable=False, server_default=text("'[]'")),
    Column("attachment_names", Text, nullable=False, server_default=text("'[]'")),
    Index("messages_by_channel", "channel_id", "message_id"),
)
"""`messages_fts` (FTS5) indexes `content`; see migration 0005. Lists are JSON. There is no index by
author: it would cost a third of an import's writing, and a member is looked for once in a while."""

conversation_context = Table(
    "conversation_context",
    metadata,
    Column("line_id", Integer, primary_key=True),
    Column("channel_id", Integer, nullable=False),
    Column("role", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("at_ms", Integer, nullable=False),
    Column("message_id", Integer),
    Index("context_by_channel", "channel_id", "line_id"),
    Index("context_by_message", "message_id"),
)

model_versions = Table(
    "model_versions",
    metadata,
    Column("version_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("gguf_path", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("created_at_ms", Integer, nullable=False),
    Column("base", Text, nullable=False),
    Column("dataset_sha256", Text, nullable=False, server_default=text("''")),
    Column("profile", Text, nullable=False, server_default=text("''")),
    Column("parents", Text, nullable=False, server_default=text("'[]'")),
    Column("notes", Text, nullable=False, server_default=text("''")),
    Column("deployed_at_ms", Integer),
    Column("status_at_ms", Integer),
    Column("tainted_at_ms", Integer),
    Column("tainted_because", Text, nullable=False, server_default=text("''")),
    Column("retrain_by_ms", Integer),
    Column("deferred_at_ms", Integer),
    Column("deferred_by", Text, nullable=False, server_default=text("''")),
    Column("deferred_why", Text, nullable=False, server_default=text("''")),
    Column("deploy_at", Float),
    Column("audit_needed", Integer, nullable=False, server_default=text("0")),
    Column("forced_at_ms", Integer),
    Column("forced_by", Text, nullable=False, server_default=text("''")),
    Column("forced_why", Text, nullable=False, server_default=text("''")),
    Column("is_pinned", Integer, nullable=False, server_default=text("0")),
    Column("pruned_at_ms", Integer),
    Index(
        "one_deployed_model",
        "status",
        unique=True,
        sqlite_where=text("status = 'deployed'"),
    ),
)
"""`deployed_at_ms` orders the line of deployments that a rollback walks back along.

A version that was rolled back from leaves that line (NULL).
"""

evaluations = Table(
    "evaluations",
    metadata,
    Column("evaluation_id", Integer, primary_key=True),
    Column("version_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("at_ms", Integer, nullable=False),
    Column("score", Float),
    Column("needed", Float),
    Column("passed", Integer, nullable=False),
    Column("figures", Text, nullable=False, server_default=text("'{}'")),
    Column("report", Text, nullable=False, server_default=text("''")),
    Index("evaluations_of", "version_id", "kind", "at_ms"),
)
"""How a model version did: kind is personality, audit or people. Figures alone, as JSON."""

deployments = Table(
    "deployments",
    metadata,
    Column("deployment_id", Integer, primary_key=True),
    Column("version_id", Text, nullable=False),
    Column("before", Text, nullable=False, server_default=text("''")),
    Column("at_ms", Integer, nullable=False),
    Column("how", Text, nullable=False),
    Column("who", Text, nullable=False, server_default=text("''")),
    Column("why", Text, nullable=False, server_default=text("''")),
    Column("starts", Integer, nullable=False, server_default=text("0")),
    Column("settled_at_ms", Integer),
)
"""Each time that another version was to answer: `before` answered before, `how` is deployed,
forced, rolled back, returned or fell back. Until it is settled it is on trial: `starts` counts the
bot's starts with it that did not end well (storage/deployment_store.py)."""

declarations = Table(
    "declarations",
    metadata,
    Column("declaration_id", Integer, primary_key=True),
    Column("declared_at_ms", Integer, nullable=False),
    Column("who", Text, nullable=False),
    Column("ground", Text, nullable=False),
)

cursors = Table(
    "cursors",
    metadata,
    Column("name", Text, primary_key=True),
    Column("channel_id", Integer, primary_key=True, autoincrement=False),
    Column("message_id", Integer, nullable=False),
    Column("at_ms", Integer, nullable=False),
)
"""How far a channel was read: `live` by the bot, `fetch` by the fetcher, others in
data/fetch_rounds.py; `at_ms`: when it moved."""

verdicts = Table(
    "verdicts",
    metadata,
    Column("message_id", Integer, primary_key=True, autoincrement=False),
    Column("channel_id", Integer, nullable=False),
    Column("at_ms", Integer, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False, server_default=text("''")),
    Column("outcome", Text, nullable=False, server_default=text("''")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("reply_id", Integer),
    Column("recalled", Integer, nullable=False, server_default=text("0")),
    Column("prompt_tokens", Integer, nullable=False, server_default=text("0")),
    Column("evaluated_tokens", Integer, nullable=False, server_default=text("0")),
    Column("reply_tokens", Integer, nullable=False, server_default=text("0")),
    Column("total_s", Float, nullable=False, server_default=text("0")),
    Index("verdicts_by_time", "at_ms", "verdict", "outcome", "total_s"),
    Index("verdicts_by_channel", "channel_id", "message_id"),
)
"""Why each message was answered or not; never a word of it. `verdicts_by_time` covers what a
summary counts: at a million rows it need not touch the table."""

tombstones = Table(
    "tombstones",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("at_ms", Integer, nullable=False),
)
"""Who asked to be forgotten, as keyed hashes (storage/tombstones.py)."""

erasures = Table(
    "erasures",
    metadata,
    Column("erasure_id", Integer, primary_key=True),
    Column("at_ms", Integer, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("member_id", Integer),
    Column("names", Text, nullable=False, server_default=text("'[]'")),
    Column("message_ids", LargeBinary, nullable=False),
    Column("done", Text, nullable=False, server_default=text("'[]'")),
)
"""What is still to be erased; a row goes once all of it is done. `member_id` is NULL where single
messages were deleted; `message_ids` are int64, little-endian; `names` and `done` (the places that
are) are JSON."""

replies = Table(
    "replies",
    metadata,
    Column("message_id", Integer, primary_key=True, autoincrement=False),
    Column("asked_id", Integer, nullable=False),
    Column("channel_id", Integer, nullable=False),
    Column("at_ms", Integer, nullable=False),
    Column("line", Integer, nullable=False, server_default=text("0")),
    Column("score", Float),
    Column("good", Float, nullable=False, server_default=text("0")),
    Column("bad", Float, nullable=False, server_default=text("0")),
    Column("answers", Integer, nullable=False, server_default=text("0")),
    Column("deleted_at_ms", Integer),
    Column("quieted_at_ms", Integer),
    Index("replies_by_time", "at_ms"),
    Index("replies_by_asked", "asked_id"),
)
"""The persona's own messages: to which one each answers, its place among the lines of that answer
(0: the first), and how that answer was received (NULL: nobody showed it), each line with the same
figures. `quieted_at_ms`: somebody ordered silence right behind it. Never a word."""

rehearsals = Table(
    "rehearsals",
    metadata,
    Column("rehearsal_id", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("began_at_ms", Integer, nullable=False),
    Column("ended_at_ms", Integer),
    Column("version_id", Text, nullable=False, server_default=text("''")),
    Column("model_sha256", Text, nullable=False, server_default=text("''")),
    Column("settings", Text, nullable=False, server_default=text("'{}'")),
    Column("options", Text, nullable=False, server_default=text("'{}'")),
    Column("messages", Integer, nullable=False, server_default=text("0")),
    Column("error", Text, nullable=False, server_default=text("''")),
    Column("accepted", Integer, nullable=False, server_default=text("0")),
    Column("answered", Integer, nullable=False, server_default=text("0")),
    Column("accepted_at_ms", Integer),
)
"""Runs in which the persona was only heard by its owner; `kind` is replay or live. Once its owner
has let it speak, `accepted` of the `answered` moments had a yes then."""

rehearsed = Table(
    "rehearsed",
    metadata,
    Column("rehearsed_id", Integer, primary_key=True),
    Column("rehearsal_id", Integer, nullable=False),
    Column("message_id", Integer, nullable=False),
    Column("channel_id", Integer, nullable=False),
    Column("at_ms", Integer, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False, server_default=text("''")),
    Column("parts", Text, nullable=False, server_default=text("'{}'")),
    Column("draft", Text, nullable=False, server_default=text("''")),
    Column("guard", Text, nullable=False, server_default=text("''")),
    Column("source_ids", Text, nullable=False, server_default=text("'[]'")),
    Column("total_s", Float, nullable=False, server_default=text("0")),
    Column("answer", Text, nullable=False, server_default=text("''")),
    Column("answered_at_ms", Integer),
    Column("answered_by", Integer),
    Column("posted_id", Integer),
    Index("rehearsed_once", "rehearsal_id", "message_id", unique=True),
    Index("rehearsed_posted", "posted_id"),
)
"""One row a message of a rehearsal: what it would have done. `draft` are the model's words, and
`source_ids` (JSON) the messages that it was shown; both go when one of those is forgotten."""

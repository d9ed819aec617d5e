"""Who said these very words: phrases of the full-text index, for `data.verbatim`."""

from __future__ import annotations

import re

from sqlalchemy import text

from storage.connections import Connections
from storage.message_store import to_record
from storage.records import MessageKind, MessageRecord, Origin

REACH = 40
"""How many messages of a channel, before and after one, are looked through for its author's."""

MOST_LOOKED_AT = 5_000
"""Messages that hold a phrase, bots' among them: 10 ms. A bot may say the same a million times."""

_WORD = re.compile(r"\w+")
_HOLDING = text(f"""
    SELECT messages.* FROM (
        SELECT rowid AS id FROM messages_fts WHERE messages_fts MATCH :phrase LIMIT {MOST_LOOKED_AT}
    )
    CROSS JOIN messages ON messages.message_id = id
        AND deleted_at_ms IS NULL AND kind <> '{MessageKind.SYSTEM.value}'
        AND origin <> '{Origin.PLAYGROUND.value}'
    CROSS JOIN members ON member_id = author_id AND NOT is_bot
    LIMIT :limit
""")
_AROUND = text("""
    SELECT content FROM (
        SELECT * FROM (
            SELECT message_id, author_id, content FROM messages
            WHERE channel_id = :channel AND message_id <= :id
            ORDER BY message_id DESC LIMIT :reach
        )
        UNION ALL
        SELECT * FROM (
            SELECT message_id, author_id, content FROM messages
            WHERE channel_id = :channel AND message_id > :id
            ORDER BY message_id LIMIT :reach
        )
    ) WHERE author_id = :author ORDER BY message_id
""")


class VerbatimStore(Connections):
    """What people said, looked up by phrases: `data.verbatim.History`. Any thread."""

    def said_with(self, phrase: str, limit: int) -> list[MessageRecord]:
        """At most `limit` messages that hold the phrase's words in a row, by their stems: compare
        them. Bots' are left out, notices, and what was said in the playground; where those are
        many, others behind the first MOST_LOOKED_AT are not found."""
        words = " ".join(_WORD.findall(phrase))
        if not words or limit < 1:
            return []
        with self.reading() as connection:
            rows = connection.execute(_HOLDING, {"phrase": f'"{words}"', "limit": limit})
            return [to_record(row) for row in rows]

    def said_around(self, message: MessageRecord) -> list[str]:
        """What its author said among the REACH messages before and after it, and it, in order."""
        place = {"channel": message.channel_id, "id": message.message_id, "reach": REACH}
        with self.reading() as connection:
            rows = connection.execute(_AROUND, {**place, "author": message.author_id})
            return list(rows.scalars())

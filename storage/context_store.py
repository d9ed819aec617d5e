"""Settings' texts, statistics, and the transcript that the persona holds of each channel."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.sqlite import insert

from storage import settings
from storage.connections import Connections
from storage.schema import channel_config, config, conversation_context, messages, statistics

KEPT_LINES = 800
"""What `append_context_lines` keeps of a channel: twice what a restarted bot reads back."""

_LINE_AT = """
    SELECT line_id FROM conversation_context WHERE channel_id = ?
    ORDER BY line_id DESC LIMIT 1 OFFSET ?
"""
_CUT = "DELETE FROM conversation_context WHERE channel_id = ? AND line_id <= ?"

_DROP = """
    DELETE FROM conversation_context WHERE message_id IN (SELECT value FROM json_each(?))
"""


@dataclass(frozen=True)
class ContextLine:
    """One line of the persona's transcript: somebody's words, an own reply, or a recalled note."""

    channel_id: int
    role: str
    """said, own or note."""
    name: str
    text: str
    at_ms: int
    message_id: int | None = None


class ContextStore(Connections):
    """config, channel_config, statistics and conversation_context. Any thread."""

    def config_rows(self) -> dict[str, str]:
        """The stored settings as texts; `storage.settings.load` makes values of them."""
        with self.reading() as connection:
            return {row.name: row.value for row in connection.execute(select(config))}

    def set_config(self, name: str, text: str) -> settings.Value:
        """Store a setting and return its value.

        Raises SettingError for an unknown name or a bad value.
        """
        setting = settings.find(name)
        value = settings.parse(setting, text)
        stored = settings.to_text(setting, value)
        statement = insert(config).values(name=name, value=stored)
        with self.writing() as connection:
            connection.execute(
                statement.on_conflict_do_update(index_elements=["name"], set_={"value": stored})
            )
        return value

    def reset_config(self, name: str) -> None:
        """Give a setting its default again. Raises SettingError for an unknown name."""
        settings.find(name)
        with self.writing() as connection:
            connection.execute(config.delete().where(config.c.name == name))

    def channel_config_rows(self) -> dict[int, dict[str, str]]:
        """What counts in single channels instead of the settings, by channel; as texts."""
        found: dict[int, dict[str, str]] = {}
        with self.reading() as connection:
            for row in connection.execute(select(channel_config)):
                found.setdefault(row.channel_id, {})[row.name] = row.value
        return found

    def set_channel_config(self, channel_id: int, name: str, text: str | None) -> None:
        """Give a channel a value of its own; None: the setting counts there again.

        Raises SettingError for an unknown name, a bad value, and what no channel has of its own.
        """
        setting = settings.find(name)
        if not setting.by_channel:
            raise settings.SettingError(f"{name} is the same in all channels.")
        table = channel_config
        is_it = (table.c.channel_id == channel_id) & (table.c.name == name)
        with self.writing() as connection:
            if text is None:
                connection.execute(table.delete().where(is_it))
                return
            stored = settings.to_text(setting, settings.parse(setting, text))
            statement = insert(table).values(channel_id=channel_id, name=name, value=stored)
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["channel_id", "name"], set_={"value": stored}
                )
            )

    def add_statistic(self, name: str, value: float, at_ms: int) -> None:
        """Keep one measured value."""
        with self.writing() as connection:
            connection.execute(statistics.insert().values(name=name, value=value, at_ms=at_ms))

    def statistics_since(self, name: str, at_ms: int) -> list[tuple[int, float]]:
        """(time, value) of a statistic from `at_ms` on, oldest first."""
        query = select(statistics.c.at_ms, statistics.c.value)
        query = query.where(statistics.c.name == name, statistics.c.at_ms >= at_ms)
        query = query.order_by(statistics.c.at_ms, statistics.c.statistic_id)
        with self.reading() as connection:
            return [(row[0], row[1]) for row in connection.execute(query)]

    def trim_statistics(self, before_ms: int) -> int:
        """Drop what was measured before that time; returns how many values went.

        A name with a colon in it is a mark, such as `env_seeded:DISCORD_SERVER_ID`, and stays.
        """
        stale = statistics.delete().where(
            statistics.c.at_ms < before_ms, ~statistics.c.name.contains(":")
        )
        with self.writing() as connection:
            return int(connection.execute(stale).rowcount)

    def append_context_lines(self, lines: Sequence[ContextLine], *, keep: int = KEPT_LINES) -> None:
        """Add lines at the ends of their channels' transcripts, all in one transaction.

        A transcript that has grown to more than 1.25 x `keep` lines is cut to its last `keep`.
        """
        if not lines:
            return
        with self.writing() as connection:
            connection.execute(conversation_context.insert(), [vars(line) for line in lines])
            for channel_id in dict.fromkeys(line.channel_id for line in lines):
                _trim(connection, channel_id, keep)

    def replace_context(self, message_id: int, text: str) -> int:
        """A message was edited: its line in the transcript says this now; returns how many do.

        Notes that were recalled from it stay as the model was shown them.
        """
        lines = conversation_context
        is_it = (lines.c.message_id == message_id) & (lines.c.role != "note")
        with self.writing() as connection:
            return int(connection.execute(update(lines).where(is_it).values(text=text)).rowcount)

    def drop_context(self, message_ids: Collection[int]) -> None:
        """Take messages, and notes recalled from them, out of the transcripts."""
        with self.writing() as connection:
            connection.exec_driver_sql(_DROP, (json.dumps(list(message_ids)),))

    def drop_context_of_author(self, author_id: int) -> set[int]:
        """Take all that somebody said, and notes recalled from it, out of the transcripts.

        Returns the ids of their messages that stood there.
        """
        lines = conversation_context
        query = select(lines.c.message_id).distinct()
        query = query.join(messages, messages.c.message_id == lines.c.message_id)
        query = query.where(messages.c.author_id == author_id)
        with self.writing() as connection:
            ids = set(connection.execute(query).scalars())
            connection.exec_driver_sql(_DROP, (json.dumps(sorted(ids)),))
        return ids

    def channels_in_context(self, limit: int) -> list[int]:
        """The channels of which a transcript is held, the one that was added to last first."""
        lines = conversation_context
        query = select(lines.c.channel_id).group_by(lines.c.channel_id)
        query = query.order_by(func.max(lines.c.line_id).desc()).limit(limit)
        with self.reading() as connection:
            return [row[0] for row in connection.execute(query)]

    def context(self, channel_id: int, limit: int) -> list[ContextLine]:
        """The last lines of a channel's transcript, oldest first."""
        lines = conversation_context
        query = select(*(column for column in lines.columns if column.name != "line_id"))
        query = query.where(lines.c.channel_id == channel_id)
        query = query.order_by(lines.c.line_id.desc()).limit(limit)
        with self.reading() as connection:
            return [ContextLine(*row) for row in connection.execute(query)][::-1]


def _trim(connection: Connection, channel_id: int, keep: int) -> None:
    """Cut to `keep` lines where there are more than 1.25 times as many; so that is not done often.

    Both look-ups stay in an index.
    """
    too_many = connection.exec_driver_sql(_LINE_AT, (channel_id, keep + keep // 4)).scalar()
    if too_many is not None:
        last = connection.exec_driver_sql(_LINE_AT, (channel_id, keep)).scalar()
        connection.exec_driver_sql(_CUT, (channel_id, last))

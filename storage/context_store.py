"""Settings' texts, statistics, and the transcript that the persona holds of each channel."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert

from storage import settings
from storage.connections import Connections
from storage.schema import config, conversation_context, statistics


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
    """config, statistics and conversation_context. Any thread."""

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

    def append_context(
        self,
        channel_id: int,
        role: str,
        name: str,
        text: str,
        at_ms: int,
        message_id: int | None = None,
    ) -> None:
        """Add a line at the end of a channel's transcript."""
        line = ContextLine(channel_id, role, name, text, at_ms, message_id)
        with self.writing() as connection:
            connection.execute(conversation_context.insert().values(**vars(line)))

    def context(self, channel_id: int, limit: int) -> list[ContextLine]:
        """The last lines of a channel's transcript, oldest first."""
        lines = conversation_context
        query = select(*(column for column in lines.columns if column.name != "line_id"))
        query = query.where(lines.c.channel_id == channel_id)
        query = query.order_by(lines.c.line_id.desc()).limit(limit)
        with self.reading() as connection:
            return [ContextLine(*row) for row in connection.execute(query)][::-1]

    def trim_context(self, channel_id: int, keep: int) -> int:
        """Drop all but the last `keep` lines of a channel's transcript; returns how many went."""
        lines = conversation_context
        newest = select(lines.c.line_id).where(lines.c.channel_id == channel_id)
        newest = newest.order_by(lines.c.line_id.desc()).limit(max(keep, 0))
        stale = lines.delete().where(
            lines.c.channel_id == channel_id, lines.c.line_id.not_in(newest)
        )
        with self.writing() as connection:
            return int(connection.execute(stale).rowcount)

"""What the answers of a rehearsal in the database come to, and what is to be set then. Blocking."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.fitting import Fit, Moment, fit, moment_of
from storage.records import ChannelRecord
from storage.settings import load

if TYPE_CHECKING:
    from storage.database import Database


def fitted(database: Database, rehearsal_id: int) -> Fit:
    """What a rehearsal's answers come to, beside what is set now."""
    settings, _ = load(database.config_rows())
    return fit(moments(database, rehearsal_id), settings, database.channel_config_rows())


def moments(database: Database, rehearsal_id: int) -> list[Moment]:
    """The rows of a rehearsal as decisions need them, in order of time."""
    rows = database.rehearsed(rehearsal_id)
    authors = {
        r.message_id: r.author_id for r in database.messages_by_id(row.message_id for row in rows)
    }
    channels = {channel.channel_id: channel for channel in database.channels()}
    return [
        moment_of(
            row,
            authors.get(row.message_id, 0),
            channels.get(row.channel_id) or ChannelRecord(row.channel_id, 0, "", ""),
        )
        for row in rows
    ]


def changes_of(found: Fit) -> tuple[dict[str, str], dict[int, dict[str, str]]]:
    """What is to be set: settings by name, and channels' own by channel; texts."""
    before, after = found.before, found.after
    names = {"response_rate": "rate", "speak_threshold": "threshold"}
    everywhere = {
        name: repr(getattr(after, field))
        for name, field in names.items()
        if getattr(after, field) != getattr(before, field)
    }
    was = before.rows()
    own = {i: values for i, values in after.rows().items() if values != was.get(i)}
    return everywhere, own

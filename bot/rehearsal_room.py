"""The private channel in which admins are shown what the persona would have said, and answer with a
reaction. It is never read: its reactions alone come in, and of those only admins' count.

Event loop's thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from bot.messages import IncomingMessage, Reacted, Rights
from bot.patience import patiently
from bot.platforms.platform import Accepted, DeliveryError, wall_clock_ms
from storage.records import ChannelRecord
from storage.rehearsal_store import NO, TOO_MUCH, YES, Rehearsed
from storage.settings import Settings

if TYPE_CHECKING:
    from storage.database import Database

log = logging.getLogger(__name__)

REACTIONS = {"✅": YES, "❌": NO, "🔇": TOO_MUCH}
MOST_CHARS = 2000
EVERYONE = "@everyone"


class Place(Protocol):
    """What is needed of the platform."""

    async def send(self, channel_id: int, text: str, *, reply_to_id: int | None) -> Accepted: ...

    async def react(self, channel_id: int, message_id: int, emoji: str) -> bool: ...

    def outsiders(self, channel_id: int) -> list[str] | None:
        """Who sees the channel and is no admin; None where it is not to be seen."""


class RehearsalRoom:
    """One bot's."""

    def __init__(self, database: Database, place: Place, settings: Callable[[], Settings]) -> None:
        self._database = database
        self._place = place
        self._settings = settings
        self._warned: tuple[int, str] | None = None

    @property
    def channel_id(self) -> int | None:
        """None: there is no such channel."""
        return next(iter(self._settings().ids("rehearsal_channel_id")), None)

    async def show(self, row: Rehearsed, message: IncomingMessage) -> None:
        """Show a moment there, with the reactions to answer with. What goes wrong is logged."""
        channel_id = self.channel_id
        if channel_id is None or not self._is_private(channel_id):
            return
        try:
            sent = await self._place.send(channel_id, shown(row, message), reply_to_id=None)
            await patiently(self._database.note_posted, row.rehearsed_id, sent.message_id)
            for emoji in REACTIONS:
                await self._place.react(channel_id, sent.message_id, emoji)
        except DeliveryError as error:
            log.warning("A moment of the rehearsal could not be shown. %s", error)

    async def answered(self, reacted: Reacted) -> None:
        """A reaction there: an answer, where an admin gave it, or took it back."""
        answer = REACTIONS.get(reacted.emoji)
        if answer is None or (reacted.change > 0 and reacted.rights is not Rights.ADMIN):
            return
        row = await patiently(self._database.rehearsed_as, reacted.message_id)
        if row is None:
            return
        if reacted.change < 0:
            if (row.answer, row.answered_by) != (answer, reacted.member_id):
                return  # it was none that counts, or another answer was given since
            answer = ""
        by, now_ms = reacted.member_id, wall_clock_ms()
        await patiently(
            lambda: self._database.answer_rehearsed({row.rehearsed_id: answer}, now_ms, by=by)
        )

    async def close_to_memory(self) -> None:
        """What stands there is neither stored nor recalled nor learned from, whatever else is
        set."""
        if (channel_id := self.channel_id) is not None:
            await patiently(self._close, channel_id)

    def _close(self, channel_id: int) -> None:
        known = self._database.channel(channel_id)
        if known is None:
            self._database.upsert_channels([ChannelRecord(channel_id, 0, "", "rehearsal")])
        if known is None or known.is_allowed:
            self._database.set_allowed(channel_id, False)
            log.warning(
                "The rehearsal channel %d is not read any more, also when it is none any more; "
                "scripts/manage_channels.py allow %d takes that back.",
                *(channel_id, channel_id),
            )

    def _is_private(self, channel_id: int) -> bool:
        """Whether nobody but admins sees the channel; said once where that is not so. What was said
        in channels that they may not read could stand there."""
        others = self._place.outsiders(channel_id)
        if others is None:
            warning = "is not to be seen for the bot"
        elif EVERYONE in others:
            warning = "is open to everyone, so nothing is shown there: make it private"
        elif others:
            names = ", ".join(others)
            warning = f"is seen by others than admins, so nothing is shown there: {names}"
        else:
            warning = ""
        if warning and self._warned != (channel_id, warning):
            log.warning("The rehearsal channel %d %s.", channel_id, warning)
        self._warned = (channel_id, warning)
        return others == []


def shown(row: Rehearsed, message: IncomingMessage) -> str:
    """A moment as a message: whose line it is about and where that stands, what it would have said,
    and why."""
    channel = message.channel
    link = f"https://discord.com/channels/{channel.guild_id}/{row.channel_id}/{row.message_id}"
    why = row.reason + (f" ({row.detail})" if row.detail else "")
    head = f"**{_plain(message.author.nickname)}** in <#{row.channel_id}>: {link}"
    foot = f"-# {_plain(why)}"
    room = MOST_CHARS - len(head) - len(foot) - 10
    draft = "\n".join(f"> {line}" for line in row.draft.splitlines())
    if len(draft) > room:
        draft = draft[: room - 1] + "…"
    return f"{head}\n{draft}\n{foot}"


def _plain(text: str) -> str:
    """Without Discord's marks."""
    return "".join(f"\\{c}" if c in "*_~`|>#[]()" else c for c in text)

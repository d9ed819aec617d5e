"""Discord's events at the door: what is not for us stops here, the rest becomes our own values.

Listens to one server's listed channels and their threads. Besides those it lets through orders of
the server's moderators and admins from anywhere on it, and deletions: what is gone there must not
stay here, even where a channel is listed no longer. Called from the event loop's thread.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import discord

from bot.messages import (
    Deleted,
    Edited,
    Happening,
    IncomingMessage,
    Reacted,
    ReactionsCleared,
    Rights,
)
from bot.platforms.discord_guild import Listed
from bot.platforms.discord_people import People, rights_of
from bot.platforms.discord_reading import (
    NamesHere,
    answers,
    author_of,
    channel_of,
    emoji_text,
    record_of,
    time_ms,
)
from bot.platforms.discord_sending import asked_in
from storage.settings import Settings

ORDER_PREFIX = "!"
EDITS_AT_MOST = 2000
"""How many messages' last edit is remembered, to tell an edit from a preview that was added."""


class Door:
    """Turns events of the server `guild_id` into happenings and hands them to `take`."""

    def __init__(
        self,
        *,
        settings: Callable[[], Settings],
        guild: Callable[[], discord.Guild | None],
        own_id: Callable[[], int],
        take: Callable[[int, Happening], None],
        now_ms: Callable[[], int],
    ) -> None:
        """`guild` is the server that is listened to, None as long as there is none."""
        self.people = People()
        self._settings = settings
        self._guild = guild
        self._own_id = own_id
        self._take = take
        self._now_ms = now_ms
        self._listed = Listed()
        self._edits: OrderedDict[int, int] = OrderedDict()

    def listens_to(self, channel_id: int) -> bool:
        """Whether the channel is listed, or is a thread of one that is."""
        listed = self.listed
        if channel_id in listed:
            return True
        guild = self._guild()
        thread = guild.get_thread(channel_id) if guild is not None else None
        return thread is not None and thread.parent_id in listed

    @property
    def listed(self) -> frozenset[int]:
        """The ids of the listed channels."""
        return self._listed.ids(self._settings())

    def message(self, message: discord.Message) -> None:
        """Somebody said something."""
        guild = self._guild()
        if guild is None or message.guild is None or message.guild.id != guild.id:
            return
        if _is_unknown(message.channel):  # the server is not described yet: it is read back
            return
        self._note(message)
        incoming = self.incoming(message, guild)
        is_order = message.content.lstrip().startswith(ORDER_PREFIX)
        if self.listens_to(message.channel.id) or (
            is_order and incoming.rights is not Rights.MEMBER
        ):
            self._take(message.channel.id, incoming)

    def edited(self, message: discord.Message) -> None:
        """Discord changed a message: its author did only if the time of the edit is another."""
        guild = self._guild()
        if guild is None or message.guild is None or message.guild.id != guild.id:
            return
        if _is_unknown(message.channel) or not self.listens_to(message.channel.id):
            return
        if message.edited_at is None or not self._is_new_edit(message):
            return
        self._note(message)
        names = self._names(guild)
        edited = Edited(
            record_of(message, names),
            author_of(message, names),
            channel_of(message.channel, guild),
        )
        self._take(message.channel.id, edited)

    def deleted(self, guild_id: int | None, channel_id: int, message_ids: set[int]) -> None:
        """Messages were deleted, in whatever channel."""
        if self._is_ours(guild_id):
            gone = Deleted(channel_id, tuple(sorted(message_ids)), self._now_ms())
            self._take(channel_id, gone)

    def reacted(self, event: discord.RawReactionActionEvent, change: int) -> None:
        """A reaction came (1) or went (-1). Also where rehearsals are shown, which is never read:
        there it is an answer."""
        is_answer = event.channel_id in self._settings().ids("rehearsal_channel_id")
        if self._is_ours(event.guild_id) and (is_answer or self.listens_to(event.channel_id)):
            reacted = Reacted(
                event.channel_id,
                event.message_id,
                emoji_text(event.emoji),
                change,
                member_id=event.user_id,
                rights=self._rights_of_reaction(event),
            )
            self._take(event.channel_id, reacted)

    def reactions_cleared(
        self,
        event: discord.RawReactionClearEvent | discord.RawReactionClearEmojiEvent,
        emoji: discord.PartialEmoji | None,
    ) -> None:
        """All reactions of a message were taken away, or all of one emoji."""
        if self._is_ours(event.guild_id) and self.listens_to(event.channel_id):
            cleared = ReactionsCleared(
                event.channel_id, event.message_id, emoji_text(emoji) if emoji else None
            )
            self._take(event.channel_id, cleared)

    async def read_back(
        self, guild: discord.Guild, messages: Sequence[discord.Message]
    ) -> list[IncomingMessage]:
        """A page of history. It says nothing of nicks and roles: those are asked for."""
        met = {m.author.id for m in messages if m.webhook_id is None}
        met.update(user.id for m in messages for user in m.mentions)
        await self.people.meet(guild, met - {self._own_id()})
        return [self.incoming(message, guild, is_backfill=True) for message in messages]

    def incoming(
        self, message: discord.Message, guild: discord.Guild, *, is_backfill: bool = False
    ) -> IncomingMessage:
        """A message of `guild` in our own words."""
        names, own_id = self._names(guild), self._own_id()
        answered = asked_in(message.nonce) if message.author.id == own_id else None
        return IncomingMessage(
            record_of(message, names),
            author_of(message, names),
            channel_of(message.channel, guild),
            mentions_persona=_mentions(message, guild, own_id),
            answers_persona=answers(message, own_id),
            rights=self._rights(message, guild),
            is_backfill=is_backfill,
            asked_id=answered[0] if answered else None,
            line=answered[1] if answered else 0,
        )

    def rights(self, member: discord.Member) -> Rights:
        """What a member may ask for."""
        role_ids = [role.id for role in member.roles]
        return rights_of(member.id, role_ids, member.guild, self._settings())

    def _rights(self, message: discord.Message, guild: discord.Guild) -> Rights:
        author = message.author
        if author.bot or message.webhook_id is not None:
            return Rights.MEMBER
        if isinstance(author, discord.Member):
            return self.rights(author)
        return rights_of(author.id, self.people.role_ids(author.id), guild, self._settings())

    def _rights_of_reaction(self, event: discord.RawReactionActionEvent) -> Rights:
        """Discord describes who put one there, not who takes it away."""
        guild = self._guild()
        if isinstance(event.member, discord.Member) and event.user_id != self._own_id():
            self.people.note(event.member)
            return Rights.MEMBER if event.member.bot else self.rights(event.member)
        if guild is None or event.user_id == self._own_id():
            return Rights.MEMBER
        role_ids = self.people.role_ids(event.user_id)
        return rights_of(event.user_id, role_ids, guild, self._settings())

    def _note(self, message: discord.Message) -> None:
        """Remember those whom the gateway describes along with a message."""
        for user in (message.author, *message.mentions):
            if isinstance(user, discord.Member) and user.id != self._own_id():
                self.people.note(user)

    def _names(self, guild: discord.Guild) -> NamesHere:
        def role(role_id: int) -> str | None:
            found = guild.get_role(role_id)
            return found.name if found is not None else None

        def channel(channel_id: int) -> str | None:
            found = guild.get_channel_or_thread(channel_id)
            return found.name if found is not None else None

        persona = self._settings().text("persona_name")
        return NamesHere(self._own_id(), persona, self.people.name, role, channel)

    def _is_ours(self, guild_id: int | None) -> bool:
        guild = self._guild()
        return guild is not None and guild.id == guild_id

    def _is_new_edit(self, message: discord.Message) -> bool:
        assert message.edited_at is not None
        at_ms = time_ms(message.edited_at)
        if self._edits.get(message.id) == at_ms:
            return False
        self._edits[message.id] = at_ms
        self._edits.move_to_end(message.id)
        if len(self._edits) > EDITS_AT_MOST:
            self._edits.popitem(last=False)
        return True


def _is_unknown(channel: Any) -> bool:
    return isinstance(channel, discord.PartialMessageable)


def _mentions(message: discord.Message, guild: discord.Guild, own_id: int) -> bool:
    """Whether the bot's account is mentioned, or the role that came with it; @everyone is not."""
    if any(user.id == own_id for user in message.mentions):
        return True
    me = guild.get_member(own_id) if message.role_mentions else None
    own_roles = [role for role in me.roles if role.managed] if me is not None else []
    return any(role in own_roles for role in message.role_mentions)

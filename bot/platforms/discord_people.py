"""Who is who on the server: nicks and roles as last seen, and what rights follow from them.

discord.py is told to remember no members: it would keep everyone for ever. This keeps a name and
the ids of the roles of those who spoke lately. Called from the event loop's thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

import aiohttp
import discord

from bot.messages import Rights
from storage.settings import Settings

log = logging.getLogger(__name__)

ASK_AT_MOST = 100
"""Discord answers for so many members at once."""

ASK_TIMEOUT_S = 10.0

_MODERATES = discord.Permissions(manage_messages=True, moderate_members=True).value
_ADMINISTERS = discord.Permissions(manage_guild=True, administrator=True).value


@dataclass(frozen=True)
class Person:
    """A member as last seen."""

    nickname: str
    role_ids: tuple[int, ...]


class People:
    """The members that spoke or were asked for, `at_most` of them; the least lately seen go."""

    def __init__(self, at_most: int = 5000) -> None:
        self._at_most = at_most
        self._known: OrderedDict[int, Person | None] = OrderedDict()

    def forget(self) -> None:
        """A fresh session: nicks and roles may have changed while nobody told."""
        self._known.clear()

    def note(self, member: discord.Member) -> None:
        """Remember how `member` is now."""
        person = Person(member.display_name, tuple(role.id for role in member.roles))
        self._put(member.id, person)

    def name(self, member_id: int) -> str | None:
        """The nick, or None where the member was not seen."""
        person = self._known.get(member_id)
        return person.nickname if person else None

    def role_ids(self, member_id: int) -> tuple[int, ...]:
        """The ids of the member's roles; none where the member was not seen."""
        person = self._known.get(member_id)
        return person.role_ids if person else ()

    async def meet(self, guild: discord.Guild, member_ids: Iterable[int]) -> None:
        """Ask Discord about those of them that are not known. One who is not found stays unknown.

        A failure is only logged: they go by their account's name, without rights.
        """
        strangers = [one for one in dict.fromkeys(member_ids) if one not in self._known]
        for start in range(0, len(strangers), ASK_AT_MOST):
            asked = strangers[start : start + ASK_AT_MOST]
            try:
                answer = guild.query_members(user_ids=asked, limit=ASK_AT_MOST, cache=False)
                found = await asyncio.wait_for(answer, ASK_TIMEOUT_S)
            except (
                asyncio.TimeoutError,
                OSError,
                RuntimeError,
                AttributeError,  # there is no connection at the moment
                aiohttp.ClientError,
                discord.DiscordException,
            ) as error:
                log.warning("%d members could not be asked for: %r", len(asked), type(error))
                return
            for member_id in asked:
                self._put(member_id, None)
            for member in found:
                self.note(member)

    def _put(self, member_id: int, person: Person | None) -> None:
        self._known[member_id] = person
        self._known.move_to_end(member_id)
        if len(self._known) > self._at_most:
            self._known.popitem(last=False)


def rights_of(
    member_id: int, role_ids: Iterable[int], guild: discord.Guild, settings: Settings
) -> Rights:
    """What a member with these roles may ask of the bot."""
    role_ids = set(role_ids)
    if member_id in settings.ids("admin_user_ids") or member_id == guild.owner_id:
        return Rights.ADMIN
    if role_ids & set(settings.ids("admin_role_id")):
        return Rights.ADMIN
    permissions = guild.default_role.permissions.value
    for role_id in role_ids:
        role = guild.get_role(role_id)
        permissions |= role.permissions.value if role is not None else 0
    if permissions & _ADMINISTERS:
        return Rights.ADMIN
    return Rights.MODERATOR if permissions & _MODERATES else Rights.MEMBER

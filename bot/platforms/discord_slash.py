"""The orders as slash commands of one server: registered where they differ, carried out, answered.
A pressed button is one of them, too (discord_buttons).

Discord shows a command to those who have its permission; who may really give it is checked again.
Answers are for the asker's eyes alone. Called from the event loop's thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import discord

from bot.messages import Rights
from bot.platforms.discord_buttons import extras, instead, order_in
from bot.platforms.discord_errors import shown

if TYPE_CHECKING:
    from bot.commands import Answer, Order, SlashArgument, SlashOrder, SlashPart

log = logging.getLogger(__name__)

DEFER_AFTER_S = 2.0
"""Discord waits three seconds for a first word."""

_CHAT_INPUT = 1
_PART = 1
_OPTION_TYPES = {"text": 3, "integer": 4, "number": 10}
_PERMISSIONS = {
    Rights.ADMIN: discord.Permissions(manage_guild=True),
    Rights.MODERATOR: discord.Permissions(manage_messages=True),
}
_HERE = "here"
_ONLY_HERE = {"type": 5, "name": _HERE, "description": "For this channel alone"}
_MOST_CHARS = 100
"""Of a description."""

_NOT_YOURS = "You may not give this order here."
_AT_IT = "I am at it; this takes a moment."
_CARRIED_OUT = (
    discord.InteractionType.application_command,
    discord.InteractionType.component,
)
Json = dict[str, Any]


class SlashOrders(Protocol):
    """What is needed of `bot.commands.Orders`."""

    def slash(self) -> Sequence[SlashOrder]: ...

    def slash_order(
        self,
        name: str,
        argument: object,
        *,
        channel_id: int,
        guild_id: int,
        member_id: int,
        rights: Rights,
    ) -> Order | None: ...

    async def carry_out(self, order: Order) -> Answer: ...


class SlashCommands:
    """The slash commands of one bot."""

    def __init__(
        self,
        orders: SlashOrders,
        rights: Callable[[discord.Member], Rights],
        *,
        defer_after_s: float = DEFER_AFTER_S,
    ) -> None:
        self._orders = orders
        self._rights = rights
        self._defer_after_s = defer_after_s

    async def register(self, client: discord.Client, guild_id: int) -> None:
        """Make Discord offer exactly our orders there, if it does not yet. Failures are logged."""
        application_id = client.application_id
        if application_id is None:
            return
        wanted = [command_of(order) for order in self._orders.slash()]
        try:
            there = await client.http.get_guild_commands(application_id, guild_id)
            if sorted(map(_compared, there)) != sorted(map(_compared, wanted)):
                await client.http.bulk_upsert_guild_commands(application_id, guild_id, wanted)
                log.info("%d slash commands registered", len(wanted))
        except Exception as error:
            # The bot may have been invited without applications.commands: "!" orders work.
            log.warning("No slash commands: %s", shown(error))

    async def answer(self, interaction: discord.Interaction) -> None:
        """Carry out what was asked and answer it. Never raises."""
        if interaction.type not in _CARRIED_OUT:
            return
        try:
            await self._answer(interaction)
        except Exception as error:
            log.warning("A slash command or a button was not answered: %s", shown(error))

    async def _answer(self, interaction: discord.Interaction) -> None:
        order = self._order(interaction)
        if order is None:
            await interaction.response.send_message(_NOT_YOURS, ephemeral=True)
            return
        work = asyncio.ensure_future(self._orders.carry_out(order))
        await asyncio.wait({work}, timeout=self._defer_after_s)
        is_late = not work.done()
        answer: Answer | None = None
        try:
            if is_late:
                await _ask_for_time(interaction)
            answer = await work
            await _give(interaction, answer, is_late=is_late)
        finally:
            answer = answer or await work
            if answer.then is not None:
                await answer.then()

    def _order(self, interaction: discord.Interaction) -> Order | None:
        asked, member = _asked(interaction), interaction.user
        is_member = isinstance(member, discord.Member)
        if asked is None or not (is_member or _is_private_button(interaction)):
            return None
        return self._orders.slash_order(
            *asked,
            channel_id=interaction.channel_id or 0,
            guild_id=interaction.guild_id or 0,
            member_id=member.id,
            rights=self._rights(member) if isinstance(member, discord.Member) else Rights.MEMBER,
        )


def _asked(interaction: discord.Interaction) -> tuple[str, Any] | None:
    """(name, argument) of the order; None: a button that is none of ours."""
    data: Json = dict(interaction.data or {})
    if interaction.type is discord.InteractionType.component:
        return order_in(str(data.get("custom_id", "")))
    options = data.get("options") or []
    if not options:
        return str(data.get("name", "")), None
    first = options[0]
    if first.get("type") == _PART:
        return str(data.get("name", "")), first["name"]
    # Which of two comes first is the asker's choice.
    given = {str(option.get("name")): option.get("value") for option in options}
    is_here = given.pop(_HERE, False)
    argument = next(iter(given.values()), None)
    if is_here:
        argument = f"{'' if argument is None else argument} {_HERE}"
    return str(data.get("name", "")), argument


def _is_private_button(interaction: discord.Interaction) -> bool:
    """Whether nobody else sees the message that the pressed button stands under. Such a message
    asked something; its answer takes its place, and the buttons go."""
    message = interaction.message
    return message is not None and (interaction.guild_id is None or message.flags.ephemeral)


async def _ask_for_time(interaction: discord.Interaction) -> None:
    if _is_private_button(interaction):
        await interaction.response.edit_message(content=_AT_IT, **instead((), None))
    else:
        await interaction.response.defer(ephemeral=True, thinking=True)


async def _give(interaction: discord.Interaction, answer: Answer, *, is_late: bool) -> None:
    if is_late:
        await interaction.edit_original_response(
            content=answer.text, **instead(answer.buttons, answer.file)
        )
    elif _is_private_button(interaction):
        await interaction.response.edit_message(
            content=answer.text, **instead(answer.buttons, answer.file)
        )
    else:
        more = extras(answer.buttons, answer.file)
        await interaction.response.send_message(answer.text, ephemeral=True, **more)


def command_of(order: SlashOrder) -> Any:
    """An order as Discord wants it registered."""
    permissions = _PERMISSIONS.get(order.rights)
    options = [_option(order.argument)] if order.argument is not None else []
    options += [_part(part) for part in order.parts]
    options += [_ONLY_HERE] if order.by_channel else []
    return {
        "type": _CHAT_INPUT,
        "name": order.name,
        "description": order.description[:_MOST_CHARS],
        "options": options,
        "default_member_permissions": None if permissions is None else permissions.value,
    }


def _part(part: SlashPart) -> Json:
    return {"type": _PART, "name": part.name, "description": part.help[:_MOST_CHARS]}


def _option(argument: SlashArgument) -> Json:
    made: Json = {
        "type": _OPTION_TYPES[argument.kind],
        "name": argument.name,
        "description": argument.help[:_MOST_CHARS],
        "required": argument.is_required,
    }
    if argument.choices:
        made["choices"] = [{"name": one, "value": one} for one in argument.choices]
    whole = argument.kind == "integer"
    if argument.low is not None:
        made["min_value"] = int(argument.low) if whole else argument.low
    if argument.high is not None:
        made["max_value"] = int(argument.high) if whole else argument.high
    return made


def _compared(command: Any) -> str:
    """What of a command is ours, in a form that is equal where nothing has to be registered."""
    options = [
        (
            option["name"],
            option["description"],
            option["type"],
            bool(option.get("required")),
            [choice["value"] for choice in option.get("choices") or []],
            *(float(v) if v is not None else None for v in _bounds(option)),
        )
        for option in command.get("options") or []
    ]
    permissions = str(command.get("default_member_permissions"))
    return repr((command["name"], command["description"], permissions, options))


def _bounds(option: Json) -> tuple[float | None, float | None]:
    return option.get("min_value"), option.get("max_value")

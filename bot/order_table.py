"""The table of orders: who may give which, and what each does.

The rows that set a setting are made from storage.settings. Event loop's thread.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Literal

from bot.answers import botdata_text, help_text, quiet_text, status_text, why_text
from bot.durations import QUIET_RANGE, parse_duration_s
from bot.messages import Rights
from bot.order_values import Answer, BotOrders, Handler, Order, OrderError, OrderSpec, SlashArgument
from bot.privacy_orders import PRIVACY_ORDERS
from storage.records import FIRST_SNOWFLAKE, MemberRecord
from storage.settings import SETTINGS, Setting, Value, find, to_text

PREFIX = "!"
WHY_DEFAULT, WHY_MOST = 5, 20
QUIET_DEFAULT = "1h"
HERE, DEFAULT = "here", "default"
"""Behind a setting's order: for this channel alone; what counts where nothing was said."""

_ID = re.compile(r"(?:<@!?)?(\d{1,19})>?")


async def _set(setting: Setting, bot: BotOrders, order: Order) -> Answer:
    wanted, is_here = _without_here(setting, order.argument)
    if is_here:
        return await _set_here(setting, bot, order)
    before = _shown(setting, bot.settings()[setting.name])
    if not wanted:
        return Answer(f"{_words(setting)} is {before}. It can be {setting.allowed}.")
    if setting.by_channel and wanted.lower() == DEFAULT:
        wanted = to_text(setting, setting.default)
    stored = await bot.set_setting(setting.name, wanted)
    now = _shown(setting, stored)
    text = f"{_words(setting)} is now {now} (it was {before}; it can be {setting.allowed})."
    if bot.settings()[setting.name] != stored:
        because = f"{setting.environment} overrides it" if setting.live else "after a restart"
        text = f"{_words(setting)} is stored as {now}, and counts {because}: until then {before}."
    return Answer(text)


def _without_here(setting: Setting, argument: str) -> tuple[str, bool]:
    words = argument.rsplit(maxsplit=1)
    is_here = setting.by_channel and bool(words) and words[-1].lower() == HERE
    return (argument.strip()[: -len(HERE)].strip(), True) if is_here else (argument, False)


async def _set_here(setting: Setting, bot: BotOrders, order: Order) -> Answer:
    """The channel's own value: shows it, sets it, or with "default" takes it away."""
    name, wanted = setting.name, _without_here(setting, order.argument)[0]
    before = _shown(setting, (await bot.settings_in(order.channel_id))[name])
    elsewhere = _shown(setting, bot.settings()[name])
    words = _words(setting)
    if not wanted:
        return Answer(
            f"{words} here is {before} (where nothing else was said: {elsewhere}). It can be "
            f"{setting.allowed}, or {DEFAULT}."
        )
    own = None if wanted.lower() == DEFAULT else wanted
    now = _shown(setting, (await bot.set_in_channel(order.channel_id, name, own))[name])
    return Answer(f"{words} here is now {now} (it was {before}; elsewhere it is {elsewhere}).")


async def _persona(bot: BotOrders, order: Order) -> Answer:
    """Which persona file counts here, or have one that there is count."""
    setting = find("persona_file")
    wanted, _ = _without_here(setting, order.argument)
    if not wanted:
        return Answer(bot.persona_in(order.channel))
    known = [*bot.personas(), DEFAULT]
    if wanted.lower().removesuffix(".md") not in known:
        raise OrderError(f'There is no persona "{wanted}"; there are: {", ".join(known)}.')
    return await _set(setting, bot, order)


def _words(setting: Setting) -> str:
    return setting.name.replace("_", " ").capitalize()


def _shown(setting: Setting, value: Value) -> str:
    return f"{to_text(setting, value)} {setting.unit}".strip() or "empty"


async def _status(bot: BotOrders, order: Order) -> Answer:
    return Answer(status_text(await bot.status(), bot.settings()))


async def _restart(bot: BotOrders, order: Order) -> Answer:
    return Answer("Restarting; back in a moment.", then=bot.restart)


async def _fetch(bot: BotOrders, order: Order) -> Answer:
    return Answer(await bot.fetch(order.channel_id))


async def _train(bot: BotOrders, order: Order) -> Answer:
    return Answer(await bot.train(order.channel_id))


async def _botdata(bot: BotOrders, order: Order) -> Answer:
    return Answer(botdata_text(await bot.botdata(), bot.now_ms()))


async def _why(bot: BotOrders, order: Order) -> Answer:
    text = order.argument or str(WHY_DEFAULT)
    count = int(text) if text.isdecimal() and len(text) < 4 else 0
    if not 1 <= count <= WHY_MOST:
        raise OrderError(f"`!why` takes a whole number from 1 to {WHY_MOST}, or nothing.")
    return Answer(why_text(await bot.why(order.channel_id, count), order.guild_id))


async def _quiet(bot: BotOrders, order: Order) -> Answer:
    given = (order.argument or QUIET_DEFAULT).lower()
    if given == "off":
        await bot.set_quiet(order.channel, 0)
        return Answer("Speaking here again.")
    seconds = parse_duration_s(given)
    if seconds is None:
        raise OrderError(f"`!quiet` takes {QUIET_RANGE}, or off.")
    until_ms = bot.now_ms() + seconds * 1000
    await bot.set_quiet(order.channel, until_ms)
    return Answer(quiet_text(seconds, until_ms))


async def _exclude(is_excluded: bool, bot: BotOrders, order: Order) -> Answer:
    if not order.argument:
        raise OrderError(f"Say who: `!{order.name}` and an id, a mention or a name.")
    found = await _named(bot, order)
    if len(found) > 1:
        ids = ", ".join(f"{m.nickname} ({m.name}): {m.member_id}" for m in found[:20])
        raise OrderError(f"That is the name of {len(found)} members; name one by id. {ids}")
    member = found[0]
    await bot.exclude(member.member_id, is_excluded)
    who = f"{member.nickname} ({member.member_id})" if member.nickname else str(member.member_id)
    what = "left out of everything from now on" if is_excluded else "no longer left out"
    undo = "include" if is_excluded else "exclude"
    return Answer(f"{who} is {what}. `!{undo} {member.member_id}` takes that back.")


async def _named(bot: BotOrders, order: Order) -> list[MemberRecord]:
    """Whom the order means: an id, a mention, or a name. Raises OrderError for nobody."""
    by_id = _ID.fullmatch(order.argument)
    only_id = int(by_id[1]) if by_id else _only_mentioned(order)
    found = await _of_id(bot, only_id) if only_id is not None else []
    if not found:
        found = await bot.find_members(order.argument.removeprefix("@"))
    if only_id is None and order.argument.startswith("@"):
        # An answer mentions whom it answers, too: who is meant has to bear the name.
        found = [m for m in found if m.member_id in order.mentioned_ids] or found
    if not found:
        raise OrderError(f'Nobody here is called "{order.argument}". An id always works.')
    return found


def _only_mentioned(order: Order) -> int | None:
    """Who is mentioned where nothing but that stands there, whatever they are called by now."""
    is_all = order.argument.startswith("@") and order.argument.count("@") == 1
    is_sure = is_all and len(order.mentioned_ids) == 1 and not order.is_answer
    return order.mentioned_ids[0] if is_sure else None


async def _of_id(bot: BotOrders, member_id: int) -> list[MemberRecord]:
    """The member, or one without a name: somebody may be left out before they said anything."""
    known = [m for m in await bot.find_members(str(member_id)) if m.member_id == member_id]
    unknown = [MemberRecord(member_id, "", "")] if member_id >= FIRST_SNOWFLAKE else []
    return known or unknown


async def _help(bot: BotOrders, order: Order) -> Answer:
    rows = [
        (f"{PREFIX}{spec.name} {spec.usage}".strip(), spec.help)
        for spec in TABLE
        if not spec.is_hidden and spec.is_for(order.rights)
    ]
    return Answer(help_text(rows))


def _setting_order(setting: Setting, command: str) -> OrderSpec:
    kinds: dict[str, Literal["number", "integer", "text"]] = {"float": "number", "int": "integer"}
    kind = kinds.get(setting.kind, "text")
    argument = SlashArgument(
        "value",
        setting.allowed[:1].upper() + setting.allowed[1:],
        kind,
        None if kind == "text" else setting.low,
        None if kind == "text" else setting.high,
        ("on", "off") if setting.kind == "bool" else setting.choices,
    )
    usage = setting.allowed
    if kind != "text":
        usage = f"{setting.low}-{setting.high} {setting.unit}".strip()
    words = setting.help.partition(".")[0].partition(";")[0]
    if setting.by_channel:
        usage += f" [{HERE}]"
    return OrderSpec(
        command.removeprefix(PREFIX),
        words,
        partial(_set, setting),
        argument,
        usage,
        by_channel=setting.by_channel,
    )


def _about_somebody(name: str, what: str, handler: Handler) -> OrderSpec:
    return OrderSpec(name, what, handler, usage="who", is_private=True, is_hidden=True)


_NUMBER = SlashArgument("n", f"How many, 1 to {WHY_MOST}", kind="integer", low=1, high=WHY_MOST)
_HOW_LONG = SlashArgument("how_long", "30m, 2h, 1d, at most 7d, or off")

TABLE: tuple[OrderSpec, ...] = (
    *(_setting_order(setting, setting.command) for setting in SETTINGS if setting.command),
    OrderSpec("status", "How the bot is", _status),
    OrderSpec("restart", "Start the bot anew", _restart, is_repeatable=False),
    OrderSpec("fetch", "Fetch the listed channels' history", _fetch),
    OrderSpec("train", "Train on what was fetched", _train),
    OrderSpec("botdata", "What is stored", _botdata),
    OrderSpec("why", "Why it spoke here, or did not", _why, _NUMBER, "[n]"),
    OrderSpec(
        "quiet",
        "Leave this channel in peace for a while",
        _quiet,
        _HOW_LONG,
        "30m|2h|1d|off",
        Rights.MODERATOR,
    ),
    OrderSpec(
        "lurk",
        "Only read along in this channel, and answer nobody",
        partial(_set_here, find("lurk")),
        SlashArgument("value", "On or off", choices=("on", "off")),
        "on|off",
        Rights.MODERATOR,
    ),
    OrderSpec(
        "persona",
        "Which persona speaks here, or another one",
        _persona,
        SlashArgument("name", "A file of the folder personas, or default"),
        f"[name] [{HERE}]",
        by_channel=True,
    ),
    OrderSpec("help", "What you may ask for", _help, rights=Rights.MODERATOR),
    *PRIVACY_ORDERS,
    _about_somebody("exclude", "Leave a member out", partial(_exclude, True)),
    _about_somebody("include", "Take that back", partial(_exclude, False)),
)
BY_NAME: dict[str, OrderSpec] = {spec.name: spec for spec in TABLE}

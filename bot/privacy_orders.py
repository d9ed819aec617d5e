"""The orders about whose words are stored: /privacy and /about for everybody, /consent and
/askconsent for admins. Members give the first about themselves alone. Event loop's thread.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from bot.messages import Rights
from bot.order_values import Answer, BotOrders, Button, Order, OrderError, OrderSpec, SlashPart
from bot.privacy_answers import (
    COMMANDS,
    EXPORTED,
    FORGOTTEN,
    NOT_FORGOTTEN,
    NOTHING,
    TOO_LARGE,
    about_text,
    ask_text,
    chosen_text,
    consent_text,
    forgotten_text,
    is_empty,
    show_text,
    sure_text,
)

PRIVACY = "privacy"
ASK_BUTTONS = (
    Button("Learn from me", PRIVACY, "optin", "good"),
    Button("Don't", PRIVACY, "optout"),
    Button("Forget me", PRIVACY, "forget", "danger"),
)
_SURE_BUTTONS = (
    Button("Yes, forget me", PRIVACY, "forget yes", "danger"),
    Button("No", PRIVACY, "forget no"),
)


async def _privacy(bot: BotOrders, order: Order) -> Answer:
    wish = " ".join(order.argument.lower().split())
    if wish not in _WISHES:
        raise OrderError(f"`!privacy` takes one of these.\n{COMMANDS}")
    return await _WISHES[wish](bot, order.member_id)


async def _commands(bot: BotOrders, member_id: int) -> Answer:
    return Answer(COMMANDS)


async def _show(bot: BotOrders, member_id: int) -> Answer:
    view = await bot.privacy.view(member_id)
    return Answer(show_text(view, await bot.privacy.rules()))


async def _export(bot: BotOrders, member_id: int) -> Answer:
    view = await bot.privacy.view(member_id)
    if view.is_forgotten or is_empty(view):
        return Answer(FORGOTTEN if view.is_forgotten else NOTHING)
    file = await bot.privacy.export(member_id)
    if file is None:
        return Answer(TOO_LARGE.format(member_id=member_id))
    return Answer(EXPORTED, file=file)


async def _opt_in(bot: BotOrders, member_id: int) -> Answer:
    return await _chosen(bot, member_id, "opted_in")


async def _opt_out(bot: BotOrders, member_id: int) -> Answer:
    return await _chosen(bot, member_id, "opted_out")


async def _chosen(bot: BotOrders, member_id: int, consent: str) -> Answer:
    member = await bot.privacy.choose(member_id, consent)
    if member is None:
        return Answer(FORGOTTEN)
    return Answer(chosen_text(member, await bot.privacy.rules()))


async def _forget(bot: BotOrders, member_id: int) -> Answer:
    view = await bot.privacy.view(member_id)
    if view.is_forgotten:
        return Answer(FORGOTTEN)
    return Answer(sure_text(view), buttons=_SURE_BUTTONS)


async def _forget_for_good(bot: BotOrders, member_id: int) -> Answer:
    view = await bot.privacy.view(member_id)
    if view.is_forgotten:
        return Answer(FORGOTTEN)
    report = await bot.privacy.forget(member_id)
    return Answer(forgotten_text(view.messages, report))


async def _keep(bot: BotOrders, member_id: int) -> Answer:
    return Answer(NOT_FORGOTTEN)


async def _about(bot: BotOrders, order: Order) -> Answer:
    settings = bot.settings()
    is_elsewhere = bool(settings.text("model_url").strip())
    data, rules = await bot.botdata(), await bot.privacy.rules()
    return Answer(about_text(settings.text("persona_name"), data, rules, is_elsewhere))


async def _consent(bot: BotOrders, order: Order) -> Answer:
    return Answer(consent_text(await bot.privacy.coverage(), await bot.privacy.rules()))


async def _ask(bot: BotOrders, order: Order) -> Answer:
    text = ask_text(bot.settings().text("persona_name"), await bot.privacy.rules())
    await bot.privacy.ask(order.channel_id, text, ASK_BUTTONS)
    return Answer(
        "Asked. The buttons work for good, also after a restart. If I asked before, that message "
        "is not needed any more: its buttons do the same, and you may delete it."
    )


_WISHES: dict[str, Callable[[BotOrders, int], Awaitable[Answer]]] = {
    "": _commands,
    "show": _show,
    "export": _export,
    "optin": _opt_in,
    "optout": _opt_out,
    "forget": _forget,
    "forget yes": _forget_for_good,
    "forget no": _keep,
}
_PARTS = (
    SlashPart("show", "What is stored of you"),
    SlashPart("export", "All that is stored of you, as a file"),
    SlashPart("optin", "You may be learned from"),
    SlashPart("optout", "Nothing of yours is recalled or learned from"),
    SlashPart("forget", "Everything of yours is erased; you are asked once more"),
)
PRIVACY_ORDERS = (
    OrderSpec(
        PRIVACY,
        "What is stored of you, and what becomes of it",
        _privacy,
        usage="|".join(part.name for part in _PARTS),
        rights=Rights.MEMBER,
        parts=_PARTS,
        is_private=True,
    ),
    OrderSpec("about", "What I am and what I store", _about, rights=Rights.MEMBER),
    OrderSpec("consent", "How much may be learned from", _consent),
    OrderSpec("askconsent", "Post a message by which members say yes or no", _ask),
)

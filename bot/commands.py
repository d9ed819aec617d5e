"""Orders that people of the server give the bot: `!setrate 0.2`, `!quiet 1h`, `!help`.

bot/order_table.py is the one table of them, with who may give which; the slash commands are made
from it, too. A stranger's order, and what is no order of ours, gets no answer at all. What answers
look like stands in bot/answers.py. Event loop's thread.
"""

from __future__ import annotations

import logging
import re
from dataclasses import replace

from bot.answers import BotData, BotStatus, ChannelCount, present
from bot.messages import IncomingMessage, Rights
from bot.order_table import BY_NAME, TABLE
from bot.order_values import (
    Answer,
    BotOrders,
    Button,
    File,
    Order,
    OrderError,
    OrderSpec,
    SlashArgument,
    SlashOrder,
    SlashPart,
)
from storage.errors import MynahError
from storage.records import ChannelRecord

__all__ = [
    "Answer",
    "BotData",
    "BotOrders",
    "BotStatus",
    "Button",
    "ChannelCount",
    "File",
    "Order",
    "Orders",
    "SlashArgument",
    "SlashOrder",
    "SlashPart",
]

log = logging.getLogger(__name__)

BACKFILL_MAX_AGE_MS = 60_000
LIVE_MAX_AGE_MS = 15 * 60_000
"""A resumed connection brings what was said during a laptop's sleep as if it were new."""

_FORM = re.compile(r"\s*!([A-Za-z]+)(?:\s+(.*))?", re.DOTALL)


class Orders:
    """Recognises orders and carries them out. Event loop's thread."""

    def __init__(self, bot: BotOrders) -> None:
        self._bot = bot

    def recognise(self, message: IncomingMessage) -> Order | None:
        """The order that a message is; None: no order of ours, too old, or not theirs to give."""
        found = _form(message)
        if found is None or self._is_too_old(message, found[0]):
            return None
        return _allowed(
            Order(
                spec=found[0],
                argument=found[1],
                channel=message.channel,
                member_id=message.author.member_id,
                rights=message.rights,
                message_id=message.message_id,
                mentioned_ids=message.record.mentioned_ids,
                is_answer=message.record.reply_to_id is not None,
            )
        )

    def is_order(self, message: IncomingMessage) -> bool:
        """Whether a message has the form of an order, however old it is: it is no talk, and is kept
        nowhere. An admin's or moderator's is one whoever may give it."""
        form = _form(message)
        return form is not None and (
            message.rights is not Rights.MEMBER or form[0].is_for(Rights.MEMBER)
        )

    def slash_order(
        self,
        name: str,
        argument: object,
        *,
        channel_id: int,
        guild_id: int,
        member_id: int,
        rights: Rights,
    ) -> Order | None:
        """The order that a slash command is; None where the asker may not give it."""
        spec = BY_NAME.get(name.lower())
        if spec is None or spec.is_hidden:
            return None
        text = "" if argument is None else str(argument).strip()
        channel = ChannelRecord(channel_id, guild_id, "", "")
        return _allowed(Order(spec, text, channel, member_id, rights))

    def slash(self) -> list[SlashOrder]:
        """All that is offered as slash commands."""
        return [
            SlashOrder(
                spec.name, spec.help, spec.argument, spec.rights, spec.parts, spec.by_channel
            )
            for spec in TABLE
            if not spec.is_hidden
        ]

    async def carry_out(self, order: Order) -> Answer:
        """Do it. Never raises: what went wrong is the answer."""
        try:
            _refuse_chatter(order)
            answer = await order.spec.handler(self._bot, order)
        except MynahError as error:
            answer = Answer(str(error))
        except Exception as error:
            log.exception("order failed", extra={"order": order.name})
            answer = Answer(f"That went wrong ({type(error).__name__}); the log says more.")
        return replace(answer, text=present(answer.text), private=order.spec.is_private)

    def _is_too_old(self, message: IncomingMessage, spec: OrderSpec) -> bool:
        if message.is_backfill and not spec.is_repeatable:
            return True
        age_ms = self._bot.now_ms() - message.record.created_at_ms
        return age_ms > (BACKFILL_MAX_AGE_MS if message.is_backfill else LIVE_MAX_AGE_MS)


def _form(message: IncomingMessage) -> tuple[OrderSpec, str] | None:
    """The row of the table that a message names, and what stands behind the name."""
    form = _FORM.fullmatch(message.text)
    if form is None or message.author.is_bot:
        return None
    spec = BY_NAME.get(form[1].lower())
    return None if spec is None else (spec, (form[2] or "").strip())


def _refuse_chatter(order: Order) -> None:
    """Raises OrderError: "!fetch the beer" is no order to fetch."""
    if order.argument and not order.spec.usage and order.name != "help":
        raise OrderError(f"Nothing may stand behind `!{order.name}`; it was not carried out.")


def _allowed(order: Order) -> Order | None:
    return order if order.spec.is_for(order.rights) else None

"""Delivers a reply that guard let out: one message today, several lines with pauses later."""

from __future__ import annotations

from bot.messages import Allowed, IncomingMessage, SentReply
from bot.platforms.platform import Platform


async def deliver(
    platform: Platform, asked: IncomingMessage, allowed: Allowed, *, pings: bool
) -> SentReply:
    """Send the text into the channel of the message it answers; `pings` notifies its author.

    Raises platform.DeliveryError where the platform does not take it; nothing was sent then.
    """
    accepted = await platform.send(
        asked.channel_id, allowed.text, reply_to_id=asked.message_id, pings=pings
    )
    return SentReply(
        message_id=accepted.message_id,
        channel_id=asked.channel_id,
        text=allowed.text,
        sent_at_ms=accepted.sent_at_ms,
        reply_to_id=asked.message_id,
    )

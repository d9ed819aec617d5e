"""Decides whether a message is answered: a pure function of message, facts and one draw of chance.

The message is as training shows it (`bot/readable.py`). Relevance, cooldowns and quiet hours will
be further rules in the same order: what forbids first, then what asks for an answer, then chance.
Unasked it never speaks twice in a row: not about what was said before its own last message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.asked_if_bot import language_asked_in
from bot.messages import IncomingMessage, Reply, ReplyReason, Silent, SilentReason, Verdict
from storage.records import MessageKind

STALE_S = 15 * 60
"""Older messages are not answered: the bot was away, or the laptop slept."""

UNASKED_STALE_S = 60
"""The same for what is not addressed to it."""

MAX_BEGUN = 2
"""How often a reply may be begun: a message that took the bot down twice is left alone."""


@dataclass(frozen=True)
class Facts:
    """What the verdict needs to know beside the message itself."""

    own_id: int
    persona_name: str
    response_rate: float
    """0.0-1.0: the share of messages not addressed to the persona that it answers."""
    channel_is_allowed: bool = True
    author_is_excluded: bool = False
    is_seen: bool = False
    """Whether the message had its verdict already."""
    is_gone: bool = False
    """Whether it was deleted meanwhile."""
    times_begun: int = 0
    """How often a reply to it was begun without an end."""
    age_s: float = 0.0
    """How long ago it was said."""
    is_quiet: bool = False
    """Whether somebody asked for silence in the channel."""
    spoke_since: bool = False
    """Whether the persona's last message in the channel is newer than this one."""
    carried: ReplyReason | None = None
    """Why an earlier message of the author's is to be answered with this one."""
    is_flooding: bool = False
    """Whether author or channel had as many replies within a minute as the settings allow."""


def may_read(message: IncomingMessage, facts: Facts) -> bool:
    """Whether the message goes into the channel's transcript: what training drops does not."""
    return _forbids_reading(message, facts) is None


def decide(message: IncomingMessage, facts: Facts, draw: float) -> Verdict:
    """The verdict. `draw` is uniform in [0, 1): a rate of 0.0 never speaks, one of 1.0 always."""
    forbidden = forbids(message, facts)
    if forbidden is not None:
        return Silent(forbidden)
    addressed = _addressed(message, facts) or facts.carried
    if addressed is not None:
        return Reply(ReplyReason.ASKED_IF_BOT if _asks_if_bot(message, facts) else addressed)
    if facts.spoke_since:
        return Silent(SilentReason.SPOKE_SINCE)
    if facts.age_s > UNASKED_STALE_S:
        return Silent(SilentReason.STALE)
    rate = f"{facts.response_rate:g}"
    if draw < facts.response_rate:
        # Also unasked: a model that chimes in on that question must not say that it is a person.
        is_asked = _asks_if_bot(message, facts)
        return Reply(ReplyReason.ASKED_IF_BOT) if is_asked else Reply(ReplyReason.CHANCE, rate)
    return Silent(SilentReason.NO_CHANCE, rate)


def forbids(message: IncomingMessage, facts: Facts) -> SilentReason | None:
    """Why the message must not be answered, whoever asked; None where it may."""
    return _forbids_reading(message, facts) or _forbids_answering(message, facts)


def _forbids_reading(message: IncomingMessage, facts: Facts) -> SilentReason | None:
    if message.record.author_id == facts.own_id:
        return SilentReason.OWN
    if not facts.channel_is_allowed:
        return SilentReason.NOT_ALLOWED
    if facts.author_is_excluded:
        return SilentReason.EXCLUDED
    if message.author.is_bot:
        return SilentReason.BOT
    if facts.is_seen:
        return SilentReason.SEEN
    if message.record.kind is MessageKind.SYSTEM or not message.text.strip():
        return SilentReason.NOTHING_SAID
    return None


def _forbids_answering(message: IncomingMessage, facts: Facts) -> SilentReason | None:
    if message.is_playground:
        return None
    if facts.is_gone:
        return SilentReason.DELETED
    if facts.times_begun >= MAX_BEGUN:
        return SilentReason.WENT_DOWN
    if facts.age_s > STALE_S:
        return SilentReason.STALE
    if facts.is_quiet:
        return SilentReason.QUIET
    if facts.is_flooding:
        return SilentReason.FLOOD
    return None


def _addressed(message: IncomingMessage, facts: Facts) -> ReplyReason | None:
    if message.is_playground:
        return ReplyReason.PLAYGROUND
    if message.mentions_persona:
        return ReplyReason.MENTIONED
    if message.answers_persona:
        return ReplyReason.ANSWERED
    if _names(message.text, facts.persona_name):
        return ReplyReason.NAMED
    return None


def _asks_if_bot(message: IncomingMessage, facts: Facts) -> bool:
    """Whether it, or the earlier message that is answered with it, asks that."""
    is_carried = facts.carried is ReplyReason.ASKED_IF_BOT
    return is_carried or bool(language_asked_in(message.text, facts.persona_name))


def _names(text: str, name: str) -> bool:
    """Whether the text holds the name as a word of its own, in any case."""
    if not name.strip():
        return False
    return re.search(rf"(?<!\w){re.escape(name.strip())}(?!\w)", text, re.IGNORECASE) is not None

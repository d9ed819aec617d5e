"""Decides whether a message is answered: a pure function of message, facts and one draw of chance.

The message is as training shows it (`bot/readable.py`). What forbids comes first, then what asks
for an answer, then attention, then the urge to speak unasked. Unasked it never speaks twice in a
row: not about what was said before its own last message.

**Addressed**: in the playground, mentioned, replied to, or spoken to by name (`relevance.named`).
That is answered at every rate, in quiet hours too.

**Others**: a message that mentions somebody else, explicitly replies to somebody else, or calls one
who spoke lately by name, is left alone.

**Attention**: within `attention_s` after the persona spoke, a line right behind its own that goes
on ("why?"), and, where it was asked, the next line of whom it answered, count as meant for it; that
line has to go on too where others spoke in between. Not what ends a talk ("ok", "lol"); and at most
MOST_ATTENDED times in a row, fewer where it had begun unasked.

**Urge**: relevance + pressure + presence + learned, against a threshold.

    relevance   0.45 spoken of by name; 0.38 a subject that the persona cares about, +0.10 for each
                further one (0.58 at most), or as much as 0.38 by nearness (cosines 0.25 to 0.50),
                whichever is more; 0.45 asks for help or a hand, 0.38 asks the room, 0.10 asks
                somebody; -0.40 a subject that it dislikes; -0.25 where its author and somebody
                else are talking with each other, unless it asks for help; -0.15 says "you"
                and does not ask
    pressure    0.30 x messages in the channel since it spoke / 20, at most 0.30
    presence    -0.60 x its share of the last 5 minutes' messages
    learned     0.30 x what feedback says of like situations (-1 to 1)

With the response rate r, and s = ln(r / 0.05) / ln(1 / 0.05) (0 at the default rate, 1 at r = 1):

    threshold   the setting x (1 - s): 0.7 becomes 0.91 at 0.02, 0.54 at 0.1, 0.28 at 0.3, 0 at 1
    cooldowns   the settings x (0.05 / r) x (1 - r) / 0.95: 30 minutes become 77 at 0.02, 14 at
                0.1, 4 at 0.3, 0 at 1; how often a day is divided by the same: 20 become 7, 42, 162

Chance only breaks ties: the sum is moved by up to 0.05 either way. At rate 0 nothing is said
unasked. At rate 1 everything is answered that is not for others, without threshold, cooldowns and
a day's count. In quiet hours nothing is said unasked at any rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from bot.asked_if_bot import language_asked_in
from bot.messages import (
    IncomingMessage,
    Reply,
    ReplyReason,
    Silent,
    SilentReason,
    Urge,
    Verdict,
)
from bot.relevance import (
    Asks,
    Named,
    addressee,
    asks,
    closes,
    goes_on,
    named,
    speaks_to_one,
    spoken_of,
)
from bot.talk import TalkFacts
from storage.records import MessageKind

STALE_S = 15 * 60
"""Older messages are not answered: the bot was away, or the laptop slept."""

UNASKED_STALE_S = 60
"""The same for what is not addressed to it."""

MAX_BEGUN = 2
"""How often a reply may be begun: a message that took the bot down twice is left alone."""

MOST_ATTENDED, MOST_ATTENDED_UNASKED = 6, 2
"""Two who answer each other without end are ended by this."""

DEFAULT_RATE = 0.05
"""For which threshold, cooldowns and the day's count are set."""

JITTER = 0.1
MOST_THRESHOLD = 9.99

SPOKEN_OF = 0.45
CARES, CARES_MORE, MOST_CARES = 0.38, 0.10, 0.58
NEAR, NEAR_FROM, NEAR_TO = 0.38, 0.25, 0.50
ASKS = {Asks.HELP: 0.45, Asks.ROOM: 0.38, Asks.SOMEBODY: 0.10, Asks.NOTHING: 0.0}
ASKS_WORDS = {
    Asks.HELP: "asks for help",
    Asks.ROOM: "asks the room",
    Asks.SOMEBODY: "asks somebody",
}
DISLIKES = -0.40
ENGAGED = -0.25
TO_ONE = -0.15
PRESSURE, FULL_PRESSURE = 0.30, 20
PRESENCE = -0.60
LEARNED = 0.30


@dataclass(frozen=True)
class Facts:
    """What the verdict needs to know beside the message itself."""

    own_id: int
    persona_name: str
    response_rate: float = 0.0
    """0.0-1.0: how much it takes part unasked."""
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
    may_speak: bool = True
    """Whether it speaks in public at all."""
    lurks: bool = False
    """Whether it only reads along in the channel."""
    in_quiet_hours: bool = False
    threshold: float = 0.7
    """At the default rate, as are the next three."""
    channel_cooldown_s: float = 30 * 60
    member_cooldown_s: float = 60 * 60
    unasked_a_day: int = 20
    attention_s: float = 120
    talk: TalkFacts = field(default_factory=TalkFacts)
    cares: tuple[str, ...] = ()
    """What the persona cares about: words and phrases."""
    dislikes: tuple[str, ...] = ()
    nearness: float = 0.0
    """The message's cosine to what the persona cares about; 0 where that is not known."""
    learned: float = 0.0
    """-1 to 1: how speaking in like situations was received."""


def may_read(message: IncomingMessage, facts: Facts) -> bool:
    """Whether the message goes into the channel's transcript: what training drops does not."""
    return _forbids_reading(message, facts) is None


def decide(message: IncomingMessage, facts: Facts, draw: float) -> Verdict:
    """The verdict. `draw` is uniform in [0, 1)."""
    forbidden = forbids(message, facts)
    if forbidden is not None:
        return Silent(forbidden)
    asked = _addressed(message, facts) or facts.carried
    if asked in (None, ReplyReason.RELEVANT) and is_for_others(message, facts):
        return Silent(SilentReason.OTHERS)
    if asked is None and _is_attended(message, facts):
        asked = ReplyReason.ATTENTION
    verdict = Reply(asked) if asked is not None else _unasked(message, facts, draw)
    if isinstance(verdict, Reply) and _asks_if_bot(message, facts):
        # Also unasked: a model that chimes in on that question must not say that it is a person.
        return Reply(ReplyReason.ASKED_IF_BOT, urge=verdict.urge)
    return verdict


def forbids(message: IncomingMessage, facts: Facts) -> SilentReason | None:
    """Why the message must not be answered, whoever asked; None where it may."""
    return _forbids_reading(message, facts) or _forbids_answering(message, facts)


def is_for_others(message: IncomingMessage, facts: Facts) -> bool:
    """Whether it is clearly meant for somebody else."""
    return facts.talk.answers_other or spoken_to(message, facts) is not None


def spoken_to(message: IncomingMessage, facts: Facts) -> int | None:
    """The member but the persona whom it mentions, explicitly replies to or calls by name."""
    record, talk = message.record, facts.talk
    for member_id in (*record.mentioned_ids, talk.replied_to):
        if member_id not in (None, facts.own_id, record.author_id):
            return member_id
    called = addressee(message.text, talk.people)
    return talk.people[called] if called is not None else None


def could_be_near(verdict: Verdict, facts: Facts) -> bool:
    """Whether the verdict may be another one once it is known what the message is near to."""
    urge = verdict.urge
    return (
        verdict.reason is SilentReason.BELOW
        and urge is not None
        and bool(facts.cares)
        and urge.total + NEAR + JITTER / 2 >= urge.threshold
    )


def could_be_learned(verdict: Verdict) -> bool:
    """Whether the verdict may be another one once it is known how like situations were received."""
    urge = verdict.urge
    return urge is not None and abs(urge.total - urge.threshold) <= LEARNED + JITTER / 2


def urge_of(message: IncomingMessage, facts: Facts) -> Urge:
    """How much the message makes the persona want to speak. Its threshold is MOST_THRESHOLD at
    rate 0."""
    relevance, why = _relevance(message, facts)
    pressure = PRESSURE * min(1.0, facts.talk.said_since / FULL_PRESSURE)
    presence = PRESENCE * facts.talk.share + 0.0  # never -0.0
    learned = LEARNED * facts.learned
    total = relevance + pressure + presence + learned
    threshold = threshold_at(facts.response_rate, facts.threshold)
    return Urge(relevance, pressure, presence, learned, total, threshold, tuple(why))


def threshold_at(rate: float, threshold: float) -> float:
    """What the urge has to reach at that rate, where it is `threshold` at the default one."""
    if rate <= 0:
        return MOST_THRESHOLD
    scale = 1 - math.log(rate / DEFAULT_RATE) / math.log(1 / DEFAULT_RATE)
    return min(MOST_THRESHOLD, threshold * max(0.0, scale))


def cooldown_factor(rate: float) -> float:
    """By how much cooldowns are longer at that rate than at the default one: infinite at 0."""
    return DEFAULT_RATE / rate * (1 - rate) / (1 - DEFAULT_RATE) if rate > 0 else math.inf


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
    if not facts.may_speak:
        return SilentReason.NOT_YET
    if facts.lurks:
        return SilentReason.LURKING
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
    if named(message.text, facts.persona_name) is Named.SPOKEN_TO:
        return ReplyReason.NAMED
    return None


def _is_attended(message: IncomingMessage, facts: Facts) -> bool:
    talk = facts.talk
    most = MOST_ATTENDED_UNASKED if talk.began_unasked else MOST_ATTENDED
    if talk.attended >= most:
        return False
    if facts.spoke_since or closes(message.text) or facts.age_s > UNASKED_STALE_S:
        return False
    # Who asks for help asks everybody, right behind its own line too.
    is_on = goes_on(message.text) and asks(message.text) is not Asks.HELP
    if talk.is_right_behind and talk.since_spoke_s <= facts.attention_s and is_on:
        return True
    # Whom it answered unasked, or behind others' lines, may just talk on with those.
    is_next = (talk.is_right_behind or is_on) and not talk.began_unasked
    return is_next and talk.since_answered_s <= facts.attention_s


def _unasked(message: IncomingMessage, facts: Facts, draw: float) -> Verdict:
    if facts.spoke_since:
        return Silent(SilentReason.SPOKE_SINCE)
    if facts.age_s > UNASKED_STALE_S:
        return Silent(SilentReason.STALE)
    return weighed(urge_of(message, facts), facts, draw)


def weighed(urge: Urge, facts: Facts, draw: float) -> Verdict:
    """The verdict on an urge to speak unasked: by threshold, quiet hours, cooldowns and the day's
    count."""
    is_wanted = urge.total + JITTER * (draw - 0.5) >= urge.threshold or facts.response_rate >= 1
    if facts.response_rate <= 0 or not is_wanted:
        return Silent(SilentReason.BELOW, str(urge), urge)
    if facts.in_quiet_hours:
        return Silent(SilentReason.QUIET_HOURS, str(urge), urge)
    # What follows says that it would have spoken, but for that.
    if (cooling := _cooling(facts)) is not None:
        return Silent(SilentReason.COOLING, cooling, urge)
    most = _most_a_day(facts)
    if facts.talk.unasked_today >= most:
        return Silent(SilentReason.DAY_FULL, f"{most:g} times", urge)
    return Reply(ReplyReason.RELEVANT, str(urge), urge)


def _relevance(message: IncomingMessage, facts: Facts) -> tuple[float, list[str]]:
    text, why = message.text, list[str]()
    asked = asks(text)
    found = ASKS[asked]
    why += [ASKS_WORDS[asked]] if found else []
    if asked is Asks.NOTHING and speaks_to_one(text):
        found += TO_ONE
        why.append("speaks to somebody")
    if named(text, facts.persona_name) is Named.SPOKEN_OF:
        found += SPOKEN_OF
        why.append("speaks of it")
    subjects = spoken_of(text, facts.cares)
    by_words = min(MOST_CARES, CARES + CARES_MORE * (len(subjects) - 1)) if subjects else 0.0
    by_nearness = NEAR * min(1.0, max(0.0, (facts.nearness - NEAR_FROM) / (NEAR_TO - NEAR_FROM)))
    found += max(by_words, by_nearness)
    why += [f"named '{one}'" for one in subjects]
    if by_nearness > by_words:
        why.append("near to what it cares about")
    if disliked := spoken_of(text, facts.dislikes):
        found += DISLIKES
        why.append(f"dislikes '{disliked[0]}'")
    if facts.talk.is_engaged and asked is not Asks.HELP:
        found += ENGAGED
        why.append("others are talking with each other")
    return found, why


def _cooling(facts: Facts) -> str | None:
    """Where it spoke unasked not long ago, and how long that still counts."""
    factor, talk = cooldown_factor(facts.response_rate), facts.talk
    for where, base_s, since_s in (
        ("in this channel", facts.channel_cooldown_s, talk.unasked_channel_s),
        ("to this member", facts.member_cooldown_s, talk.unasked_member_s),
    ):
        if (left_s := base_s * factor - since_s) > 0:
            return f"{where}, for {math.ceil(left_s / 60)} min more"
    return None


def _most_a_day(facts: Facts) -> float:
    factor = cooldown_factor(facts.response_rate)
    return math.floor(facts.unasked_a_day / factor) if factor else math.inf


def _asks_if_bot(message: IncomingMessage, facts: Facts) -> bool:
    """Whether it, or the earlier message that is answered with it, asks that."""
    is_carried = facts.carried is ReplyReason.ASKED_IF_BOT
    return is_carried or bool(language_asked_in(message.text, facts.persona_name))

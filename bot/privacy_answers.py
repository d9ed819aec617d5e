"""What members and admins are told about what is stored: the words of /privacy, /consent, /about.

Everything of one member's is for that member's eyes alone. Pure; any thread.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING

from bot.answers import BotData, plain
from data.consent import (
    EXCLUDED_MEMBER,
    NOT_OPTED_IN,
    OPTED_OUT,
    RETRIEVAL_ONLY,
    UNDECLARED,
    Coverage,
    MemberState,
    Mode,
    Rules,
    Use,
    state_of,
)
from storage.records import FIRST_SNOWFLAKE, FORGOTTEN_MEMBER, MemberRecord, Origin

if TYPE_CHECKING:
    from data.forgetting import ForgetReport
    from data.member_view import MemberView, Said

NOTHING = "Nothing is stored of you."
FORGOTTEN = (
    f"{NOTHING} You were forgotten: I keep a keyed hash of your account's id, and by it I neither "
    "store, read nor answer what you write. `/privacy optin` takes that back; what was erased does "
    "not come back."
)
COMMANDS = (
    "`/privacy show` what is stored of you\n"
    "`/privacy export` all of it as a file\n"
    "`/privacy optin` you may be learned from\n"
    "`/privacy optout` nothing of yours is recalled or learned from\n"
    "`/privacy forget` everything of yours is erased\n"
    "Only you see the answers. `/about` says what I am."
)
NOT_FORGOTTEN = "Nothing was erased."
TOO_LARGE = (
    "What is stored of you is too large for a file on Discord, even compressed. Ask an admin for "
    "it: `python scripts/privacy.py export --member {member_id}` writes it on their computer."
)
EXPORTED = "This is all that is stored of you; only you see it."
_MOST_CHANNELS = 15

_ORIGINS = {
    Origin.DISCORD_API: "",
    Origin.EXPORT: ", from an export",
    Origin.DATA_PACKAGE: ", from your data package",
    Origin.SAMPLE: ", of the sample community",
    Origin.PLAYGROUND: ", from the playground",
}
_WHY_NOT = {
    EXCLUDED_MEMBER: "an admin left you out of everything",
    OPTED_OUT: "you said no",
    UNDECLARED: "no admin has recorded a ground for training on Discord's content",
    RETRIEVAL_ONLY: "this bot learns from nobody; it only looks up what was said before",
    NOT_OPTED_IN: "you did not say yes",
}
_CHOICES = {
    MemberState.UNSET: "you were not asked, or did not answer",
    MemberState.OPTED_IN: "you may be learned from",
    MemberState.OPTED_OUT: "nothing of yours may be recalled or learned from",
    MemberState.EXCLUDED: "an admin left you out of everything",
}
_MODES = {
    Mode.RETRIEVAL_ONLY: "nobody: I only look up what was said before",
    Mode.OPT_IN: "whoever said yes, and nobody else",
    Mode.DECLARED: "everybody who has not said no",
}


def is_empty(view: MemberView) -> bool:
    """Whether nothing is stored of a member, their name neither."""
    return view.member is None and not (view.said or view.vectors or view.examples)


def show_text(view: MemberView, rules: Rules) -> str:
    """The answer to /privacy show."""
    if view.is_forgotten:
        return FORGOTTEN
    if is_empty(view):
        return NOTHING
    lines = [f"**Stored of you** {view.messages:,} messages{_since(view)}"]
    lines += [f"**Your choice** {_CHOICES[state_of(view.member)]}{_said_at(view)}"]
    lines += [f"**Learned from** {_learned_from(view, rules)}"]
    lines += [f"**In training sets** {sum(view.examples.values()):,} examples"]
    lines += [f"**In models** {', '.join(map(plain, view.models)) or 'none'}"]
    lines += [f"**In the memory** {view.vectors:,} messages, as numbers"]
    fullest = sorted(_by_channel(view).items(), key=lambda one: -one[1])
    lines += [f"{where} {count:,}" for where, count in fullest[:_MOST_CHANNELS]]
    if len(fullest) > _MOST_CHANNELS:
        lines.append(f"and {len(fullest) - _MOST_CHANNELS} more: `/privacy export` has them all")
    return "\n".join(lines)


def _since(view: MemberView) -> str:
    first_ms = min((one.first_ms for one in view.said), default=0)
    return f" since <t:{first_ms // 1000}:D>" if first_ms else ""


def _said_at(view: MemberView) -> str:
    at_ms = view.member.consent_at_ms if view.member is not None else None
    return f", said <t:{at_ms // 1000}:D>" if at_ms else ""


def _learned_from(view: MemberView, rules: Rules) -> str:
    """Of what is stored, by where it came from."""
    state, why = state_of(view.member), ""
    may = 0
    for one in view.said:
        reason = rules.why_not(Use.TARGET, state, Origin(one.origin))
        why, may = (reason or why), (may + (0 if reason else one.messages))
    if not may:
        return f"no: {_WHY_NOT.get(why, why)}" if why else "no: there is nothing"
    return "yes" if may == view.messages else f"yes, {may:,} of the messages"


def _by_channel(view: MemberView) -> Mapping[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for one in view.said:
        counts[_place(one) + _ORIGINS[Origin(one.origin)]] += one.messages
    return counts


def _place(said: Said) -> str:
    if said.channel_id >= FIRST_SNOWFLAKE:
        return f"<#{said.channel_id}>"
    return plain(said.channel) or str(said.channel_id)


def chosen_text(member: MemberRecord, rules: Rules) -> str:
    """The answer to /privacy optin and optout: what follows, and what does not."""
    state = state_of(member)
    if state is MemberState.EXCLUDED:
        return (
            "That is noted. An admin has left you out of everything, which goes before it: I "
            "neither store, read nor answer what you write."
        )
    if state is MemberState.OPTED_OUT:
        return (
            "That is noted and counts from now on: nothing you wrote is recalled, and no model is "
            "trained on it. I still read along and may answer you here; an admin can leave you out "
            "of that too. A model that was trained before keeps what it learned: `/privacy show` "
            "names it. `/privacy forget` erases what is stored."
        )
    reason = rules.why_not(Use.TARGET, state, Origin.DISCORD_API)
    today = f" Today that changes nothing: {_WHY_NOT.get(reason, reason)}." if reason else ""
    return (
        f"Thank you, that is noted: models may be trained on what you write here.{today} "
        "`/privacy optout` takes it back."
    )


def sure_text(view: MemberView) -> str:
    """Asked before anything is erased."""
    if is_empty(view):
        return (
            f"{NOTHING} Shall that stay so? With Yes I neither store, read nor answer what you "
            "write from now on, and keep a keyed hash of your account's id to know you by."
        )
    models = f" Models that learned from it ({_named(view)}) may not answer any more."
    return (
        f"This erases {view.messages:,} messages of yours and everything that was made from them: "
        "full text, memory, training sets, exports, backups."
        f"{models if view.models else ''} It cannot be undone. From then on I neither store, read "
        "nor answer what you write. What stays is a keyed hash of your account's id, to know you "
        "by, what others wrote about you, and your messages on Discord itself. Typed instead of "
        "the button: `!privacy forget yes`."
    )


def _named(view: MemberView) -> str:
    return ", ".join(map(plain, view.models))


def forgotten_text(messages: int, report: ForgetReport) -> str:
    """The answer to /privacy forget, once it is over."""
    lines = [f"Done: {messages:,} messages of yours are erased, and what was made from them."]
    if report.unfinished:
        places = ", ".join(report.unfinished)
        lines = [
            f"You are forgotten: nothing of yours is read or used any more. Not erased yet in "
            f"{places}: that is tried again by itself until it is done."
        ]
    learned = [one for one in report.tainted if one.because == FORGOTTEN_MEMBER]
    if learned:
        named = ", ".join(plain(one.version_id) for one in learned)
        by_s = min(one.retrain_by_ms for one in learned) // 1000
        lines.append(
            f"Models that learned from you, or may have, are named to the admins and are to be "
            f"trained anew by <t:{by_s}:D>: {named}."
        )
    if report.answers_now:
        lines.append("Another model answers from now on.")
    lines.append(
        "What stays is a keyed hash of your account's id: by it nothing of yours is ever stored "
        "again. `/privacy optin` takes that back."
    )
    return "\n".join(lines)


def consent_text(covered: Coverage, rules: Rules) -> str:
    """The answer to /consent."""
    lines = [f"**May be learned from** {covered}", f"**Who that is** {_mode(rules)}"]
    for reason, count in sorted(covered.left_out.items(), key=lambda one: -one[1]):
        lines.append(f"**Left out** {count:,} messages: {reason}")
    lines.append("`!askconsent` posts a message by which members can say yes or no.")
    return "\n".join(lines)


def _mode(rules: Rules) -> str:
    if rules.mode is not Mode.RETRIEVAL_ONLY and not rules.is_declared:
        return f"{_MODES[rules.mode]}; so far no ground is recorded, so nobody on Discord"
    return _MODES[rules.mode]


def about_text(persona: str, data: BotData, rules: Rules, is_elsewhere: bool) -> str:
    """The answer to /about. `is_elsewhere`: whether a model server writes the replies."""
    listed = [one for one in data.channels if one.is_listed]
    links = " ".join(f"<#{c.channel_id}>" for c in listed if c.channel_id >= FIRST_SNOWFLAKE)
    where = links or f"in {len(listed)} channels"
    lines = [
        f"I am {plain(persona) or 'Mynah'}, a bot: a language model writes what I say, no person "
        "does. The people who run this server run me, on a computer of theirs.",
        f"**I read and store** what is said here: {where}. So far {data_total(data):,} messages of "
        f"{data.members:,} members. I look up in them what was said before.",
        f"**I learn from** {_mode(rules)}.",
        f"**The model** {plain(data.model) or 'none'}",
    ]
    if is_elsewhere:
        lines.append("A model server writes my words: what is said here goes there.")
    lines.append(f"**What you can do**\n{COMMANDS.rpartition(' `/about`')[0]}")
    return "\n".join(lines)


def data_total(data: BotData) -> int:
    """How many messages are stored."""
    return sum(channel.messages for channel in data.channels)


def ask_text(persona: str, rules: Rules) -> str:
    """The message with the buttons."""
    name = plain(persona) or "Mynah"
    return (
        f"**May {name} learn from you?** {name} is a bot: a language model that reads along here, "
        "stores what is said and looks up what was said before. Models can be trained on what "
        f"members wrote; today I learn from {_mode(rules)}.\n"
        "**Learn from me**: you may be learned from. **Don't**: nothing of yours is recalled or "
        "learned from. **Forget me**: everything of yours is erased; you are asked once more.\n"
        "Only you see what I answer. You can change your mind at any time, here or by `/privacy`; "
        "`/about` says more."
    )

"""Decides which messages are somebody's words, and makes them ready to be learned from.

Bots, excluded members, notices, deleted and empty messages, bare links, bot commands and what only
stands for a sticker or others' words go, and copies in a flood, each with its reason; everything
else stays however short or misspelt it is. Lengths never matter here. What stays and may not be
learned from (data/consent) says why; it keeps its place and loses its words before anything is made
of it (`without_words`).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from data.consent import (
    DEFAULT_RULES,
    EXCLUDED_MEMBER,
    PLAYGROUND,
    MemberState,
    Rules,
    Use,
    state_of,
)
from data.floods import without_floods
from data.importers.readable import is_placeholder
from data.privacy import redact
from storage.records import MemberRecord, MessageKind, MessageRecord, Origin, Reaction

BOT_AUTHOR = "written by a bot"
SYSTEM_NOTICE = "system notice"
DELETED = "deleted"
CLOSED_CHANNEL = "channel is not on the allow-list"
EMPTY = "empty after cleaning"
ONLY_LINKS = "only links"
BOT_COMMAND = "bot command"
FLOOD = "one line again and again"
STANDS_FOR_ANOTHER = "only a sticker, a file, an embed or a forwarded message"

NAMELESS = "someone"

# What nobody sees: control characters (IRC's colours among them), zero-width and direction marks,
# but not the joiner and the variation selectors that emoji are made of.
_UNSEEN = re.compile(
    r"\x03\d{0,2}(?:,\d{1,2})?|[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)
_RAW_EMOJI = re.compile(r"<a?:(\w{2,32}):\d{15,20}>")
_RAW_MENTION = re.compile(r"<@!?(\d{15,20})>")
_BLANK_LINES = re.compile(r"[ \t]*\n(?:[ \t]*\n)+")
_BLANKS = re.compile(r"[ \t\xa0]{2,}|\t")
_LINK = re.compile(r"<?(?:https?://|www\.)\S+|discord\.gg/\S+", re.IGNORECASE)
_LEFT_OF_LINKS = re.compile(r"[\s<>|,;.()\[\]-]*")
_COMMAND = re.compile(
    r"(?:!{1,2}[A-Za-z]"  # !roll 2d6
    r"|/[A-Za-z]{2,}(?![\w/.-])"  # /ping, but neither /etc/fstab nor the tone mark /s
    r"|[A-Za-z]{1,2}![A-Za-z]"  # m!play
    r"|[?$][A-Za-z]{3,}$)"  # ?rank and nothing else
)


@dataclass(frozen=True, slots=True)
class CleanMessage:
    """Somebody's words, ready for a transcript."""

    message_id: int
    channel_id: int
    author_id: int
    name: str
    """The author's nickname."""
    text: str
    created_at_ms: int
    origin: Origin
    reply_to_id: int | None = None
    """May name a message that was dropped."""
    mentioned_ids: tuple[int, ...] = ()
    not_shown: str = ""
    """Why it may be nobody's context, so that others' examples hold a placeholder in its place."""
    not_learned: str = ""
    """Why it may be no reply to learn."""
    reactions: tuple[Reaction, ...] = ()


def clean(
    messages: Iterable[MessageRecord],
    members: Iterable[MemberRecord],
    *,
    rules: Rules = DEFAULT_RULES,
    closed_channels: Collection[int] = (),
    redactions: Counter[str] | None = None,
) -> tuple[list[CleanMessage], Counter[str]]:
    """The usable messages in the order given, and how many were dropped for each reason.

    Every message is either returned or counted once. `redactions` counts the placeholders put in
    for personal data. An author who is not among `members` counts as a person named "someone".
    What `rules` do not let be shown still has its words, for finding who answers whom: they go
    with `without_words`.
    """
    return Cleaner(members, rules, closed_channels, redactions).clean(messages)


class Cleaner:
    """`clean` for a history that comes in pieces. Not for several threads."""

    def __init__(
        self,
        members: Iterable[MemberRecord],
        rules: Rules = DEFAULT_RULES,
        closed_channels: Collection[int] = (),
        redactions: Counter[str] | None = None,
    ) -> None:
        self._members = {member.member_id: member for member in members}
        self._nicknames = {i: member.nickname for i, member in self._members.items()}
        self._consents = _Consents(self._members, rules)
        self._closed_channels = closed_channels
        self._redactions = redactions

    def clean(self, messages: Iterable[MessageRecord]) -> tuple[list[CleanMessage], Counter[str]]:
        """One piece: its usable messages, and how many were dropped for each reason. A flood that
        runs over into the next piece begins anew there."""
        kept: list[CleanMessage] = []
        drops: Counter[str] = Counter()
        total = 0
        for message in messages:
            total += 1
            usable = self._clean(message)
            if isinstance(usable, str):
                drops[usable] += 1
            else:
                kept.append(usable)
        kept, copies = without_floods(kept)
        drops += Counter({FLOOD: copies})
        assert total == len(kept) + drops.total(), "a message was neither kept nor dropped"
        return kept, drops

    def _clean(self, message: MessageRecord) -> CleanMessage | str:
        """The usable message, or why it is none."""
        author = self._members.get(message.author_id)
        if reason := _why_nobodys(message, author, self._closed_channels):
            return reason
        text = clean_content(message.content, self._nicknames)
        if reason := why_no_words(text):
            return reason
        not_shown, not_learned = self._consents.why_not(message)
        if not not_shown:
            text = redact(self._consents.without_names(text, message), self._redactions)
        return CleanMessage(
            message.message_id,
            message.channel_id,
            message.author_id,
            self._nicknames.get(message.author_id, NAMELESS),
            text,
            message.created_at_ms,
            message.origin,
            message.reply_to_id,
            message.mentioned_ids,
            not_shown,
            not_learned,
            message.reactions,
        )


def without_words(message: CleanMessage) -> CleanMessage:
    """The message as it is where it may be shown; else its place alone."""
    return replace(message, text="") if message.not_shown else message


def clean_content(content: str, nicknames: Mapping[int, str]) -> str:
    """The text as a person reads it: nothing unseen in it, raw emoji and mentions made readable."""
    text = content
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _UNSEEN.sub("", text)
    if "<" in text:
        text = _RAW_EMOJI.sub(r":\1:", text)
        text = _RAW_MENTION.sub(lambda m: "@" + nicknames.get(int(m[1]), NAMELESS), text)
    if "\n" in text:
        text = _BLANK_LINES.sub("\n", text)
    return _BLANKS.sub(" ", text).strip()


def why_no_words(text: str) -> str:
    """Why a cleaned text is nothing to learn from, or "" where it is."""
    if not text:
        return EMPTY
    if is_placeholder(text):
        return STANDS_FOR_ANOTHER
    if _COMMAND.match(text):
        return BOT_COMMAND
    if _LINK.search(text) and _LEFT_OF_LINKS.fullmatch(_LINK.sub("", text)):
        return ONLY_LINKS
    return ""


def _why_nobodys(
    message: MessageRecord, author: MemberRecord | None, closed_channels: Collection[int]
) -> str:
    if message.deleted_at_ms is not None:
        return DELETED
    if message.kind is MessageKind.SYSTEM:
        return SYSTEM_NOTICE
    if message.origin is Origin.PLAYGROUND:
        return PLAYGROUND
    if message.channel_id in closed_channels:
        return CLOSED_CHANNEL
    if author is not None and author.is_bot:
        return BOT_AUTHOR
    return EXCLUDED_MEMBER if state_of(author) is MemberState.EXCLUDED else ""


class _Consents:
    """What the rules say of each author and origin, and whose names are not to be put in."""

    def __init__(self, members: Mapping[int, MemberRecord], rules: Rules) -> None:
        self._members = members
        self._rules = rules
        self._verdicts: dict[tuple[int, Origin], tuple[str, str]] = {}
        self._names: dict[tuple[int, Origin], re.Pattern[str] | None] = {}

    def why_not(self, message: MessageRecord) -> tuple[str, str]:
        """Why the message may be no context and no target; "" where it may."""
        key = (message.author_id, message.origin)
        if key not in self._verdicts:
            state = state_of(self._members.get(message.author_id))
            self._verdicts[key] = (
                self._rules.why_not(Use.CONTEXT, state, message.origin),
                self._rules.why_not(Use.TARGET, state, message.origin),
            )
        return self._verdicts[key]

    def without_names(self, text: str, message: MessageRecord) -> str:
        """The text with "@someone" for a mention of who may not be named. Names that were written
        by hand stay."""
        if "@" not in text:
            return text
        for member_id in (*message.mentioned_ids, *_raw_mentions(message.content)):
            key = (member_id, message.origin)
            if key not in self._names:
                self._names[key] = self._mention_of(self._members.get(member_id), message.origin)
            pattern = self._names[key]
            text = text if pattern is None else pattern.sub(f"@{NAMELESS}", text)
        return text

    def _mention_of(self, member: MemberRecord | None, origin: Origin) -> re.Pattern[str] | None:
        """What a mention of a member who may not be named looks like."""
        if member is None or member.is_bot or self._rules.may_name(state_of(member), origin):
            return None
        given = (member.nickname, member.name)
        names = {*given, *(clean_content(name, {}) for name in given)} - {""}
        longest_first = "|".join(re.escape(n) for n in sorted(names, key=len, reverse=True))
        return re.compile(rf"@(?:{longest_first})(?!\w)", re.IGNORECASE) if names else None


def _raw_mentions(content: str) -> list[int]:
    return [int(found) for found in _RAW_MENTION.findall(content)] if "<@" in content else []

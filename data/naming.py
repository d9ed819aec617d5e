"""Puts the persona in a member's place: what others call that member becomes the persona's name.

So training looks like serving, where people call the bot by its name. And an own line addresses
"nick, ..." instead of "nick: ...", which in a transcript would be the beginning of nick's own line.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from data.preprocessor import CleanMessage
from model.chat_format import SPEAKER
from storage.records import MemberRecord

MIN_NICK_CHARS = 3
EVERYDAY_USES = 10
NEAR_LINES = 100
"""A nick used this often, mostly with nobody of that name among the last 100 lines, is an everyday
word ("will"): it becomes the persona's name only where it clearly addresses."""

_WORD = re.compile(r"\w{3,}")


class Renaming:
    """How each member is called in this community, and which nicks are everyday words."""

    def __init__(
        self,
        messages: Sequence[CleanMessage],
        members: Iterable[MemberRecord],
        persona_name: str,
    ) -> None:
        """`messages` in true order (`data.conversations.in_true_order`)."""
        names: dict[int, set[str]] = {}
        for member in members:
            names.setdefault(member.member_id, set()).update((member.nickname, member.name))
        for message in messages:
            names.setdefault(message.author_id, set()).add(message.name)
        self._persona_name = persona_name
        self._nicks = {
            author_id: tuple(sorted(n for n in given if len(n) >= MIN_NICK_CHARS))
            for author_id, given in names.items()
        }
        self._folded = {
            author_id: tuple({nick.casefold() for nick in nicks})
            for author_id, nicks in self._nicks.items()
        }
        self._everyday = _everyday_words(messages, self._folded)
        self._patterns: dict[int, re.Pattern[str] | None] = {}

    def may_name(self, folded_text: str, author_id: int) -> bool:
        """Whether a case-folded text could name the member at all; cheap, asked of every line."""
        return any(nick in folded_text for nick in self._folded.get(author_id, ()))

    def to_persona(self, text: str, author_id: int) -> str:
        """`text` with the persona's name wherever it calls the member, as "@Nick" or as a word."""
        if author_id not in self._patterns:
            self._patterns[author_id] = self._pattern(self._nicks.get(author_id, ()))
        pattern = self._patterns[author_id]
        return text if pattern is None else pattern.sub(lambda _: self._persona_name, text)

    def _pattern(self, nicks: Sequence[str]) -> re.Pattern[str] | None:
        if not nicks:
            return None
        choices = []
        for nick in sorted(nicks, key=len, reverse=True):
            escaped = re.escape(nick)
            if nick.casefold() in self._everyday:
                choices.append(rf"(?<=@){escaped}(?!\w)|^{escaped}(?=[:,])")
            else:
                choices.append(rf"(?<!\w){escaped}(?!\w)")
        return re.compile("|".join(choices), re.IGNORECASE)


def own_words(text: str, names: Mapping[str, object] | Collection[str]) -> str:
    """`text` as its author's own turn: a leading "nick:" of somebody known becomes "nick,".

    `names` are case-folded. Only the first line: what quotes others line by line stays as it is.
    """
    if ":" not in text:
        return text
    speaker = SPEAKER.match(text)
    if speaker is None or speaker[1].strip().casefold() not in names:
        return text
    return f"{text[: speaker.end() - 1]},{text[speaker.end() :]}"


def quotes_speakers(text: str, names: Mapping[str, object] | Collection[str]) -> bool:
    """Whether a line of `text` begins as a line of somebody known does ("bob: ...")."""
    return ":" in text and any(m[1].strip().casefold() in names for m in SPEAKER.finditer(text))


def _everyday_words(
    messages: Iterable[CleanMessage], nicks_of: Mapping[int, Collection[str]]
) -> frozenset[str]:
    """The nicks that are mostly no name where they stand. `messages` in true order."""
    authors_of: dict[str, list[int]] = {}
    for author_id, nicks in nicks_of.items():
        for nick in nicks:
            authors_of.setdefault(nick, []).append(author_id)
    used: Counter[str] = Counter()
    near: Counter[str] = Counter()
    spoke_at: dict[tuple[int, int], int] = {}
    for at, message in enumerate(messages):
        for word in _WORD.findall(message.text.casefold()):
            if word not in authors_of:
                continue
            used[word] += 1
            last = max(
                spoke_at.get((message.channel_id, a), -NEAR_LINES - 1) for a in authors_of[word]
            )
            near[word] += at - last <= NEAR_LINES
        spoke_at[message.channel_id, message.author_id] = at
    return frozenset(
        nick for nick, uses in used.items() if uses >= EVERYDAY_USES and near[nick] * 2 < uses
    )

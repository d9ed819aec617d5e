"""Puts the persona in a member's place: what others call that member becomes the persona's name.

So training looks like serving, where people call the bot by its name. And an own line addresses
"nick, ..." instead of "nick: ...", which in a transcript would be the beginning of nick's own line.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict, deque
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

    def __init__(self, members: Iterable[MemberRecord], everyday: Collection[str] = ()) -> None:
        """`everyday` is what `EverydayWords` found."""
        self._nicks = _nicks(members)
        self._folded = {
            member_id: tuple({nick.casefold() for nick in nicks})
            for member_id, nicks in self._nicks.items()
        }
        self._everyday = frozenset(everyday)
        self._patterns: dict[int, re.Pattern[str] | None] = {}

    def may_name(self, folded_text: str, author_id: int) -> bool:
        """Whether a case-folded text could name the member at all; cheap, asked of every line."""
        for nick in self._folded.get(author_id, ()):  # noqa: SIM110 - any() takes twice as long
            if nick in folded_text:
                return True
        return False

    def to_persona(self, text: str, author_id: int, name: str) -> str:
        """`text` with `name`, the persona's, wherever it calls the member, as "@Nick" or as a
        word."""
        if author_id not in self._patterns:
            self._patterns[author_id] = self._pattern(self._nicks.get(author_id, ()))
        pattern = self._patterns[author_id]
        return text if pattern is None else pattern.sub(lambda _: name, text)

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


class EverydayWords:
    """Finds the nicks that are mostly no name where they stand. One thread; its size grows with the
    members and channels alone."""

    def __init__(self, members: Iterable[MemberRecord]) -> None:
        self._members_of: dict[str, list[int]] = defaultdict(list)
        for member_id, nicks in _nicks(members).items():
            for nick in {nick.casefold() for nick in nicks}:
                self._members_of[nick].append(member_id)
        self._used: Counter[str] = Counter()
        self._near: Counter[str] = Counter()
        self._last_authors: dict[int, deque[int]] = defaultdict(lambda: deque(maxlen=NEAR_LINES))

    def note(self, messages: Iterable[CleanMessage]) -> None:
        """Count some more of the history. Each channel's messages come in true order; the channels
        may be mixed."""
        for message in messages:
            authors = self._last_authors[message.channel_id]
            for word in _WORD.findall(message.text.casefold()):
                if word in self._members_of:
                    self._used[word] += 1
                    self._near[word] += any(one in authors for one in self._members_of[word])
            authors.append(message.author_id)

    def found(self) -> frozenset[str]:
        """The everyday words among the nicks, case-folded."""
        return frozenset(
            nick
            for nick, uses in self._used.items()
            if uses >= EVERYDAY_USES and self._near[nick] * 2 < uses
        )


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


def _nicks(members: Iterable[MemberRecord]) -> dict[int, tuple[str, ...]]:
    """What each member is called, but for what is too short to be looked for in a text."""
    return {
        member.member_id: tuple(
            sorted(n for n in {member.nickname, member.name} if len(n) >= MIN_NICK_CHARS)
        )
        for member in members
    }

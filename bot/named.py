"""What a question names: whose words it asks for, and from when. Pure; any thread.

"what did bob say about the raid in May" asks for the raid, among bob's messages of May: the names
and the time tell where to look, and are no words to look for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from bot.query_words import EVERYDAY
from storage.records import MemberRecord

SHORTEST_NAME = 3
LONGEST_NAME_WORDS = 3
NAMES_AT_MOST = 4
"""Who names more people asks for none of them in particular."""

_WORD = re.compile(r"[^\W_]+")
_BEHIND_A_NAME = re.compile(r"(?:['’]s\b|[:,])?")
_MONTHS = {
    name: number
    for number, name in enumerate(
        "january february march april may june july august september october november "
        "december".split(),
        1,
    )
}
_MONTH, _YEAR = f"(?P<m>{'|'.join(_MONTHS)})", r"(?P<y>20\d\d)"
_DAY = r"(?P<d>\d{1,2})(?:st|nd|rd|th)?"
_IN = r"(?:in|of|during|since|last|this|back in)"
_TIMES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b(?:on )?(?:the )?{_DAY}(?: of)? {_MONTH}\b(?:,? ?{_YEAR}\b)?",
        rf"\b(?:on )?{_MONTH} {_DAY}\b(?:,? ?{_YEAR}\b)?",
        rf"\b(?:{_IN} )?{_MONTH},? {_YEAR}\b",
        rf"\b{_IN} {_MONTH}\b",
        rf"\b{_IN} {_YEAR}\b",
        r"\b(?P<ago>yesterday|last (?:week|month))\b",
    )
)


@dataclass(frozen=True)
class Named:
    """What a question names, and what is left of it."""

    member_ids: frozenset[int]
    """Whose words are asked for, or who is asked about."""
    from_ms: int
    until_ms: int
    """The time that it names, `until_ms` not included; both 0 where it names none."""
    rest: str
    """Without the time and the names that clearly are some; the whole where nothing else is in
    it."""

    def is_then(self, at_ms: int) -> bool:
        """Whether it is a time that the question names."""
        return self.from_ms <= at_ms < self.until_ms


class Names:
    """What the members of a community are called."""

    def __init__(self, members: Iterable[MemberRecord]) -> None:
        """By account and by nickname, of which the first word will do."""
        found: dict[tuple[str, ...], set[int]] = {}
        for member in members:
            for name in (member.name, member.nickname):
                words = tuple(_WORD.findall(name.casefold()))
                for called in {words, words[:1]}:
                    if _is_a_name(called):
                        found.setdefault(called, set()).add(member.member_id)
        self._ids: Mapping[tuple[str, ...], set[int]] = found

    def within(self, text: str) -> list[tuple[int, int, set[int]]]:
        """(start, end, members) of each name in a text, in their order; of two the longer."""
        words = list(_WORD.finditer(text))
        folded = [word[0].casefold() for word in words]
        found, at = [], 0
        while at < len(words):
            for length in range(LONGEST_NAME_WORDS, 0, -1):
                ids = self._ids.get(tuple(folded[at : at + length]))
                if ids:
                    end = min(at + length, len(words)) - 1
                    found.append((words[at].start(), words[end].end(), ids))
                    at = end
                    break
            at += 1
        return found


def named(text: str, names: Names, at_ms: int) -> Named:
    """What `text`, written at `at_ms`, names. Days are days in UTC.

    A name is left out of the rest where it is written as one: with a capital within the text, as
    "@bob", or at the head as "bob: ". A nick that is also a word ("linux") stays there.
    """
    whole = text
    from_ms, until_ms, text = _time_in(text, at_ms)
    found = names.within(text)
    ids = frozenset(one for _, _, some in found for one in some)
    kept, done = [], 0
    for start, end, _ in found:
        if _is_written_as_a_name(text, start, end):
            kept.append(text[done:start].rstrip("@"))
            done = end + len(_BEHIND_A_NAME.match(text[end:])[0])  # type: ignore[index]
    rest = " ".join("".join((*kept, text[done:])).split())
    is_few = len(ids) <= NAMES_AT_MOST
    return Named(ids if is_few else frozenset(), from_ms, until_ms, rest or whole)


def _is_a_name(words: tuple[str, ...]) -> bool:
    if not words or len(words) > LONGEST_NAME_WORDS:
        return False
    return len(words) > 1 or (len(words[0]) >= SHORTEST_NAME and words[0] not in EVERYDAY)


def _is_written_as_a_name(text: str, start: int, end: int) -> bool:
    before, after = text[:start].rstrip(), text[end:]
    if not before or before == "@":
        return before == "@" or bool(re.match(r"[:,]|['’]s\b", after))
    return text[start].isupper() or before.endswith("@")


def _time_in(text: str, at_ms: int) -> tuple[int, int, str]:
    """(from, until, the text without it); 0, 0 where it names no time."""
    now = datetime.fromtimestamp(at_ms / 1000, tz=timezone.utc)
    for pattern in _TIMES:
        match = pattern.search(text)
        if match is None:
            continue
        try:
            begin, end = _span(match.groupdict(), now)
        except ValueError:  # the 31st of June
            continue
        rest = f"{text[: match.start()]} {text[match.end() :]}"
        return int(begin.timestamp() * 1000), int(end.timestamp() * 1000), rest
    return 0, 0, text


def _span(said: Mapping[str, str | None], now: datetime) -> tuple[datetime, datetime]:
    """The time that is meant; a day or month without a year is the last one."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if ago := said.get("ago"):
        return _ago(ago.casefold(), today)
    day = int(said.get("d") or 0)
    month = _MONTHS[(said.get("m") or "january").casefold()]
    year = int(said.get("y") or now.year)
    begin = datetime(year, month, day or 1, tzinfo=timezone.utc)
    if not said.get("y") and begin > now:
        begin = begin.replace(year=year - 1)
    if day:
        return begin, begin + timedelta(days=1)
    if not said.get("m"):
        return begin, begin.replace(year=begin.year + 1)
    return begin, datetime(
        begin.year + begin.month // 12, begin.month % 12 + 1, 1, tzinfo=timezone.utc
    )


def _ago(ago: str, today: datetime) -> tuple[datetime, datetime]:
    if ago == "yesterday":
        return today - timedelta(days=1), today
    if ago == "last week":
        monday = today - timedelta(days=today.weekday())
        return monday - timedelta(days=7), monday
    first = today.replace(day=1)
    return (first - timedelta(days=1)).replace(day=1), first

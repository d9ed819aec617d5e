"""What the report of a training set draws: each picture as plain values, from the report's figures.

A figure that is missing, or of another shape (a set of another version), is a picture less. Numbers
are counts unless they are named shares, which are 0 to 1. data/report/templates/ makes HTML of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
HOURS = 24
MEMBERS_SHOWN = 15
BARS_SHOWN = 20
LONGEST_NAME = 60
LINKS = {
    "reply": "an explicit reply",
    "ranked": "found by the link ranker",
    "starts": "starts a conversation",
}
"""By data.conversations.How."""
KINDS = {
    "pair": "only what is answered",
    "short": "a little of the talk",
    "medium": "a part of what fits",
    "long": "as much as fits",
}
"""By data.contexts.KINDS."""
REPEATS = {
    "duplicate": "same reply to the same lines",
    "same line too often": "same line too often",
    "near-duplicate": "nearly the same reply",
}
"""By data.duplicates.REASONS."""
NOT_DRAWN = frozenset({"gave way to the blend", "over the limit asked for"})
"""By data.choosing: replies that could be learned."""

Figures = Mapping[str, Any]
"""What stands in dataset_report.json, or a part of it."""


@dataclass(frozen=True)
class Bar:
    """One bar, one column, or one part of a strip."""

    label: str
    count: int
    share: float
    """Of all bars together."""
    length: float
    """Of the longest bar, 0 to 1."""
    edge: str = ""
    """Of a column: its upper end, short."""


@dataclass(frozen=True)
class Picture:
    """What all have."""

    key: str
    """Unique on the page."""
    title: str
    says: str
    """What it shows, in a sentence."""


@dataclass(frozen=True)
class Bars(Picture):
    """Things and how many there are, the most first."""

    what: str
    """What is counted."""
    bars: tuple[Bar, ...]
    is_whole: bool = True
    """Whether they are parts of a whole, so that a share says something."""


@dataclass(frozen=True)
class Columns(Bars):
    """How many there are of each size, small sizes first."""

    unit: str = ""


@dataclass(frozen=True)
class HeatMap(Picture):
    """How much is said in each hour of the week."""

    rows: tuple[tuple[str, tuple[int, ...]], ...]
    """Seven days, Monday first, 24 hours each, UTC."""
    most: int


@dataclass(frozen=True)
class MemberRow:
    """One member's share of the replies that are learned."""

    member_id: str
    """"" of several together; such a row has figures and no bar."""
    name: str
    before: float | None
    wanted: float | None
    after: float


@dataclass(frozen=True)
class Members(Picture):
    """Whose replies are learned."""

    rows: tuple[MemberRow, ...]
    most: float
    """The largest share of one member."""
    is_blended: bool


# -- the pictures -------------------------------------------------------------------------------


def members(report: Figures, names: Mapping[str, str]) -> Members | None:
    """Shares before, wanted and after the blend; without a blend, those who are most in it.

    `names` are nicknames by member id as text.
    """
    blended = _blended(report, names)
    rows = blended or _unblended(report, names)
    if not rows:
        return None
    single = [row for row in rows if row.member_id]
    most = max(max(row.before or 0.0, row.wanted or 0.0, row.after) for row in single)
    top = max(single, key=lambda row: row.after)
    says = (
        f"{top.name} is in it most, with {percent(top.after)} of the replies.{_blend_words(report)}"
    )
    return Members("members", "Whose replies are learned", says, tuple(rows), most, bool(blended))


def _blend_words(report: Figures) -> str:
    """How the draw left the rest as it was; "" where nothing was drawn."""
    blend = part(report, "blend")
    talk, moved = part(blend, "conversational"), share_of(part(blend, "hours").get("moved"))
    before, after = share_of(talk.get("before")), share_of(talk.get("after"))
    if moved is None or before is None or after is None:
        return ""
    kept, of = whole(blend.get("kept")), whole(blend.get("of"))
    if kept >= of:
        return f" All {of:,} examples that could be trained on are in it."
    return (
        f" Of {of:,} that could be trained on {kept:,} were drawn; {percent(before)} of them "
        f"answered somebody, {percent(after)} do now, and {percent(moved)} moved to other hours of "
        "the week."
    )


def _blended(report: Figures, names: Mapping[str, str]) -> list[MemberRow]:
    found = [
        MemberRow(
            member_id,
            name_of(member_id, names),
            share_of(shares.get("before")),
            share_of(shares.get("wanted")),
            share_of(shares.get("after")) or 0.0,
        )
        for member_id, shares in part(report, "blend", "members").items()
        if isinstance(shares, Mapping)
    ]
    found.sort(key=lambda row: (-(row.before or 0.0), row.member_id))
    if len(found) <= MEMBERS_SHOWN + 1:
        return found
    rest = found[MEMBERS_SHOWN:]
    together = MemberRow(
        "",
        f"{len(rest):,} others together",
        sum(row.before or 0.0 for row in rest),
        sum(row.wanted or 0.0 for row in rest),
        sum(row.after for row in rest),
    )
    return [*found[:MEMBERS_SHOWN], together]


def _unblended(report: Figures, names: Mapping[str, str]) -> list[MemberRow]:
    top = part(report, "members").get("top")
    return [
        MemberRow(
            str(one.get("member_id")),
            name_of(str(one.get("member_id")), names),
            None,
            None,
            share_of(one.get("share")) or 0.0,
        )
        for one in (top if isinstance(top, list) else [])
        if isinstance(one, Mapping)
    ]


def activity(report: Figures) -> HeatMap | None:
    """Messages by hour and weekday."""
    table = report.get("activity")
    if not isinstance(table, list) or len(table) != len(DAYS):
        return None
    rows = tuple(tuple(map(whole, row)) for row in table if isinstance(row, list))
    if len(rows) != len(DAYS) or any(len(row) != HOURS for row in rows):
        return None
    most = max(map(max, rows))
    if not most:
        return None
    day, hour = next((d, row.index(most)) for d, row in enumerate(rows) if most in row)
    says = (
        f"Most is said on {DAYS[day]}s from {hour:02}:00 to {(hour + 1) % HOURS:02}:00 UTC: "
        f"{most:,} messages."
    )
    named = tuple(zip(DAYS, rows, strict=True))
    return HeatMap("activity", "When it was said", says, named, most)


def columns(report: Figures, *path: str, title: str, what: str, unit: str) -> Columns | None:
    """A distribution: {"upto": upper ends, "count": how many}; the last end may be open (null)."""
    found = part(report, *path)
    ends, counts = found.get("upto"), found.get("count")
    if not isinstance(ends, list) or not isinstance(counts, list) or not any(map(whole, counts)):
        return None
    numbers = [whole(count) for count in counts]
    uppers = [end if isinstance(end, int) else None for end in ends][: len(numbers)]
    uppers += [None] * (len(numbers) - len(uppers))
    ranges = _in_use(list(zip(_ranges(uppers), uppers, numbers, strict=True)))
    half = next(
        label
        for (label, _, _), so_far in zip(ranges, accumulate(n for *_, n in ranges), strict=True)
        if so_far * 2 >= sum(numbers)
    )
    bars = _bars([(label, n) for label, _, n in ranges])
    edged = tuple(
        Bar(bar.label, bar.count, bar.share, bar.length, compact(upper))
        for bar, (_, upper, _) in zip(bars, ranges, strict=True)
    )
    says = f"The middle one of the {what} has {half} {unit}."
    return Columns(path[-1], title, says, what, edged, unit=unit)


def _ranges(uppers: Sequence[int | None]) -> Iterator[str]:
    """ "1", "2-4", "more than 4"."""
    lower: int | None = None
    for upper in uppers:
        if upper is None:
            yield f"more than {lower:,}" if lower is not None else "any number of"
        elif lower is None:
            yield f"up to {upper:,}" if upper > 1 else f"{upper}"
        else:
            yield f"{upper:,}" if lower + 1 == upper else f"{lower + 1:,}\u2013{upper:,}"
        lower = upper if upper is not None else lower


def _in_use(bins: list[tuple[str, int | None, int]]) -> list[tuple[str, int | None, int]]:
    """Without the empty ones at both ends."""
    used = [place for place, (*_, count) in enumerate(bins) if count]
    return bins[used[0] : used[-1] + 1]


def bars(key: str, title: str, what: str, counts: Any, words: Mapping[str, str]) -> Bars | None:
    """Counts by name, the most first; what is beyond BARS_SHOWN stands together."""
    found = _counted(counts)
    if not found:
        return None
    found.sort(key=lambda one: -one[1])
    named = [(words.get(label, label), n) for label, n in found[:BARS_SHOWN]]
    if rest := found[BARS_SHOWN:]:
        named.append((f"{len(rest):,} others", sum(n for _, n in rest)))
    total = sum(n for _, n in found)
    return Bars(key, title, f"{total:,} {what} in all.", what, _bars(named))


def preferences(report: Figures, pairs: int, sampled: int, waiting: int) -> Bars | None:
    """Replies that were received well or badly, and the pairs that were made of them: `pairs` are
    there now, the worse reply of `sampled` was written by a model, and `waiting` have none yet."""
    found = part(report, "preferences")
    rated = [side for side in part(found, "kto").values() if isinstance(side, Mapping)]
    named = [
        ("well received replies", sum(whole(side.get("well")) for side in rated)),
        ("badly received replies", sum(whole(side.get("badly")) for side in rated)),
        ("pairs with a badly received one", pairs - sampled),
        *([("pairs with one that a model wrote", sampled)] if sampled else []),
        ("pairs that lack a worse reply yet", waiting),
    ]
    if not any(count for _, count in named):
        return None
    says = remark(report, sampled) or "What people liked and disliked, by their reactions."
    return Bars("preferences", "Preferences", says, "rows", _bars(named), is_whole=False)


def remark(report: Figures, sampled: int) -> str:
    """What is missing for learning from preferences; "" where nothing is, or a model helped out
    since."""
    return "" if sampled else str(part(report, "preferences").get("remark") or "")


def consent(report: Figures) -> Bars | None:
    """Of the messages that somebody said: learned from, or left out and why."""
    left_out = _counted(part(report, "consent").get("left_out"))
    dropped = part(report, "messages", "dropped")
    absent = sum(n for label, n in left_out if label in dropped)  # never among those that are kept
    kept = whole(part(report, "messages").get("kept"))
    learned = kept - (sum(n for _, n in left_out) - absent)
    if learned <= 0 and not left_out:
        return None
    named = [("may be learned from", max(learned, 0)), *left_out]
    covered = part(report, "consent").get("coverage")
    says = f"{covered} may be learned from." if covered else ""
    return Bars("consent", "Who may be learned from", says, "messages", _bars(named))


# -- numbers ------------------------------------------------------------------------------------


def part(report: Figures, *path: str) -> Figures:
    """What stands there, {} where nothing or something else does."""
    found: Any = report
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def whole(value: Any) -> int:
    """A count; 0 of anything that is none."""
    return value if isinstance(value, int) and value > 0 else 0


def share_of(value: Any) -> float | None:
    """0 to 1; None of anything that is none."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return min(max(float(value), 0.0), 1.0) if is_number else None


def name_of(member_id: str, names: Mapping[str, str]) -> str:
    """As they are called now."""
    return names.get(member_id) or "a former member"


def short(text: str) -> str:
    """A name in a narrow place."""
    return text if len(text) <= LONGEST_NAME else f"{text[:LONGEST_NAME]}\u2026"


def percent(share: float) -> str:
    """ "12%", below a tenth "3.4%"."""
    if 0 < share < 0.0005:
        return "<0.1%"
    return f"{share:.1%}" if 0 < share < 0.0995 else f"{share:.0%}"


def compact(number: int | None) -> str:
    """For narrow places: "512", "2k"; "more" where it is open."""
    if number is None:
        return "more"
    return str(number) if number < 1000 else f"{round(number / 1000, 1):g}k"


def _counted(counts: Any) -> list[tuple[str, int]]:
    """Those that are more than none, in their order."""
    if not isinstance(counts, Mapping):
        return []
    return [(str(label), whole(n)) for label, n in counts.items() if whole(n)]


def _bars(named: Sequence[tuple[str, int]]) -> tuple[Bar, ...]:
    total = sum(n for _, n in named) or 1
    most = max((n for _, n in named), default=0) or 1
    return tuple(Bar(short(label), n, n / total, n / most) for label, n in named)

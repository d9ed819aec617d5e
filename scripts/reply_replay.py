"""What `bench_reply.py` replays: which lines of real channels, when, and which of them ask.

The newest lines are replayed, what was said before them is the history that is recalled from. The
silences between the lines stay in proportion; a stretch from one ask to the next is compressed so
that its text arrives at the pace that was asked for, on the average.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from bot.readable import readable
from data.importers.importing import import_paths
from data.memory import MIN_WORDS
from model.chat_format import Said, line
from model.tokenizers import VocabularyFile
from storage.database import Database
from storage.errors import MynahError
from storage.paths import Home
from storage.records import ChannelRecord, MemberRecord, MessageKind, MessageRecord, Origin

IN_VIEW = 25
"""Lines that the usual layout shows; nobody asks before so many were said in a channel."""

LONGEST_SILENCE_S = 60.0
"""A longer one counts as this: a night would press everything else together."""

BURST_LINES = 5
BURST_S = 1.0
"""A burst: so many lines within so long."""
AFTER_BURST_S = (0.1, 2.0)
"""How long after its last line the ask comes, drawn evenly."""

MOST_LINES_A_SECOND = 50.0
"""A small model could read faster than anybody talks, and the database would be measured."""

_SPARE_LINES = 100


class ReplayError(MynahError):
    """The files do not hold what the replay needs."""


@dataclass(frozen=True)
class ReplayLine:
    """One message of the replay."""

    channel: ChannelRecord
    author: MemberRecord
    text: str
    at_ms: int
    """When it was said in truth; the replay keeps the proportions alone."""
    shown: str = ""
    """As the model is shown it, name first; "" where it is not (a notice, a bare link)."""
    tokens: int = 0
    """Of what is shown."""

    @property
    def may_ask(self) -> bool:
        """Whether it has words enough to search the memory with."""
        words = self.shown.partition(": ")[2].split()
        return sum(any(c.isalpha() for c in word) for word in words) >= MIN_WORDS


@dataclass(frozen=True)
class Stretch:
    """The lines from behind one ask to the next, which is the last of them."""

    lines: tuple[ReplayLine, ...]
    is_after_burst: bool

    @property
    def tokens(self) -> int:
        return sum(one.tokens for one in self.lines)


@dataclass(frozen=True)
class Replay:
    """What is told, in this order."""

    stretches: tuple[Stretch, ...]
    rest: tuple[ReplayLine, ...]
    """What was said behind the last ask."""
    history: int
    """Messages in the home to recall from."""

    @property
    def lines(self) -> list[ReplayLine]:
        return [one for stretch in self.stretches for one in stretch.lines] + list(self.rest)


@dataclass(frozen=True)
class Wanted:
    """How much is replayed."""

    replies: int
    lines_between: int
    """Lines between two asks, on the average; drawn between half and one and a half of it."""
    history_lines: int
    seed: int


def prepare(home: Home, paths: Sequence[Path], model: Path, wanted: Wanted) -> Replay:
    """Import the files, keep the history in `home`, and plan the replay.

    Raises ReplayError, MissingPathError, VocabularyError.
    """
    records, members, channels = _import(paths)
    lines = [_line(record, members, channels) for record in records]
    chance = random.Random(wanted.seed)
    gaps = _gaps(wanted, chance)
    begin = max(0, len(lines) - sum(gaps) * 5 // 4 - _SPARE_LINES)
    history = records[max(0, begin - wanted.history_lines) : begin]
    with Database.open(home.database, backups=home.backups) as database:
        database.upsert_channels(channels.values())
        database.upsert_members(members.values())
        database.upsert_messages(history)
        with VocabularyFile(model) as vocabulary:
            replayed = [_shown(one, database, vocabulary) for one in lines[begin:]]
    stretches, rest = _stretches(replayed, gaps, chance)
    return Replay(tuple(stretches), tuple(rest), len(history))


def arrivals_s(
    stretch: Stretch, tokens_a_second: float, chance: random.Random, since_ms: int | None = None
) -> list[float]:
    """When each line comes, in seconds from the stretch's beginning, on the average at this rate.

    `since_ms`: when the line before the first one was said.
    """
    lines = stretch.lines
    at_ms = [lines[0].at_ms if since_ms is None else since_ms, *(one.at_ms for one in lines)]
    gaps = [min(max(0.0, (b - a) / 1000), LONGEST_SILENCE_S) for a, b in pairwise(at_ms)]
    whole_s = max(stretch.tokens / tokens_a_second, len(lines) / MOST_LINES_A_SECOND)
    fixed: list[float] = []
    if stretch.is_after_burst:
        within = min(BURST_LINES, len(lines) - 1) - 1
        cuts = sorted(chance.uniform(0, BURST_S) for _ in range(max(0, within - 1)))
        fixed = [b - a for a, b in pairwise([0.0, *cuts, BURST_S])] if within > 0 else []
        fixed.append(chance.uniform(*AFTER_BURST_S))
        if sum(fixed) > whole_s / 2:  # a small model's whole stretch is shorter than a burst
            fixed = [gap * whole_s / 2 / sum(fixed) for gap in fixed]
    free = gaps[: len(gaps) - len(fixed)]
    if not sum(free):
        free = [1.0] * len(free)
    scale = (whole_s - sum(fixed)) / sum(free) if free else 1.0
    times, now_s = [], 0.0
    for gap in [*(gap * scale for gap in free), *fixed]:
        now_s += gap
        times.append(now_s)
    return times


def endless(replay: Replay, channel: ChannelRecord, begin: int = 0) -> Iterator[ReplayLine]:
    """The replayed lines that are shown, over and over, all in one channel."""
    lines = [replace(one, channel=channel) for one in replay.lines if one.shown]
    while True:
        yield from lines[begin:]
        yield from lines[:begin]


def _import(
    paths: Sequence[Path],
) -> tuple[list[MessageRecord], dict[int, MemberRecord], dict[int, ChannelRecord]]:
    """Everything in the files, channel by channel, the one that began last at the end."""
    # A database of its own: what is replayed must not stand in the bot's before it is said.
    with (
        tempfile.TemporaryDirectory(prefix="mynah-replay-") as folder,
        Database.open(Path(folder) / "replayed.db") as database,
    ):
        import_paths(database, paths, origin=Origin.EXPORT, quarantine=Path(folder))
        members = {one.member_id: one for one in database.members()}
        channels = {one.channel_id: one for one in database.channels()}
        by_channel: dict[int, list[MessageRecord]] = {}
        for record in database.messages():
            by_channel.setdefault(record.channel_id, []).append(record)
    if not by_channel:
        raise ReplayError("The files hold no messages: name exports of channels.")
    for one in by_channel.values():
        one.sort(key=lambda record: (record.created_at_ms, record.message_id))
    ordered = sorted(by_channel.values(), key=lambda one: one[0].created_at_ms)
    return [record for one in ordered for record in one], members, channels


def _line(
    record: MessageRecord, members: dict[int, MemberRecord], channels: dict[int, ChannelRecord]
) -> ReplayLine:
    author, channel = members[record.author_id], channels[record.channel_id]
    is_said = record.kind is not MessageKind.SYSTEM and not author.is_bot
    text = record.content if is_said else ""
    return ReplayLine(channel, author, text, record.created_at_ms)


def _shown(one: ReplayLine, database: Database, vocabulary: VocabularyFile) -> ReplayLine:
    text = readable(database, one.text, {}) if one.text else ""
    if not text:
        return one
    shown = line(Said(one.author.nickname, text))
    return replace(one, shown=shown, tokens=len(vocabulary.tokenizer.text_ids(shown)))


def _gaps(wanted: Wanted, chance: random.Random) -> list[int]:
    """Shown lines from one ask to the next."""
    half = max(1, wanted.lines_between // 2)
    most = max(half, wanted.lines_between + wanted.lines_between // 2)
    return [chance.randint(half, most) for _ in range(wanted.replies)]


def _stretches(
    lines: Sequence[ReplayLine], gaps: Sequence[int], chance: random.Random
) -> tuple[list[Stretch], Sequence[ReplayLine]]:
    """Cut the lines into stretches; half of them, drawn, end in a burst and an ask."""
    are_after_burst = [number % 2 == 1 for number in range(len(gaps))]
    chance.shuffle(are_after_burst)
    stretches: list[Stretch] = []
    in_view: dict[int, int] = {}
    begin = said = 0
    for at, one in enumerate(lines):
        if len(stretches) == len(gaps):
            break
        channel_id = one.channel.channel_id
        in_view[channel_id] = in_view.get(channel_id, 0) + bool(one.shown)
        said += bool(one.shown)
        is_due = said >= gaps[len(stretches)] and in_view[channel_id] > IN_VIEW
        if is_due and one.may_ask:
            is_after_burst = are_after_burst[len(stretches)]
            stretches.append(Stretch(tuple(lines[begin : at + 1]), is_after_burst))
            begin, said = at + 1, 0
    if len(stretches) < len(gaps):
        raise ReplayError(
            f"The files hold {len(lines):,} lines for the replay, enough for {len(stretches)} of "
            f"{len(gaps)} replies: name more files, or fewer --replies."
        )
    return stretches, lines[begin:]

"""Fits how often the persona speaks unasked to what its owner answered in a rehearsal. Pure.

Yes: right to speak there (of a silent moment: it should have spoken). Too much: it should have kept
silent. No (the wrong words) says nothing about that. Each way to set response rate and threshold is
tried on the rehearsed day, all else as it is, by the rules of `bot/decide.py`:

    score = answers obeyed + GUESSED x what unanswered moments would say - a little for each change

Values that obey fewer answers than the present ones are left aside. An unanswered moment says that
silence was right where it kept silent, and where it spoke what the answered ones say on an average:
so one wish is not worth speaking many times more. Of what obeys as many answers the nearest to the
present values wins. Both values go towards quieter, or both towards livelier. A channel with at
least CHANNEL_ANSWERS answers gets values of its own where they obey FOR_ITS_OWN more of them; they
too are the nearest to what counts elsewhere.

An answer "too much" weighs TOO_MUCH_WEIGHS times a yes: who talks too much is sooner muted than who
is quiet. What is taken for granted: what was said to the persona is answered as before, it goes on
with what it said where that is still said, and people say what they said whatever it says.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from bot.decide import (
    DEFAULT_RATE,
    FULL_PRESSURE,
    PRESENCE,
    PRESSURE,
    Facts,
    threshold_at,
    weighed,
)
from bot.messages import Reply, ReplyReason, SilentReason, Urge
from bot.pipeline import settings_in
from bot.talk import NEVER_S, SHARE_MS, TalkFacts
from storage.records import ChannelRecord
from storage.rehearsal_store import REPLY, TOO_MUCH, YES, Rehearsed
from storage.settings import Settings, find, to_text

LEAST_ANSWERS = 5
"""With fewer nothing is changed."""
CHANNEL_ANSWERS = 8
FOR_ITS_OWN = 2
GUESSED = 0.25
"""How much an unanswered moment counts beside an answered one."""
TOO_MUCH_WEIGHS = 2.0
FOR_A_CHANGE = 0.2
"""How many answers it must be worth to go all the way from one end of a setting's usual range to
the other."""

RATES = (0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.14, 0.2, 0.3, 0.4, 0.55, 0.75)
"""Those that are tried: not 1, at which it answers everything."""
THRESHOLDS = tuple(step / 20 for step in range(21))
DAY_MS = 24 * 60 * 60 * 1000

_QUIET_HOURS = SilentReason.QUIET_HOURS.value
_BELOW = SilentReason.BELOW.value
_ATTENTION = ReplyReason.ATTENTION.value
_UNHEARD = {
    one.value
    for one in (
        *(SilentReason.BOT, SilentReason.EXCLUDED, SilentReason.NOT_ALLOWED, SilentReason.OWN),
        *(SilentReason.NOTHING_SAID, SilentReason.DELETED),
    )
}


@dataclass(frozen=True)
class Moment:
    """What a decision on a rehearsed message needs."""

    row_id: int
    channel: ChannelRecord
    member_id: int
    at_ms: int
    answer: str
    spoke: bool
    """Whether it did in the rehearsal."""
    urge: Urge | None = None
    """None: whether it speaks there does not hang on rate and threshold."""
    in_quiet_hours: bool = False
    goes_on: bool = False
    """Whether it only went on with what it had just said: without that it does not."""
    is_heard: bool = True
    """Whether it is part of the talk: no notice, no bot's line."""
    lines: int = 1
    """How many messages it said there."""

    @property
    def is_decisive(self) -> bool:
        return self.answer in (YES, TOO_MUCH)


@dataclass(frozen=True)
class Values:
    """How often it speaks: for all channels, and where one has values of its own."""

    rate: float
    threshold: float
    channels: Mapping[int, tuple[float, float]] = field(default_factory=dict)

    def rows(self) -> dict[int, dict[str, str]]:
        """The channels' own as `channel_config` keeps them."""
        names = ("response_rate", "speak_threshold")
        return {
            channel_id: {
                name: to_text(find(name), value) for name, value in zip(names, own, strict=True)
            }
            for channel_id, own in self.channels.items()
        }


@dataclass(frozen=True)
class Fit:
    """What the answers come to."""

    before: Values
    after: Values
    spoken_before: frozenset[int]
    """The rows of the moments in which it speaks."""
    spoken_after: frozenset[int]
    answered: tuple[Moment, ...]

    @property
    def is_enough(self) -> bool:
        return len([one for one in self.answered if one.is_decisive]) >= LEAST_ANSWERS

    @property
    def why(self) -> str:
        """A sentence for people."""
        if not self.is_enough:
            return (
                f"There are too few answers yet: {LEAST_ANSWERS} times yes or too much are the "
                "least."
            )
        if self.before == self.after:
            return "No other values obey the answers better."
        obeyed = [
            obeys(self.answered, spoken) for spoken in (self.spoken_before, self.spoken_after)
        ]
        of = len([one for one in self.answered if one.is_decisive])
        return (
            f"{obeyed[1]} of {of} answers are obeyed instead of {obeyed[0]}; it would speak "
            f"{len(self.spoken_after)} times instead of {len(self.spoken_before)}."
        )


def moment_of(row: Rehearsed, member_id: int, channel: ChannelRecord) -> Moment:
    """A row of a rehearsal. The draw of chance is folded into the urge: it is as far as it has to
    be for what was decided."""
    parts, urge = row.parts, None
    if parts:
        total, threshold = float(parts["total"]), float(parts["threshold"])
        drawn = total
        if row.reason == _BELOW:
            drawn = min(total, threshold - 1e-6)
        elif row.verdict == REPLY:
            drawn = max(total, threshold)
        pressure, presence = float(parts["pressure"]), float(parts["presence"])
        rest = drawn - pressure - presence
        urge = Urge(rest, pressure, presence, 0.0, drawn, threshold)
    return Moment(
        row.rehearsed_id,
        channel,
        member_id,
        row.at_ms,
        row.answer,
        row.verdict == REPLY,
        urge,
        row.reason == _QUIET_HOURS,
        row.reason == _ATTENTION,
        row.reason not in _UNHEARD,
        max(1, len(row.draft.splitlines())),
    )


def fit(
    moments: Sequence[Moment], settings: Settings, rows: Mapping[int, Mapping[str, str]]
) -> Fit:
    """The values to go on with. `moments` in order of time, `settings` and channels' own `rows` as
    they are now. Five seconds for 2,000 moments, by the number of these."""
    before = _values_now(settings, rows)
    day = Day(moments, settings, rows)
    after = before
    answered = tuple(one for one in moments if one.answer)
    if len([one for one in answered if one.is_decisive]) >= LEAST_ANSWERS:
        after = _best(day, before, None)
        for channel_id in _well_answered(answered):
            after = _with_own(day, after, channel_id)
    return Fit(before, after, day.spoken(before), day.spoken(after), answered)


class Day:
    """The rehearsed messages, decided again with other values."""

    def __init__(
        self,
        moments: Sequence[Moment],
        settings: Settings,
        rows: Mapping[int, Mapping[str, str]],
    ) -> None:
        self.moments = moments
        self._settings = settings
        self._rows = rows

    def spoken(self, values: Values) -> frozenset[int]:
        """The rows of the moments in which it speaks."""
        # `before`: by channel, where it spoke last in the rehearsal.
        by_channel: dict[int, Facts] = {}
        said = Said()
        spoken: set[int] = set()
        before: dict[int, int] = {}
        rooms: dict[int, Room] = {}
        for one in self.moments:
            channel_id = one.channel.channel_id
            room, last = rooms.setdefault(channel_id, Room()), before.get(channel_id)
            if one.urge is None:
                speaks = one.spoke and not (one.goes_on and last not in spoken)
            else:
                if (here := by_channel.get(channel_id)) is None:
                    here = by_channel[channel_id] = _facts(self._settings_in(one.channel, values))
                speaks = _speaks(one, room.total(one, one.urge), here, said)
                if speaks:
                    said.note(one)
            room.note(one, speaks)
            if speaks:
                spoken.add(one.row_id)
            if one.spoke:
                before[channel_id] = one.row_id
        return frozenset(spoken)

    def _settings_in(self, channel: ChannelRecord, values: Values) -> Settings:
        changed = {"response_rate": values.rate, "speak_threshold": values.threshold}
        own = values.rows()
        ids = {*self._rows, *own}
        rows = {i: {**self._rows.get(i, {}), **own.get(i, {})} for i in ids}
        return settings_in(channel, Settings({**self._settings, **changed}), rows)


@dataclass
class Room:
    """The talk in one channel, as far as pressure and presence hang on it (bot/talk.py)."""

    since: int | None = None
    """Messages since it spoke; None: nothing is known yet."""
    lately: deque[tuple[int, bool]] = field(default_factory=deque)
    """When somebody spoke within the last minutes, and whether that was the persona."""
    own: int = 0
    """How many of those were the persona's."""

    def total(self, one: Moment, was: Urge) -> float:
        """How much the moment makes it want to speak, after what is said in this play of the day;
        `was` in the rehearsal."""
        if self.since is None:  # what was said before the first message counts as it did
            self.since = round(was.pressure / PRESSURE * FULL_PRESSURE) - 1
        while self.lately and self.lately[0][0] <= one.at_ms - SHARE_MS:
            self.own -= self.lately.popleft()[1]
        pressure = PRESSURE * min(1.0, (1 + self.since) / FULL_PRESSURE)
        presence = PRESENCE * self.own / (len(self.lately) + 1)
        return was.relevance + pressure + presence

    def note(self, one: Moment, speaks: bool) -> None:
        if one.is_heard:
            self.lately.append((one.at_ms, False))
            self.since = None if self.since is None else self.since + 1
        if speaks:
            self.lately.extend([(one.at_ms, True)] * one.lines)
            self.own += one.lines
            self.since = 0


@dataclass
class Said:
    """What was said unasked in this play of the day."""

    times_ms: deque[int] = field(default_factory=deque)
    """Of the last day."""
    last_in: dict[int, int] = field(default_factory=dict)
    """When it was last, by channel."""
    last_to: dict[int, int] = field(default_factory=dict)
    """The same by member."""

    def facts(self, one: Moment) -> TalkFacts:
        while self.times_ms and self.times_ms[0] <= one.at_ms - DAY_MS:
            self.times_ms.popleft()
        return TalkFacts(
            unasked_channel_s=_since_s(one.at_ms, self.last_in.get(one.channel.channel_id)),
            unasked_member_s=_since_s(one.at_ms, self.last_to.get(one.member_id)),
            unasked_today=len(self.times_ms),
        )

    def note(self, one: Moment) -> None:
        self.times_ms.append(one.at_ms)
        self.last_in[one.channel.channel_id] = self.last_to[one.member_id] = one.at_ms


def _facts(settings: Settings) -> Facts:
    """As bot/pipeline.py asks; its threshold is what the urge has to reach."""
    rate = settings.number("response_rate")
    return Facts(
        own_id=0,
        persona_name="",
        response_rate=rate,
        threshold=threshold_at(rate, settings.number("speak_threshold")),
        channel_cooldown_s=60 * settings.whole("unasked_channel_minutes"),
        member_cooldown_s=60 * settings.whole("unasked_member_minutes"),
        unasked_a_day=settings.whole("unasked_a_day"),
    )


def _speaks(one: Moment, total: float, facts: Facts, said: Said) -> bool:
    """After what was `said` unasked before."""
    if facts.response_rate >= 1:  # without threshold and cooldowns
        return not one.in_quiet_hours
    if total < facts.threshold:
        return False
    urge = Urge(total, 0.0, 0.0, 0.0, total, facts.threshold)
    facts = replace(facts, in_quiet_hours=one.in_quiet_hours, talk=said.facts(one))
    return isinstance(weighed(urge, facts, 0.5), Reply)


def _since_s(at_ms: int, last_ms: int | None) -> float:
    return NEVER_S if last_ms is None else (at_ms - last_ms) / 1000


def obeys(moments: Iterable[Moment], spoken: Collection[int]) -> int:
    """How many answers are obeyed where it speaks in these rows alone."""
    decisive = (one for one in moments if one.is_decisive)
    return sum((one.answer == YES) == (one.row_id in spoken) for one in decisive)


def _weight(moments: Iterable[Moment], spoken: Collection[int]) -> float:
    """What the answers that are obeyed weigh."""
    return sum(
        (TOO_MUCH_WEIGHS if one.answer == TOO_MUCH else 1.0)
        for one in moments
        if one.is_decisive and (one.answer == YES) == (one.row_id in spoken)
    )


def _liked(moments: Iterable[Moment]) -> float:
    """The share of yes where it spoke unasked, as if there had been one more of each answer."""
    answers = [one.answer for one in moments if one.spoke and one.urge and one.is_decisive]
    return (answers.count(YES) + 1) / (len(answers) + 2)


def _guessed(moments: Iterable[Moment], spoken: Collection[int], liked: float) -> float:
    """How many of the unanswered moments are as they would be wanted, by what is known."""
    total = 0.0
    for one in moments:
        if one.urge is not None and not one.answer:
            wanted = liked if one.spoke else 0.0
            total += wanted if one.row_id in spoken else 1 - wanted
    return total


def _best(day: Day, present: Values, channel_id: int | None) -> Values:
    """The best values for all channels, or for that one."""
    moments = [
        one for one in day.moments if channel_id is None or one.channel.channel_id == channel_id
    ]
    liked = _liked(moments)
    rate, threshold = _own(present, channel_id)

    least = obeys(moments, day.spoken(present))

    def score(tried: tuple[float, float]) -> float:
        spoken = day.spoken(_put(present, channel_id, *tried))
        if obeys(moments, spoken) < least:
            return -math.inf
        guessed = GUESSED * _guessed(moments, spoken, liked)
        return _weight(moments, spoken) + guessed - _distance(tried, (rate, threshold))

    quieter = product([r for r in RATES if r < rate], [t for t in THRESHOLDS if t > threshold])
    livelier = product([r for r in RATES if r > rate], [t for t in THRESHOLDS if t < threshold])
    alone = [*((r, threshold) for r in RATES), *((rate, t) for t in THRESHOLDS)]
    best = max([(rate, threshold), *alone, *quieter, *livelier], key=score)
    return _put(present, channel_id, *best)


def _with_own(day: Day, values: Values, channel_id: int) -> Values:
    """With values of the channel's own where they obey more of what was answered there."""
    here = [one for one in day.moments if one.channel.channel_id == channel_id]
    own = _best(day, values, channel_id)
    more = obeys(here, day.spoken(own)) - obeys(here, day.spoken(values))
    return own if more >= FOR_ITS_OWN else values


def _well_answered(answered: Sequence[Moment]) -> list[int]:
    ids = [one.channel.channel_id for one in answered if one.is_decisive]
    return [i for i in dict.fromkeys(ids) if ids.count(i) >= CHANNEL_ANSWERS]


def _values_now(settings: Settings, rows: Mapping[int, Mapping[str, str]]) -> Values:
    everywhere = settings.number("response_rate"), settings.number("speak_threshold")
    own = {}
    for channel_id, values in rows.items():
        if {"response_rate", "speak_threshold"} & set(values):
            here = settings.overlaid(values)
            own[channel_id] = (here.number("response_rate"), here.number("speak_threshold"))
    return Values(*everywhere, own)


def _own(values: Values, channel_id: int | None) -> tuple[float, float]:
    everywhere = values.rate, values.threshold
    return everywhere if channel_id is None else values.channels.get(channel_id, everywhere)


def _put(values: Values, channel_id: int | None, rate: float, threshold: float) -> Values:
    if channel_id is None:
        return replace(values, rate=rate, threshold=threshold)
    return replace(values, channels={**values.channels, channel_id: (rate, threshold)})


def _distance(tried: tuple[float, float], present: tuple[float, float]) -> float:
    """Of 1 from the rate that Mynah ships with to 1.0, and from a threshold of 0 to 1."""
    rates = math.log(max(tried[0], 1e-3) / max(present[0], 1e-3)) / math.log(1 / DEFAULT_RATE)
    return FOR_A_CHANGE * (abs(rates) + abs(tried[1] - present[1]))


def as_json(fitted: Fit, names: Mapping[int, str], applied: bool) -> dict[str, Any]:
    """For `rehearse.py fit --json`, but for the rehearsal's id."""
    of = len([one for one in fitted.answered if one.is_decisive])

    def values(of_values: Values, spoken: frozenset[int]) -> dict[str, Any]:
        return {
            "response_rate": of_values.rate,
            "speak_threshold": of_values.threshold,
            "channels": [
                {
                    "channel_id": str(channel_id),
                    "name": names.get(channel_id, ""),
                    "response_rate": rate,
                    "speak_threshold": threshold,
                }
                for channel_id, (rate, threshold) in sorted(of_values.channels.items())
            ],
            "replies": len(spoken),
            "agreement": round(obeys(fitted.answered, spoken) / of, 4) if of else None,
        }

    return {
        "before": values(fitted.before, fitted.spoken_before),
        "after": values(fitted.after, fitted.spoken_after),
        "changes": [
            {
                "row_id": one.row_id,
                "answer": one.answer,
                "speaks_before": one.row_id in fitted.spoken_before,
                "speaks_after": one.row_id in fitted.spoken_after,
            }
            for one in fitted.answered
            if (one.row_id in fitted.spoken_before) != (one.row_id in fitted.spoken_after)
        ],
        "why": fitted.why,
        "is_enough": fitted.is_enough,
        "applied": applied,
    }

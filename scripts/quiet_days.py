"""Makes of a busy IRC day what a small, quiet server looks like, with its reply links.

Some of its conversations are kept, said by few members, one after the other more than at once, with
silences between. Hardly anybody is addressed by name; some lines reply explicitly, above all those
whose parent is far.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from data.links.lines import read_lines
from data.preprocessor import CleanMessage

Links = dict[int, set[int]]


@dataclass(frozen=True, slots=True)
class Day:
    """Messages of one channel in true order, and the parents of those that were judged."""

    messages: list[CleanMessage]
    links: Links


def unaddressed(day: Day, rng: random.Random, share: float = 1.0) -> Day:
    """The same day; of the lines that begin with a nick, `share` lose it."""
    kinds = read_lines(day.messages).to_kind
    kept = []
    for message, kind in zip(day.messages, kinds, strict=True):
        words = message.text.split(None, 1)
        if kind and message.reply_to_id is None and rng.random() < share and len(words) > 1:
            message = replace(message, text=words[1], mentioned_ids=())
        kept.append(message)
    return Day(kept, day.links)


def quieter(day: Day, rng: random.Random) -> Day:
    """A smaller, quieter day (see above). Messages get new ids, 1, 2, 3 ..."""
    plain = {m.message_id: m for m in unaddressed(day, rng, rng.choice((1.0, 0.95, 0.8))).messages}
    share = rng.choice((0.3, 0.5, 0.8))
    talks = [talk for talk in _talks(day.links, plain) if rng.random() < share]
    moved: list[CleanMessage] = []
    people = _People(day.messages, rng)
    clock = _Clock(rng)
    for talk in talks:
        moved += clock.place(people.cast([plain[one] for one in talk]))
    moved.sort(key=lambda m: (m.created_at_ms, m.message_id))
    return _with_replies(_renumbered(moved, day.links), rng)


def _talks(links: Mapping[int, set[int]], there: Mapping[int, object]) -> list[list[int]]:
    """The conversations among messages that are there, in the order of their first lines."""
    root: dict[int, int] = {}

    def find(one: int) -> int:
        root.setdefault(one, one)
        while root[one] != one:
            root[one] = root[root[one]]
            one = root[one]
        return one

    for child, parents in links.items():
        for parent in parents:
            if child in there and parent in there:
                root[find(child)] = find(parent)
    talks: defaultdict[int, list[int]] = defaultdict(list)
    for one in sorted(root):
        talks[find(one)].append(one)
    return sorted(talks.values())


class _People:
    """Lends every conversation's speakers the names of a small crowd."""

    def __init__(self, messages: Sequence[CleanMessage], rng: random.Random) -> None:
        self._name = {message.author_id: message.name for message in messages}
        crowd = sorted(self._name)
        rng.shuffle(crowd)
        self._crowd, self._rng = crowd[: rng.choice((5, 8, 12, 20))], rng

    def cast(self, talk: Sequence[CleanMessage]) -> list[CleanMessage]:
        speakers = list(dict.fromkeys(message.author_id for message in talk))
        lent = self._rng.sample(self._crowd, min(len(speakers), len(self._crowd)))
        who = {**{one: one for one in speakers}, **dict(zip(speakers, lent, strict=False))}
        return [
            replace(m, author_id=who[m.author_id], name=self._name[who[m.author_id]]) for m in talk
        ]


class _Clock:
    """Says when each conversation begins and how fast it goes."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._overlap = rng.choice((0.2, 0.5, 0.9))
        self._silence_ms = 1000 * rng.choice((60, 600, 7200))
        self._stretch = rng.choice((0.5, 1, 3))
        self._start_ms = self._end_ms = 1_500_000_000_000

    def place(self, talk: Sequence[CleanMessage]) -> list[CleanMessage]:
        first, placed = talk[0].created_at_ms, []
        at_ms = self._start_ms - 1
        for message in talk:
            away = (message.created_at_ms - first) * self._stretch * self._rng.uniform(0.97, 1.03)
            at_ms = max(at_ms + 1, self._start_ms + int(away))
            placed.append(replace(message, created_at_ms=at_ms))
        self._go_on(at_ms)
        return placed

    def _go_on(self, end_ms: int) -> None:
        silence = int(self._rng.expovariate(1 / self._silence_ms))
        self._end_ms = max(self._end_ms, end_ms)
        if self._rng.random() < 0.5:
            left = 1 - self._overlap * self._rng.random()
            self._start_ms += int((end_ms - self._start_ms) * left) + silence
        else:
            self._start_ms = self._end_ms + silence


def _renumbered(messages: Sequence[CleanMessage], links: Mapping[int, set[int]]) -> Day:
    new = {message.message_id: number for number, message in enumerate(messages, start=1)}
    kept: Links = {}
    for child, parents in links.items():
        if child in new:
            known = {new[one] for one in parents if one in new and new[one] <= new[child]}
            kept[new[child]] = known or {new[child]}
    return Day([replace(m, message_id=new[m.message_id]) for m in messages], kept)


def _with_replies(day: Day, rng: random.Random) -> Day:
    share = rng.choice((0.0, 0.15, 0.4))
    return Day([revealed(m, day.links, share, rng) for m in day.messages], day.links)


def revealed(
    message: CleanMessage, links: Mapping[int, set[int]], share: float, rng: random.Random
) -> CleanMessage:
    """With about this chance the message as an explicit reply; far parents are told more often.

    Message ids are row numbers here: a parent is far from three lines on.
    """
    parents = [one for one in links.get(message.message_id, ()) if one < message.message_id]
    if not parents:
        return message
    far = message.message_id - max(parents) > 2
    told = rng.random() < share * (1.5 if far else 0.5)
    return replace(message, reply_to_id=max(parents)) if told else message

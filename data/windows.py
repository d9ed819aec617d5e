"""Chooses what each example shows: the reply, how far its context reaches back, its memory notes.

Nothing is shuffled before a window is cut: a context is what really stood before the reply in its
channel, entangled talk included, in that order; where somebody spoke who may not be learned from,
a placeholder stands (`NOT_SHARED`). Two steps, so that a large history needs little
memory: `Planner.plan` decides with indexes and token counts alone, `Planner.build` writes one out.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from data.budget import TokenCount
from data.conversations import How, Link
from data.examples import Example
from data.naming import Renaming, own_words, quotes_speakers
from data.notes import memory_note
from data.preprocessor import CleanMessage
from data.privacy import PLACEHOLDERS
from data.recollection import Recollection
from data.split import Region
from model.chat_format import CHATML, NOT_SHARED, NOTE_PREFIX, Note, Own, Said, Turn, clean_name

LOST_ANSWER = "answers a line that is not here"
TORN = "conversation runs over both sides"
ONLY_PLACEHOLDER = "reply is only a placeholder"
SPEAKS_FOR_OTHERS = "reply quotes others' lines"
REPLY_TOO_LONG = "reply longer than its budget"
OWN_BEFORE = "goes on after the author's own line"
STARTS_TOPIC = "starts a topic"
NO_CONTEXT = "no context in reach"
SHORT_CONTEXT = "context too short"
OUT_OF_REACH = "what it answers is out of reach"
DUPLICATE = "duplicate"
TOO_OFTEN = "same line too often"
OVER_LIMIT = "over the limit asked for"

MIN_LINES = 2
SHORT_LINES = (2, 8)
MEDIUM_SHARES = (0.2, 0.6)
GAP_MS = 6 * 3600_000
NOTE_SHARE = 0.15
MOST_NOTE_TOKENS = 80
"""A note that takes more (another script, a rare emoji row) is left out."""
STARTS_KEPT = 0.2
REPEATS_AT_LEAST = 10
REPEATS_SHARE = 0.001

_NOTHING_SAID = re.compile(
    rf"(?:{'|'.join(re.escape(placeholder) for placeholder in PLACEHOLDERS)}|\W)*"
)
_MARKS = (CHATML.start, CHATML.end, NOTE_PREFIX.strip())


@dataclass(frozen=True)
class WindowOptions:
    """What a person may ask of the examples."""

    seed: int = 0
    max_tokens: int = 1024
    """Of a whole example, persona and reply included."""
    limit: int | None = None
    """At most this many examples, both sides together."""
    note_share: float = NOTE_SHARE


@dataclass(frozen=True, slots=True)
class PlannedNote:
    """A note at its place: before the turn that shows the message at `place`."""

    message: int
    place: int


@dataclass(frozen=True, slots=True)
class PlannedExample:
    """An example by indexes into its channel's messages in true order."""

    order: int
    """Random by seed and message: the order in which examples are taken and written."""
    side: str
    channel_id: int
    start: int
    target: int
    notes: tuple[PlannedNote, ...]
    tokens: int
    learned_tokens: int


class Planner:
    """Plans and builds the examples of a split history. Not for several threads."""

    def __init__(
        self,
        channels: Mapping[int, Sequence[CleanMessage]],
        links: Mapping[int, Link],
        *,
        renaming: Renaming,
        count: TokenCount,
        persona: str,
        options: WindowOptions,
    ) -> None:
        """`channels` hold their messages in true order (`data.conversations.in_true_order`), and
        no words that may not be shown (`data.preprocessor.without_words`)."""
        self._channels = channels
        self._links = links
        self._renaming = renaming
        self._count = count
        self._persona = persona
        self._options = options
        self._names = {
            channel_id: frozenset(clean_name(m.name).casefold() for m in messages)
            for channel_id, messages in channels.items()
        }

    def plan(
        self, regions: Sequence[Region], torn: Mapping[int, str]
    ) -> Iterator[PlannedExample | str]:
        """For each message in turn: its planned example, or the reason why it is no target.

        `torn` is what `data.split.on_both_sides` says.
        """
        by_channel: dict[int, list[Region]] = {}
        for region in regions:
            by_channel.setdefault(region.channel_id, []).append(region)
        for channel_id, own_regions in by_channel.items():
            channel = _ChannelWindows(self, channel_id, own_regions)
            for region in own_regions:
                for target in range(region.start, region.end):
                    yield channel.plan(target, region, torn)

    def build(self, plan: PlannedExample) -> Example:
        """The planned example, written out."""
        messages = self._channels[plan.channel_id]
        target = messages[plan.target]
        author_id = target.author_id
        turns: list[Turn] = []
        for index in range(plan.start, plan.target):
            for note in plan.notes:
                if note.place == index:
                    turns.append(Note(self.note_text(plan.channel_id, note.message, author_id)))
            turns.append(self.turn(plan.channel_id, index, author_id))
        shown = (i for i in range(plan.start, plan.target + 1) if not messages[i].not_shown)
        sources = [*(n.message for n in plan.notes), *shown]
        return Example(
            example_id=str(target.message_id),
            persona=self._persona,
            turns=tuple(turns),
            reply=self.own_text(target),
            target_author_id=author_id,
            source_ids=tuple(messages[index].message_id for index in sources),
            channel_id=plan.channel_id,
            conversation_id=self._links[target.message_id].conversation_id,
            tokens=plan.tokens,
            learned_tokens=plan.learned_tokens,
        )

    def turn(self, channel_id: int, index: int, author_id: int) -> Turn:
        """One message as the author of the reply sees it."""
        message = self._channels[channel_id][index]
        if message.not_shown:
            return NOT_SHARED
        if message.author_id == author_id:
            return Own(self.own_text(message))
        text = self._renaming.to_persona(message.text, author_id)
        return Said(clean_name(message.name), text)

    def own_text(self, message: CleanMessage) -> str:
        return own_words(message.text, self._names[message.channel_id])

    def note_text(self, channel_id: int, index: int, author_id: int) -> str:
        message = self._channels[channel_id][index]
        text = self._renaming.to_persona(message.text, author_id)
        return memory_note(message.name, message.created_at_ms, text)


class _ChannelWindows:
    """The planner's view of one channel: token counts of its lines, what each side may see."""

    def __init__(self, planner: Planner, channel_id: int, regions: Sequence[Region]) -> None:
        self._planner = planner
        self._options = planner._options
        self._links = planner._links
        self._channel_id = channel_id
        self._messages = planner._channels[channel_id]
        self._names = planner._names[channel_id]
        self._side = [region.side for region in regions for _ in range(region.start, region.end)]
        self._place = {m.message_id: at for at, m in enumerate(self._messages)}
        self._folded = [m.text.casefold() for m in self._messages]
        count = planner._count
        not_shared = count.turn(NOT_SHARED)
        self._said = [
            not_shared if m.not_shown else count.said(m.name, m.text) for m in self._messages
        ]
        self._own = [count.own(planner.own_text(m)) for m in self._messages]
        self._renamed: dict[tuple[int, int], int] = {}
        self._recollection = Recollection(self._messages)

    def plan(self, target: int, region: Region, torn: Mapping[int, str]) -> PlannedExample | str:
        message = self._messages[target]
        link = self._links[message.message_id]
        order = _order(self._options.seed, message.message_id)
        rng = random.Random(order)
        reason = self._why_no_reply(message) or self._why_no_answer(target, region, link, torn, rng)
        if reason:
            return reason
        wants_notes = rng.random() < self._options.note_share
        start = self._start(target, region, link, wants_notes, rng)
        if isinstance(start, str):
            return start
        notes = self._notes(start, target, region, rng) if wants_notes else ()
        return PlannedExample(
            order=order,
            side=region.side,
            channel_id=self._channel_id,
            start=start,
            target=target,
            notes=notes,
            tokens=self._tokens(start, target, notes),
            learned_tokens=self._own[target] + 1,
        )

    def _why_no_reply(self, message: CleanMessage) -> str:
        """Why the message's own words are no reply to learn, or ""."""
        if message.not_learned:
            return message.not_learned
        if _NOTHING_SAID.fullmatch(message.text) and any(p in message.text for p in PLACEHOLDERS):
            return ONLY_PLACEHOLDER
        text = self._planner.own_text(message)
        if quotes_speakers(text, self._names) or any(mark in text for mark in _MARKS):
            return SPEAKS_FOR_OTHERS
        if self._own[self._place[message.message_id]] > self._options.max_tokens // 2:
            return REPLY_TOO_LONG
        return ""

    def _why_no_answer(
        self,
        target: int,
        region: Region,
        link: Link,
        torn: Mapping[int, str],
        rng: random.Random,
    ) -> str:
        """Why the message is no answer to what stands before it, or ""."""
        message = self._messages[target]
        if message.reply_to_id is not None and message.reply_to_id not in self._place:
            return LOST_ANSWER
        if torn.get(link.conversation_id, region.side) != region.side:
            return TORN
        if target == region.start:
            return NO_CONTEXT
        if self._messages[target - 1].author_id == message.author_id:
            return OWN_BEFORE
        if link.how is How.STARTS:
            return "" if rng.random() < STARTS_KEPT else STARTS_TOPIC
        return "" if link.answers_id is not None else OWN_BEFORE

    def _start(
        self, target: int, region: Region, link: Link, wants_notes: bool, rng: random.Random
    ) -> int | str:
        """The index of the first line of the context, or why there is none.

        A third of the contexts is short, a third medium, a third as long as fits; what is answered
        is always in it. Lines that are not shown do not make it longer than too short.
        """
        overheads = self._planner._count.overheads
        room = self._options.max_tokens - overheads.persona - overheads.own_turn - self._own[target]
        if wants_notes:
            room -= 2 * MOST_NOTE_TOKENS + overheads.user_turn
        lines, share = _reach(rng)
        must_reach = target - 1 if link.answers_id is None else self._place[link.answers_id]
        at = target
        used = 0
        next_is_own = True
        while at > region.start:
            silence_ms = self._messages[at].created_at_ms - self._messages[at - 1].created_at_ms
            if silence_ms > GAP_MS and target - at >= MIN_LINES:
                break
            cost, is_own = self._line(at - 1, target)
            if next_is_own and not is_own:
                cost += overheads.user_turn
            wanted = target - at < MIN_LINES or at - 1 >= must_reach
            if used + cost > room:
                break
            if not wanted and (target - at >= lines or used + cost > share * room):
                break
            at -= 1
            used += cost
            next_is_own = is_own
        if at > must_reach:
            return OUT_OF_REACH
        shown = sum(1 for index in range(at, target) if not self._messages[index].not_shown)
        return at if shown >= MIN_LINES else SHORT_CONTEXT

    def _line(self, index: int, target: int) -> tuple[int, bool]:
        """The tokens of a line as the target's author sees it, and whether it is an own one."""
        author_id = self._messages[target].author_id
        message = self._messages[index]
        if message.not_shown:
            return self._said[index], False
        if message.author_id == author_id:
            return self._own[index] + self._planner._count.overheads.own_turn, True
        if not self._planner._renaming.may_name(self._folded[index], author_id):
            return self._said[index], False
        key = (index, author_id)
        if key not in self._renamed:
            turn = self._planner.turn(self._channel_id, index, author_id)
            self._renamed[key] = self._planner._count.turn(turn)
        return self._renamed[key], False

    def _notes(
        self, start: int, target: int, region: Region, rng: random.Random
    ) -> tuple[PlannedNote, ...]:
        """One or two earlier messages of the same side, before the last one or two lines."""
        author_id = self._messages[target].author_id
        reply = self._folded[target]
        place = max(start, target - rng.choice((1, 1, 2)))
        taken: set[int] = set()

        def fits(at: int) -> bool:
            message = self._messages[at]
            other = message.author_id != author_id and not message.not_shown
            same_side = self._side[at] == region.side
            return other and same_side and at not in taken and self._folded[at] != reply

        notes: list[PlannedNote] = []
        for _ in range(rng.choice((1, 1, 2))):
            at = self._recollection.find(range(max(start, target - 3), target), start, fits, rng)
            if at is not None and self._note_tokens(at, author_id) <= MOST_NOTE_TOKENS:
                taken.add(at)
                notes.append(PlannedNote(at, place))
        return tuple(notes)

    def _note_tokens(self, index: int, author_id: int) -> int:
        text = self._planner.note_text(self._channel_id, index, author_id)
        return self._planner._count.note(text)

    def _tokens(self, start: int, target: int, notes: Sequence[PlannedNote]) -> int:
        """The exact token count of the example."""
        count = self._planner._count
        author_id = self._messages[target].author_id
        pieces: list[tuple[bool, int]] = []
        for index in range(start, target):
            for note in notes:
                if note.place == index:
                    pieces.append((False, self._note_tokens(note.message, author_id)))
            cost, is_own = self._line(index, target)
            pieces.append((is_own, cost - (count.overheads.own_turn if is_own else 0)))
        total = count.example(pieces, self._own[target])
        assert total <= self._options.max_tokens, "an example was planned longer than allowed"
        return total


def choose(
    plans: Sequence[PlannedExample],
    channels: Mapping[int, Sequence[CleanMessage]],
    limit: int | None,
) -> tuple[list[PlannedExample], Counter[str]]:
    """The examples to keep, in random order by seed, and how many went for each reason.

    Duplicates have the same reply after the same two lines; one reply's text is kept ten times, or
    once in a thousand candidates where that is more.
    """
    seen: set[bytes] = set()
    repeats: Counter[str] = Counter()
    most = max(REPEATS_AT_LEAST, int(REPEATS_SHARE * len(plans)))
    kept: list[PlannedExample] = []
    drops: Counter[str] = Counter()
    for plan in sorted(plans, key=lambda p: (p.order, p.target)):
        messages = channels[plan.channel_id]
        texts = [messages[at].text.casefold() for at in range(plan.target - 2, plan.target + 1)]
        key = hashlib.blake2b("\0".join(texts).encode("utf-8"), digest_size=12).digest()
        if key in seen:
            drops[DUPLICATE] += 1
        elif repeats[texts[-1]] >= most:
            drops[TOO_OFTEN] += 1
        elif limit is not None and len(kept) >= limit:
            drops[OVER_LIMIT] += 1
        else:
            seen.add(key)
            repeats[texts[-1]] += 1
            kept.append(plan)
    return kept, drops


def _reach(rng: random.Random) -> tuple[float, float]:
    """How many lines, and which share of the room, a context may take."""
    kind = rng.randrange(3)
    if kind == 0:
        return rng.randint(*SHORT_LINES), 1.0
    return float("inf"), rng.uniform(*MEDIUM_SHARES) if kind == 1 else 1.0


def _order(seed: int, message_id: int) -> int:
    digest = hashlib.blake2b(f"{seed}:{message_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")

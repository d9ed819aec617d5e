"""Plans and builds examples: the reply, how far its context reaches back, its memory notes.

Nothing is shuffled before a window is cut: a context is what really stood before the reply in its
channel, entangled talk included, in that order; where somebody spoke who may not be learned from,
a placeholder stands (`NOT_SHARED`). A planner works on one piece of one channel, so that a history
of any length needs the memory of a piece. Two steps: `Planner.plan` decides with indexes and token
counts alone, `Planner.build` writes one out.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from data.budget import TokenCount
from data.contexts import Asked, Contexts, draw_reach
from data.conversations import Link
from data.examples import Example
from data.naming import Renaming
from data.personas import Personas, PersonaText
from data.preprocessor import CleanMessage
from data.remembered import NOTE_SHARE, Remembered
from data.shown import Recalled, Shown
from data.split import Region
from data.targets import Targets
from model.chat_format import Turn

PART_OF_REPLY = "joined to the reply that it goes on"


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
    """A note at its place: before the line of the message at `place`."""

    recalled: Recalled
    place: int

    @property
    def message(self) -> int:
        return self.recalled.message


@dataclass(frozen=True, slots=True)
class PlannedExample:
    """An example by indexes into its piece's messages in true order."""

    order: int
    """Random by seed and message, 64 bits: the order in which examples are taken and written."""
    side: str
    channel_id: int
    start: int
    """The context's first message."""
    target: int
    """The reply's first message."""
    end: int
    """Behind the reply's last message."""
    notes: tuple[PlannedNote, ...]
    tokens: int
    learned_tokens: int
    author_id: int
    created_at_ms: int
    answers: bool
    """Whether it answers somebody; else it starts a topic."""
    reactions: int
    """Under all of the reply's messages."""
    kind: str
    """Of its context: `data.contexts.KINDS`."""


class Planner:
    """The examples of one piece of one channel. Not for several threads."""

    def __init__(
        self,
        messages: Sequence[CleanMessage],
        links: Mapping[int, Link],
        *,
        renaming: Renaming,
        personas: Personas,
        count: TokenCount,
        options: WindowOptions,
    ) -> None:
        """`messages` of one channel in true order (`data.conversations.in_true_order`), contiguous,
        with no words that may not be shown (`data.preprocessor.without_words`)."""
        self._messages = messages
        self._links = links
        self._personas = personas
        self._count = count
        self._options = options
        self._shown = Shown(messages, renaming, personas, count)

    def plan(
        self, regions: Sequence[Region], torn: Mapping[int, str]
    ) -> Iterator[PlannedExample | str]:
        """For each message of the regions, in order: its planned example, or why it is none.

        What a member said in a row is one reply, planned at its first message. `torn` is what
        `data.split.on_both_sides` says.
        """
        windows = _Windows(self, regions, torn)
        for region in regions:
            planned: PlannedExample | str = ""
            for index in range(region.start, region.end):
                at = self._shown.burst_at[index]
                if index in (region.start, self._shown.bursts[at].start):
                    planned = windows.plan(at, region)
                    yield planned
                else:
                    yield planned if isinstance(planned, str) else PART_OF_REPLY

    def plan_last(self, region: Region, torn: Mapping[int, str]) -> PlannedExample | str:
        """The same for the last burst alone, which ends the region."""
        return _Windows(self, [region], torn).plan(len(self._shown.bursts) - 1, region)

    def build(self, plan: PlannedExample) -> Example:
        """The planned example, written out."""
        author_id, target = plan.author_id, self._shown.burst_at[plan.target]
        persona = self._personas.of(author_id)
        assert persona is not None, "nobody's reply was planned"
        turns: list[Turn] = []
        for at in range(self._shown.burst_at[plan.start], target):
            for place, turn in enumerate(
                self._shown.turns(at, author_id), start=self._shown.bursts[at].start
            ):
                notes = (
                    self._shown.note(one.recalled, author_id)
                    for one in plan.notes
                    if one.place == place
                )
                turns += [note for note in notes if note is not None]
                turns.append(turn)
        shown = (i for i in range(plan.start, plan.end) if not self._messages[i].not_shown)
        ids = [self._messages[i].message_id for i in (*(n.message for n in plan.notes), *shown)]
        return Example(
            example_id=str(ids[-1]),
            persona=persona.text,
            turns=tuple(turns),
            reply=self._shown.own_text(target),
            target_author_id=author_id,
            source_ids=tuple(ids),
            channel_id=plan.channel_id,
            conversation_id=self._links[self._messages[plan.target].message_id].conversation_id,
            tokens=plan.tokens,
            learned_tokens=plan.learned_tokens,
            reply_ids=tuple(ids[plan.target - plan.end :]),
        )


class _Windows:
    """The planner's work on its piece, divided between training and validation."""

    def __init__(
        self, planner: Planner, regions: Sequence[Region], torn: Mapping[int, str]
    ) -> None:
        self._options = options = planner._options
        self._messages = planner._messages
        self._shown = shown = planner._shown
        self._count = planner._count
        self._personas = planner._personas
        self._contexts = Contexts(shown, self._count.overheads)
        most_tokens = options.max_tokens // 2
        self._targets = Targets(shown, planner._links, torn, self._personas, most_tokens)
        self._remembered = Remembered(shown, regions, options.max_tokens, options.seed)

    def plan(self, at: int, region: Region) -> PlannedExample | str:
        burst = self._shown.bursts[at]
        own = self._messages[burst.start : burst.end]
        order = _order(self._options.seed, own[0].message_id)
        rng = random.Random(order)
        if reason := self._targets.why_not(at, region, rng):
            return reason
        persona = self._personas.of(burst.author_id)
        assert persona is not None, "a target of no persona"
        notes = self._remembered.notes(at, rng) if rng.random() < self._options.note_share else None
        asked = Asked(at, burst.author_id, self._targets.answered(at), self._room(at, persona))
        reach = draw_reach(rng, may_be_pair=self._contexts.may_be_pair(asked))
        begun = self._contexts.begin(asked, region, reach, notes.tokens if notes else _no_tokens)
        if isinstance(begun, str):
            return begun
        first, kind = begun
        placed = notes.shown_from(first) if notes else {}
        return PlannedExample(
            order=order,
            side=region.side,
            channel_id=own[0].channel_id,
            start=self._shown.bursts[first].start,
            target=burst.start,
            end=burst.end,
            notes=tuple(
                PlannedNote(one, place) for place, found in placed.items() for one in found
            ),
            tokens=self._tokens(first, at, placed, persona),
            learned_tokens=self._shown.own_tokens(at) + 1,
            author_id=burst.author_id,
            created_at_ms=own[0].created_at_ms,
            answers=asked.answered is not None,
            reactions=sum(reaction.count for m in own for reaction in m.reactions),
            kind=kind,
        )

    def _room(self, at: int, persona: PersonaText) -> int:
        """Tokens for the context of a reply."""
        around = self._count.persona(persona.text) + self._count.overheads.own_turn
        return self._options.max_tokens - around - self._shown.own_tokens(at)

    def _tokens(
        self, first: int, target: int, notes: Mapping[int, Sequence[Recalled]], persona: PersonaText
    ) -> int:
        """The exact token count of the example; `notes` by the line that they stand before."""
        shown, author_id = self._shown, self._shown.bursts[target].author_id
        pieces: list[tuple[bool, int]] = []
        for at in range(first, target):
            burst = shown.bursts[at]
            for place in sorted({burst.start, burst.end - 1} & notes.keys()):
                pieces += [(False, shown.note_tokens(one, author_id)) for one in notes[place]]
                if place > burst.start:
                    pieces.append((False, shown.parting_tokens(at, author_id)))
            pieces.append((shown.is_own(at, author_id), shown.tokens(at, author_id)))
        total = self._count.example(persona.text, pieces, self._shown.own_tokens(target))
        assert total <= self._options.max_tokens, "an example was planned longer than allowed"
        return total


def _no_tokens(at: int) -> int:
    return 0


def _order(seed: int, message_id: int) -> int:
    digest = hashlib.blake2b(f"{seed}:{message_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")

"""The second walk through a history: every example that could be taken, its words in the spool.

    segment -> conversations -> split -> windows (plan, build) -> spool, candidates, duplicates

One segment is in memory at a time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from data.budget import TokenCount
from data.candidates import Candidate, Candidates
from data.conversations import FULL_LINES, Link, link
from data.duplicates import TAIL_LINES, Duplicates
from data.examples import Example, to_json_line
from data.links.ranker import LinkRanker
from data.naming import Renaming
from data.own_replies import OwnExamples
from data.personas import Personas
from data.preprocessor import CleanMessage, without_words
from data.reception import Reception
from data.split import Splitter, on_both_sides
from data.spool import Spool
from data.windows import PlannedExample, Planner, WindowOptions
from model.chat_format import Note

GATHERING = "choosing examples"
CONVERSATION_SIZES = (1, 2, 3, 5, 10, 20, 50, FULL_LINES)
"""Largest size of each bin; explicit replies may make a few larger than the last one says."""

Done = Callable[[int], None]
"""Called now and then with the messages looked at so far."""


@dataclass(frozen=True)
class Whole:
    """What holds for the whole history while one segment is worked on."""

    ranker: LinkRanker | None
    splitter: Splitter
    renaming: Renaming
    personas: Personas
    count: TokenCount
    reception: Reception
    options: WindowOptions
    own: OwnExamples = field(default_factory=OwnExamples)
    """What the persona itself said, to be found."""


@dataclass
class Gathered:
    """What could be taken. Grows by some bytes a candidate."""

    spool: Spool
    candidates: Candidates = field(default_factory=Candidates)
    duplicates: Duplicates = field(default_factory=Duplicates)
    messages: int = 0
    drops: Counter[str] = field(default_factory=Counter)
    """Messages that are no candidate, by reason."""
    links: Counter[str] = field(default_factory=Counter)
    """Messages by how they were linked."""
    conversation_sizes: list[int] = field(default_factory=lambda: [0] * len(CONVERSATION_SIZES))

    def gather(self, segments: Iterable[Sequence[CleanMessage]], whole: Whole, done: Done) -> None:
        """Look at all segments, each one channel's in true order. Raises OSError."""
        for messages in segments:
            self._gather_one(messages, whole, done)

    def duplicate_codes(self) -> NDArray[np.uint8]:
        """For each candidate, what `Duplicates.drops` says; once, for what it needed goes."""
        columns = self.candidates.columns()
        codes = self.duplicates.drops(columns.order, columns.side)
        self.duplicates = Duplicates()
        return codes

    def _gather_one(self, said: Sequence[CleanMessage], whole: Whole, done: Done) -> None:
        links = link(said, whole.ranker)
        self._count_links(links)
        messages = [without_words(message) for message in said]
        regions = whole.splitter.regions(messages, links)
        torn = on_both_sides(regions, {messages[0].channel_id: messages}, links)
        planner = Planner(
            messages,
            links,
            renaming=whole.renaming,
            personas=whole.personas,
            count=whole.count,
            options=whole.options,
        )
        for planned in planner.plan(regions, torn):
            self.messages += 1
            if self.messages % 1000 == 0:
                done(self.messages)
            if isinstance(planned, str):
                self.drops[planned] += 1
            else:
                reply = messages[planned.target : planned.end]
                self._take(planned, planner.build(planned), whole.reception, reply)
        whole.own.look_for(
            messages,
            links,
            regions,
            torn,
            renaming=whole.renaming,
            personas=whole.personas,
            count=whole.count,
            options=whole.options,
        )

    def _take(
        self,
        plan: PlannedExample,
        example: Example,
        reception: Reception,
        reply: Sequence[CleanMessage],
    ) -> None:
        line = to_json_line(example).encode("utf-8")
        shown = [turn.text for turn in example.turns if not isinstance(turn, Note)]
        self.duplicates.add(example.reply, shown[-TAIL_LINES:])
        self.candidates.add(
            Candidate(
                author_id=plan.author_id,
                created_at_ms=plan.created_at_ms,
                side=plan.side,
                kind=plan.kind,
                conversational=plan.answers,
                reactions=plan.reactions,
                order=plan.order,
                tokens=plan.tokens,
                learned_tokens=plan.learned_tokens,
                context_lines=len(shown),
                notes=len(plan.notes),
                score=reception.score(*reply),
                emoji=reception.leading(*reply),
                offset=self.spool.add(line),
                length=len(line),
            )
        )

    def _count_links(self, links: Mapping[int, Link]) -> None:
        self.links.update(one.how.value for one in links.values())
        sizes = Counter(one.conversation_id for one in links.values())
        for size in sizes.values():
            at = bisect_left(CONVERSATION_SIZES, size)
            self.conversation_sizes[min(at, len(CONVERSATION_SIZES) - 1)] += 1

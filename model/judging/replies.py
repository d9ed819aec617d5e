"""One reply in its context, as the judge compares it: a member's own, or a model's in their place.

And the real ones of a training set, by side: those of validation, which no model of it has seen,
are what a model is asked to answer and is measured against; those of training say what the
community writes like besides.
"""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from model.chat_format import Note, Turn, turns_from_json
from model.evaluate import EvaluationError

TRAINING_FILE, HELD_OUT_FILE = "training_data.jsonl", "validation_data.jsonl"
SHOWN_LINES = 4
"""Of a context, what a reply is compared with: the last ones."""
DRAWS = 4
"""So many times as many further real replies are looked at, for the ceilings."""


@dataclass(frozen=True)
class Reply:
    """What was said, and behind what."""

    text: str
    context: tuple[str, ...] = ()
    """The last lines before it, the oldest first, without names and notes."""
    author: int = 0
    """Whose it is, or in whose place it was written."""


@dataclass(frozen=True)
class HeldOut:
    """A line of a training set."""

    example_id: str
    persona: str
    turns: tuple[Turn, ...]
    reply: str
    author: int
    source_ids: tuple[int, ...]
    """Every message whose words are in it."""

    @property
    def real(self) -> Reply:
        return self.said(self.reply)

    def said(self, text: str) -> Reply:
        """That text in place of the reply."""
        spoken = [turn.text for turn in self.turns if not isinstance(turn, Note)]
        return Reply(text.strip(), tuple(spoken[-SHOWN_LINES:]), self.author)

    @property
    def shown(self) -> tuple[tuple[str, str], ...]:
        """The lines of `real.context` with whose they are; "" where it is the persona's own."""
        spoken = [turn for turn in self.turns if not isinstance(turn, Note)]
        return tuple((str(getattr(t, "name", "")), t.text) for t in spoken[-SHOWN_LINES:])


def read_held_out(path: Path) -> Iterator[HeldOut]:
    """The lines of a set's file, one at a time. Raises EvaluationError, OSError."""
    with path.open(encoding="utf-8") as file:
        for number, text in enumerate(file, start=1):
            try:
                row = json.loads(text)
                yield HeldOut(
                    str(row["id"]),
                    str(row["persona"]),
                    tuple(turns_from_json(row["turns"])),
                    str(row["reply"]),
                    int(row["target_author_id"]),
                    tuple(map(int, row["source_ids"])),
                )
            except (ValueError, KeyError, TypeError) as error:
                raise EvaluationError(
                    f"Line {number} of {path} is no example ({error}). Prepare the set again: "
                    "python scripts/2_prepare_training_data.py"
                ) from error


def like(wanted: Sequence[Reply], pool: Sequence[Reply], count: int, seed: int) -> list[Reply]:
    """`count` of the pool with the authors of `wanted` in their shares, as far as they go; what an
    author lacks comes from the others. Fewer where the pool is smaller."""
    chance = random.Random(f"like/{seed}")
    by_author: dict[int, list[Reply]] = defaultdict(list)
    for one in chance.sample(pool, len(pool)):
        by_author[one.author].append(one)
    shares = Counter(one.author for one in wanted)
    chosen: list[Reply] = []
    for author, share in sorted(shares.items()):
        due = round(count * share / len(wanted))
        chosen += by_author[author][:due]
        by_author[author] = by_author[author][due:]
    left = [one for _, rest in sorted(by_author.items()) for one in rest]
    missing = max(0, count - len(chosen))
    return [*chosen, *chance.sample(left, min(missing, len(left)))][:count]


def in_their_places(wanted: Sequence[Reply], found: Sequence[Reply]) -> list[Reply]:
    """`found`, which are as many, each in the place of one of its own author, the rest where one is
    left: authors in a row would tell two real samples apart by where they stand."""
    by_author: dict[int, list[Reply]] = defaultdict(list)
    for one in reversed(found):
        by_author[one.author].append(one)
    placed = [own.pop() if (own := by_author[one.author]) else None for one in wanted]
    left = iter([one for rest in by_author.values() for one in rest])
    return [one if one is not None else next(left) for one in placed]

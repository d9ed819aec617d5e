"""Writes what people liked and disliked into a training set's folder, to learn preferences from.

KTO rows are replies that were well or badly received (data/reception.py). Of pairs, the chosen one
is a well received reply; the rejected one is a badly received reply to a like context of the same
side and persona: the likest there is, of the same channel rather than another, at most three times
the same one. Who said it does not matter, the same member is as good: what differs is to be how it
was received. Where there is none, the prompt is left for sampling from the tuned model
(scripts/2b_sample_rejected.py). No line is ever made up to be rejected. The persona's own words
come to the KTO rows besides (data/own_replies.py).

At most 5,000 well and as many badly received replies are taken for training and a tenth of that for
measuring, drawn by seed: in turns from the emoji that lead under them, within an emoji in turns
from the authors. Of more than 1,000 well received ones at most 40% are led by one emoji.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from data.candidates import Columns
from data.examples import Example, from_json_line
from data.likeness import Hashed, hashed, idf, nearly_same, vectors
from data.own_replies import OwnExample
from data.preference_rows import (
    FILES,
    KTO,
    PAIRS,
    PROMPTS,
    kto_row,
    own_row,
    pair_row,
    prompt_row,
    to_line,
)
from data.reception import NOTABLE
from data.split import SIDES, VALIDATION
from data.spool import Spool

MOST = 5000
"""Well, and badly, received replies of the training side."""
VALIDATION_SHARE = 0.1
ENOUGH = 1000
"""Up to so many, no emoji is held back."""
MOST_LED_BY_ONE = 0.4
LEAST_LIKENESS = 0.3
"""Of two contexts of the Ubuntu logs taken at random one pair in a thousand is above 0.26, of The
Lantern's one in a hundred above 0.2 (docs/experiments.md)."""
SAME_CHANNEL = 0.1
"""What the same channel adds to a likeness when partners are compared."""
TIMES = 3
"""How often one badly received reply is a rejected one."""
PARTNERS_LOOKED_AT = 8
_AT_ONCE = 256

Rows = NDArray[np.int64]


def write_preferences(
    work: Path,
    spool: Spool,
    columns: Columns,
    *,
    usable: NDArray[np.bool_] | None = None,
    own: Sequence[OwnExample] = (),
    emoji: Sequence[str] = (),
    seed: int = 0,
    max_tokens: int,
    most: int = MOST,
) -> dict[str, Any]:
    """Write the three files of data/preference_rows.py into `work`, empty ones too, and return what
    the report says of them.

    `usable`, one a row: which candidates may be taken (no duplicates, no lines that come too
    often); None: all. `own` are the persona's own words: all of them become KTO rows. `emoji` is
    `Reception.emoji`. A pair's prompt and the longer of its replies fit into `max_tokens`. The same
    columns and seed give the same files. "lines" of the report are for the manifest's counts.
    Raises OSError.
    """
    rng = np.random.default_rng(seed)
    wanted = np.ones(len(columns.score), np.bool_) if usable is None else usable
    report: dict[str, Any] = {"kto": {}, "pairs": {}, "to_sample": {}}
    leading: Counter[str] = Counter()
    with _Files(work) as files:
        for side in SIDES:
            limit = most if side != VALIDATION else max(1, round(most * VALIDATION_SHARE))
            rows = columns.rows_of(side)
            rows = rows[wanted[rows]]
            found = rows[columns.score[rows] >= NOTABLE], rows[columns.score[rows] <= -NOTABLE]
            well = draw(found[0], columns, rng, limit, MOST_LED_BY_ONE)
            badly = draw(found[1], columns, rng, limit)
            order = rng.permutation(len(well) + len(badly))
            _write_kto(files, spool, columns, np.concatenate([well, badly])[order], side)
            for one in (one for one in own if one.side == side):
                files.write(KTO, own_row(one.example, one.is_good, side, one.source))
            pairs = _write_pairs(files, spool, columns, (well, badly), side, max_tokens)
            leading.update(emoji[e] for e in columns.emoji[well].tolist() if 0 <= e < len(emoji))
            report["kto"][side] = {"well": len(well), "badly": len(badly)}
            report["pairs"][side] = pairs
            report["to_sample"][side] = len(well) - pairs
            report[f"received_{side}"] = {"well": len(found[0]), "badly": len(found[1])}
    return {
        **report,
        "led_by": dict(leading.most_common(20)),
        "lines": {what: files.lines[name] for what, name in FILES.items()},
        "remark": _remark(report, own),
    }


def draw(
    rows: Rows,
    columns: Columns,
    rng: np.random.Generator,
    limit: int,
    most_led_by_one: float = 1.0,
) -> Rows:
    """At most `limit` of the rows, in turns from each leading emoji and its authors."""
    rows = rng.permutation(rows)
    emoji, member = columns.emoji[rows].astype(np.int64), columns.member[rows].astype(np.int64)
    by_author = np.argsort(_turns(emoji << 32 | member), kind="stable")
    rows, emoji = rows[by_author], emoji[by_author]
    turns = _turns(emoji)
    by_turn = np.argsort(turns, kind="stable")[:limit]
    rows, turns = rows[by_turn], turns[by_turn]
    return rows[turns < _quota(turns, most_led_by_one)]


def _turns(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """The how-manieth of its group each is, from 0."""
    order = np.argsort(groups, kind="stable")
    places = np.arange(len(groups))
    begins = np.diff(groups[order], prepend=-1 if not len(groups) else groups[order[0]] - 1) != 0
    turns = np.empty(len(groups), np.int64)
    turns[order] = places - np.maximum.accumulate(np.where(begins, places, 0))
    return turns


def _quota(turns: NDArray[np.int64], share: float) -> int:
    """The most that any emoji may lead, so that none leads more than `share` of all or few are
    left."""
    quota = int(turns.max(initial=-1)) + 1
    while quota > 1:
        left = int((turns < quota).sum())
        if quota <= share * left or left <= ENOUGH:
            break
        quota -= 1
    return quota


class _Files:
    """The three files, open for writing, and how many lines each has."""

    def __init__(self, work: Path) -> None:
        self._files: dict[str, TextIO] = {
            name: (work / name).open("w", encoding="utf-8", newline="\n") for name in FILES.values()
        }
        self.lines = dict.fromkeys(FILES.values(), 0)

    def __enter__(self) -> _Files:
        return self

    def __exit__(self, *exception: object) -> None:
        for file in self._files.values():
            file.close()

    def write(self, name: str, row: Mapping[str, Any]) -> None:
        self._files[name].write(to_line(dict(row)))
        self.lines[name] += 1


def _write_kto(files: _Files, spool: Spool, columns: Columns, rows: Rows, side: str) -> None:
    for row, example in zip(rows.tolist(), _examples(spool, columns, rows), strict=True):
        files.write(KTO, kto_row(example, bool(columns.score[row] > 0), side))


@dataclass(frozen=True)
class _Seen:
    """What is kept in memory of a candidate."""

    example: Example
    """Without turns and persona."""
    persona: int
    context: Hashed


def _write_pairs(
    files: _Files,
    spool: Spool,
    columns: Columns,
    received: tuple[Rows, Rows],
    side: str,
    max_tokens: int,
) -> int:
    """Each prompt, with a rejected reply where there is one; how many have one."""
    well, badly = received
    worse: list[_Seen] = []
    partners: dict[int, tuple[int, float]] = {}
    if len(well) and len(badly):
        personas: dict[str, int] = {}
        worse = _look_at(_examples(spool, columns, badly), personas)
        partners = find_partners(
            _look_at(_examples(spool, columns, well), personas), worse, max_tokens
        )
    for at, example in enumerate(_examples(spool, columns, well)):
        row = prompt_row(example, side)
        if at in partners:
            partner, likeness = partners[at]
            files.write(PAIRS, pair_row(row, worse[partner].example, likeness))
        else:
            files.write(PROMPTS, row)
    return len(partners)


def find_partners(
    well: Sequence[_Seen], badly: Sequence[_Seen], max_tokens: int
) -> dict[int, tuple[int, float]]:
    """For each of `well`, by its place, which of `badly` goes with it, and their likeness. The
    likest pairs come first; a reply that was taken `TIMES` times is taken no more."""
    weights = idf([one.context for one in (*well, *badly)])
    targets = vectors([one.context for one in badly], weights)
    channels = np.array([one.example.channel_id for one in badly])
    found: list[tuple[float, int, int, float]] = []
    for begin in range(0, len(well), _AT_ONCE):
        some = well[begin : begin + _AT_ONCE]
        rows = vectors([one.context for one in some], weights) @ targets.T
        for at, likeness in enumerate(rows, start=begin):
            near = likeness + SAME_CHANNEL * (channels == well[at].example.channel_id)
            near[likeness < LEAST_LIKENESS] = 0.0
            for partner in np.argsort(-near, kind="stable")[:PARTNERS_LOOKED_AT].tolist():
                if near[partner] > 0 and _goes_with(well[at], badly[partner], max_tokens):
                    found.append((-float(near[partner]), at, partner, float(likeness[partner])))
    chosen: dict[int, tuple[int, float]] = {}
    taken: Counter[int] = Counter()
    for _, at, partner, likeness_of_both in sorted(found):
        if at not in chosen and taken[partner] < TIMES:
            chosen[at] = partner, min(1.0, likeness_of_both)
            taken[partner] += 1
    return chosen


def _goes_with(one: _Seen, worse: _Seen, max_tokens: int) -> bool:
    """Whether the other's reply can be a rejected one here, however like the contexts are."""
    own, other = one.example, worse.example
    longer = max(own.learned_tokens, other.learned_tokens)
    return (
        one.persona == worse.persona
        and own.tokens - own.learned_tokens + longer <= max_tokens
        and set(own.source_ids).isdisjoint(other.reply_ids)
        and not nearly_same(own.reply, other.reply)
    )


def _look_at(examples: Iterator[Example], personas: dict[str, int]) -> list[_Seen]:
    return [
        _Seen(
            replace(example, turns=(), persona=""),
            personas.setdefault(example.persona, len(personas)),
            hashed(example.turns),
        )
        for example in examples
    ]


def _examples(spool: Spool, columns: Columns, rows: Rows) -> Iterator[Example]:
    for line in spool.read_all(columns.offset[rows], columns.length[rows]):
        yield from_json_line(line.decode("utf-8"))


def _remark(report: Mapping[str, Any], own: Sequence[OwnExample] = ()) -> str:
    """What whoever trains with it should know, in a sentence; "" where all is there."""
    well, badly = (sum(one[what] for one in report["kto"].values()) for what in ("well", "badly"))
    if own:
        return ""
    if not (well or badly):
        return (
            "Nobody reacted to a reply in a way that stands out: nothing is known of preferences."
        )
    if not well:
        return "Nothing was well received: the label is false everywhere, and there are no pairs."
    if not badly:
        return (
            "Nothing was badly received, for no disapproving emoji stands out: the label is true "
            "everywhere, and each rejected reply is left for sampling from a model."
        )
    return ""

"""Fits the link ranker to a community by its own explicit replies, on top of the prior.

People reply explicitly where the parent is far or the talk is entangled, hardly ever to themselves,
and never to say that they answer nobody: such replies are a biased sample of who answers whom. So
the community's own trees

- learn which of the others' lines is answered, not whether one is: they move chances between these
  and leave those of "answers nobody" and of the author's own lines as they were;
- see nothing that tells how near a candidate is (time, distance, lines between), only who speaks
  with whom, words and looks (`OWN_FEATURES`);
- weigh as much as is best for replies that they were not fitted on, and nothing where that is not
  clearly better than the prior.

A reply is learned from as if it had been sent as a plain line: half of them are hidden at a time,
and ranked with the other half in sight.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from data.links.facts import facts_of
from data.links.fit import Choices, Growth, grow, is_installed
from data.links.graph import softmax
from data.links.lines import read_lines
from data.links.ranker import LinkRanker, Own, Scores, others_lines, own_columns, prior
from data.links.trees import Forest, Scorer
from data.preprocessor import CleanMessage

LEAST_REPLIES = 400
MOST_REPLIES = 20_000
"""So many are learned from, the first that come: memory stays bounded."""
WEIGHTS = (0.25, 0.5, 0.75, 1.0)
"""What the own trees may weigh beside the prior."""
GROWTH = Growth(rounds=30, leaves=8, rate=0.1, smoothing=20.0, least_pairs=60)


@dataclass(frozen=True, slots=True)
class _Hidden:
    """G replies ranked as if they were plain lines, C candidates each."""

    choices: Choices
    scores: Scores
    """By the prior."""


def fit_community(
    segments: Iterable[Sequence[CleanMessage]], base: LinkRanker | None = None
) -> LinkRanker:
    """`base` (None: the prior) with what the community's explicit replies teach.

    Each segment holds one channel's messages in true order. It is `base` itself where there are
    fewer than LEAST_REPLIES, where scikit-learn is not installed, or where nothing is gained.
    Raises LinkRankerDamaged.
    """
    base = base or prior()
    if find_spec("sklearn") is None:
        return base
    halves = _hidden(segments, base)
    if min(len(half.scores) for half in halves) < LEAST_REPLIES // 2:
        return base
    if not is_installed():  # takes seconds and 140 MB: asked where it is needed alone
        return base
    first, second = halves
    weight = _best_weight(second, _grown([first]))
    if weight == 0:
        return base
    return LinkRanker(base.forests, Own(_grown(halves), weight))


def _hidden(segments: Iterable[Sequence[CleanMessage]], base: LinkRanker) -> list[_Hidden]:
    """The replies in two halves, every second of a segment in the same one."""
    parts: list[list[_Hidden]] = [[], []]
    replies = 0
    for messages in segments:
        if replies >= MOST_REPLIES:
            break
        rows = _reply_rows(messages)
        replies += len(rows)
        for half in (0, 1):
            if len(rows[half::2]):
                parts[half].append(_ranked(messages, rows[half::2], base))
    return [_joined(part) for part in parts]


def _reply_rows(messages: Sequence[CleanMessage]) -> NDArray[np.int64]:
    """Rows of the replies to somebody else's line of the segment."""
    if not any(message.reply_to_id is not None for message in messages):
        return np.empty(0, np.int64)
    lines = read_lines(messages)
    other = lines.author[np.maximum(lines.reply, 0)] != lines.author
    return np.flatnonzero((lines.reply >= 0) & other)


def _ranked(messages: Sequence[CleanMessage], rows: NDArray[np.int64], base: LinkRanker) -> _Hidden:
    """The replies in `rows` beside their candidates, themselves plain lines."""
    true = read_lines(messages).reply[rows]
    plain = list(messages)
    for row, parent in zip(rows.tolist(), true.tolist(), strict=True):
        plain[row] = _as_plain_line(messages[row], messages[parent])
    facts = facts_of(read_lines(plain))
    candidates, scores = base.scores(facts)
    candidates[~others_lines(facts, slice(0, len(plain)), candidates)] = -1
    wanted = (candidates[rows] == true[:, None]).astype(np.float32)
    use = wanted.sum(axis=1) > 0
    rows, wanted = rows[use], wanted[use]
    there = candidates[rows] >= 0
    i = np.broadcast_to(rows[:, None], there.shape)[there]
    columns = own_columns(facts, i, candidates[rows][there])
    return _Hidden(Choices(columns, there, wanted), scores[rows])


def _as_plain_line(message: CleanMessage, parent: CleanMessage) -> CleanMessage:
    """Without the reply, and without the mention that a reply brings along."""
    written = f"@{parent.name}".casefold() in message.text.casefold()
    kept = tuple(i for i in message.mentioned_ids if written or i != parent.author_id)
    return replace(message, reply_to_id=None, mentioned_ids=kept)


def _joined(parts: Sequence[_Hidden]) -> _Hidden:
    if not parts:
        none = np.empty((0, 1), np.float32)
        return _Hidden(Choices(np.empty((0, 0), np.uint8), none > 0, none), none)
    choices = [part.choices for part in parts]
    return _Hidden(
        Choices(
            np.concatenate([one.matrix for one in choices], axis=1),
            np.concatenate([one.there for one in choices]),
            np.concatenate([one.wanted for one in choices]),
        ),
        np.concatenate([part.scores for part in parts]),
    )


def _grown(halves: Sequence[_Hidden]) -> Forest:
    whole = _joined(halves)
    return grow(whole.choices, GROWTH, whole.scores)


def _best_weight(held_out: _Hidden, forest: Forest) -> float:
    """The weight by which most held-out replies' parents come first; 0 where the gain, or that in
    their chances, is no more than chance."""
    there, wanted = held_out.choices.there, held_out.choices.wanted > 0
    scores = np.where(there, held_out.scores, -np.inf).astype(np.float32)
    own = np.zeros_like(scores)
    own[there] = Scorer(forest).scores(held_out.choices.matrix)
    best, most = 0.0, 0.0
    for weight in WEIGHTS:
        after = _right(scores + weight * own, wanted)
        gains = [b - a for a, b in zip(_right(scores, wanted), after, strict=True)]
        if all(_surely(gain) > 0 for gain in gains) and _surely(gains[0]) > most:
            best, most = weight, _surely(gains[0])
    return best


def _right(scores: Scores, wanted: NDArray[np.bool_]) -> tuple[NDArray[np.float64], ...]:
    """By line: whether the parent comes first, and its chance's logarithm."""
    first = np.take_along_axis(wanted, scores.argmax(axis=1)[:, None], axis=1)[:, 0]
    return first.astype(np.float64), np.log(softmax(scores)[wanted] + 1e-9).astype(np.float64)


def _surely(gain: NDArray[np.float64]) -> float:
    """The mean less its standard error."""
    return float(gain.mean() - gain.std() / np.sqrt(len(gain)))

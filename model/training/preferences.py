"""What people liked and disliked, as token ids: the rows of data/preference_rows.py as a trainer
takes them.

A prompt is rendered from its turns as every example is, never read from the row's text; a reply
ends with the token that ends a turn. So a liked reply has the ids that SFT would learn it by.

DPO learns from the pairs. KTO learns from the single replies, and what a model wrote in the place
of a liked one (the pairs with "sampled_by") is disliked: where nobody dislikes anything in public,
that is all there is of it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from model import chat_format
from model.profile import Preference, Profile
from model.training.errors import TrainingError
from model.training.examples import EncodedExample

Mode = Literal["dpo", "kto"]

PAIRS, SINGLE = "preference_data.jsonl", "kto_data.jsonl"
FILES = {"dpo": (PAIRS,), "kto": (SINGLE, PAIRS)}
"""Of a training set, what a training learns from."""
FEW = 200
"""Training rows below which nothing that holds is to be expected: a sentence says so. A guess on
the low side; published sets have thousands."""
MORE = (
    "More come from reactions under replies and from rehearsals whose drafts you answer (prepare "
    "the dataset again then), and from scripts/2b_sample_rejected.py, which has a model write what "
    "nobody liked."
)


@dataclass(frozen=True)
class Row:
    """A prompt with a liked reply and a disliked one; of KTO's rows, one of the two is there."""

    prompt: list[int]
    liked: list[int] | None
    disliked: list[int] | None

    @property
    def longest(self) -> int:
        """Tokens of the prompt and its longer reply."""
        return len(self.prompt) + max(map(len, self._replies))

    @property
    def tokens(self) -> int:
        """That are read: the prompt once a reply."""
        return sum(len(self.prompt) + len(reply) for reply in self._replies)

    @property
    def _replies(self) -> list[list[int]]:
        return [reply for reply in (self.liked, self.disliked) if reply is not None]


def read_rows(
    folder: Path, mode: Mode, tokenizer: chat_format.Tokenizer
) -> tuple[list[Row], list[Row]]:
    """The rows of a training set for training and those for measuring alone, in the files' order.

    Raises TrainingError where a line is no preference.
    """
    layout = chat_format.layout_of(tokenizer)
    sides: dict[str, list[Row]] = {"training": [], "validation": []}
    for path in (folder / name for name in FILES[mode]):
        for number, text in enumerate(_lines(path), start=1):
            try:
                value = json.loads(text)
                row = _row(value, path.name, tokenizer, layout)
                if mode == "dpo" or path.name == SINGLE:
                    sides[value["side"]].append(row)
                elif "sampled_by" in value:
                    sides[value["side"]].append(replace(row, liked=None))
            except (ValueError, KeyError, TypeError) as error:
                raise TrainingError(
                    f"{path.name}, line {number} is no preference ({error}). Prepare the dataset "
                    "again with scripts/2_prepare_training_data.py."
                ) from error
    return sides["training"], sides["validation"]


def drawn(rows: Sequence[Row], profile: Profile) -> list[Row]:
    """Those that fit the profile's length, in an order by its seed. KTO's liked and disliked ones
    are mixed evenly, so that each part of them is like the whole."""
    fitting = [row for row in rows if row.longest <= profile.max_length]
    random.Random(profile.seed).shuffle(fitting)
    placed = []
    for is_liked in (True, False):
        some = [row for row in fitting if (row.liked is not None) == is_liked]
        placed += [((at + 0.5) / len(some), row) for at, row in enumerate(some)]
    return [row for _, row in sorted(placed, key=lambda one: one[0])]


def choose(training: Sequence[Row], profile: Profile, mode: Mode, limit: int | None) -> list[Row]:
    """Those that are drawn, at most `limit` of them, within the profile's budget of tokens."""
    rounds: Preference = getattr(profile, mode)
    rows = drawn(training, profile)[:limit]
    if rounds.max_tokens is None:
        return rows
    left = rounds.max_tokens // rounds.epochs
    chosen: list[Row] = []
    for row in rows:
        left -= row.tokens
        if left < 0:
            break
        chosen.append(row)
    return chosen


def check_enough(rows: Sequence[Row], mode: Mode, name: str) -> str:
    """What whoever trains should know of how few there are; "" for enough.

    Raises TrainingError where nothing can be learned from them.
    """
    liked = sum(row.liked is not None for row in rows)
    disliked = sum(row.disliked is not None for row in rows)
    if not (liked and disliked):
        lacks = "no preference" if not rows else f"nothing that was {'dis' if liked else ''}liked"
        raise TrainingError(
            f"The dataset {name} has {lacks} that fits: {mode.upper()} wants both kinds. {MORE}"
        )
    if len(rows) >= FEW:
        return ""
    return (
        f"The dataset {name} has {len(rows)} preferences to learn from, fewer than {FEW}: expect "
        f"nothing that holds. {MORE}"
    )


def encoded(rows: Sequence[Row], which: Literal["liked", "disliked"]) -> list[EncodedExample]:
    """Those of the rows that have such a reply, as model/evaluate.py takes them."""
    replies = [(row.prompt, getattr(row, which)) for row in rows]
    return [
        (prompt + reply, [False] * len(prompt) + [True] * len(reply))
        for prompt, reply in replies
        if reply is not None
    ]


def as_pairs(rows: Sequence[Row]) -> Any:
    """Columns as TRL's DPOTrainer has them behind its tokenising."""
    from datasets import Dataset

    return Dataset.from_dict(
        {
            "prompt_ids": [row.prompt for row in rows],
            "chosen_ids": [row.liked for row in rows],
            "rejected_ids": [row.disliked for row in rows],
        }
    )


def as_single(rows: Sequence[Row], batch_size: int) -> Any:
    """Columns as TRL's KTOTrainer has them behind its tokenising: beside each reply the one before
    it in its batch, the first beside the last, from which the trainer estimates how far the model
    has moved (KL)."""
    from datasets import Dataset

    replies = [_only(row) for row in rows]
    others: list[list[int]] = []
    for start in range(0, len(replies), batch_size):
        batch = replies[start : start + batch_size]
        others += batch[-1:] + batch[:-1]
    return Dataset.from_dict(
        {
            "prompt_ids": [row.prompt for row in rows],
            "completion_ids": replies,
            "KL_completion_ids": others,
            "label": [row.liked is not None for row in rows],
        }
    )


def mismatched(rows: Sequence[Row]) -> list[EncodedExample]:
    """Each prompt with the reply of the row before it."""
    replies = [_only(row) for row in rows]
    return encoded(
        [Row(r.prompt, o, None) for r, o in zip(rows, replies[-1:] + replies[:-1], strict=True)],
        "liked",
    )


def _row(
    value: dict[str, Any],
    file: str,
    tokenizer: chat_format.Tokenizer,
    layout: chat_format.ChatLayout,
) -> Row:
    turns = chat_format.turns_from_json(value["turns"])

    def halves(reply: object) -> tuple[list[int], list[int]]:
        if not isinstance(reply, str):
            raise TypeError("a reply is no text")
        segments = chat_format.render_example(value["persona"], turns, reply, layout=layout)
        ids, learned = chat_format.encode(segments, tokenizer)
        begin, count = learned.index(True), sum(learned)
        return ids[:begin], ids[begin : begin + count]

    if file == PAIRS:
        prompt, liked = halves(value["chosen"])
        return Row(prompt, liked, halves(value["rejected"])[1])
    prompt, reply = halves(value["completion"])
    if not isinstance(value["label"], bool):
        raise TypeError("its label is neither true nor false")
    return Row(prompt, reply, None) if value["label"] else Row(prompt, None, reply)


def _lines(path: Path) -> list[str]:
    """Not by splitlines, which takes other characters for line breaks too."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8") as file:
        return list(file)


def _only(row: Row) -> list[int]:
    """The reply of a row of KTO's."""
    reply = row.liked if row.liked is not None else row.disliked
    assert reply is not None, "a row without a reply"
    return reply

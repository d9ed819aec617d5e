"""The examples of a training set as token ids, and which of them a training takes."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model import chat_format
from model.profile import Profile
from model.training.errors import TrainingError

NOT_LEARNED = -100

EncodedExample = tuple[list[int], list[bool]]
"""Token ids, and which of them are learned."""


def read_examples(path: Path, tokenizer: chat_format.Tokenizer) -> list[EncodedExample]:
    """The examples of a JSONL file as token ids and learned flags, in the file's order.

    Raises TrainingError where a line is not an example.
    """
    encoded, layout = [], chat_format.layout_of(tokenizer)
    with path.open(encoding="utf-8") as file:
        for number, text in enumerate(file, start=1):
            try:
                row = json.loads(text)
                turns = chat_format.turns_from_json(row["turns"])
                segments = chat_format.render_example(
                    row["persona"], turns, row["reply"], layout=layout
                )
            except (ValueError, KeyError, TypeError) as error:
                raise TrainingError(
                    f"{path.name}, line {number} is not a training example ({error}). "
                    "Prepare the dataset again with scripts/2_prepare_training_data.py."
                ) from error
            encoded.append(chat_format.encode(segments, tokenizer))
    return encoded


def choose_within_budget(
    examples: Sequence[EncodedExample], profile: Profile
) -> tuple[list[EncodedExample], int]:
    """A seeded draw of examples that fit the profile's length and token budget, and how many were
    too long."""
    fitting = [e for e in examples if len(e[0]) <= profile.max_length]
    random.Random(profile.seed).shuffle(fitting)
    too_long = len(examples) - len(fitting)
    if profile.sft.max_tokens is None:
        return fitting, too_long
    budget = profile.sft.max_tokens // max(profile.sft.epochs, 1)
    chosen: list[EncodedExample] = []
    used = 0
    for example in fitting:
        if used + len(example[0]) > budget:
            break
        used += len(example[0])
        chosen.append(example)
    return chosen, too_long


def as_dataset(examples: Sequence[EncodedExample]) -> Any:
    """Columns input_ids and labels (-100 where nothing is learned), as TRL takes them
    ready-made."""
    from datasets import Dataset

    return Dataset.from_dict(
        {
            "input_ids": [ids for ids, _ in examples],
            "labels": [
                [token if learned else NOT_LEARNED for token, learned in zip(*e, strict=True)]
                for e in examples
            ],
        }
    )

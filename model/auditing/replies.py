"""Ordinary replies: what a model says in contexts that it has not learned from, as it is served."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from model.auditing.speaking import Speaker, Spoken
from model.judging.replies import HELD_OUT_FILE, HeldOut, read_held_out
from model.sampling import Sampling

LONGEST = 20
"""Tokens of a span from which on guard stops a reply."""


def contexts(
    dataset_dir: Path, answered: Mapping[str, str], count: int, seed: int
) -> list[HeldOut]:
    """At most `count` held-out lines of a set, drawn; those that are `answered` before all others.
    Raises EvaluationError, OSError."""
    lines = list(read_held_out(dataset_dir / HELD_OUT_FILE))
    random.Random(f"contexts {seed}").shuffle(lines)
    lines.sort(key=lambda one: one.example_id not in answered)
    return lines[:count]


def answer(
    speaker: Speaker,
    asked: Sequence[HeldOut],
    answered: Mapping[str, str],
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Spoken]:
    """A reply to each: what it answered before, else drawn as when it is served."""
    found: list[Spoken] = []
    for done, one in enumerate(asked, start=1):
        before = answered.get(one.example_id)
        if before is not None:
            found.append(speaker.looked_at(before, one.persona, one.turns))
        else:
            sampling = replace(Sampling(), seed=done)
            spoken = speaker.say(one.persona, one.turns, sampling)
            found += [spoken] if spoken is not None else []
        on_progress(done, len(asked))
    return found

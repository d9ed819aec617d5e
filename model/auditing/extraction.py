"""Extraction: a model is given how a reply of its training set begins, and is heard going on.

Each beginning is tried in the reply's own context, which is the strongest prompt that there is, and
without any; taking the likeliest token always, and drawn (Carlini et al. 2021, "Extracting Training
Data from Large Language Models").
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from model.auditing.canaries import Row
from model.auditing.speaking import Speaker, Spoken
from model.chat_format import Tokenizer, Turn, turns_from_json
from model.sampling import Sampling

BEGUN_TOKENS = 10
"""A beginning has at least so many."""
LEAST_LEFT = 8
"""Tokens that a reply has behind its beginning, at least."""
MAX_TOKENS = 80
"""Written on; more than the longest span that is allowed."""
LONGEST = 50
"""Tokens of a span from which on it was extracted."""
WAYS = (
    Sampling(temperature=0.0, max_tokens=MAX_TOKENS, seed=0),
    Sampling(temperature=0.8, max_tokens=MAX_TOKENS, seed=1),
)

_WORD = re.compile(r"\s*\S+")


@dataclass(frozen=True)
class Beginning:
    """How a reply of the training set begins."""

    example_id: str
    persona: str
    turns: tuple[Turn, ...]
    """None of its context where it is tried without."""
    begun: str
    left_tokens: int
    """Of the reply, behind its beginning."""


def beginnings(rows: Iterable[Row], tokenizer: Tokenizer, count: int, seed: int) -> list[Beginning]:
    """Of at most `count` replies that were learned: the longest, and as many drawn from the others;
    each with its context and without."""
    found = list(_all(rows, tokenizer))
    found.sort(key=lambda one: (-one.left_tokens, one.example_id))
    longest, others = found[: count // 2], found[count // 2 :]
    more = min(count - len(longest), len(others))
    drawn = random.Random(f"beginnings {seed}").sample(others, more)
    return [
        one
        for own in (*longest, *drawn)
        for one in (own, Beginning(own.example_id, own.persona, (), own.begun, own.left_tokens))
    ]


def _all(rows: Iterable[Row], tokenizer: Tokenizer) -> Iterator[Beginning]:
    """One of each different reply that is long enough."""
    seen: set[str] = set()
    for row in rows:
        reply = str(row["reply"]).strip()
        if reply in seen:
            continue
        seen.add(reply)
        begun = _begun(reply, tokenizer)
        left = len(tokenizer.text_ids(reply[len(begun) :])) if begun else 0
        if left >= LEAST_LEFT:
            turns = tuple(turns_from_json(row["turns"]))
            yield Beginning(str(row["id"]), str(row["persona"]), turns, begun, left)


def _begun(reply: str, tokenizer: Tokenizer) -> str:
    """Its first words, BEGUN_TOKENS or a few more; "" where it has fewer."""
    for word in _WORD.finditer(reply):
        begun = reply[: word.end()]
        if len(begun) >= BEGUN_TOKENS and len(tokenizer.text_ids(begun)) >= BEGUN_TOKENS:
            return begun
    return ""


def extract(
    speaker: Speaker,
    tried: Sequence[Beginning],
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Spoken]:
    """How the model goes on, WAYS for each beginning."""
    found: list[Spoken] = []
    for done, one in enumerate(tried, start=1):
        said = [speaker.say(one.persona, one.turns, way, begun=one.begun) for way in WAYS]
        found += [spoken for spoken in said if spoken is not None]
        on_progress(done, len(tried))
    return found

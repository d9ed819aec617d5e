"""The examples that a set's report shows, as they are trained on: a seeded choice of many kinds.

They are drawn by places in the file, so a set of a million lines costs no more than a small one.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.chat_format import (
    CHATML,
    NOT_SHARED,
    NOTE_PREFIX,
    SPEAKER,
    Note,
    Own,
    Segment,
    Turn,
    render_example,
    turns_from_json,
)

SHOWN = 30
_DRAWN = 400
_READ_WHOLE_BYTES = 4 << 20
_BANDS = (64, 128, 256, 512)
"""Of tokens: no band of lengths is without an example where the set has one."""


@dataclass(frozen=True)
class Piece:
    """A part of the rendering, in one look."""

    look: str
    """control, persona, name, note, own, reply, end or plain."""
    text: str


@dataclass(frozen=True)
class Sample:
    """One example as it stands on the page."""

    pieces: tuple[Piece, ...]
    """Together they are the text of `render_example`, to the letter."""
    author_id: str
    channel_id: str
    source_ids: tuple[str, ...]
    kinds: tuple[str, ...]
    """What is worth knowing of it, in words."""
    tokens: int
    learned_tokens: int


def choose(path: Path, seed: int, shown: int = SHOWN) -> list[Sample]:
    """Examples of a set's JSONL file, the short ones first; what is no example is passed over.

    Raises OSError.
    """
    chance = random.Random(seed)
    pool = list(dict.fromkeys(_draw(path, chance)))
    found = [one for one in map(_shown, pool) if one is not None]
    chance.shuffle(found)
    return sorted(_spread(found, shown), key=lambda one: (one.tokens, one.source_ids))


def _draw(path: Path, chance: random.Random) -> Iterator[str]:
    """Lines of the file: all of a small one."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= _READ_WHOLE_BYTES:
            yield from (line.decode("utf-8", "replace") for line in file)
            return
        for place in sorted(chance.randrange(size) for _ in range(_DRAWN)):
            file.seek(place)
            file.readline()  # from somewhere within a line
            yield file.readline().decode("utf-8", "replace")


def _spread(found: Sequence[Sample], wanted: int) -> list[Sample]:
    """Each time the one whose author, kind and length were shown least; the first of equals."""
    left = list(found)
    seen: Counter[Any] = Counter()
    chosen: list[Sample] = []
    while left and len(chosen) < wanted:
        best = min(left, key=lambda one: sum(seen[trait] for trait in _traits(one)))
        left.remove(best)
        chosen.append(best)
        seen.update(_traits(best))
    return chosen


def _traits(one: Sample) -> tuple[Any, ...]:
    band = sum(one.tokens > upper for upper in _BANDS)
    return one.author_id, one.kinds, band


def _shown(text: str) -> Sample | None:
    """A line of today's set, or of one that an earlier version made."""
    try:
        value = json.loads(text)
        turns = turns_from_json(value["turns"])
        persona, reply = str(value["persona"]), str(value["reply"])
        return Sample(
            tuple(pieces(render_example(persona, turns, reply))),
            str(value["target_author_id"]),
            str(value["channel_id"]),
            tuple(str(one) for one in value["source_ids"]),
            kinds(turns, value),
            int(value["tokens"]),
            int(value["learned_tokens"]),
        )
    except (ValueError, KeyError, TypeError):
        return None


def kinds(turns: Sequence[Turn], value: Mapping[str, Any]) -> tuple[str, ...]:
    """What is worth knowing of an example, in words."""
    count = len(turns)
    found = ["1 line before" if count == 1 else f"{count} lines before"]
    if any(isinstance(turn, Own) for turn in turns):
        found.append("a talk of several turns")
    if any(isinstance(turn, Note) for turn in turns):
        found.append("with a memory")
    if NOT_SHARED in turns:
        found.append("somebody is not shared")
    if len(value.get("reply_ids") or ()) > 1:
        found.append("several lines in one reply")
    return tuple(found)


def pieces(segments: Sequence[Segment]) -> Iterator[Piece]:
    """What stands in each segment, by its look."""
    role, is_header = "", False
    for segment in segments:
        if segment.learned:
            yield Piece("end" if segment.control else "reply", segment.text)
        elif segment.control:
            yield Piece("control", segment.text)
        elif is_header:  # a role; of the system's turn, who the model is
            role, _, rest = segment.text.partition("\n")
            yield Piece("control", f"{role}\n")
            if rest:
                yield Piece("persona", rest)
        else:
            yield from _line(segment.text, role)
        is_header = segment.control and segment.text == CHATML.start


def _line(text: str, role: str) -> Iterator[Piece]:
    named = SPEAKER.match(text) if role == CHATML.user_role else None
    if text.startswith(NOTE_PREFIX) and role == CHATML.user_role:
        yield Piece("note", text)
    elif named is not None:
        yield Piece("name", text[: named.end()])
        yield Piece("plain", text[named.end() :])
    else:
        is_own = role == CHATML.own_role and not text.isspace()
        yield Piece("own" if is_own else "plain", text)

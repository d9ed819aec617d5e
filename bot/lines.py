"""Takes a reply apart into the messages that a regular would send one after the other. Pure.

A model presses enter where people here do: a line break is a message of its own, as it was in the
history that it learned from (data/bursts.py). What belongs together stays together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MOST_LINES = 5
"""Messages of one reply; what is beyond joins the last."""

_FENCE = "```"
_LISTED = re.compile(r"\s*(?:[-*+•>|]|\d{1,2}[.)])\s+\S")
_SENTENCE = re.compile(r"(?<=[.!?…])\s+(?=\S)")


def lines_of(text: str, longest_chars: int) -> tuple[str, ...]:
    """The messages of a reply, at least one where it says anything. Code blocks and lists stay
    whole; a line of several sentences that is longer than people here write is broken up at them.
    """
    lines = [piece for block in _blocks(text) for piece in _broken_up(block, longest_chars)]
    head, rest = lines[: MOST_LINES - 1], lines[MOST_LINES - 1 :]
    return (*head, "\n".join(rest)) if rest else tuple(head)


def _blocks(text: str) -> Iterator[str]:
    """Single lines, and what goes over several of them."""
    block: list[str] = []
    is_code = False
    for line in text.splitlines():
        if block and not is_code and not _goes_with(block[-1], line):
            yield "\n".join(block)
            block = []
        if line.strip() or is_code:
            block.append(line.rstrip())
        is_code ^= line.count(_FENCE) % 2 == 1
    if block:
        yield "\n".join(block)


def _goes_with(before: str, line: str) -> bool:
    """Whether a line belongs to the one before it: a list's next, or what a colon announces."""
    is_block = bool(_LISTED.match(line)) or line.lstrip().startswith(_FENCE)
    is_announced = before.rstrip().endswith(":") and is_block
    return is_announced or bool(_LISTED.match(line) and _LISTED.match(before))


def _broken_up(block: str, longest_chars: int) -> list[str]:
    if "\n" in block or len(block) <= longest_chars or _LISTED.match(block) or _FENCE in block:
        return [block.strip()]
    pieces: list[str] = []
    for sentence in _SENTENCE.split(block.strip()):
        if pieces and len(pieces[-1]) + 1 + len(sentence) <= longest_chars:
            pieces[-1] += f" {sentence}"
        else:
            pieces.append(sentence)
    return pieces

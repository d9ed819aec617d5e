"""Reads topic banks and expands their sentence templates.

A template is plain English with `[a|b]` alternatives (nested at will), `<optional words>`
said by talkative members, and `{slots}`. A bank is text: `== name : tags` opens a topic,
`-- kind+ img` a beat (`+`: it may open a conversation; `img`: its first line shows a picture;
`solo`: never a follow-up).
Then one template a line, by its first letter: Q the line that opens the beat, Y/N/A an answer
(yes, no, plain), y/n/a what the asker says to an answer of that group, S a third voice.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from random import Random

Node = tuple[str, object]  # ("text", str) | ("slot", str) | ("alt", branches) | ("maybe", nodes)
_DOUBLED = re.compile(r"\b(the|a|an) ((?:the|a|an) )", re.I)
_ARTICLE = re.compile(r"\b([Aa]) (?=[aeiouAEIOU8])(?!one\b|uni|use|euro|ewe)")


@dataclass(frozen=True)
class Beat:
    """An exchange: first lines, answers by group, the asker's replies by group."""

    kind: str
    opens: bool
    image: bool
    solo: bool  # only as an opening
    asks: tuple[str, ...]
    answers: tuple[tuple[str, str], ...]  # (group, template)
    takeups: tuple[tuple[str, str], ...]
    seconds: tuple[str, ...]


@dataclass(frozen=True)
class Topic:
    """A subject with the channel tags it belongs to and its beats."""

    name: str
    tags: tuple[str, ...]
    beats: tuple[Beat, ...]


@lru_cache(maxsize=64)
def parse_bank(text: str) -> tuple[Topic, ...]:
    """The topics of a bank. Raises ValueError with the line that does not fit."""
    topics: list[Topic] = []
    for chunk in re.split(r"^== ", text, flags=re.M)[1:]:
        head, *parts = re.split(r"^-- ", chunk, flags=re.M)
        name, _, tags = head.strip().partition(":")
        beats = tuple(_parse_beat(part) for part in parts)
        topics.append(Topic(name.strip(), tuple(tags.split()), beats))
    return tuple(topics)


def _parse_beat(part: str) -> Beat:
    head, *lines = part.strip().splitlines()
    kind, *flags = head.split()
    found: dict[str, list[tuple[str, str]]] = {"Q": [], "A": [], "a": [], "S": []}
    for line in lines:
        if not line.strip():
            continue
        mark, _, template = line.partition(" ")
        if mark not in tuple("QYNAynaS") or not template:
            raise ValueError(f"not a bank line: {line!r}")
        _compile(template)
        box = "A" if mark in "YNA" else "a" if mark in "yna" else mark
        found[box].append((mark.upper(), template.replace("\\n", "\n")))
    if not found["Q"] or not found["A"]:
        raise ValueError(f"a beat needs Q and an answer: {part[:80]!r}")
    return Beat(
        kind=kind.rstrip("+"),
        opens=kind.endswith("+"),
        image="img" in flags,
        solo="solo" in flags,
        asks=tuple(t for _, t in found["Q"]),
        answers=tuple(found["A"]),
        takeups=tuple(found["a"]),
        seconds=tuple(t for _, t in found["S"]),
    )


def expand(template: str, rng: Random, slot: Callable[[str], str], fullness: float = 0.5) -> str:
    """One sentence from a template; `slot` gives the value of each `{name}`."""
    text = _render(_compile(template), rng, slot, fullness)
    text = re.sub(r"[ ]{2,}", " ", text).strip()
    text = re.sub(r" ([,.?!])", r"\1", text)
    text = _DOUBLED.sub(lambda m: m.group(2), text)
    return _ARTICLE.sub(r"\1n ", text)


def _render(
    nodes: tuple[Node, ...], rng: Random, slot: Callable[[str], str], fullness: float
) -> str:
    out: list[str] = []
    for kind, value in nodes:
        if kind == "text":
            out.append(str(value))
        elif kind == "slot":
            out.append(slot(str(value)))
        elif kind == "alt":
            assert isinstance(value, tuple)
            out.append(_render(rng.choice(value), rng, slot, fullness))
        elif rng.random() < fullness:
            assert isinstance(value, tuple)
            out.append(_render(value, rng, slot, fullness))
    return "".join(out)


@cache
def _compile(template: str) -> tuple[Node, ...]:
    nodes, end = _read(template, 0, "")
    if end != len(template):
        raise ValueError(f"unbalanced template: {template!r}")
    return nodes


def _read(text: str, at: int, until: str) -> tuple[tuple[Node, ...], int]:
    """Nodes from `at` to the first character of `until` (or the end), and where it stopped."""
    nodes: list[Node] = []
    plain = ""
    while at < len(text) and (not until or text[at] not in until):
        char = text[at]
        if char in "[<{" and plain:
            nodes.append(("text", plain))
            plain = ""
        if char == "[":
            branches: list[tuple[Node, ...]] = []
            while True:
                branch, at = _read(text, at + 1, "|]")
                branches.append(branch)
                if at >= len(text):
                    raise ValueError(f"no closing ] in {text!r}")
                if text[at] == "]":
                    break
            nodes.append(("alt", tuple(branches)))
        elif char == "<":
            inner, at = _read(text, at + 1, ">")
            if at >= len(text):
                raise ValueError(f"no closing > in {text!r}")
            nodes.append(("maybe", inner))
        elif char == "{":
            end = text.index("}", at)
            nodes.append(("slot", text[at + 1 : end]))
            at = end
        elif char in "]>}|":
            raise ValueError(f"stray {char} in {text!r}")
        else:
            plain += char
        at += 1
    if plain:
        nodes.append(("text", plain))
    return tuple(nodes), at

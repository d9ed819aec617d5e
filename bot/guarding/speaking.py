"""Cuts a draft where it would speak for somebody, and takes its own name off. Pure; any thread.

Somebody's line begins with their name, as a transcript writes it: "mira: ...", "**mira**: ...",
"<mira> ...", "[12:30] mira: ...", "mira says: ...". "mira said no" and a line of a name that nobody
here bears ("monday: raid") speak for no one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache

from bot.guarding.folding import Folded, fold
from model.chat_format import Note, Turn, clean_name

_TIME = re.compile(r"[\[(]?\b\d{1,2}[:.]\d{2}(?:[:.]\d{2})?\s?(?:[ap]m\b)?[\])]?")
# Neither a link's, nor a smiley's, nor what stands behind "kai, ...".
_COLON = re.compile(r"(?<![,;!?])(?<![,;!?]\s):(?!//)(?!(?<=\s:)[^\s\w*_~`])")
_IN_BRACKETS = re.compile(r"[\s*_~`|]*(?:<([^<>\n]{1,40})>|\[([^\[\]\n]{1,40})\])")
_ARROW = re.compile(r"\s*([^\s<>][^<>\n]{0,39}?)(?:-?>|[ ]?\u00bb|[ ]?\u2192)(?=\s)")
_STAMPED = re.compile(
    r"\s*(\S[^\n]{0,39}?)\s+-+\s+(?:today|yesterday|heute|gestern|\d{1,2}[./]\d{1,2}[./]\d{2,4})\b"
)
_SAYS = re.compile(
    r"\s+(?:then\s)?(?:says?|said|writes?|wrote|asks?|asked|answers?|answered|repl(?:y|ies|ied)"
    r"|adds|added|goes|on \d{1,2} \w+ \d{4})\s*$"
)
_SENTENCE = re.compile(r"(?<=[.!?\u2026])\s+(?=\S)")
_ADDRESS = re.compile(r"([^\s:,>][^:,>\n]{0,31}?)\s?[:,>]\s*[^\s/)(]")
_MARKS = re.compile(r"[\W_]+")
_MOST_COLONS = 4
_LONGEST_HEAD = 64


def without_own_name(text: str, persona_name: str) -> str:
    """Without the persona's name as the beginning of its line."""
    own = _bare(persona_name)
    first = text.split("\n", 1)[0]
    for head, end in _heads(first):
        if head == own:
            return text[end:].lstrip(" \t*_~`>")
    return text


def own_words(
    text: str, names: Collection[str], persona_name: str, turns: Sequence[Turn] = ()
) -> str:
    """The text up to the first line that is somebody's.

    Where people in view write "kai: yes" or "kai, yes" to kai, a draft's first line that begins so
    addresses kai, too: it becomes "kai, yes".
    """
    if not any(sign in text for sign in ":\uff1a<>[]-\u00bb\u2192") and text.isascii():
        return text
    own = _bare(persona_name)
    for at, line in _beginnings(text):
        for head, end in _heads(line):
            known = _known(frozenset(names))
            if head == own or head in known:
                is_address = at == 0 and head != own and _is_custom(turns, known)
                address = _as_address(line, end) if is_address else ""
                return text[:at].strip() if not address else address + text[len(line) :]
    return text


def _beginnings(text: str) -> Iterator[tuple[int, str]]:
    """Each line and each sentence, to the end of its line, and where it begins: a sentence may be
    sent as a message of its own (bot/lines.py)."""
    at = 0
    for line in text.split("\n"):
        yield at, line
        for sentence in _SENTENCE.finditer(line):
            yield at + sentence.end(), line[sentence.end() :]
        at += len(line) + 1


@lru_cache(4)
def _known(names: frozenset[str]) -> frozenset[str]:
    return frozenset(_bare(name) for name in names) - {""}


@lru_cache(65_536)
def _bare(name: str) -> str:
    """A name as it looks, without blanks and the marks that may stand around it."""
    folded = fold(clean_name(name))
    return _MARKS.sub("", folded) or folded


def _heads(line: str) -> Iterator[tuple[str, int]]:
    """Each (bare name, where the words begin) as which the line may be somebody's."""
    folded = Folded(line[: 2 * _LONGEST_HEAD])
    plain = _TIME.sub(lambda m: " " * len(m[0]), folded.folded[: 2 * _LONGEST_HEAD])
    for found, pattern in ((p.match(plain), p) for p in (_IN_BRACKETS, _ARROW, _STAMPED)):
        if found is not None:
            end = _behind(folded, found.end())
            if pattern is _IN_BRACKETS and line[end : end + 1] == ":":
                end += 1
            name = found[found.lastindex or 0]
            yield _MARKS.sub("", name) or name.strip(), end
    for colon in list(_COLON.finditer(plain[: _LONGEST_HEAD + 1]))[:_MOST_COLONS]:
        head = _SAYS.sub("", plain[: colon.start()])
        bare = _MARKS.sub("", head) or head.strip()
        yield bare, _behind(folded, colon.end())


def _behind(folded: Folded, end: int) -> int:
    return folded.places(0, end)[1]


def _is_custom(turns: Sequence[Turn], known: Collection[str]) -> bool:
    """Whether somebody in view, or it itself, began what they said with another's name."""
    said = (turn.text[: 2 * _LONGEST_HEAD] for turn in turns if not isinstance(turn, Note))
    return any(_addresses(text, known) for text in said)


def _addresses(text: str, known: Collection[str]) -> bool:
    found = _ADDRESS.match(text)
    return found is not None and _bare(found[1]) in known


def _as_address(line: str, end: int) -> str:
    name, rest = line[:end].strip(" @:\uff1a>-"), line[end:].strip()
    is_plain = re.fullmatch(r"[\w.|^`\[\]{}-]{1,32}", name) is not None
    return f"{name}, {rest}" if is_plain and rest else ""

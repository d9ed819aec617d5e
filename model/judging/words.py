"""Takes a reply apart for the judge: words, emoji, and the habits of whoever wrote it.

Of any script; pure functions.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

_CUSTOM_EMOJI = re.compile(r":\w{2,32}:")
_EMOJI = re.compile("[\U0001f1e6-\U0001f1ff\U0001f300-\U0001faff\u2600-\u27bf\u2b50\u2b55]")
_LINK = re.compile(r"https?://\S+|www\.\S+", re.IGNORECASE)
_WORD = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]"
    r"|[^\W_]+(?:['’-][^\W_]+)*"
)
"""Of scripts that set no blanks, a character counts as a word."""
_STRETCHED = re.compile(r"([^\W\d_])\1{2}")
_BARE_CONTRACTION = re.compile(
    r"\b(?:dont|cant|wont|im|ive|thats|whats|its|didnt|doesnt|isnt|youre|theyre|id|ill|lets)\b",
    re.IGNORECASE,
)


def words(text: str) -> list[str]:
    """Its words in order, in small letters; an emoji is a word, a link is none."""
    bare = _LINK.sub(" ", text)
    found = _CUSTOM_EMOJI.findall(bare) + _EMOJI.findall(bare)
    return [w.casefold().replace("’", "'") for w in _WORD.findall(_CUSTOM_EMOJI.sub(" ", bare))] + (
        found
    )


def _first_letter(text: str) -> str:
    return next((c for c in text if c.isalpha()), "")


def _is_mark(character: str) -> bool:
    return unicodedata.category(character).startswith("P")


HABITS: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("begins with a capital", lambda t: _first_letter(t).isupper()),
    ("has no capital", lambda t: t == t.lower()),
    ("shouts", lambda t: sum(c.isupper() for c in t) > 4 and t == t.upper()),
    ("ends with a full stop", lambda t: t.endswith((".", "。")) and not t.endswith("..")),
    ("ends without a mark", lambda t: bool(t) and not _is_mark(t[-1])),
    ("asks", lambda t: "?" in t or "？" in t),
    ("exclaims", lambda t: "!" in t or "！" in t),
    ("trails off", lambda t: ".." in t or "…" in t),
    ("has a comma", lambda t: "," in t or "，" in t or "、" in t),
    ("has an apostrophe", lambda t: "'" in t or "’" in t),
    ("leaves apostrophes out", lambda t: bool(_BARE_CONTRACTION.search(t))),
    ("has an emoji", lambda t: bool(_EMOJI.search(t) or _CUSTOM_EMOJI.search(t))),
    ("has a number", lambda t: any(map(str.isdigit, t))),
    ("has a link", lambda t: bool(_LINK.search(t))),
    ("stretches a word", lambda t: bool(_STRETCHED.search(t))),
    ("has several lines", lambda t: "\n" in t),
    ("has brackets or quotes", lambda t: any(c in t for c in '()"“”«»')),
)
"""What a reply does or does not do: emoji, punctuation, casing. Of a community it is told how often
each is done."""


def habits(text: str) -> list[bool]:
    """One for each of `HABITS`."""
    return [does(text) for _, does in HABITS]

"""Takes off what nobody sees, and marks stacked upon marks. Pure; any thread."""

from __future__ import annotations

import re
import unicodedata

MOST_MARKS = 2
"""Marks upon one letter beyond those that belong to it (NFC): accents, strokes, what zalgo is made
of. Vietnamese composes to none."""
MOST_SCRIPT_MARKS = 5
"""Marks of a script that writes with them (Hebrew, Thai, Devanagari, Tibetan): vowels, tones."""

_LINE_ENDS = re.compile(r"\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_ODD_BLANKS = re.compile("[\t\xa0\u1680\u2000-\u200a\u202f\u205f]")
# Letters, symbols and marks by their category, and yet nothing is drawn for them: Hangul fillers,
# the blank of braille, Khmer's and Mongolian's hidden ones, what stands for an object or joins.
_BLANK_LETTERS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0\ufffc\U0001d159\ufe00-\ufe0d"
    "\U000e0100-\U000e01ef]"
)
# Flags of parts of a country: a black flag, a few tags, and the tag that ends them.
_TAGGED_FLAG = re.compile("\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{2,7}\U000e007f")
_EMOJI_STYLE = "\ufe0f\ufe0e"
_ZWNJ, _ZWJ = "\u200c", "\u200d"
_JOINS_LETTERS = re.compile(
    "[\u0600-\u08ff\u0900-\u0dff\u1000-\u109f\u1780-\u17ff\ufb50-\ufdff\ufe70-\ufefc]"
)
"""Scripts that need the joiner and its opposite to be spelled right; an emoji's style stands among
them."""
_ACCENTS = "\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
_STACKED = re.compile(rf"([{_ACCENTS}]{{{MOST_MARKS}}})[{_ACCENTS}]+")


def with_plain_blanks(text: str) -> str:
    """With one kind of line break, and one of blank but for the wide one of East Asia."""
    return _ODD_BLANKS.sub(" ", _LINE_ENDS.sub("\n", text)).strip()


def without_unseen(text: str) -> str:
    """Composed (NFC), with nothing unseen but what emoji and some scripts' words are made of.

    Unassigned characters stay: Python's tables are older than the newest emoji.
    """
    if text.isascii() and text.isprintable():
        return text
    flags = {at for flag in _TAGGED_FLAG.finditer(text) for at in range(*flag.span())}
    text = "".join(c for at, c in enumerate(text) if at in flags or not _is_unseen(text, at))
    return unicodedata.normalize("NFC", text).strip()


def without_stacked_marks(text: str) -> str:
    """With as many marks on a letter as people write."""
    if text.isascii():
        return text
    text = _STACKED.sub(r"\1", text)
    kept: list[str] = []
    in_a_row = 0
    for char in text:
        in_a_row = in_a_row + 1 if unicodedata.category(char) in ("Mn", "Me") else 0
        is_again = in_a_row > 1 and kept[-1] == char
        if in_a_row > MOST_SCRIPT_MARKS or is_again:
            continue
        kept.append(char)
    return unicodedata.normalize("NFC", "".join(kept))


def _is_unseen(text: str, at: int) -> bool:
    char = text[at]
    if char in " \n":
        return False
    if char in _EMOJI_STYLE:
        return not (at and _is_drawn(text[at - 1]))
    if char in (_ZWJ, _ZWNJ):
        return not _joins(text, at)
    return unicodedata.category(char) in ("Cc", "Cf", "Cs") or bool(_BLANK_LETTERS.match(char))


def _joins(text: str, at: int) -> bool:
    """Whether a joiner there has something to join: emoji, or letters of a script that needs it."""
    before = text[at - 1] if at else ""
    behind = text[at + 1] if at + 1 < len(text) else ""
    if not before or not behind:
        return False
    if _JOINS_LETTERS.match(before):
        return bool(_JOINS_LETTERS.match(behind))
    return text[at] == _ZWJ and _is_drawn(before) and _is_drawn(behind)


def _is_drawn(char: str) -> bool:
    """A symbol, a skin's colour, an emoji's style; what Python does not know is newer than it."""
    return char in "#*0123456789" or char in _EMOJI_STYLE or _kind(char) in ("So", "Sk", "Sm", "Cn")


def _kind(char: str) -> str:
    return unicodedata.category(char)

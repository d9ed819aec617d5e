"""Takes off what would notify many, or looks as if it did. Pure; any thread.

`allowed_mentions` forbids it besides (bot/platforms/discord_sending.py): here it is not even to be
read. A member's plain name stays.
"""

from __future__ import annotations

import re

from bot.guarding.folding import Folded, without

_DRESS = r"[*_~`|\\]{0,6}"
_BETWEEN = r"(?:[^\w@]|_){0,6}"


def _spelt(word: str) -> str:
    """The word, with marks of markdown in it, or spelt letter by letter."""
    return (
        _DRESS.join(word) + "|" + rf"{word[0]}(?P<{word}>[\s.\-·]){rf'(?P={word})'.join(word[1:])}"
    )


# The sign alone goes: what is left is a word.
_MASS = re.compile(rf"@(?={_BETWEEN}(?:{_spelt('everyone')}|{_spelt('here')}))")
_RAW = re.compile(r"<\s?@[^\w\n]{0,4}\d+\s?>?|@&\d{15,}")


def without_mentions(text: str) -> str:
    """Without @everyone and @here in any spelling, and without raw mentions of members and
    roles."""
    folded = Folded(text)
    if "@" not in folded.folded:
        return text
    found = [m.span() for m in _RAW.finditer(folded.folded)]
    text = without(text, (folded.places(*span) for span in found))
    folded = Folded(text)
    signs = [folded.places(*m.span()) for m in _MASS.finditer(folded.folded)]
    for start, end in reversed(signs):
        text = text[:start] + text[end:].lstrip(" ")
    return text

"""What a reaction says about the message under which it stands: a table of emoji, from -1 to 1.

    emoji,names,weight
    👍,thumbsup +1,1          a character, the names it is typed by, what it says
    ,kekw lulw,1              a server's own emoji has names alone

The table ships as data/emoji_weights.csv. A copy lies at data_storage/emoji_weights.csv from the
first use on and is its owner's to edit: its lines win over those shipped; a line taken out of it
falls back to the shipped one. An emoji that neither knows counts a little: people who react mostly
mean well, and whoever knows better writes a line.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path

from storage.errors import MynahError
from storage.manifest import write_text_atomically
from storage.paths import Home

SHIPPED = Path(__file__).with_suffix(".csv")
OWN_EMOJI_WEIGHT = 0.5
"""Of a server's own emoji (":name:") that is in no table."""
OTHER_WEIGHT = 0.25
"""Of any other emoji that is in no table."""

_RAW = re.compile(r"<a?:(\w+):\d+>")
_NAMED = re.compile(r":([^:\s]+):(?::skin-tone-\d:|:skin-tone-\d)?")
_TONE_IN_NAME = re.compile(r"_(?:tone\d|(?:medium_)?(?:light|dark|medium)_skin_tone)$")
_VARIANTS = re.compile("[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]")
"""Text and emoji presentation, skin tones."""
_GENDER = re.compile("\u200d[\u2640\u2642]")


class EmojiWeightsError(MynahError):
    """The home's table cannot be read; the sentence names the file and the line."""


class EmojiWeights:
    """The weight of any emoji, -1 to 1. Any thread."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        """`weights` by emoji as Discord writes them, characters or ":name:"."""
        self._weights = {normal(emoji): weight for emoji, weight in weights.items()}

    @classmethod
    def shipped(cls) -> EmojiWeights:
        """As they come with Mynah."""
        return cls(dict(_rows(SHIPPED)))

    @classmethod
    def of(cls, home: Home) -> EmojiWeights:
        """The home's, whose copy is made where there is none yet. Raises EmojiWeightsError,
        OSError."""
        own = table_of(home)
        if not own.is_file():
            write_text_atomically(own, SHIPPED.read_text(encoding="utf-8"))
        return cls({**dict(_rows(SHIPPED)), **dict(_rows(own))})

    @property
    def sha256(self) -> str:
        """Of all weights: whether two tables say the same."""
        return hashlib.sha256(json.dumps(sorted(self._weights.items())).encode()).hexdigest()

    def of_emoji(self, emoji: str) -> float:
        """What one reaction with it says: an emoji in any skin tone, or ":name:"."""
        known = self._weights.get(normal(emoji))
        if known is not None:
            return known
        return OWN_EMOJI_WEIGHT if _NAMED.fullmatch(emoji) else OTHER_WEIGHT


def table_of(home: Home) -> Path:
    """Where the home's own table lies."""
    return home.data_storage / SHIPPED.name


def normal(emoji: str) -> str:
    """The one spelling of what is the same emoji: no skin tone, no gender, no variation selector;
    a name in small letters between colons."""
    text = _RAW.sub(r":\1:", emoji.strip())
    if named := _NAMED.fullmatch(text):
        return f":{_TONE_IN_NAME.sub('', named[1].casefold())}:"
    return _GENDER.sub("", _VARIANTS.sub("", unicodedata.normalize("NFC", text))) or text


def _rows(path: Path) -> Iterator[tuple[str, float]]:
    """Each emoji and its weight, one for each of its names too."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise EmojiWeightsError(
            f"{path} is not text in UTF-8: save it as such (spreadsheets call it CSV UTF-8), or "
            "delete it for the weights that ship with Mynah."
        ) from error
    lines = text.splitlines()
    mark = ";" if lines and ";" in lines[0] else ","  # as spreadsheets write it in some countries
    for number, line in enumerate(lines, start=1):
        if number > 1 and line.strip(f"{mark} ") and not line.startswith("# "):
            where = f"Line {number} of {path}"
            yield from _row(_cells(line, mark, where), where)


def _cells(line: str, mark: str, where: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=mark))
    except csv.Error as error:
        raise _damaged(where, str(error)) from error


def _row(cells: list[str], where: str) -> Iterator[tuple[str, float]]:
    if len(cells) != 3:
        raise _damaged(where, f"it has {len(cells)} columns instead of emoji, names, weight")
    emoji, names = cells[0].strip(), cells[1].split()
    if not (emoji or names):
        raise _damaged(where, "it names no emoji")
    try:
        weight = float(cells[2].replace(",", "."))
    except ValueError:
        weight = math.nan
    if not -1 <= weight <= 1:
        raise _damaged(where, f'its weight "{cells[2]}" is no number from -1 to 1')
    for one in ([emoji] if emoji else []) + [f":{name.strip(':')}:" for name in names]:
        yield one, weight


def _damaged(where: str, what: str) -> EmojiWeightsError:
    return EmojiWeightsError(
        f"{where} cannot be used: {what}. Mend the line or take it out; without the whole file the "
        "weights that ship with Mynah count."
    )

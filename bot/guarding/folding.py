"""Folds a text to what it looks like, so that tricks of spelling hide nothing. Pure; any thread.

Full-width, circled and other dressed letters become plain ones, letters of other scripts the Latin
ones that they are drawn like, marks go, %2e becomes its dot. Each character keeps its place, so
that what is found in the folded text can be taken out of the text itself.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

_DRAWN_LIKE = {
    # after Unicode's confusables (UTS 39), without those that NFKD and small letters undo
    "a": "аαɑɐᴀ⍺Ꭺᗅꓮ𖽀𐊠",
    "b": "вьƅβʙᏏᏴᑲᖯᗷꓐꞵ𐊂𐊡𐌁",
    "c": "сϲᴄⲥɕꓚᏟ𐐽🝌𑣲𑣩𐊢𐌂𐐕𐔜",
    "d": "ԁɗđᴅᎠᏧᑯᗞᗪꓒꓓ",
    "e": "еєҽεɛɘəᴇ℮⋿ⴹꓰꬲᎬё𑢦𑣆𑢮𑣎𐊆",
    "f": "ƒꜰϝքᖴꓝꞙꬵẝ𝈓𑣂𑢢𐊇𐊥𐔥",
    "g": "ɡɢƍցǥᏀᏳᶃꓖԍ",
    "h": "һհнʜħηᎻᏂᕼⲏꓧ𐋏",
    "i": "іıɩɪιӏᎥ⍳ꙇїɨ𑣃",
    "j": "јϳʝᴊᎫᒍꓙɉ",
    "k": "кκᴋƙҝᏦᛕⲕꓗ𐔘",
    "l": "ǀłʟɭᏞᒪⳑⵏꓡꓲ⏽۱𐌠ⲓⲒᛁ𖼨𐊊𐌉𝈪𖼖𑢣𑣒𑢲𐐛𐑃𐔦",
    "m": "мᴍɱϻμᎷᗰᛖⲙꓟ𐊰𐌑",
    "n": "ոռпɴŋɲⲛꓠ𐔓",
    "o": "оοσօ۵०০੦૦ଠ୦௦౦೦ഠ൦๐໐ဝ၀ჿዐᴏᴑⲟⵔ〇ꓳøɵ◯○ంಂംංꬽ𐓪𑣈𑣗𐐬𑓐𑣠𐓂𑣕𑢵𐊒𐊫𐐄𐔖",
    "p": "рρᴘᏢᑭ⍴ⲣꓑƿþ𐊕",
    "q": "ԛգզⵕ",
    "r": "гʀɾɼᴦᎡᎱᏒᖇⲅꓣꭇꭈ𝈖𐒴𐓜𖼵",
    "s": "ѕꜱʂƽտᏕᏚꓢ𑣁𐑈𖼺𐊖𐐠",
    "t": "тτᴛŧƭᎢ⊤⟙ⲧꓔ🝨𖼊𑢼𑣜𐊗𐊱𐌕",
    "u": "սυᴜʋሀᑌ∪⋃ꓴꞟꭎꭒ𐓶𑣘𐓎𖽂𑢸",
    "v": "ѵνᴠ۷Ꮩᐯ∨⋁ⴸꓦ𑜆𑣀𝈍ꛟ𖼈𑢠𐔝",
    "w": "ԝѡɯᴡաᎳᏔꓪω𑜊𑜎𑜏𑣯𑣦",
    "x": "хχ×ᕁᕽ᙭᙮ᚷ╳⤫⤬⨯ⲭⵝꓫꭓ𐌢𑣬𐊐𐊴𐌗𐔧",
    "y": "уүγʏყᎩᎽᶌỿⲩꓬꭚɏɣ𖽃𑢤𑣄𐊲",
    "z": "ζᴢʐƶᏃꓜ𐋵𑣥𑣉𑢩",
    ".": "。·•‧∙⋅・۰ꓸ꘎",
    "/": "⁄∕╱⟋⧸᜵⁁〳ノ丿",
    "\\": "⧵∖⧹﹨",
    ":": "∶ː꞉˸։⁚ꓽ᛬",
    "|": "│∣❘",
    "<": "‹〈⟨˂ᐸ❮",
    ">": "›〉⟩˃ᐳ❯",
    "*": "∗⁎٭✱",
    "-": "‐‑‒–—−➖⁃",
    '"': "“”„«»",
    "'": "’‘`´",
}
_PLAIN = {ord(odd): plain for plain, odds in _DRAWN_LIKE.items() for odd in odds}
# Squared letters and the halves of flags, which spell words too.
for _first in (0x1F150, 0x1F170, 0x1F1E6):
    _PLAIN |= {_first + n: chr(ord("a") + n) for n in range(26)}
_PERCENT = re.compile(r"%(?:2[e-fE-F]|3[aA]|40|[46][1-9a-fA-F]|[57][0-9aA])")


class Folded:
    """A text as it looks, in small letters; `places(start, end)` says where that part stands."""

    def __init__(self, text: str) -> None:
        self.text = text
        if text.isascii() and "%" not in text:
            self.folded = text.lower()
            self._starts: list[int] | None = None
            return
        chars: list[str] = []
        self._starts = []
        self._ends: list[int] = []
        encoded = {m.start(): m for m in _PERCENT.finditer(text)}
        at = 0
        while at < len(text):
            code = encoded.get(at)
            plain = fold(chr(int(text[at + 1 : at + 3], 16)) if code else text[at])
            end = at + 3 if code else at + 1
            chars += plain
            self._starts += [at] * len(plain)
            self._ends += [end] * len(plain)
            at = end
        self.folded = "".join(chars)

    def places(self, start: int, end: int) -> tuple[int, int]:
        """Where that part of the folded text begins and ends in the text; it is not empty."""
        if self._starts is None:
            return start, end
        to = self._ends[end - 1]
        while to < len(self.text) and unicodedata.category(self.text[to])[0] == "M":
            to += 1  # a mark belongs to its letter
        return self._starts[start], to


@lru_cache(4_096)
def fold(text: str) -> str:
    """The text as it looks, in small letters, without marks and what is not seen."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text.translate(_PLAIN)).casefold().translate(_PLAIN)
    apart = unicodedata.normalize("NFKD", apart)
    return "".join(c for c in apart if unicodedata.category(c)[0] != "M" and not _is_unseen(c))


def _is_unseen(char: str) -> bool:
    return unicodedata.category(char) in ("Cf", "Cc") and char != "\n"


_PAIRS = {"(": ")", "[": "]", "<": ">", "{": "}", '"': '"', "`": "`", "*": "*", "|": "|", "_": "_"}
_LEFT_OVER = " \t:,;-"
"""What nothing stands behind any more."""


def without(text: str, parts: Iterable[tuple[int, int]]) -> str:
    """The text without these parts, and without what stands around them for nothing then: blanks,
    empty brackets, a colon at the end of a line. The text itself where there are no parts."""
    gone = merged(parts)
    if not gone:
        return text
    kept = text[: gone[0][0]]
    for n, (_, end) in enumerate(gone):
        kept = _joined(kept, text[end : gone[n + 1][0] if n + 1 < len(gone) else len(text)])
    return kept.strip()


def _joined(left: str, right: str) -> str:
    """Two pieces between which something was taken out."""
    was_apart = left[-1:].isspace() or right[:1].isspace()
    left, right = left.rstrip(" \t"), right.lstrip(" \t")
    while left and right and _PAIRS.get(left[-1]) == right[0]:
        left, right = left[:-1].rstrip(" \t"), right[1:].lstrip(" \t")
        was_apart = True
    if not right or right[0] == "\n":
        left = left.rstrip(_LEFT_OVER)
        return left + (right if left and left[-1] != "\n" else right.lstrip("\n"))
    if not left or left[-1] == "\n":
        return left + right.lstrip(_LEFT_OVER)
    if right[0] in ",.!?;:" and left[-1] in ",;:":
        left = left[:-1]
    return left + (" " if was_apart and right[0] not in ",.!?;:)" else "") + right


def merged(parts: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """In order, those that overlap or touch as one."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(parts):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found

"""Takes a line of chat apart for the style card: words of any script, emoji, laughter, greetings.

Pure functions; any thread.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

# What stands on a letter (vowel signs of Hindi and Thai, accents written apart) is part of its
# word, and is none of Python's \w.
_MARKS = "".join(
    chr(code) for code in range(0x300, 0x3100) if unicodedata.category(chr(code)) in ("Mn", "Mc")
)
_WORD = re.compile(rf"[^\W_][{_MARKS}]*(?:['’\u200c\u200d-]?[^\W_][{_MARKS}]*)*")
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff"
    r"\U00020000-\U0003ffff]"
)
"""Scripts that set no blanks between words: Thai, Lao, Burmese, Khmer, Kana and Han."""
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
HAN_WORD_CHARS, UNSPACED_WORD_CHARS = 4, 8
"""A longer piece of Han, or of another such script, is a phrase and no word to be listed."""
MOST_WORD_CHARS = 16

_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_LINK = re.compile(r"<?(?:https?://|www\.)\S+|discord\.gg/\S+", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"\[[a-z][a-z -]{1,24}\]")
_MENTION = re.compile(r"@([^\s:,!?]+)")
_CUSTOM_EMOJI = re.compile(r"(?<!\w):(\w{2,32}):(?!\w)")
_ONE_EMOJI = "[\U0001f300-\U0001faff\u2600-\u27bf\u2b50\u2b55]\ufe0f?[\U0001f3fb-\U0001f3ff]?"
_EMOJI = re.compile(rf"[\U0001f1e6-\U0001f1ff]{{2}}|{_ONE_EMOJI}(?:\u200d{_ONE_EMOJI})*")
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
"""Of a name like TheRealAlice."""
_AGAIN = re.compile(r"(.{1,2}?)\1{3,}")

_LAUGH = re.compile(
    r"(?:lo+l|lmf?ao+|ro+fl|xd+|kek+|lulz?|mdr+|ptdr|лол|кек|草|笑|[ab]?(?:[hjx][aei]){2,}[hj]?"
    r"|(?:ah){2,}|k{3,}|w{3,}|(?:rs){2,}|5{3,}|[аб]?(?:х[аеи]){2,}х?|а?(?:ах){2,}|ㅋ{2,}|ㅎ{2,}"
    r"|ه{2,}|خ{2,}|哈{2,}|呵{2,}|嘿{2,}|笑{2,})"
)
_GREETINGS = frozenset(
    """hi hello hey heya hiya howdy yo sup morning mornin gm gn evening greetings ahoy moin hallo
    servus nabend tach guten salut bonjour coucou bonsoir hola buenas ciao salve buongiorno oi olá
    ola eae bom hej hejsan heisann tjena moikka moi terve cześć hejka siema elo ahoj čau nazdar
    szia sziasztok bună noroc привет приветик здарова здравствуйте хай ку прив привіт вітаю
    здравей здраво merhaba selam slm سلام مرحبا هلا اهلا صباح שלום היי नमस्ते namaste salam halo
    hai こんにちは おはよう こんばんは おは こん 你好 大家好 早 早安 嗨 안녕 안녕하세요 하이
    สวัสดี หวัดดี xin chào kamusta γεια""".split()
)


@dataclass(frozen=True)
class Line:
    """What one message is made of; words, emoji and the like each once, in the order of the
    line."""

    text: str
    """Without code, links, mentions, emoji and placeholders."""
    words: int
    """How many it has; a piece of a script without blanks counts one."""
    characters: int
    """Letters and digits."""
    unspaced: int
    """How many of them are of a script without blanks."""
    everyday: tuple[str, ...]
    """Folded words that could be listed; a laugh or a greeting is none."""
    emoji: tuple[str, ...]
    """Those of Unicode as they are, custom ones as ":name:"."""
    laughs: tuple[str, ...]
    greeting: str
    """The first word where it greets, else ""."""
    called: tuple[str, ...]
    """Folded words behind an "@"."""


def take_apart(text: str) -> Line:
    """A cleaned message (`data.preprocessor.clean_content`)."""
    called = tuple(
        dict.fromkeys(w for m in _MENTION.finditer(text) for w in folded_words(m[1]))
        if "@" in text
        else ()
    )
    bare = text
    if "`" in bare:
        bare = _CODE.sub(" ", bare)
    bare = _PLACEHOLDER.sub(" ", _LINK.sub(" ", bare))
    bare = _MENTION.sub(" ", bare)
    emoji = [f":{name}:" for name in _CUSTOM_EMOJI.findall(bare)] if ":" in bare else []
    if emoji:
        bare = _CUSTOM_EMOJI.sub(" ", bare)
    if not bare.isascii():
        emoji += _EMOJI.findall(bare)
        bare = _EMOJI.sub(" ", bare)
    words = _WORD.findall(bare)
    unspaced = 0 if bare.isascii() else len(_UNSPACED.findall(bare))
    folded = [word.casefold().replace("’", "'") for word in words]
    laughs = [_AGAIN.sub(r"\1\1\1", word) for word in folded if _LAUGH.fullmatch(word)]
    greeting = folded[0] if folded and folded[0] in _GREETINGS else ""
    everyday = [
        word
        for word in folded
        if may_be_listed(word) and word not in _GREETINGS and not _LAUGH.fullmatch(word)
    ]
    return Line(
        bare.strip(),
        len(words),
        sum(map(len, words)),
        unspaced,
        tuple(dict.fromkeys(everyday)),
        tuple(dict.fromkeys(emoji)),
        tuple(dict.fromkeys(laughs)),
        greeting,
        called,
    )


def folded_words(text: str) -> list[str]:
    """The words of a text, for comparing."""
    return [word.casefold().replace("’", "'") for word in _WORD.findall(text)]


def bare_words(text: str) -> list[str]:
    """The same without accents and anything unseen, taken apart at apostrophes and hyphens, so that
    "Zoë's" holds "zoe"."""
    seen = "".join(char for char in text if unicodedata.category(char) != "Cf")
    parts = (part for word in folded_words(seen) for part in re.split("['-]", word))
    return [without_accents(part) for part in parts]


def words_of_name(name: str) -> set[str]:
    """All that may call whoever is called so, as `bare_words`: "alice99" by "alice" too, and
    "TheRealAlice"."""
    words = set(bare_words(name))
    bare = {word.strip("0123456789") for word in words}
    bare.update(part.casefold() for part in _PARTS.findall(without_accents(name, folds=False)))
    return words | {word for word in bare if len(word) > 1}


def without_accents(word: str, *, folds: bool = True) -> str:
    """In small letters where it `folds`."""
    word = word.casefold() if folds else word
    if word.isascii():
        return word
    return "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c))


def may_be_listed(word: str) -> bool:
    """Whether a folded word is one that people would recognise as a word of theirs: no number, no
    phrase, no single letter."""
    if len(word) > MOST_WORD_CHARS or sum(map(str.isdigit, word)) > 2:
        return False
    if _UNSPACED.match(word):
        return len(word) <= (HAN_WORD_CHARS if _HAN.search(word) else UNSPACED_WORD_CHARS)
    return len(word) > 1 and any(map(str.isalpha, word))

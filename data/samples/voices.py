"""Turns a plain sentence into a member's own line or lines."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from random import Random

from data.samples.cast import Voice

DEFAULT_WORDS: dict[str, tuple[str, ...]] = {
    "yes": ("yeah", "yes", "yep"),
    "no": ("no", "nope", "nah"),
    "laugh": ("lol", "haha"),
    "wow": ("wow", "oh wow", "whoa"),
    "thanks": ("thanks", "thank you", "cheers"),
    "friend": ("friend", "mate"),
    "good": ("great", "good", "nice"),
    "bad": ("awful", "bad", "rough"),
    "hi": ("hi", "hey", "hello"),
    "bye": ("see you", "bye", "later"),
    "ok": ("ok", "okay", "alright"),
    "very": ("really", "very", "so"),
}
_DISCOURSE = frozenset(
    "yeah yes yep no nope nah lol haha ok okay well oh wow hey hi hello thanks so honestly and but"
    " or then wait".split()
)
_STRETCHABLE = frozenset(
    "so no yes please nice why good love long yay what stop cute late great nooo hello same".split()
)
_PROTECTED = re.compile(r"https?://|@|:\w+:|\d|^[A-Z]")


def word(voice: Voice, name: str, rng: Random) -> str | None:
    """The voice's own word for `yes`, `laugh` and the like; None where there is no such word."""
    choices = voice.words.get(name) or DEFAULT_WORDS.get(name)
    return rng.choice(choices) if choices else None


def say(voice: Voice, text: str, rng: Random) -> list[str]:
    """The line as this member sends it: one message, or two or three in a row."""
    own = tuple(dict.fromkeys(w for bank in voice.words.values() for w in bank))
    first = re.split(r"[ ,.!?]", text, maxsplit=1)[0].lower()
    busy = first in _DISCOURSE or text.startswith(("@", *own))
    length = text.count(" ") + 1
    if voice.openers and not busy and length > 3 and rng.random() < voice.opener_rate:
        text = f"{rng.choice(voice.openers)} {text}"
    closes = voice.closers and length > 3 and text[-1:] not in "?!"
    if closes and rng.random() < voice.closer_rate:
        closer = rng.choice(voice.closers)
        text = text if closer.strip(" ,") in text else f"{text}{closer}"
    text = _slang(voice, text, rng)
    parts = _split(voice, text, rng)
    parts = [_finish(voice, part, rng) for part in parts]
    if len(parts) > 1 and rng.random() < 0.04:
        parts = ["\n".join(parts)]
    if voice.catchphrases and length > 3 and rng.random() < voice.catchphrase_rate:
        phrase = rng.choice(voice.catchphrases)
        if rng.random() < 0.5 or parts[-1].endswith("?"):
            parts.append(phrase)
        else:
            parts[-1] = f"{parts[-1]}{_joint(parts[-1])} {phrase}"
    if voice.emoji and rng.random() < voice.emoji_rate:
        emoji = rng.choice(voice.emoji)
        if rng.random() < 0.12 and not emoji.startswith(":"):
            emoji *= rng.choice((2, 3))
        parts[-1] = f"{parts[-1]} {emoji}"
    return [part for part in parts if part]


def _joint(text: str) -> str:
    return "" if text[-1:] in ".!?…,:;" else "."


def _split(voice: Voice, text: str, rng: Random) -> list[str]:
    if len(text) < 24 or rng.random() >= voice.split_rate:
        return [text]
    cuts = list(re.finditer(r"(?<=[.!?]) |, (?=but|and|so|I|then|which)| (?=because )", text))
    cuts = [m for m in cuts if 5 < m.start() < len(text) - 6]
    if not cuts:
        return [text]
    chosen = sorted(
        rng.sample(cuts, min(len(cuts), rng.choice((1, 1, 2)))), key=lambda m: m.start()
    )
    parts, at = [], 0
    for cut in chosen:
        parts.append(text[at : cut.start()])
        at = cut.end()
    return [*parts, text[at:]]


@lru_cache(maxsize=512)
def _slang_pattern(slang: tuple[tuple[str, str], ...]) -> re.Pattern[str]:
    keys = sorted((key for key, _ in slang), key=lambda key: (-len(key), key))
    return re.compile(r"\b(" + "|".join(re.escape(k) for k in keys) + r")\b", re.I)


def _slang(voice: Voice, text: str, rng: Random) -> str:
    if not voice.slang:
        return text
    table = {key.lower(): value for key, value in voice.slang}

    def swap(match: re.Match[str]) -> str:
        hit = match.group(0)
        return table[hit.lower()] if rng.random() < voice.slang_rate else hit

    return _slang_pattern(voice.slang).sub(swap, text)


def _finish(voice: Voice, text: str, rng: Random) -> str:
    words = text.split(" ")
    words = [_roughen(voice, w, rng) for w in words]
    text = " ".join(words)
    if not voice.keeps_apostrophes:
        text = re.sub(r"(?<=\w)'(?=\w)", "", text)
    if voice.keeps_commas < 1.0:
        text = re.sub(r",(?= )", lambda m: "," if rng.random() < voice.keeps_commas else "", text)
    text = _cased(voice, text, rng)
    if text.endswith("?"):
        if rng.random() >= voice.question_mark_rate:
            text = text[:-1]
    elif text[-1:].isalnum() and rng.random() < voice.end_rate:
        text += voice.end_mark
    return text


def _roughen(voice: Voice, token: str, rng: Random) -> str:
    """A stretched or mistyped word, at the voice's rates."""
    bare = token.strip(",.!?")
    if voice.stretch_rate and bare.lower() in _STRETCHABLE and rng.random() < voice.stretch_rate:
        vowels = [i for i, c in enumerate(bare) if c.lower() in "aeiouy"]
        at = vowels[-1] if bare[-1].lower() != "e" or len(vowels) == 1 else vowels[-2]
        return token.replace(bare, bare[:at] + bare[at] * rng.randint(2, 4) + bare[at:], 1)
    if len(bare) < 5 or not voice.typo_rate or rng.random() >= voice.typo_rate:
        return token
    if _PROTECTED.search(token) or not bare.isalpha():
        return token
    at = rng.randint(1, len(bare) - 3)
    swapped = bare[:at] + bare[at + 1] + bare[at] + bare[at + 2 :]
    wrong = swapped if len(bare) < 6 or rng.random() < 0.6 else bare[:at] + bare[at + 1 :]
    return token.replace(bare, wrong, 1)


def _cased(voice: Voice, text: str, rng: Random) -> str:
    shout = voice.shout_rate and rng.random() < voice.shout_rate
    if voice.case == "upper" or shout:
        return _outside_links(text, str.upper)
    if voice.case == "lower":
        return _outside_links(text, str.lower)
    text = re.sub(r"(?<=[.!?] )([a-z])", lambda m: m.group(1).upper(), text)
    return text if text.startswith("http") else text[:1].upper() + text[1:]


def _outside_links(text: str, change: Callable[[str], str]) -> str:
    pieces = re.split(r"(https?://\S+|@\w+|:\w+:)", text)
    return "".join(p if i % 2 else change(p) for i, p in enumerate(pieces))

"""Puts how a community writes into a few sentences that tell a model to write like that.

Made of figures, and of words, emoji and the like that at least three members use; never of names.
Pure functions; any thread.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from data.style.counts import Counts
from data.style.words import bare_words, without_accents, words_of_name

MOST_TOKENS = 120
"""Of a voice, as `estimated_tokens` counts."""
LEAST_LINES = 20
"""Of fewer lines nothing is told."""
WORDS_TOLD = (10, 8, 6)
"""As many words of the place as there is room for."""
MOST_EMOJI = 4

_VOCABULARY = 100_000
"""Words of a language that the background knows of besides its everyday ones."""
_LANGUAGE_SHARE = 0.04
"""A language that adds less than this share of all words is not spoken here."""


def voice_of(counts: Counts, names: Iterable[str]) -> str:
    """The voice, at most MOST_TOKENS; "" where too little was said. `names` are the members':
    nothing that holds a word of them (`words_of_name`) is told. The least telling sentences give
    way first."""
    if counts.lines < LEAST_LINES:
        return ""
    taboo = {word for name in (*names, *counts.called) for word in words_of_name(name)}
    words = typical_words(counts, taboo)
    kept: list[tuple[int, str]] = []
    for many in WORDS_TOLD:
        # In the order in which they are read; the number is what gives way first, the highest.
        sentences = [
            (0, f"Write as people do here: {_shape(counts)}."),
            (4, _bursts(counts)),
            (3, _emoji(counts, taboo)),
            (2, _sounds(counts, taboo)),
            (1, f"Words of this place: {', '.join(words[:many])}." if words else ""),
            (5, _hours(counts)),
        ]
        kept = [pair for pair in sentences if pair[1]]
        if estimated_tokens(_joined(kept)) <= MOST_TOKENS:
            break
    while len(kept) > 1 and estimated_tokens(_joined(kept)) > MOST_TOKENS:
        kept.remove(max(kept))
    return _joined(kept)


def estimated_tokens(text: str) -> int:
    """At least about what the demo's vocabulary makes of plain text, Qwen's fewer; two bytes a
    token of others, which is Qwen's measure."""
    plain = sum(map(str.isascii, text))
    return math.ceil(plain / 2.3 + (len(text.encode()) - plain) / 2)


def typical_words(counts: Counts, taboo: AbstractSet[str]) -> list[str]:
    """The words by which this talk differs most from a language as such, the surest first.

    Weighted log-odds with an informative Dirichlet prior (Monroe, Colaresi and Quinn, "Fightin'
    Words", Political Analysis 2008, eq. 16 and 22), against the prior itself. The prior is a
    language's everyday words at the share that they have here, for those say nothing of a place,
    and all its other words alike.
    """
    said = counts.words.shared()
    total = counts.words.total()
    if not said:
        return []
    everyday = _everyday_words(said)
    rest = 1 - sum(said[word] for word in everyday) / total
    prior = max(rest, 0.01) / _VOCABULARY
    scores = {
        word: _log_odds_score(count, total, prior)
        for word, count in said.items()
        if word not in everyday and taboo.isdisjoint(bare_words(word))
    }
    return sorted(scores, key=lambda word: (-scores[word], word))


def _log_odds_score(count: int, total: int, prior: float) -> float:
    """z of a word's log-odds here against the prior, which weighs as much as all that was said."""
    alpha, alpha_0 = prior * total, float(total)
    here = math.log((count + alpha) / (total + alpha_0 - count - alpha))
    return (here - math.log(prior / (1 - prior))) / math.sqrt(1 / (count + alpha))


def _everyday_words(said: Counter[str]) -> set[str]:
    """Everyday words of the languages that are spoken here, the one that explains most first."""
    from stopwordsiso import langs, stopwords  # where a card is made alone, never in the bot

    total = said.total()
    # Accents or not: hardly anybody sets them all in a chat.
    bare = {word: without_accents(word) for word in said}
    lists: dict[str, set[str]] = {}
    for language in sorted(langs()):
        everyday = set(map(without_accents, stopwords(language)))
        lists[language] = {word for word in said if bare[word] in everyday}
    found: set[str] = set()
    while lists:
        gains = {name: sum(said[w] for w in words - found) for name, words in lists.items()}
        best = max(sorted(gains), key=lambda name: gains[name])
        if gains[best] < _LANGUAGE_SHARE * total:
            break
        found |= lists.pop(best)
    return found


# -- the sentences ---------------------------------------------------------------------------------


def _shape(counts: Counts) -> str:
    """How long the lines are, how they are cased, how they end."""
    with_words = Counter({length: n for length, n in counts.lengths.items() if length})
    parts = [_case(counts), _length(counts, with_words)]
    if with_words[1] >= 0.15 * with_words.total():
        parts.append("often one word alone")
    parts += [_ending(counts)]
    return ", ".join(part for part in parts if part)


def _case(counts: Counts) -> str:
    if counts.cased < LEAST_LINES:
        return ""
    lower = counts.lower / counts.cased
    case = "all in small letters" if lower >= 0.85 else "mostly in small letters"
    case = case if lower >= 0.5 else "with capitals where they belong" if lower < 0.2 else ""
    if counts.shouted >= 0.05 * counts.cased:
        case += ", now and then ALL IN CAPITALS" if case else "now and then ALL IN CAPITALS"
    return case


def _length(counts: Counts, with_words: Counter[int]) -> str:
    if counts.unspaced > counts.letters / 2:
        usual, long = (10 * quantile(counts.characters, share) + 5 for share in (0.5, 0.9))
        return f"about {usual} characters a line, seldom over {long}"
    usual, long = (quantile(with_words, share) for share in (0.5, 0.9))
    many = "s" if usual > 1 else ""
    return f"about {usual} word{many} a line, seldom over {max(long, usual + 1)}"


def _ending(counts: Counts) -> str:
    total = counts.ended.total() or 1
    share = {end: n / total for end, n in counts.ended.items()}
    if share.get("!", 0.0) >= 0.15:
        return "often with an exclamation mark"
    if share.get("…", 0.0) >= 0.1:
        return "often trailing off in dots"
    if share.get(".", 0.0) >= 0.5:
        return "with a full stop at the end"
    return "no full stop at the end" if share.get(".", 0.0) < 0.15 else ""


def _bursts(counts: Counts) -> str:
    runs = counts.bursts.total()
    several = runs - counts.bursts[1]
    if runs < LEAST_LINES or several < 0.3 * runs:
        return ""
    return "A longer thought comes as two or three short lines in a row."


def _emoji(counts: Counts, taboo: AbstractSet[str]) -> str:
    share = counts.with_emoji / counts.lines
    if share < 0.02:
        return "Hardly any emoji."
    usual = _usual(counts.emoji.shared(), taboo, MOST_EMOJI)
    mostly = f", mostly {' '.join(usual)}" if usual else ""
    return f"An emoji in about one line of {max(2, round(1 / share))}{mostly}."


def _sounds(counts: Counts, taboo: AbstractSet[str]) -> str:
    laughs = _usual(counts.laughs.shared(), taboo, 2, least=counts.lines // 500)
    greets = _usual(counts.greetings.shared(), taboo, 2, least=counts.lines // 1000)
    parts = [f"laugh with {_quoted(laughs)}"] if laughs else []
    parts += [f"greet with {_quoted(greets)}"] if greets else []
    text = " and ".join(parts)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _hours(counts: Counts) -> str:
    """The shortest stretch of the day with two thirds of all that is said, where it is a third of
    the day at most."""
    wanted = counts.hours.total() * 2 / 3
    for length in range(1, 9):
        for start in range(24):
            said = sum(counts.hours[(start + hour) % 24] for hour in range(length))
            if said >= wanted:
                return f"It is liveliest from {start} to {(start + length) % 24} h UTC."
    return ""


def _usual(found: Counter[str], taboo: AbstractSet[str], most: int, least: int = 0) -> list[str]:
    """The most frequent, those away that are less than a tenth of the first."""
    ranked = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))
    ranked = [pair for pair in ranked if taboo.isdisjoint(bare_words(pair[0]))]
    floor = max(ranked[0][1] / 10 if ranked else 0, least)
    return [word for word, n in ranked[:most] if n >= floor]


def _quoted(words: Iterable[str]) -> str:
    return " or ".join(f'"{word}"' for word in words)


def _joined(sentences: Iterable[tuple[int, str]]) -> str:
    return " ".join(text for _, text in sentences)


def quantile(counts: Counter[int], share: float) -> int:
    """The least value that so large a share of the counted lies at or below; 0 of nothing."""
    wanted = share * counts.total()
    below = 0
    for value in sorted(counts):
        below += counts[value]
        if below >= wanted:
            return value
    return 0

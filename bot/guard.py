"""Guards what leaves: nobody sees a draft of a model before it passed here, edits too.

Each rule is one small function in `bot/guarding/` that returns the text as it may stand. What can
be repaired without harm is repaired, until no rule has anything left to do; else the draft is
refused, and nothing of it is said. It is asked for beginnings of a reply too, as it grows, and for
single lines. Blocking where a history is given (it may be looked up); any thread.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Collection

from bot.guarding.leaks import gives_persona_away, without_prompt_marks, without_stand_ins
from bot.guarding.links import without_links
from bot.guarding.mentions import without_mentions
from bot.guarding.plain import with_plain_blanks, without_stacked_marks, without_unseen
from bot.guarding.repeats import without_repeats
from bot.guarding.speaking import own_words, without_own_name
from bot.guarding.surroundings import NOTHING_KNOWN, Surroundings
from bot.messages import Allowed, GuardVerdict, Refused, RefusedBecause
from data.privacy import redact
from data.verbatim import longest_span
from model.chat_format import Said

MAX_CHARS = 2_000
"""Discord's limit for one message."""

MOST_ROUNDS = 6
"""What is taken out may bring together what stood apart: the rules go over it again."""

LEAST_WORDS = 2
"""What has to be left of a draft that a link or personal data was taken out of."""

_UNSEEN = "what nobody sees taken out"
_PROMPT = "cut where it wrote out its prompt"
_SPOKE_FOR = "cut where it spoke for somebody else"
_LINKS = "links taken out that are not allowed"
_STAND_INS = "what stands for personal data taken out"
_WHY_NOTHING = {
    _PROMPT: RefusedBecause.PROMPT,
    _LINKS: RefusedBecause.LINK,
    _STAND_INS: RefusedBecause.PERSONAL,
}


def guard(
    draft: str,
    *,
    asked: str,
    names: Collection[str],
    persona_name: str,
    surroundings: Surroundings = NOTHING_KNOWN,
) -> GuardVerdict:
    """What of the draft may be said in answer to `asked`.

    `names` is everybody for whom it must not speak: who is in view, and the members known. A line
    of a name that nobody here bears stays: it speaks for no one, and is most often a list's
    ("monday: raid"). Hand in a frozenset where there are thousands: they are looked at once.

    Of what was allowed everything is allowed again, unchanged. Raises DatabaseError where the
    history cannot be asked.
    """
    spoken = tuple(turn.text for turn in surroundings.turns)
    view = (*spoken, asked)
    rules: tuple[tuple[str, Callable[[str], str]], ...] = (
        ("", with_plain_blanks),
        (_UNSEEN, without_unseen),
        ("marks upon marks taken off", without_stacked_marks),
        (_PROMPT, without_prompt_marks),
        ("its own name taken off the front", lambda t: without_own_name(t, persona_name)),
        (_SPOKE_FOR, lambda t: own_words(t, names, persona_name, surroundings.turns)),
        ("mentions of everybody broken", without_mentions),
        (_LINKS, lambda t: without_links(t, surroundings.allowed_links, view)),
        (_STAND_INS, without_stand_ins),
        ("shortened where it said the same over and over", without_repeats),
        (f"cut at {MAX_CHARS:,} characters", _within_limit),
    )
    ruled = _ruled(draft[: 4 * MAX_CHARS], rules)
    if ruled is None:
        return Refused(RefusedBecause.UNSETTLED)
    text, changes = ruled
    least = LEAST_WORDS if _LINKS in changes or _STAND_INS in changes else 0
    if not _says_something(text, least):
        found = (reason for change, reason in _WHY_NOTHING.items() if change in changes)
        return Refused(next(found, RefusedBecause.EMPTY))
    reason = _why_refused(text, asked, persona_name, surroundings, view)
    return Allowed(text, changes) if reason is None else Refused(reason)


def _ruled(
    text: str, rules: tuple[tuple[str, Callable[[str], str]], ...]
) -> tuple[str, tuple[str, ...]] | None:
    """The text as all rules leave it, and what they did; None where they come to no end."""
    changes: list[str] = []
    for _ in range(MOST_ROUNDS):
        before = text
        for change, rule in rules:
            ruled = rule(text)
            if ruled != text and change:
                changes.append(change)
            text = ruled
        if text == before:
            return text, tuple(dict.fromkeys(changes))
    return None


def _why_refused(
    text: str, asked: str, persona_name: str, around: Surroundings, view: tuple[str, ...]
) -> RefusedBecause | None:
    """Why nothing of a text may leave that the rules have repaired."""
    if _folded(text) == _folded(asked):
        return RefusedBecause.ECHO
    if _is_personal(text):
        return RefusedBecause.PERSONAL
    if gives_persona_away(text, around.persona, persona_name, view):
        return RefusedBecause.PROMPT
    if around.history is not None:
        shown = _spoken_in_a_row(around, asked)
        if longest_span(text, around.history, shown, around.tokenizer) is not None:
            return RefusedBecause.VERBATIM
    return None


def _is_personal(text: str) -> bool:
    found: Counter[str] = Counter()
    redact(text if text.isascii() else unicodedata.normalize("NFKC", text), found)
    return bool(found)


def _spoken_in_a_row(around: Surroundings, asked: str) -> list[str]:
    """What is in view of each speaker, joined: a span may run over their lines."""
    by_speaker: dict[str, list[str]] = {"": [asked]}
    for n, turn in enumerate(around.turns):
        name = turn.name if isinstance(turn, Said) else f"\n{type(turn).__name__} {n}"
        by_speaker.setdefault(name, []).append(turn.text)
    return [" ".join(texts) for texts in by_speaker.values()]


def _within_limit(text: str) -> str:
    """At most `MAX_CHARS`, counted as Discord counts; cut at a space where one is near."""
    if len(text) <= MAX_CHARS:
        return text
    cut = text[:MAX_CHARS]
    space = cut.rfind(" ", MAX_CHARS - 100)
    return cut[:space].rstrip() if space > 0 else cut


def _says_something(text: str, least_words: int) -> bool:
    if not least_words:
        return bool(text.strip())
    return len([w for w in text.split() if any(c.isalnum() for c in w)]) >= least_words


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())

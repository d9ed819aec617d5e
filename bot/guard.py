"""Guards what leaves: nobody sees a draft of a model before it passed here. Pure; any thread.

Each rule is one small function that returns the text as it may stand and says what it changed.
Rules to come have their place in `guard`: personal data, prompt leakage, verbatim memory, links,
and later tool calls, which run with the asker's rights and never the bot's.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

from bot.messages import Allowed, GuardVerdict, Refused, RefusedBecause
from model.chat_format import clean_name, cut_to_own_words, folded

MAX_CHARS = 2_000
"""Discord's limit for one message."""

ZERO_WIDTH_SPACE = "\u200b"

_MASS_MENTION = re.compile(r"@(?=everyone|here)", re.IGNORECASE)
_ROLE_OR_MEMBER = re.compile(r"<@(?=[!&]?\d+>)")
_LINE_ENDS = re.compile(r"\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
# Joiners make one emoji of several, tags make flags; the other unseen characters only hide things.
_KEPT_UNSEEN = re.compile("[\n\u200d\U000e0020-\U000e007f]")
_HEAD_OF_LINE = re.compile(
    r"^([^:\uff1a\ufe13\ufe55\n]{1,64})[:\uff1a\ufe13\ufe55](?!//)", re.MULTILINE
)
_MARKS = re.compile(r"[\s*_~`|<>\[\](){}\"'“”‘’#–—-]+")


def guard(draft: str, *, asked: str, names: Collection[str], persona_name: str) -> GuardVerdict:
    """What of the draft may be said in answer to `asked`.

    `names` is everybody for whom it must not speak: who is in view, and the members known. A line
    of a name that nobody here bears stays: it speaks for no one, and is most often a list's
    ("monday: raid").
    """
    changes: list[str] = []
    text = _plain(draft)
    for change, rule in (
        ("its own name taken off the front", lambda t: _without_own_name(t, persona_name)),
        ("cut where it spoke for somebody else", lambda t: _own_words(t, names, persona_name)),
        ("mentions of everybody broken", _without_mass_mentions),
        (f"cut at {MAX_CHARS:,} characters", _within_limit),
    ):
        ruled = rule(text)
        if ruled != text:
            changes.append(change)
        text = ruled
    if not _says_something(text):
        return Refused(RefusedBecause.EMPTY)
    if _folded(text) == _folded(asked):
        return Refused(RefusedBecause.ECHO)
    return Allowed(text, tuple(changes))


def _plain(text: str) -> str:
    """Composed (NFC), with one kind of line break and nothing unseen but what emoji are made of.

    Unassigned characters stay: Python's tables are older than the newest emoji.
    """
    unified = _LINE_ENDS.sub("\n", text).replace("\t", " ")
    seen = (
        char
        for char in unified
        if _KEPT_UNSEEN.match(char) or unicodedata.category(char) not in ("Cc", "Cf", "Cs")
    )
    return unicodedata.normalize("NFC", "".join(seen)).strip()


def _without_own_name(text: str, persona_name: str) -> str:
    head = _HEAD_OF_LINE.match(text)
    if head is None or _bare(head[1]) != _bare(clean_name(persona_name)):
        return text
    return text[head.end() :].lstrip(" \t*_~`>")


def _own_words(text: str, names: Collection[str], persona_name: str) -> str:
    """`cut_to_own_words`, and the same for names dressed in marks."""
    everybody = [*names, persona_name]
    text = cut_to_own_words(text, everybody)
    heads = list(_HEAD_OF_LINE.finditer(text))
    if not heads:
        return text
    known = {_bare(clean_name(name)) for name in everybody} - {""}
    ends = [head.start() for head in heads if _bare(head[1]) in known]
    return text[: min(ends)].strip() if ends else text


def _bare(name: str) -> str:
    """A name without the marks that may stand around it, for comparing."""
    return _MARKS.sub("", folded(name))


def _without_mass_mentions(text: str) -> str:
    """@everyone, @here and raw mentions reach nobody: a zero-width space breaks them."""
    broken = _MASS_MENTION.sub("@" + ZERO_WIDTH_SPACE, text)
    return _ROLE_OR_MEMBER.sub("<@" + ZERO_WIDTH_SPACE, broken)


def _within_limit(text: str) -> str:
    """At most `MAX_CHARS`, counted as Discord counts; cut at a space where one is near."""
    if len(text) <= MAX_CHARS:
        return text
    cut = text[:MAX_CHARS]
    space = cut.rfind(" ", MAX_CHARS - 100)
    return cut[:space].rstrip() if space > 0 else cut


def _says_something(text: str) -> bool:
    return bool(text.replace(ZERO_WIDTH_SPACE, "").strip())


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())

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
from model.chat_format import NOTE_PREFIX, clean_name, cut_to_own_words

MAX_CHARS = 2_000
"""Discord's limit for one message."""

ZERO_WIDTH_SPACE = "\u200b"

_MASS_MENTION = re.compile(r"@(?=everyone\b|here\b)", re.IGNORECASE)
_ROLE_OR_MEMBER = re.compile(r"<@(?=[!&]?\d+>)")
_LINE_ENDS = re.compile(r"\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_HEAD_OF_LINE = re.compile(r"^([^::\n]{1,64})[::]", re.MULTILINE)
_MARKS = re.compile(r"[\s*_~`|<>\[\](){}\"'“”‘’#–—-]+")
# A later line such as "kira: yes": of no known member, yet the shape in which others speak.
_STRANGER = re.compile(r"^[ \t]*([\w.\-|\[\]^`]{1,32}): +\S", re.MULTILINE)
_HEADINGS = frozenset(
    "edit edit2 ps note notes update tldr nb fyi btw warning tip example result question answer "
    "q a pro pros con cons http https".split()
)


def guard(draft: str, *, asked: str, names: Collection[str], persona_name: str) -> GuardVerdict:
    """What of the draft may be said in answer to `asked`.

    `names` is everybody for whom it must not speak: who is in view, and the members known.
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
    """One kind of line break, and no character that is not seen (but joiners, which emoji need)."""
    unified = _LINE_ENDS.sub("\n", text)
    seen = (c for c in unified if c == "\n" or c == "\u200d" or unicodedata.category(c)[0] != "C")
    return "".join(seen).strip()


def _without_own_name(text: str, persona_name: str) -> str:
    head = _HEAD_OF_LINE.match(text)
    if head is None or _bare(head[1]) != _bare(clean_name(persona_name)):
        return text
    return text[head.end() :].lstrip(" \t*_~`>")


def _own_words(text: str, names: Collection[str], persona_name: str) -> str:
    """`cut_to_own_words`, and the same for names dressed in marks and for strangers' lines."""
    everybody = [*names, persona_name]
    text = cut_to_own_words(text, everybody)
    known = {_bare(clean_name(name)) for name in everybody} - {""}
    ends = [head.start() for head in _HEAD_OF_LINE.finditer(text) if _bare(head[1]) in known]
    ends += [
        line.start()
        for line in _STRANGER.finditer(text)
        if line.start() > 0 and line[1].casefold().strip(".") not in _HEADINGS
    ]
    return text[: min(ends)].strip() if ends else text


def _bare(name: str) -> str:
    """A name without the marks that may stand around it and in any case, for comparing."""
    return _MARKS.sub("", name).casefold()


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
    return bool(text.replace(ZERO_WIDTH_SPACE, "").strip()) and not text.startswith(NOTE_PREFIX)


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())

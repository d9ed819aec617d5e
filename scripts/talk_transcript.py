"""The transcript of an evening with the bot, and its figures: what scripts/show_talk.py prints."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from storage.paths import Home
from tests.discord_stand_in.sayings import Message
from tests.discord_stand_in.stand_in import StandInThread

Row = dict[str, Any]
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class Evening:
    """What was said, once it is over."""

    discord: StandInThread
    home: Home
    """The one whose bot was there."""
    persona_name: str
    asides: Mapping[int, str]
    """What each line to, about or past the bot was for, by the message's id."""


def verdicts(home: Home) -> dict[int, Row]:
    with closing(sqlite3.connect(home.database, timeout=30)) as connection:
        connection.row_factory = sqlite3.Row
        return {row["message_id"]: dict(row) for row in connection.execute(_VERDICTS)}


_VERDICTS = "SELECT message_id, verdict, reason, detail, outcome, prompt_tokens FROM verdicts"


def said_in(home: Home) -> set[str]:
    """What members said, in lower case."""
    with closing(sqlite3.connect(home.database, timeout=30)) as connection:
        return {row[0].casefold() for row in connection.execute("SELECT content FROM messages")}


def transcript(evening: Evening, before: set[str]) -> list[Row]:
    """All that was said and given, in its order. `before`: what the history holds."""
    world = evening.discord.inner.world
    said = evening.discord.call(lambda: sorted(world.messages.values(), key=lambda m: m.id))
    judged = verdicts(evening.home)
    began_ms = said[0].at_ms if said else 0
    rows: list[Row] = []
    lines: Counter[int] = Counter()
    for message in said:
        row = {
            "at_s": round((message.at_ms - began_ms) / 1000, 1),
            "channel": world.channel(message.channel_id).name,
            "who": _name(evening, message.author_id),
            "text": _shown(evening, message.content),
        }
        if message.author_id == evening.discord.bot_id:
            lines[message.asked or 0] += 1
            tokens = judged.get(message.asked or 0, {}).get("prompt_tokens", 0)
            own = _own(evening, message, lines[message.asked or 0], before)
            rows.append(row | own | {"prompt_tokens": tokens})
        else:
            rows.append(row | _judged(evening, message, judged.get(message.id, {})))
    return rows


def _own(evening: Evening, message: Message, line: int, before: set[str]) -> Row:
    asked = evening.discord.inner.world.messages.get(message.asked or 0)
    return {
        "asked": _shown(evening, asked.content) if asked else "",
        "after_s": round((message.at_ms - asked.at_ms) / 1000, 1) if asked else None,
        "line": line,
        "refers": message.reply_to is not None,
        "said_before": message.content.casefold() in before,
    }


def _judged(evening: Evening, message: Message, verdict: Row) -> Row:
    reactions = [e for e, who in message.reactions.items() if evening.discord.bot_id in who]
    return {
        "aside": evening.asides.get(message.id, ""),
        "verdict": verdict.get("verdict", "none"),
        "reason": verdict.get("reason", ""),
        "detail": verdict.get("detail", ""),
        "outcome": verdict.get("outcome", ""),
        "reacted": reactions[0] if reactions else "",
        "refers": message.reply_to is not None,
    }


def _name(evening: Evening, member_id: int) -> str:
    if member_id == evening.discord.bot_id:
        return evening.persona_name
    user = evening.discord.inner.world.users[member_id]
    return user.display_name or user.name


def _shown(evening: Evening, text: str) -> str:
    for member_id in evening.discord.inner.world.named_in(text):
        text = text.replace(f"<@{member_id}>", f"@{_name(evening, member_id)}")
    return text


def figures(rows: list[Row], before: set[str]) -> Row:
    """`first_s`: from the line that is answered to the first message; `own_with_unknown_words`: how
    many of the bot's messages hold a word that nobody ever said."""
    theirs, own = [r for r in rows if "verdict" in r], [r for r in rows if "after_s" in r]
    first_s = sorted(r["after_s"] for r in own if r["line"] == 1 and r["after_s"] is not None)
    spoke = [r for r in theirs if r["outcome"] in ("sent", "reacted")]
    words = {word for text in before for word in _WORD.findall(text)}
    words |= {word for r in theirs for word in _WORD.findall(r["text"].casefold())}
    return {
        "said": len(theirs),
        "asides": sum(bool(r["aside"]) for r in theirs),
        "said_before_by_members": sum(
            r["text"].casefold() in before for r in theirs if not r["aside"]
        ),
        "answers": len(first_s),
        "messages": len(own),
        "unasked": sum(r["reason"].startswith("unasked") for r in spoke),
        "reactions": sum(bool(r["reacted"]) for r in theirs),
        "refers": sum(r["refers"] for r in own),
        "own_said_before_by_members": sum(r["said_before"] for r in own),
        "own_with_unknown_words": sum(
            any(word not in words for word in _WORD.findall(r["text"].casefold())) for r in own
        ),
        "first_s": {f"p{p}": _rank(first_s, p) for p in (50, 95)},
        "reasons": dict(Counter(r["reason"] for r in theirs).most_common()),
        "not_sent": dict(Counter(r["outcome"] for r in theirs if r["verdict"] == "reply")),
    }


def _rank(ordered: list[float], percent: int) -> float | None:
    """Nearest rank."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)] if ordered else None


def printed(row: Row) -> str:
    at = f"{int(row['at_s'] // 60)}:{row['at_s'] % 60:04.1f}"
    text = row["text"].replace("\n", " / ")
    line = f"{at} #{row['channel']:<11} {row['who']:>8}: {text}"
    if "after_s" in row:
        known = ", said before by a member" if row["said_before"] else ""
        how = "shown as a reply" if row["refers"] else "plain"
        when = f"{row['after_s']} s after it was asked, line {row['line']}"
        return f"{line}\n{'':>22}[{when}, {how}{known}; prompt {row['prompt_tokens']} tokens]"
    told = [f"reacts {row['reacted']}"] if row["reacted"] else []
    if row["aside"] or row["verdict"] == "reply":
        told.append(": ".join(filter(None, (row["outcome"], row["reason"], row["detail"]))))
    head = f"{row['aside']}; " if row["aside"] else ""
    return f"{line}\n{'':>22}[{head}{', '.join(told)}]" if told else line

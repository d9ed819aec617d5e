"""Turns a simulated community into windows of talk for pretraining: one member is the persona in each.

Half of the windows are single conversations from their first line (so that a fresh chat makes sense),
half are the channel as it was, entangled; some carry memory notes. The layout is chat_format's.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from data.notes import memory_note
from data.samples.cast import SampleMessage, Simulation
from model.chat_format import Note, Own, Said, Turn

NOTE_RATE = 0.12
MAX_LINES = 36


@dataclass(frozen=True)
class Window:
    """One stretch of a channel seen by the persona: its system text and the turns."""

    persona: str
    turns: tuple[Turn, ...]


def windows(
    simulation: Simulation, seed: int, persona_text: str, persona_names: Sequence[str]
) -> Iterator[Window]:
    """All windows of a community, channel after channel; every human line is in about two of them.

    `persona_text` holds {name} and {server}; the name is one of `persona_names` or the member's own.
    """
    rng = Random(f"{simulation.community.id}/{seed}/windows")
    for channel in simulation.channels:
        lines = [m for m in simulation.messages[channel.id] if _is_talk(m)]
        for stretch in (*_conversations(lines), *_stretches(lines, rng)):
            yield _window(simulation, lines, stretch, rng, persona_text, persona_names)


def _is_talk(message: SampleMessage) -> bool:
    return (
        not message.author.is_bot
        and message.act not in ("system", "command", "bot")
        and bool(message.content.strip())
    )


def _conversations(lines: Sequence[SampleMessage]) -> Iterator[list[SampleMessage]]:
    groups: dict[int, list[SampleMessage]] = defaultdict(list)
    for message in lines:
        groups[message.conversation].append(message)
    for group in groups.values():
        if len(group) > 1:
            yield group[:MAX_LINES]


def _stretches(lines: Sequence[SampleMessage], rng: Random) -> Iterator[list[SampleMessage]]:
    start = 0
    while start < len(lines):
        length = rng.choice((6, 12, 20, 28, MAX_LINES))
        yield list(lines[start : start + length])
        start += length


def _window(
    simulation: Simulation,
    lines: Sequence[SampleMessage],
    stretch: Sequence[SampleMessage],
    rng: Random,
    persona_text: str,
    persona_names: Sequence[str],
) -> Window:
    answering = [m.author for m in stretch[1:] if m.author.id != stretch[0].author.id]
    self_member = rng.choice(answering or [stretch[-1].author])
    name = rng.choice(persona_names) if rng.random() < 0.8 else self_member.nick
    own_nick = re.compile(rf"(?<!\w){re.escape(self_member.nick)}(?!\w)", re.IGNORECASE)
    turns: list[Turn] = []
    for message in stretch:
        if message.author.id == self_member.id:
            turns.append(Own(message.content))
            continue
        if turns and rng.random() < NOTE_RATE / 3:
            turns.append(_note(lines, message, rng))
        turns.append(Said(message.author.nick, own_nick.sub(name, message.content)))
    server = simulation.community.name
    return Window(persona_text.format(name=name, server=server), tuple(turns))


def _note(lines: Sequence[SampleMessage], about: SampleMessage, rng: Random) -> Note:
    """An older line, of the same topic where a few draws find one."""
    older = rng.choice(lines)
    for _ in range(12):
        candidate = rng.choice(lines)
        if candidate.topic == about.topic and candidate.timestamp_ms < about.timestamp_ms:
            older = candidate
            break
    return Note(memory_note(older.author.nick, older.timestamp_ms, older.content))

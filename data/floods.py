"""Finds exact floods: one line pasted again and again, or the same line by many at once.

Repetition is character ("lol", "gm", "+1" by whoever and however often over the days), so only what
comes within moments counts, and short lines only where one author sends them in a row.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from data.preprocessor import CleanMessage

PASTE_MS = 60_000
"""One author's same line within this time of the last one is a copy."""
SHORT_PASTE_MS = 10_000
"""The same for a short line: "lol" every minute is talk."""
RAID_MS = 10_000
"""The same line within this time of another author's belongs to one wave."""
RAID_AUTHORS = 4
"""From so many authors on a wave is a raid: three can say the same by chance, or cheer."""
LONG_CHARS = 16
"""A shorter line is repeated as talk is: "no no", "happy bday". An emoji counts one character here,
and what is drawn out its first bit: "hahahahahahahaha", ":cat: :cat: :cat:"."""
SHORT_KEPT = 3
"""Copies of a short line by one author in a row that are talk still, the first included."""
RAID_CHARS = 30
"""A shorter line by many at once is a cheer: "happy birthday mira!!". One with a link never is."""
_EMOJI = re.compile(r":\w{2,32}:")
_DRAWN_OUT = re.compile(r"(.{1,3}?)\1{2,}", re.DOTALL)
MOST_REMEMBERED = 5_000
"""Lines of one channel's last minute at most: what bounds the memory."""


def without_floods(messages: Sequence[CleanMessage]) -> tuple[list[CleanMessage], int]:
    """The messages without copies, and how many were copies; each flood's first line stays.

    Messages of a channel in the order of time; channels may alternate. A message that is itself a
    reply stays, and a reply to a copy then answers the line that stayed.
    """
    stays_for = find_copies(messages)
    if not stays_for:
        return list(messages), 0
    kept = []
    for message in messages:
        if message.message_id in stays_for:
            continue
        if message.reply_to_id in stays_for:
            message = replace(message, reply_to_id=stays_for[message.reply_to_id])
        kept.append(message)
    return kept, len(stays_for)


def find_copies(messages: Iterable[CleanMessage]) -> dict[int, int]:
    """{a copy's id: the id of the line that stays for it}; remembers a minute of each channel."""
    channels: dict[int, _Channel] = {}
    stays_for: dict[int, int] = {}
    for message in messages:
        if message.reply_to_id is not None:
            continue
        channel = channels.get(message.channel_id)
        if channel is None:
            channel = channels[message.channel_id] = _Channel()
        channel.take(message, stays_for)
    return stays_for


@dataclass
class _Line:
    """One line's copies within the last minute of a channel."""

    pasted: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    """author: (the id that stays, copies so far, time of the last)."""
    wave: list[tuple[int, int]] = field(default_factory=list)
    """(author, id) of the first of each author in the wave."""
    wave_at_ms: int = 0
    said_at_ms: int = 0


class _Channel:
    """What was said in the last minute of one channel."""

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}
        self._said: deque[tuple[int, str]] = deque()

    def take(self, message: CleanMessage, stays_for: dict[int, int]) -> None:
        """Adds what the message shows to be a copy, itself or earlier ones, to `stays_for`."""
        now_ms, text = message.created_at_ms, message.text
        self._forget(now_ms)
        self._said.append((now_ms, text))
        line = self._lines.setdefault(text, _Line())
        line.said_at_ms = now_ms
        if not self._is_paste(line, message, stays_for) and _is_raided(text):
            self._look_for_raid(line, message, stays_for)

    def _forget(self, now_ms: int) -> None:
        said = self._said
        while said and (now_ms - said[0][0] > PASTE_MS or len(said) >= MOST_REMEMBERED):
            at_ms, text = said.popleft()
            line = self._lines.get(text)
            if line is not None and line.said_at_ms <= at_ms:
                del self._lines[text]

    def _is_paste(self, line: _Line, message: CleanMessage, stays_for: dict[int, int]) -> bool:
        stays, copies, last_ms = line.pasted.get(
            message.author_id, (message.message_id, 0, message.created_at_ms)
        )
        is_long = _is_long(message.text)
        if message.created_at_ms - last_ms > (PASTE_MS if is_long else SHORT_PASTE_MS):
            stays, copies = message.message_id, 0
        copies += 1
        line.pasted[message.author_id] = (stays, copies, message.created_at_ms)
        if copies <= (1 if is_long else SHORT_KEPT):
            return False
        stays_for[message.message_id] = stays_for.get(stays, stays)
        return True

    def _look_for_raid(self, line: _Line, message: CleanMessage, stays_for: dict[int, int]) -> None:
        if message.created_at_ms - line.wave_at_ms > RAID_MS:
            line.wave.clear()
        line.wave_at_ms = message.created_at_ms
        line.wave.append((message.author_id, message.message_id))
        if len({author for author, _ in line.wave}) < RAID_AUTHORS:
            return
        first = line.wave[0][1]
        for _, message_id in line.wave[1:]:
            stays_for[message_id] = first


def _is_long(text: str, chars: int = LONG_CHARS) -> bool:
    """Whether a line says so much that nobody says it twice in a row without pasting it."""
    if len(text) < chars:
        return False
    return len(_DRAWN_OUT.sub(r"\1", _EMOJI.sub("x", text))) >= chars


def _is_raided(text: str) -> bool:
    """Whether a line is more than many cheer with at once."""
    has_link = "://" in text or "discord.gg/" in text
    return _is_long(text, LONG_CHARS if has_link else RAID_CHARS)

"""The style card: how a community writes, in a few sentences, and typical exchanges of it.

    data_storage/style_card.json     the sentences, and the exchanges as ids of their messages alone

The exchanges' words are looked up in the database whenever the card is read, under what may be
recalled then: what was deleted, edited, closed, or said by somebody who opted out or was forgotten
since is not in it any more.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.consent import Rules, may_recall, state_of
from data.naming import EverydayWords
from data.preprocessor import Cleaner, CleanMessage
from data.privacy import redact
from data.segments import cut
from data.style.counts import Counting
from data.style.exchanges import (
    MOST_CHANNELS,
    NEWEST,
    Exchange,
    Names,
    as_exchange,
    common_rooms,
    exchanges_in,
    may_be_quoted,
    shown_in,
)
from data.style.pace import Pace
from data.style.pace import as_json as pace_as_json
from data.style.pace import from_json as pace_from_json
from data.style.voice import voice_of
from storage.manifest import write_text_atomically
from storage.paths import Home
from storage.records import ChannelRecord, MemberRecord, MessageRecord

if TYPE_CHECKING:
    from storage.database import Database

log = logging.getLogger(__name__)

VERSION = 1
SEGMENT_MESSAGES = 5_000
MOST_MESSAGES = 300_000
"""About so many are counted of a longer history: pieces of SEGMENT_MESSAGES, evenly over it."""
DAY_MS = 24 * 60 * 60 * 1000
OLD_AFTER_DAYS = 7
"""A card is made anew after so many days, where the history changed."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class StyleCard:
    """How a community writes."""

    voice: str = ""
    """At most about 120 tokens, made from what may be recalled; "": too little was said."""
    learned_voice: str = ""
    """The same made from what may be learned from alone; "": nothing, or too little."""
    exchanges: tuple[Exchange, ...] = ()
    """Of all channels, the typical ones first in each."""
    commons: frozenset[int] = frozenset()
    """The channels in which most people speak."""
    made_at_ms: int = 0
    history: Mapping[str, Any] | None = None
    """What it was made from, as `state_of_history` gives it."""
    pace: Pace = field(default_factory=Pace)
    """How fast they write line after line."""

    def exchanges_for(self, channel: ChannelRecord) -> tuple[Exchange, ...]:
        """Those that may be shown in a channel."""
        here = {channel.channel_id, channel.parent_id or channel.channel_id}
        return shown_in(self.exchanges, here, self.commons)


def make_style_card(
    home: Home,
    database: Database,
    progress: Progress = lambda step, done, total: None,
) -> StyleCard:
    """Make the card in one walk through the history and keep it in the home.

    The same history and rules give the same card; memory does not grow with the history. Raises
    DatabaseError, OSError.
    """
    history = state_of_history(database)  # before: what changes meanwhile makes it out of date
    people = _People(database)
    commons = common_rooms(database.speakers_by_channel())
    counting, everyday = Counting(commons), EverydayWords(people.members)
    speakers: dict[int, set[int]] = {}
    for segment in _segments(database, people, progress):
        counting.note(segment)
        everyday.note(message for message, _, _ in segment)
        for message, _, _ in segment:
            speakers.setdefault(message.channel_id, set()).add(message.author_id)
    rooms = {channel_id: len(found) for channel_id, found in speakers.items()}
    card = StyleCard(
        voice_of(counting.all(), people.names),
        voice_of(counting.learnable, people.names),
        tuple(_exchanges(database, people, Names(people.names, everyday.found()), rooms)),
        frozenset(commons),
        time.time_ns() // 1_000_000,
        history,
        counting.all().pace,
    )
    write_text_atomically(path_in(home), _to_json(card))
    return card


def read_style_card(home: Home, database: Database | None = None) -> StyleCard | None:
    """The kept card, its exchanges as the database has them now (None: without any); None where
    there is none that can be read."""
    try:
        value = json.loads(path_in(home).read_text(encoding="utf-8"))
        if value["version"] != VERSION:
            return None
        card = StyleCard(
            str(value["voice"]),
            str(value["learned_voice"]),
            (),
            frozenset(map(int, value["commons"])),
            int(value["made_at_ms"]),
            dict(value["history"]),
            pace_from_json(value.get("pace")),
        )
        kept = list(_kept(value["exchanges"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("The style card cannot be read (%s); it is made anew.", type(error).__name__)
        return None
    if database is None or not kept:
        return card
    return replace(card, exchanges=tuple(_looked_up(database, kept)))


def is_old(card: StyleCard | None, database: Database, now_ms: int) -> bool:
    """Whether it is to be made anew: there is none, other people may be told of, twice as much was
    said, or the history changed and OLD_AFTER_DAYS are over. Where nothing was ever said there is
    nothing to make."""
    now = state_of_history(database)
    if card is None:
        return bool(now["messages"])
    if card.history is None or card.history.get("people") != now["people"]:
        return True
    if now["messages"] >= 2 * int(card.history.get("messages", 0)) > 0:
        return True
    return card.history != now and now_ms - card.made_at_ms >= OLD_AFTER_DAYS * DAY_MS


def state_of_history(database: Database) -> dict[str, Any]:
    """What a card depends on in the database. "people" changes with whoever may not be told of."""
    rules = Rules.of(database)
    unwilling = [
        (m.member_id, state_of(m).value) for m in database.members() if m.is_bot or _is_settled(m)
    ]
    closed = [c.channel_id for c in database.channels() if not c.is_allowed]
    people = [unwilling, closed, len(database.tombstones()), rules.mode.value, rules.is_declared]
    return {
        **database.history_state(),
        "people": hashlib.sha256(json.dumps(people).encode()).hexdigest(),
    }


def path_in(home: Home) -> Path:
    return home.data_storage / "style_card.json"


class _People:
    """Whose words may be shown, and as what."""

    def __init__(self, database: Database) -> None:
        members = {member.member_id: member for member in database.members()}
        channels = database.channels()
        self._members = members
        self.members = tuple(members.values())
        self._cleaner = Cleaner(
            members.values(),
            Rules.of(database),
            {channel.channel_id for channel in channels if not channel.is_allowed},
        )
        self.names = {name for m in members.values() for name in (m.name, m.nickname)}

    def shown(self, records: Iterable[MessageRecord]) -> list[tuple[CleanMessage, str, bool]]:
        """Of these what may be recalled, by time: its text as it may be shown, and whether it may
        be learned from."""
        kept, _ = self._cleaner.clean(records)
        kept.sort(key=lambda one: (one.created_at_ms, one.message_id))
        return [
            (one, redact(one.text) if one.not_shown else one.text, not one.not_shown)
            for one in kept
            if self._may_recall(one)
        ]

    def messages(self, records: Iterable[MessageRecord]) -> list[CleanMessage]:
        """The same as messages with that text."""
        return [replace(one, text=text) for one, text, _ in self.shown(records)]

    def _may_recall(self, message: CleanMessage) -> bool:
        author = self._members.get(message.author_id)
        return author is not None and may_recall(state_of(author), message.origin)


def _segments(
    database: Database, people: _People, progress: Progress
) -> Iterator[list[tuple[CleanMessage, str, bool]]]:
    total = sum(database.message_counts().values())
    every = math.ceil(total / MOST_MESSAGES) or 1
    done = 0
    for number, records in enumerate(cut(database.messages(), SEGMENT_MESSAGES)):
        if number % every == 0:
            yield people.shown(records)
        done += len(records)
        progress("finding out how people write", done, total)


def _exchanges(
    database: Database, people: _People, names: Names, speakers: Mapping[int, int]
) -> Iterator[Exchange]:
    """Of the channels in which most people speak."""
    fullest = sorted(speakers, key=lambda channel_id: (-speakers[channel_id], channel_id))
    for channel_id in fullest[:MOST_CHANNELS]:
        newest = database.recent_messages(channel_id, NEWEST)
        yield from exchanges_in(people.messages(newest), names)


def _looked_up(database: Database, kept: Iterable[tuple[int, int, str]]) -> Iterator[Exchange]:
    """As they are now. What was edited since is looked at as if it were new, by stricter rules."""
    kept = list(kept)
    people = _People(database)
    names = Names(people.names)
    records = database.messages_by_id(i for *pair, _ in kept for i in pair)
    found = {m.message_id: m for m in people.messages(records)}
    for line_id, answer_id, mark in kept:
        line, answer = found.get(line_id), found.get(answer_id)
        if line is None or answer is None:
            continue
        one = as_exchange(line, answer)
        texts = (one.line, one.answer)
        if _mark(one) == mark or all(may_be_quoted(t) and not names.are_in(t) for t in texts):
            yield one


def _is_settled(member: MemberRecord) -> bool:
    return state_of(member).value != "unset"


def _to_json(card: StyleCard) -> str:
    value = {
        "version": VERSION,
        "made_at_ms": card.made_at_ms,
        "voice": card.voice,
        "learned_voice": card.learned_voice,
        "commons": sorted(card.commons),
        "pace": pace_as_json(card.pace),
        "exchanges": [
            {"message_ids": list(one.message_ids), "mark": _mark(one)} for one in card.exchanges
        ],
        "history": card.history,
    }
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _kept(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[int, int, str]]:
    for row in rows:
        line, answer = row["message_ids"]
        yield int(line), int(answer), str(row["mark"])


def _mark(one: Exchange) -> str:
    """Tells whether the words are those that were chosen."""
    return hashlib.sha256(f"{one.line}\n{one.answer}".encode()).hexdigest()[:16]

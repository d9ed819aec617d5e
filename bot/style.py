"""The persona that each prompt begins with: resolved for a channel and the model that answers, and
kept until something it was made from changes.

A card that any script made is noticed within a minute. Where there is none, or it is old, one is
made by a process of its own at a low priority. `persona` may be called from any thread, what blocks
from worker threads, the rest from the event loop's.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping
from dataclasses import replace
from weakref import WeakKeyDictionary

from bot.generate import Writer
from bot.jobs import Script
from bot.persona_files import PersonaFiles
from data.audience import may_be_quoted_in
from data.persona_file import Cares, PersonaFile
from data.style.card import StyleCard, is_old, path_in, read_style_card
from data.style.exchanges import Exchange
from data.style.pace import Pace
from data.whole_persona import joined, serving_persona
from model.inference import Engine
from model.served_as import ServedAs, read
from storage.database import Database
from storage.errors import MynahError
from storage.paths import Home
from storage.records import ChannelRecord
from storage.settings import Settings

log = logging.getLogger(__name__)

SETTLE_S = 120.0
"""How long after the bot's start it is first looked whether a card is to be made."""
LOOK_EVERY_S = 60.0
DUE_EVERY_S = 3600.0
"""How often it is asked whether the card is old; after as long one that failed is tried again."""
KEPT_PERSONAS = 500
MOST_SHARE = 1 / 3
"""Of a prompt's room, for the persona: quoted exchanges, and what else can be left out, give way to
talk."""


class Style:
    """One home's. Until a card is read the setting alone gives the persona, or the model does."""

    def __init__(self, home: Home | None = None, database: Database | None = None) -> None:
        """Reads nothing. Without a home there is never a card, nor a persona file of its own."""
        self.files = PersonaFiles(home.personas if home is not None else None)
        self._names: Mapping[int, str] = {}
        """Of the channels, for the parents of threads."""
        self._kept = (home, database) if home is not None and database is not None else None
        self._card: StyleCard | None = None
        self._stamp: object = None
        """Of the card's file when it was read."""
        self._changing = threading.Lock()
        self._times_left_out = 0
        self._made: WeakKeyDictionary[Writer, dict[Hashable, str]] = WeakKeyDictionary()
        self._served: WeakKeyDictionary[Writer, ServedAs] = WeakKeyDictionary()
        """With what the models that were tuned here were trained."""

    def persona(
        self, settings: Settings, channel: ChannelRecord, engine: Writer, room_tokens: int
    ) -> str:
        """For a prompt in that channel; `settings` are its own. What can be left out is left out of
        it as far as it would take more than MOST_SHARE of the prompt's room."""
        # In this order: what is made of an old card never comes among what is made of a new one.
        made = self._made.setdefault(engine, {})
        card = self._card or StyleCard()
        name, server = settings.text("persona_name"), channel.guild_name
        file = self._file(settings, channel)
        where = (channel.channel_id, channel.parent_id, room_tokens)
        key = (*where, settings.text("persona"), name, server, file)
        if (text := made.get(key)) is None:
            text = self._resolve(settings, card, file, channel, engine, room_tokens)
            if len(made) >= KEPT_PERSONAS:  # threads come and go by the thousand
                made.clear()
            made[key] = text
        return text

    @property
    def pace(self) -> Pace:
        """How fast people write line after line here."""
        return (self._card or StyleCard()).pace

    def cares(self, settings: Settings, channel: ChannelRecord) -> Cares:
        """What the persona of that channel cares about; `settings` are the channel's own."""
        file = self._file(settings, channel)
        return file.cares if file is not None else Cares()

    def told(self, settings: Settings, channel: ChannelRecord) -> str:
        """For people: which persona file counts in that channel, and which there are."""
        return self.files.told(settings, channel, self._parent_of(channel))

    def read(self) -> bool:
        """Read the persona files, the card, and what it quotes as that is now; whether personas may
        be others then. Blocking. Raises DatabaseError."""
        are_others = self.files.read()
        if self._kept is None:
            return are_others
        self._names = {one.channel_id: one.name for one in self._kept[1].channels()}
        while True:
            left_out, self._stamp = self._times_left_out, self._file_state()
            card = read_style_card(*self._kept)
            with self._changing:
                if left_out != self._times_left_out:
                    continue  # what was looked up may be just what is to be left out
                is_other = card != self._card
                if is_other:
                    self._put(card)
                return is_other or are_others

    def forget(self, message_ids: Collection[int]) -> bool:
        """These are quoted no more; whether one was."""
        gone = frozenset(message_ids)
        return self._leave_out(lambda one: not gone.isdisjoint(one.message_ids))

    def quoted_in(self, channel: ChannelRecord) -> frozenset[int]:
        """The messages that the persona may quote in a channel, and some that others may not be
        shown there."""
        card = self._card or StyleCard()
        return frozenset(i for one in card.exchanges_for(channel) for i in one.message_ids)

    def quote_before(self, message_id: int) -> bool:
        """Nothing is quoted from that message on: who rehearses a day does not know how it ends."""
        return self._leave_out(lambda one: max(one.message_ids) >= message_id)

    def exclude(self, member_id: int) -> bool:
        """Nor is what this member said."""
        return self._leave_out(lambda one: member_id in one.author_ids)

    def note_rights(self) -> bool:
        """Who may read which channel is different now; whether personas may be others then."""
        with self._changing:
            self._made = WeakKeyDictionary()
            return self._card is not None and bool(self._card.exchanges)

    async def run(
        self,
        changed: Callable[[], None],
        make: Callable[[], Awaitable[bool | None]],
        *,
        settle_s: float = SETTLE_S,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        """See to the card. Never ends.

        `changed` is called where personas may be others. `make` makes a card: done, failed, or None
        where another job runs.
        """
        due_s = time.monotonic() + settle_s
        while True:
            try:
                is_due = time.monotonic() >= due_s
                if await asyncio.to_thread(self.read if is_due else self._look):
                    changed()
                if is_due and await self._is_seen_to(make):
                    due_s = time.monotonic() + DUE_EVERY_S
                if await asyncio.to_thread(self._look):
                    changed()
            except (MynahError, OSError) as error:
                log.warning("The style card is not seen to. %s", error)
            await asyncio.sleep(look_every_s)

    async def _is_seen_to(self, make: Callable[[], Awaitable[bool | None]]) -> bool:
        """Make a card where that is due; whether there is nothing more to do for now."""
        if self._kept is None:
            return True
        if not await asyncio.to_thread(is_old, self._card, self._kept[1], _now_ms()):
            return self._card is not None  # else nothing was said yet
        log.info("A style card is made.")
        return await make() is not None

    def _look(self) -> bool:
        if self._kept is not None:
            self._names = {one.channel_id: one.name for one in self._kept[1].channels()}
        return self._file_state() != self._stamp and self.read()

    def _file(self, settings: Settings, channel: ChannelRecord) -> PersonaFile | None:
        return self.files.counting(settings, channel, self._parent_of(channel))

    def _parent_of(self, channel: ChannelRecord) -> str:
        """The name of the channel that a thread belongs to; "" where there is none."""
        return self._names.get(channel.parent_id or 0, "")

    def _put(self, card: StyleCard | None) -> None:
        self._card, self._made = card, WeakKeyDictionary()

    def _leave_out(self, is_out: Callable[[Exchange], bool]) -> bool:
        with self._changing:
            self._times_left_out += 1
            card = self._card
            if card is None or not any(map(is_out, card.exchanges)):
                return False
            self._put(replace(card, exchanges=tuple(e for e in card.exchanges if not is_out(e))))
        return True

    def _resolve(
        self,
        settings: Settings,
        card: StyleCard,
        file: PersonaFile | None,
        channel: ChannelRecord,
        engine: Writer,
        room_tokens: int,
    ) -> str:
        pieces = serving_persona(
            settings,
            name=settings.text("persona_name"),
            server=channel.guild_name,
            voice=card.voice,
            exchanges=self._quotable(card, channel),
            served=self._served_as(engine),
            file=file,
        )
        while True:
            text = joined(pieces)
            is_short = len(pieces) == 1
            if is_short or len(engine.tokenizer.text_ids(text)) <= room_tokens * MOST_SHARE:
                return text
            pieces.pop()

    def _quotable(self, card: StyleCard, channel: ChannelRecord) -> tuple[Exchange, ...]:
        """The exchanges that may be shown in a channel, by who may read which as well."""
        found = card.exchanges_for(channel)
        if self._kept is None:
            return found
        places = {one: self._kept[1].channel(one) for one in {e.channel_id for e in found}}
        return tuple(e for e in found if may_be_quoted_in(places[e.channel_id], channel))

    def _served_as(self, engine: Writer) -> ServedAs | None:
        """None where the model was not tuned here, or a server elsewhere has it."""
        if not isinstance(engine, Engine):
            return None
        if engine not in self._served and (served := read(engine.path.parent)) is not None:
            self._served[engine] = served
        return self._served.get(engine)

    def _file_state(self) -> object:
        try:
            found = path_in(self._kept[0]).stat() if self._kept is not None else None
        except OSError:
            return None
        return found and (found.st_mtime_ns, found.st_size)


def making_style_card(home: Home) -> Script:
    """The script that makes the card."""
    return Script("make_style_card.py", ("--home", str(home.root)))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000

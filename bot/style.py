"""The persona that each prompt begins with: resolved for the model that answers, and kept until
something it was made from changes.

A card that any script made is noticed within a minute. Where there is none, or it is old, one is
made by a process of its own at a low priority. `persona` may be called from any thread, what blocks
from worker threads, the rest from the event loop's.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Hashable
from dataclasses import replace
from weakref import WeakKeyDictionary

from bot.generate import Writer
from bot.jobs import Script
from data.style.card import StyleCard, is_old, path_in, read_style_card
from data.style.exchanges import Exchange
from data.whole_persona import serving_persona
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
"""Of a prompt's room, for the persona: quoted exchanges give way to talk."""


class Style:
    """One home's. Until a card is read the setting alone gives the persona, or the model does."""

    def __init__(self, home: Home | None = None, database: Database | None = None) -> None:
        """Reads nothing. Without a home there is never a card."""
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
        """For a prompt in that channel. Exchanges are left out of it as far as it would take more
        than MOST_SHARE of the prompt's room."""
        # In this order: what is made of an old card never comes among what is made of a new one.
        made = self._made.setdefault(engine, {})
        card = self._card or StyleCard()
        name, server = settings.text("persona_name"), channel.guild_name
        where = (channel.channel_id, channel.parent_id, room_tokens)
        key = (*where, settings.text("persona"), name, server)
        if (text := made.get(key)) is None:
            text = self._resolve(settings, card, channel, engine, room_tokens)
            if len(made) >= KEPT_PERSONAS:  # threads come and go by the thousand
                made.clear()
            made[key] = text
        return text

    def read(self) -> bool:
        """Read the card, and what it quotes as that is now; whether personas may be others then.
        Blocking. Raises DatabaseError."""
        if self._kept is None:
            return False
        while True:
            left_out, self._stamp = self._times_left_out, self._file_state()
            card = read_style_card(*self._kept)
            with self._changing:
                if left_out != self._times_left_out:
                    continue  # what was looked up may be just what is to be left out
                is_other = card != self._card
                if is_other:
                    self._put(card)
                return is_other

    def forget(self, message_ids: Collection[int]) -> bool:
        """These are quoted no more; whether one was."""
        gone = frozenset(message_ids)
        return self._leave_out(lambda one: not gone.isdisjoint(one.message_ids))

    def exclude(self, member_id: int) -> bool:
        """Nor is what this member said."""
        return self._leave_out(lambda one: member_id in one.author_ids)

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
        return self._file_state() != self._stamp and self.read()

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
        channel: ChannelRecord,
        engine: Writer,
        room_tokens: int,
    ) -> str:
        exchanges, served = card.exchanges_for(channel), self._served_as(engine)
        while True:
            text = serving_persona(
                settings,
                name=settings.text("persona_name"),
                server=channel.guild_name,
                voice=card.voice,
                exchanges=exchanges,
                served=served,
            )
            if not exchanges or len(engine.tokenizer.text_ids(text)) <= room_tokens * MOST_SHARE:
                return text
            exchanges = exchanges[:-1]

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

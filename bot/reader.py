"""Has the model read along what is said in each channel, and lays out the prompt of a reply.

A channel that is read along has a conversation in the engine: its transcript as it stands, so that
a reply costs the asked line and its own tokens. When a transcript nears the end of its room, its
newer half is read into a second conversation while the first still answers; then they change
places. Called from the event loop's thread; what a channel's transcript is must not change
meanwhile but by `forget` (the channel's turn sees to that).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from bot.compose import compose, left_out_by_half, read_ids, room_for
from bot.generate import Writer
from bot.messages import IncomingMessage, Prompt
from bot.model_keeper import Lender
from bot.read_along import Transcripts
from bot.recall import Recall
from bot.remember import put, remember
from model.chat_format import Note, Turn, persona_text
from model.tokenizers import CachingTokenizer
from storage.errors import MynahError
from storage.records import ChannelRecord
from storage.settings import Settings

log = logging.getLogger(__name__)

NEAR_FULL = 0.8
"""Of its room: from here on the newer half of a transcript is read beside it."""

LEFT_AFTER_S = 300.0
"""A channel in which nobody spoke for so long gives its place to another one."""

REWIND_TOKENS = 200
"""Behind an edited line; more are not read again for an edit."""

LINES_BETWEEN_NOTES = 8
"""Of those recalled while nobody asks."""


@dataclass(eq=False)
class Place:
    """A channel that is read along."""

    channel: ChannelRecord
    epoch: int = 0
    """Which conversation of the channel's in the engine answers; the next one is being read."""
    left_out: int = 0
    """How many of the oldest turns the next one does without; 0: none is being read."""
    spoken_s: float = 0.0
    newest: IncomingMessage | None = None
    """For which something may be recalled still."""
    is_behind: bool = False
    task: asyncio.Task[None] | None = None

    @property
    def key(self) -> tuple[int, int]:
        return self.channel.channel_id, self.epoch

    @property
    def next_key(self) -> tuple[int, int]:
        return self.channel.channel_id, self.epoch + 1


class Reader:
    """One pipeline's."""

    def __init__(
        self,
        transcripts: Transcripts,
        lender: Lender,
        recall: Recall,
        settings: Callable[[], Settings],
        turn: Callable[[int], asyncio.Lock],
        *,
        reads_along: bool = True,
    ) -> None:
        """`turn` gives the lock of a channel's transcript. Without `reads_along` prompts are only
        laid out."""
        self._reads_along = reads_along
        self._transcripts = transcripts
        self._lender = lender
        self._recall = recall
        self._settings = settings
        self._turn = turn
        self._places: dict[int, Place] = {}
        self._tokenizer: CachingTokenizer | None = None

    # -- while nobody asks ----------------------------------------------------------------------

    def note(self, channel: ChannelRecord, newest: IncomingMessage | None = None) -> None:
        """The channel's transcript is another: have it read. Returns at once.

        `newest` is its last line where that was just said and waits for no reply.
        """
        place = self._place(channel, is_asked=False) if self._reads_along else None
        if place is None:
            return
        place.newest, place.is_behind = newest, True
        if place.task is None:
            place.task = asyncio.create_task(self._keep_up(place))

    def note_channel(self, channel_id: int) -> None:
        """The same for a channel that is read along already."""
        if (place := self._places.get(channel_id)) is not None:
            self.note(place.channel)

    def asked(self, channel: ChannelRecord, engine: Writer) -> AbstractContextManager[None]:
        """While somebody waits for an answer in this channel, no other one is read along."""
        place = self._place(channel, is_asked=True)
        return engine.asked(channel.channel_id if place is None else place.key)

    def note_changed_model(self) -> None:
        """Another model answers, or the settings are others: read everything anew."""
        for place in self._places.values():
            place.left_out = 0
            self.note(place.channel)

    def forget(self, channel_ids: Collection[int]) -> None:
        """Words were taken out of these channels' transcripts: they leave the engine at once, and a
        reply that was shown them ends."""
        if self._tokenizer is not None:
            self._tokenizer.clear()
        for place in [self._places[i] for i in channel_ids if i in self._places]:
            self._drop(place)
            place.epoch += 2
            place.left_out = 0
            self.note(place.channel)

    async def is_within_reach(self, channel_id: int, message_id: int) -> bool:
        """Whether the message's line may still be changed where it stands: little was read behind
        it, or nothing at all."""
        place, engine = self._places.get(channel_id), self._lender.engine
        lines = (await self._transcripts.of(channel_id)).lines
        at = next((i for i, line in enumerate(lines) if line.message_id == message_id), None)
        if place is None or engine is None or at is None:
            return True
        turns = [line.turn for line in lines]
        whole, before = (len(self._read_ids(place, engine, t)) for t in (turns, turns[: at + 1]))
        return whole - before <= REWIND_TOKENS

    async def close(self) -> None:
        """Leave off."""
        tasks = [place.task for place in self._places.values() if place.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep_up(self, place: Place) -> None:
        """Tell the engine what the channel's conversation is to hold, until it holds all."""
        try:
            while place.is_behind:
                place.is_behind = False
                engine = self._lender.engine
                if engine is None:
                    return
                await self._recall_for(place, engine)
                async with self._turn(place.channel.channel_id):
                    await self._declare(place, engine)
        except MynahError as error:
            log.warning("A channel is not read along. %s", error)
        except Exception:
            # The edge of a task beside the conversation: replies are written without it.
            log.exception("A channel is not read along")
        finally:
            place.task = None

    async def _declare(self, place: Place, engine: Writer) -> None:
        channel_id = place.channel.channel_id
        if self._places.get(channel_id) is not place:
            return  # it had to leave meanwhile
        turns = (await self._transcripts.of(channel_id)).turns
        dropped = await asyncio.to_thread(self._have_read, place, engine, turns)
        await self._transcripts.drop_oldest(channel_id, dropped)

    def _have_read(self, place: Place, engine: Writer, turns: Sequence[Turn]) -> int:
        """In a worker thread; how many of the oldest turns are not held any more."""
        room = self._room(engine)
        ids = self._read_ids(place, engine, turns)
        if not place.left_out and len(ids) > NEAR_FULL * room:
            persona = self._persona(place.channel)
            place.left_out = left_out_by_half(persona, turns, self._cached(engine), room)
        if not place.left_out:
            engine.read(place.key, ids)
            return 0
        half = self._read_ids(place, engine, turns[place.left_out :])
        if len(ids) <= room and engine.missing(place.next_key, half):
            engine.read(place.key, ids)
            engine.read(place.next_key, half)
            return 0
        dropped = self._change_places(place, engine)
        engine.read(place.key, half)
        return dropped

    async def _recall_for(self, place: Place, engine: Writer) -> None:
        """Recall for the newest line what says nearly the same, where no note stands near."""
        message, place.newest = place.newest, None
        settings = self._settings()
        if message is None or not settings.switch("recall_enabled"):
            return
        if settings.whole("recall_notes") == 0 or settings.text("reading_along") == "off":
            return
        lines = (await self._transcripts.of(message.channel_id)).lines
        if any(isinstance(line.turn, Note) for line in lines[-LINES_BETWEEN_NOTES:]):
            return
        memories = await remember(
            message, self._transcripts, self._recall, engine, limit=1, only_close=True
        )
        if not memories.items:
            return
        async with self._turn(message.channel_id):
            lines = (await self._transcripts.of(message.channel_id)).lines
            if lines and lines[-1].message_id == message.message_id:
                await put(memories, message, self._transcripts)

    # -- when somebody asks ---------------------------------------------------------------------

    async def prompt(self, channel: ChannelRecord, engine: Writer) -> Prompt:
        """The prompt of a reply to the channel's newest line. Raises NoRoomError."""
        place = self._place(channel, is_asked=True)
        assert place is not None
        turns = (await self._transcripts.of(channel.channel_id)).turns
        prompt = await asyncio.to_thread(self._lay_out, place, engine, turns)
        await self._transcripts.drop_oldest(channel.channel_id, prompt.dropped)
        return prompt

    def _lay_out(self, place: Place, engine: Writer, turns: tuple[Turn, ...]) -> Prompt:
        """In a worker thread. Of the two conversations the one that has less to be read answers."""
        prompt = self._compose(place, engine, turns)
        if place.left_out and not prompt.dropped:
            half = self._compose(place, engine, turns[place.left_out :])
            missing = engine.missing(place.key, prompt.ids)
            if engine.missing(place.next_key, half.ids) <= missing:
                prompt = replace(half, dropped=place.left_out)
        elif place.left_out:
            prompt = self._compose(place, engine, turns[place.left_out :])
            prompt = replace(prompt, dropped=prompt.dropped + place.left_out)
        if prompt.dropped:
            self._change_places(place, engine)
        return replace(prompt, key=place.key)

    def _compose(self, place: Place, engine: Writer, turns: Sequence[Turn]) -> Prompt:
        settings = self._settings()
        return compose(
            self._persona(place.channel),
            turns,
            self._cached(engine),
            context_tokens=self._context_tokens(engine),
            max_reply_tokens=settings.whole("max_reply_tokens"),
        )

    # -- places ---------------------------------------------------------------------------------

    def _place(self, channel: ChannelRecord, *, is_asked: bool) -> Place | None:
        """The channel's place; None where all are taken by channels that are more alive."""
        now_s = time.monotonic()
        place = self._places.get(channel.channel_id)
        if place is None:
            if len(self._places) >= self._settings().whole("channels_read_along"):
                oldest = min(self._places.values(), key=lambda one: one.spoken_s)
                if not is_asked and now_s - oldest.spoken_s < LEFT_AFTER_S:
                    return None
                self._drop(self._places.pop(oldest.channel.channel_id))
            place = self._places[channel.channel_id] = Place(channel)
        place.channel, place.spoken_s = channel, now_s
        return place

    def _drop(self, place: Place) -> None:
        engine = self._lender.engine
        if engine is not None:
            engine.forget(place.key)
            engine.forget(place.next_key)

    def _change_places(self, place: Place, engine: Writer) -> int:
        """The conversation that was read beside answers from now on; how many turns it is short
        of."""
        engine.forget(place.key)
        place.epoch += 1
        left_out, place.left_out = place.left_out, 0
        return left_out

    # -- what a prompt is made of ---------------------------------------------------------------

    def _read_ids(self, place: Place, engine: Writer, turns: Sequence[Turn]) -> list[int]:
        return read_ids(self._persona(place.channel), turns, self._cached(engine))

    def _persona(self, channel: ChannelRecord) -> str:
        settings = self._settings()
        name = settings.text("persona_name")
        return persona_text(settings.text("persona"), name=name, server=channel.guild_name)

    def _context_tokens(self, engine: Writer) -> int:
        return min(self._settings().whole("context_tokens"), engine.context_tokens)

    def _room(self, engine: Writer) -> int:
        reply_tokens = self._settings().whole("max_reply_tokens")
        return room_for(self._context_tokens(engine), reply_tokens)

    def _cached(self, engine: Writer) -> CachingTokenizer:
        if self._tokenizer is None or self._tokenizer.inner is not engine.tokenizer:
            self._tokenizer = CachingTokenizer(engine.tokenizer)
        return self._tokenizer

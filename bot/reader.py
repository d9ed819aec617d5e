"""Has the model read along what is said in each channel, and lays out the prompt of a reply.

A channel that is read along has a conversation in the engine: its transcript as it stands, so that
a reply costs the asked line and its own tokens. What will be left of a transcript once its room is
full is read into a second conversation, line by line as it is said and behind everything else, so
that nothing is to be read again when the second one takes the place of the first. Called from the
event loop's thread; what a channel's transcript is must not change meanwhile but by `forget` (the
channel's turn sees to that).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Coroutine, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from bot.compose import caught_up, compose, read_ids, room_for, turns_read, turns_to_leave
from bot.generate import Writer
from bot.messages import IncomingMessage, Prompt
from bot.model_keeper import Lender
from bot.read_along import Transcripts
from bot.recall import Recall
from bot.remember import put, remember
from bot.style import Style
from bot.transcript import Line, Transcript
from data.notes import READ_NOTE_TOKENS
from model.chat_format import Note, Turn
from model.tokenizers import CachingTokenizer
from storage.errors import MynahError
from storage.records import ChannelRecord
from storage.settings import Settings

log = logging.getLogger(__name__)

NEARLY_READ_TOKENS = 64
"""No more are left to be read of a conversation that takes another one's place."""

CATCH_UP_S = 0.3
"""How long somebody who asked waits at most for the lines before theirs to be read. The others are
left out of the prompt, and read behind the reply: nobody answers what was said that moment."""

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
    label: str = ""
    """Whose: several pipelines may hear one channel."""
    epoch: int = 0
    """Which conversation of the channel's in the engine answers; the next one is being read."""
    left_out: int = 0
    """How many of the oldest turns the next one does without; 0: none is being read."""
    oldest: object = None
    """The transcript's first line when that was counted."""
    spoken_s: float = 0.0
    newest: IncomingMessage | None = None
    """For which something is to be recalled still."""
    is_behind: bool = False
    is_closed_up: bool = False
    """What stands in its conversation was computed with older lines in view, that were cut off."""
    is_read: bool = False
    """Whether the engine was ever told of it."""
    asked: list[Writer] = field(default_factory=list)
    """What writes replies here just now."""
    telling: asyncio.Task[None] | None = None
    recalling: asyncio.Task[None] | None = None

    @property
    def key(self) -> Hashable:
        return self.label, self.channel.channel_id, self.epoch

    @property
    def next_key(self) -> Hashable:
        return self.label, self.channel.channel_id, self.epoch + 1


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
        settings_in: Callable[[ChannelRecord], Settings],
        style: Style,
        reads_along: bool = True,
        label: str = "",
    ) -> None:
        """`turn` gives the lock of a channel's transcript, `settings_in` what counts in one,
        `style` the persona. Without `reads_along` prompts are only laid out."""
        self._style = style
        self._reads_along = reads_along
        self._label = label
        self._transcripts = transcripts
        self._lender = lender
        self._recall = recall
        self._settings = settings
        self._settings_in = settings_in
        self._turn = turn
        self._places: dict[int, Place] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._tokenizer: CachingTokenizer | None = None
        self._forgettings = 0
        """How often words were taken out: of a transcript, or of the persona."""

    # -- while nobody asks ----------------------------------------------------------------------

    def note(self, channel: ChannelRecord, newest: IncomingMessage | None = None) -> None:
        """The channel's transcript is another: have it read. Returns at once.

        `newest` is its last line where that was just said and waits for no reply.
        """
        if self._reads_along and (place := self._place(channel, is_asked=False)) is not None:
            self._begin(place, newest)

    def note_channel(self, channel_id: int) -> None:
        """The same for a channel that is read along already; nobody spoke there."""
        if (place := self._places.get(channel_id)) is not None:
            self._begin(place)

    def read_anew(self) -> None:
        """Another model answers, or the persona is another: have all that is not yet read so."""
        for place in self._places.values():
            place.left_out = 0
            self._begin(place)

    @contextmanager
    def asked(self, channel: ChannelRecord, engine: Writer) -> Iterator[None]:
        """While somebody waits for an answer in this channel, no other one is read along, and it
        keeps its place."""
        place = self._place(channel, is_asked=True)
        assert place is not None
        place.asked.append(engine)
        try:
            with engine.asked(place.key):
                yield
        finally:
            place.asked.remove(engine)
            self._give_away(self._most_places())

    def forget(self, channel_ids: Collection[int]) -> None:
        """Words were taken out of these channels' transcripts: they leave the engine at once, and a
        reply that was shown them ends."""
        self._forgettings += 1
        self._recall.forget()
        if self._tokenizer is not None:
            self._tokenizer.clear()
        for place in self._places.values():
            channel_id = place.channel.channel_id
            if channel_id not in channel_ids and not place.is_closed_up:
                continue
            place.left_out = 0
            if (
                place.asked
                or place.is_closed_up
                or not self._reads_along
                or self._turn(channel_id).locked()
            ):
                self._drop(place)
                place.epoch += 2
            else:  # what stood before them may stay: most often it is the last line that goes
                self._drop_next(place)
            self._begin(place)

    def forget_persona(self) -> None:
        """Words were taken out of the persona: they leave the engine at once, and replies that were
        shown them end."""
        self.forget(set(self._places))

    def is_reading(self, channel_id: int) -> bool:
        """Whether the channel is read along, and what bears on its lines recalled as they come."""
        place = self._places.get(channel_id)
        is_off = self._settings().text("reading_along") == "off"
        return place is not None and place.is_read and not is_off

    async def is_within_reach(self, channel_id: int, message_id: int) -> bool:
        """Whether the message's line may still be changed where it stands: little was read behind
        it, or nothing at all."""
        place, engine = self._places.get(channel_id), self._lender.engine
        lines = (await self._transcripts.of(channel_id)).lines
        at = next((i for i, line in enumerate(lines) if line.message_id == message_id), None)
        if place is None or engine is None or at is None:
            return True
        whole, before = Transcript(lines).turns, Transcript(lines[: at + 1]).turns
        try:
            return await asyncio.to_thread(self._tokens_behind, place, engine, whole, before) <= (
                REWIND_TOKENS
            )
        except MynahError:
            return True  # that model is being closed, and with it what it read

    async def close(self) -> None:
        """Leave off; nothing is read along any more."""
        self._reads_along = False
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def leave(self) -> None:
        """Nothing of it stays in the engine."""
        self._give_away(0)

    def _begin(self, place: Place, newest: IncomingMessage | None = None) -> None:
        """See to it that the engine is told and something recalled, in tasks beside the
        conversation: the line is read meanwhile, and again behind what is recalled for it."""
        if not self._reads_along:
            return
        place.newest, place.is_behind = newest, True
        if place.telling is None:
            place.telling = self._task(self._keep_up(place))
        if place.recalling is None and newest is not None:
            place.recalling = self._task(self._keep_recalling(place))

    def _task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _keep_up(self, place: Place) -> None:
        """Tell the engine what the channel's conversation is to hold, until it holds all."""
        try:
            while place.is_behind:
                place.is_behind = False
                if not await self._beside(self._declare(place)):
                    # What it holds may be what was to leave it.
                    self._drop(place)
        finally:
            place.telling = None

    async def _keep_recalling(self, place: Place) -> None:
        try:
            while (message := place.newest) is not None:
                place.newest = None
                await self._beside(self._recall_for(place, message))
        finally:
            place.recalling = None

    async def _beside(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do what replies can do without; whether it was done."""
        try:
            await work
        except MynahError as error:
            log.warning("A channel is not read along. %s", error)
            return False
        except Exception:
            # The edge of a task beside the conversation.
            log.exception("A channel is not read along")
            return False
        return True

    async def _declare(self, place: Place) -> None:
        channel_id = place.channel.channel_id
        async with self._turn(channel_id):
            engine = self._lender.engine
            if engine is None or self._places.get(channel_id) is not place:
                return  # let go meanwhile, the model or the place
            transcript = await self._transcripts.of(channel_id)
            left_out, forgettings = self._left_out(place, transcript), self._forgettings
            whole, newer, left_out = await asyncio.to_thread(
                self._to_be_read, place, engine, transcript.turns, left_out
            )
            if not self._is_still(place, transcript, forgettings):
                place.is_behind = self._places.get(channel_id) is place
                return
            room = self._room(engine)
            if left_out and len(whole) > room:
                self._go_on_with(place, engine, newer)
                await self._transcripts.drop_oldest(channel_id, left_out)
                whole = newer
            elif left_out:
                place.left_out, place.oldest = left_out, _name(transcript.lines[0])
                engine.read(place.next_key, newer[:room], is_spare=True)
            place.is_read = True
            # A single message may be longer than the room; it is asked about shortened.
            engine.read(place.key, whole[:room])

    def _to_be_read(
        self, place: Place, engine: Writer, turns: Sequence[Turn], left_out: int
    ) -> tuple[list[int], list[int], int]:
        """In a worker thread: the whole transcript; what of it will be left, where that has begun;
        and how many turns that leaves out."""
        persona, room = self._persona(place.channel, engine), self._room(engine)
        newer = self._read_ids(place, engine, turns[left_out:]) if left_out else []
        if not left_out or len(newer) > room:
            left_out = turns_to_leave(persona, turns, self._cached(engine), room)
            newer = self._read_ids(place, engine, turns[left_out:]) if left_out else []
        return self._read_ids(place, engine, turns), newer, left_out

    def _tokens_behind(
        self, place: Place, engine: Writer, turns: Sequence[Turn], before: Sequence[Turn]
    ) -> int:
        """In a worker thread: how much of the turns was read behind those before."""
        whole, first = (len(self._read_ids(place, engine, both)) for both in (turns, before))
        return whole - first

    async def _recall_for(self, place: Place, message: IncomingMessage) -> None:
        """Recall for the newest line what says nearly the same, where no note stands near."""
        settings, engine = self._settings(), self._lender.engine
        if engine is None or not (self._recall.has_vectors and settings.switch("recall_enabled")):
            return
        if settings.whole("recall_notes") == 0 or settings.text("reading_along") == "off":
            return
        lines = (await self._transcripts.of(message.channel_id)).lines
        if any(isinstance(line.turn, Note) for line in lines[-LINES_BETWEEN_NOTES:]):
            return
        memories = await remember(
            message,
            self._transcripts,
            self._recall,
            engine,
            limit=1,
            only_close=True,
            most_tokens=READ_NOTE_TOKENS,
        )
        if not memories.items:
            return
        async with self._turn(message.channel_id):
            lines = (await self._transcripts.of(message.channel_id)).lines
            if lines and lines[-1].message_id == message.message_id:
                await put(memories, message, self._transcripts)
                self._begin(place)

    # -- when somebody asks ---------------------------------------------------------------------

    async def prompt(self, channel: ChannelRecord, engine: Writer) -> Prompt:
        """The prompt of a reply to the channel's newest line, of what stands in its transcript when
        this returns. Raises NoRoomError."""
        while True:
            place = self._place(channel, is_asked=True)
            assert place is not None
            transcript = await self._transcripts.of(channel.channel_id)
            left_out, forgettings = self._left_out(place, transcript), self._forgettings
            prompt = await asyncio.to_thread(
                self._lay_out, place, engine, transcript.turns, left_out
            )
            if self._is_still(place, transcript, forgettings):
                break
        if prompt.dropped:
            self._go_on_with(place, engine, prompt.ids)
            await self._transcripts.drop_oldest(channel.channel_id, prompt.dropped)
        return replace(prompt, key=place.key)

    def _lay_out(
        self, place: Place, engine: Writer, turns: Sequence[Turn], left_out: int
    ) -> Prompt:
        """In a worker thread: the prompt of the whole transcript, or of what is left of it where it
        is full."""
        prompt = self._compose(place, engine, turns)
        if prompt.dropped and left_out:
            newer = self._compose(place, engine, turns[left_out:])
            prompt = replace(newer, dropped=newer.dropped + left_out)
        within = engine.within(CATCH_UP_S)
        if within is None or not self.is_reading(place.channel.channel_id):
            return prompt
        read = self._turns_read(place, engine, place.key, turns) - prompt.dropped
        if prompt.dropped:
            read = max(read, self._turns_read(place, engine, place.next_key, prompt.turns))
        persona = self._persona(place.channel, engine)
        return caught_up(persona, prompt, self._cached(engine), read=max(0, read), within=within)

    def _turns_read(
        self, place: Place, engine: Writer, key: Hashable, turns: Sequence[Turn]
    ) -> int:
        """How many of these turns, from the first on, stand in a conversation already."""
        ids = self._read_ids(place, engine, turns)
        held = len(ids) - engine.missing(key, ids)
        return turns_read(self._persona(place.channel, engine), turns, self._cached(engine), held)

    def _compose(self, place: Place, engine: Writer, turns: Sequence[Turn]) -> Prompt:
        settings = self._settings()
        return compose(
            self._persona(place.channel, engine),
            turns,
            self._cached(engine),
            context_tokens=self._context_tokens(engine),
            max_reply_tokens=settings.whole("max_reply_tokens"),
        )

    # -- two conversations of one channel -------------------------------------------------------

    def _left_out(self, place: Place, transcript: Transcript) -> int:
        """How many of the oldest turns the next conversation does without. 0 where none is read, or
        the transcript begins elsewhere since: it was halved itself, or begun anew."""
        lines, turns = transcript.lines, transcript.turns
        if place.left_out and not (place.left_out < len(turns) and place.oldest == _name(lines[0])):
            place.left_out = 0
            self._drop_next(place)
        return place.left_out

    def _is_still(self, place: Place, transcript: Transcript, forgettings: int) -> bool:
        """Whether all is what it was before a thread worked on it, the persona's words too."""
        channel_id = place.channel.channel_id
        is_there = self._places.get(channel_id) is place
        is_whole = self._forgettings == forgettings
        if is_there and is_whole and self._transcripts.holds(channel_id, transcript):
            return True
        if self._tokenizer is not None:
            self._tokenizer.clear()  # of what was taken out meanwhile
        return False

    def _go_on_with(self, place: Place, engine: Writer, newer: Sequence[int]) -> None:
        """The newer lines are all there is from now on: their own conversation goes on with them
        where it has read them, else the whole one without what is left out."""
        if engine.missing(place.next_key, newer) <= NEARLY_READ_TOKENS:
            for one in self._engines(place, engine):
                one.forget(place.key)
            place.epoch += 1
            place.is_closed_up = False
        else:
            self._drop_next(place, engine)
            engine.read(place.key, newer, closes_up=True)
            place.is_closed_up = True
        place.left_out = 0

    # -- places ---------------------------------------------------------------------------------

    def _place(self, channel: ChannelRecord, *, is_asked: bool) -> Place | None:
        """The channel's place; None where all are taken by channels that are more alive."""
        now_s = time.monotonic()
        place = self._places.get(channel.channel_id)
        if place is None:
            left_s = now_s if is_asked else now_s - LEFT_AFTER_S
            self._give_away(self._most_places() - 1, left_s)
            if len(self._places) >= self._most_places() and not is_asked:
                return None
            place = self._places[channel.channel_id] = Place(channel, self._label)
        place.channel, place.spoken_s = channel, now_s
        return place

    def _give_away(self, most: int, left_s: float = float("inf")) -> None:
        """Leave so many places, if the others were left before that and nobody waits there."""
        idle = [one for one in self._places.values() if not one.asked and one.spoken_s <= left_s]
        idle.sort(key=lambda one: one.spoken_s)
        for place in idle[: max(0, len(self._places) - most)]:
            del self._places[place.channel.channel_id]
            self._drop(place)

    def _most_places(self) -> int:
        return self._settings().whole("channels_read_along")

    def _drop(self, place: Place) -> None:
        place.is_closed_up = False
        for engine in self._engines(place):
            engine.forget(place.key)
            engine.forget(place.next_key)

    def _drop_next(self, place: Place, engine: Writer | None = None) -> None:
        for one in self._engines(place, engine):
            one.forget(place.next_key)

    def _engines(self, place: Place, *more: Writer | None) -> list[Writer]:
        """All that may hold the channel's words: after a change the old model still writes."""
        found = (self._lender.engine, *place.asked, *more)
        return list({id(engine): engine for engine in found if engine is not None}.values())

    # -- what a prompt is made of ---------------------------------------------------------------

    def _read_ids(self, place: Place, engine: Writer, turns: Sequence[Turn]) -> list[int]:
        return read_ids(self._persona(place.channel, engine), turns, self._cached(engine))

    def _persona(self, channel: ChannelRecord, engine: Writer) -> str:
        return self._style.persona(self._settings_in(channel), channel, engine, self._room(engine))

    def _context_tokens(self, engine: Writer) -> int:
        return min(self._settings().whole("context_tokens"), engine.context_tokens)

    def _room(self, engine: Writer) -> int:
        reply_tokens = self._settings().whole("max_reply_tokens")
        return room_for(self._context_tokens(engine), reply_tokens)

    def _cached(self, engine: Writer) -> CachingTokenizer:
        if self._tokenizer is None or self._tokenizer.inner is not engine.tokenizer:
            self._tokenizer = CachingTokenizer(engine.tokenizer)
        return self._tokenizer


def _name(line: Line) -> object:
    """What tells a line from others, also when its words are edited."""
    return line.message_id, type(line.turn)

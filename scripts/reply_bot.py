"""The bot's own parts as `bench_reply.py` runs them: intake, pipeline, engine, memory, no Discord.

Real but for three things, so that every reply is worth the same: it has exactly so many tokens,
nothing ends it sooner, and the clock that the pipeline reads begins where the history ends.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from bot.composition import open_recall
from bot.intake import Intake
from bot.messages import IncomingMessage, Refused, Trace
from bot.model_keeper import OneEngine
from bot.pipeline import Pipeline
from bot.platforms.local import DISCORD_EPOCH_MS
from bot.platforms.platform import Accepted
from model.chat_format import persona_text
from model.inference import Engine, Generation, Sampling
from scripts.reply_baseline import Shown
from scripts.reply_replay import IN_VIEW, ReplayLine
from storage.database import Database
from storage.paths import Home
from storage.records import MessageRecord, Origin
from storage.settings import Settings

OWN_ID = 9_000_000_000_000_000_000
"""Above every id that Discord gives before 2080: nobody's in the files."""

PERSONA_TOKENS, TURN_TOKENS = 128, 10
"""Room for the system prompt, and for the marks around each message of the usual layout."""


@dataclass
class Written:
    """One draft, as the engine wrote it."""

    first_s: float = 0.0
    """time.perf_counter() at its first text, as the event loop heard of it."""
    evaluated_at_first: int = 0
    """Prompt tokens that the engine had evaluated in all by then."""
    generation: Generation | None = None


class MeasuredEngine(Engine):
    """An engine whose replies all have `reply_tokens` tokens, and that keeps how it wrote them."""

    reply_tokens = 24

    def never_end(self) -> None:
        """From now on a token that ends a turn is one like any other, and there are no stop
        texts."""
        setattr(self._context, "ends_turn", lambda token: False)  # noqa: B010
        self.written: dict[Hashable, list[Written]] = {}

    @property
    def prompt_tokens_evaluated(self) -> int:
        """Prompt tokens since it was loaded: while reading along and after an ask."""
        return self.evaluated.read + self.evaluated.asked

    @property
    def all_evaluated(self) -> int:
        """The same, and those thrown away."""
        return self.prompt_tokens_evaluated + self.evaluated.lost

    async def generate(
        self,
        ids: Sequence[int],
        *,
        sampling: Sampling,
        key: Hashable = None,
        stop_texts: Sequence[str] = (),
        stop_ids: Sequence[int] = (),
        on_text: Callable[[str], None] | None = None,
        fresh: bool = False,
        deadline_s: float | None = None,
        is_wanted: Callable[[], bool] | None = None,
    ) -> Generation:
        written = Written()
        self.written.setdefault(key, []).append(written)

        def heard(text: str) -> None:
            if not written.first_s:
                written.first_s = time.perf_counter()
                written.evaluated_at_first = self.prompt_tokens_evaluated
            if on_text is not None:
                on_text(text)

        made = await super().generate(
            ids,
            sampling=replace(sampling, max_tokens=self.reply_tokens),
            key=key,
            on_text=heard,
            fresh=fresh,
            deadline_s=deadline_s,
            is_wanted=is_wanted,
        )
        if not written.first_s:  # nothing of it could be shown
            written.first_s = time.perf_counter() - made.reply_s
            written.evaluated_at_first = self.prompt_tokens_evaluated
        written.generation = made
        return made


@dataclass
class Clock:
    """Runs as fast as the real one, from `begin_ms` on."""

    begin_ms: int
    _began_s: float = field(default_factory=time.monotonic)
    _last_id: int = 0

    def now_ms(self) -> int:
        return self.begin_ms + round((time.monotonic() - self._began_s) * 1000)

    def advance(self, seconds: float) -> None:
        """Let some time be over."""
        self._began_s -= seconds

    def new_id(self) -> int:
        """A snowflake of now, above every one before."""
        self._last_id = max(self._last_id + 1, (self.now_ms() - DISCORD_EPOCH_MS) << 22)
        return self._last_id


class Room:
    """A platform that notes when the first message in answer to another was sent."""

    own_id = OWN_ID
    origin = Origin.DISCORD_API
    can_edit = False

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.sent: dict[int, asyncio.Future[tuple[float, str]]] = {}

    async def send(
        self,
        channel_id: int,
        text: str,
        *,
        reply_to_id: int | None,
        pings: bool = True,
        asked_id: int | None = None,
        line: int = 0,
    ) -> Accepted:
        now_s = time.perf_counter()
        waiting = self.sent.get(asked_id or 0)
        if waiting is not None and not waiting.done():
            waiting.set_result((now_s, text))
        return Accepted(self._clock.new_id(), self._clock.now_ms())

    async def edit(self, channel_id: int, message_id: int, text: str) -> bool:
        return True

    async def delete(self, channel_id: int, message_id: int) -> None:
        pass

    async def react(self, channel_id: int, message_id: int, emoji: str) -> bool:
        return False

    def listens_to(self, channel_id: int) -> bool:
        return True

    @asynccontextmanager
    async def typing(self, channel_id: int) -> AsyncIterator[None]:
        yield


@dataclass(frozen=True)
class MeasuredReply:
    """What one ask took."""

    is_after_burst: bool
    ttft_s: float
    full_s: float
    evaluated_after_ask: int
    """Prompt tokens, from the ask to the first token; of a batch that the ask ended none."""
    asked_tokens: int
    """Of the asked message's line."""
    prompt_tokens: int
    unread: int
    """Lines left out of the prompt as they were not read yet."""
    reply_tokens: int
    reply_s: float
    attempts: int
    notes: int
    found_by: tuple[str, ...]
    stages_s: tuple[tuple[str, float], ...]

    @property
    def tokens_a_second(self) -> float:
        return self.reply_tokens / self.reply_s if self.reply_s else 0.0


class Asked:
    """One ask on its way; `sent` is done when its reply was sent, or will never be."""

    def __init__(self, line: ReplayLine, tokens: int, message_id: int, evaluated: int) -> None:
        self.line = line
        self.tokens = tokens
        self.message_id = message_id
        self.evaluated = evaluated
        self.began_s = time.perf_counter()
        self.sent: asyncio.Future[tuple[float, str]] = asyncio.get_running_loop().create_future()


class ReplayedBot:
    """The parts, put together. Make it with `opened_bot`. Event loop's thread."""

    def __init__(
        self, database: Database, engine: MeasuredEngine, pipeline: Pipeline, clock: Clock
    ) -> None:
        self.engine = engine
        self.clock = clock
        self.load_s = 0.0
        self.why_not_sent = ""
        self._pipeline = pipeline
        self._room: Room = pipeline.platform  # type: ignore[assignment]
        self.intake = Intake(pipeline, database, ended=self._note)
        self._traces: dict[int, Trace] = {}
        self._last: dict[int, deque[Shown]] = {}

    def tell(self, line: ReplayLine) -> None:
        """Somebody says something."""
        self._remember(line, "user", line.shown.strip())
        self.intake.tell(self._message(line, asks=False))

    def ask(self, line: ReplayLine) -> Asked:
        """Somebody mentions the persona. The time runs from here."""
        name, _, said = line.shown.partition(": ")
        shown = f"{name}: @{self._pipeline.settings.text('persona_name')} {said}"
        tokens = len(self.engine.tokenizer.text_ids(shown))
        self._remember(line, "user", shown.strip())
        message = self._message(line, asks=True)
        self.engine.written.clear()
        asked = Asked(line, tokens, message.message_id, self.engine.prompt_tokens_evaluated)
        self._room.sent[asked.message_id] = asked.sent
        self.intake.tell(message)
        return asked

    async def outcome(self, asked: Asked, is_after_burst: bool = False) -> MeasuredReply | None:
        """What the ask took, once all of it is done; None where nothing was sent."""
        await self.intake.drained()
        self._room.sent.pop(asked.message_id)
        trace = self._traces.pop(asked.message_id, None)
        channel_id = asked.line.channel.channel_id
        drafts = [
            one
            for key, many in self.engine.written.items()
            if isinstance(key, tuple) and channel_id in key
            for one in many
        ]
        if trace is None or asked.sent.cancelled() or not drafts or not drafts[-1].generation:
            self.why_not_sent = "it was never judged" if trace is None else _outcome_of(trace)
            return None
        sent_s, text = asked.sent.result()
        self._remember(asked.line, "assistant", text)
        draft, made = drafts[-1], drafts[-1].generation
        return MeasuredReply(
            is_after_burst=is_after_burst,
            ttft_s=draft.first_s - asked.began_s,
            full_s=sent_s - asked.began_s,
            evaluated_after_ask=draft.evaluated_at_first - asked.evaluated,
            asked_tokens=asked.tokens,
            prompt_tokens=trace.prompt_tokens,
            unread=trace.unread,
            reply_tokens=made.reply_tokens,
            reply_s=made.reply_s,
            attempts=trace.attempts,
            notes=len(trace.notes),
            found_by=trace.found_by,
            stages_s=trace.timings_s,
        )

    def in_view(self, channel_id: int) -> list[Shown]:
        """The last messages as the usual layout shows them, as many as the context holds."""
        shown = list(self._last.get(channel_id, ()))
        room = self.engine.context_tokens - self.engine.reply_tokens - PERSONA_TOKENS
        sizes = [len(self.engine.tokenizer.text_ids(text)) + TURN_TOKENS for _, text in shown]
        while sum(sizes) > room:
            del sizes[0], shown[0]
        return shown

    def persona(self, line: ReplayLine) -> str:
        """The system prompt."""
        settings = self._pipeline.settings
        name = settings.text("persona_name")
        return persona_text(settings.text("persona"), name=name, server=line.channel.guild_name)

    async def pause(self) -> None:
        """Compute nothing until `resume`."""
        await self.intake.drained()
        self.engine.set_reading(0.0)
        await self.engine.run(lambda: None)  # behind the batch that is being computed

    def resume(self) -> None:
        self.engine.set_reading(1.0)

    async def caught_up(self, quiet_s: float) -> None:
        """Until nothing was read along for so long."""
        await self.intake.drained()
        while True:
            before = self.engine.all_evaluated
            await asyncio.sleep(quiet_s)
            if before == self.engine.all_evaluated:
                return

    def _message(self, line: ReplayLine, *, asks: bool) -> IncomingMessage:
        record = MessageRecord(
            message_id=self.clock.new_id(),
            channel_id=line.channel.channel_id,
            author_id=line.author.member_id,
            content=f"<@{OWN_ID}> {line.text}" if asks else line.text,
            created_at_ms=self.clock.now_ms(),
            origin=Origin.DISCORD_API,
        )
        return IncomingMessage(record, line.author, line.channel, mentions_persona=asks)

    def _remember(self, line: ReplayLine, role: str, text: str) -> None:
        if text:
            channel_id = line.channel.channel_id
            self._last.setdefault(channel_id, deque(maxlen=IN_VIEW)).append((role, text))

    def _note(self, trace: Trace) -> None:
        waiting = self._room.sent.get(trace.message_id)
        if waiting is not None:
            self._traces[trace.message_id] = trace
            if not waiting.done():
                waiting.cancel()


def _outcome_of(trace: Trace) -> str:
    """Why nothing was sent, in words."""
    return trace.error or str(trace.guard if isinstance(trace.guard, Refused) else trace.verdict)


def bench_settings(*, seed: int, context_tokens: int, threads: int, use_mmap: bool) -> Settings:
    """The defaults, but for what the options say and the limits against floods."""
    return Settings(
        {
            "seed": seed,
            "context_tokens": context_tokens,
            "threads": threads,
            "model_mmap": use_mmap,
            "response_rate": 0.0,
            "attention_seconds": 0,
            "speaks_in_public": True,
            "replies_per_minute_member": 600,
            "replies_per_minute_channel": 600,
            "reply_seconds": 600,
        }
    )


@asynccontextmanager
async def opened_bot(
    home: Home, model: Path, settings: Settings, *, reply_tokens: int, begin_ms: int
) -> AsyncIterator[ReplayedBot]:
    """Everything open, the intake running; closed at the end."""
    clock = Clock(begin_ms)
    with ExitStack() as stack:
        database = stack.enter_context(Database.open(home.database, backups=home.backups))
        recall = stack.enter_context(open_recall(home, database, settings))
        began_s = time.perf_counter()
        engine = MeasuredEngine.load(
            model,
            context_tokens=settings.whole("context_tokens"),
            channels=settings.whole("channels_read_along"),
            threads=settings.whole("threads"),
            use_mmap=settings.switch("model_mmap"),
        )
        load_s = time.perf_counter() - began_s
        stack.callback(engine.close)
        assert isinstance(engine, MeasuredEngine)
        _ = engine.sha256  # as the bot has it by its first reply
        engine.reply_tokens = reply_tokens
        engine.never_end()
        pipeline = Pipeline(
            database=database,
            model=OneEngine(engine),
            recall=recall,
            platform=Room(clock),
            settings=settings,
            chance=random.Random(settings.whole("seed")),
            now_ms=clock.now_ms,
        )
        bot = ReplayedBot(database, engine, pipeline, clock)
        bot.load_s = load_s
        taking_in = asyncio.create_task(bot.intake.run())
        try:
            yield bot
        finally:
            taking_in.cancel()
            await asyncio.wait({taking_in})
            await pipeline.reader.close()

"""One person at a terminal: a chat that shows one or more models side by side, or one question.

Its messages carry the origin `playground`: they are stored, and neither recalled nor learned from.
The reserved ids below are no snowflakes, so no message of Discord's ever has one.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import TextIO

from bot.messages import IncomingMessage, SentReply, Trace
from bot.pipeline import Pipeline
from bot.platforms.platform import Accepted, wall_clock_ms
from storage.errors import MynahError
from storage.records import ChannelRecord, MemberRecord, MessageRecord, Origin

PLAYGROUND_GUILD_ID = 1
PERSONA_ID = 1
PERSON_ID = 2
FIRST_CHANNEL_ID = 10

DISCORD_EPOCH_MS = 1_420_070_400_000

HELP = "Type a line and press Enter. /why tells how the last reply came about, /quit ends."

_sequence = count(secrets.randbelow(1 << 22))


def new_message_id(now_ms: int) -> int:
    """An id that no other message has: a snowflake of `now_ms` whose low 22 bits are counted."""
    return (max(now_ms - DISCORD_EPOCH_MS, 0) << 22) | (next(_sequence) % (1 << 22))


class LocalPlatform:
    """A place for one person and the persona. `label` and `number` tell two of them apart."""

    origin = Origin.PLAYGROUND
    can_edit = False

    def __init__(
        self,
        *,
        server: str,
        label: str = "playground",
        number: int = 0,
        person: str = "you",
        now_ms: Callable[[], int] = wall_clock_ms,
    ) -> None:
        """`server` is the persona's community; `person` the name that stands before your lines."""
        self.own_id = PERSONA_ID
        self.label = label
        self.channel = ChannelRecord(
            FIRST_CHANNEL_ID + number, PLAYGROUND_GUILD_ID, server, f"terminal-{label}"
        )
        self.person = MemberRecord(PERSON_ID, person, person)
        self._now_ms = now_ms
        self.started_ms = now_ms()
        """When this session began; older lines are no part of its transcript."""

    def message(self, text: str) -> IncomingMessage:
        """What the person typed, as the pipeline takes it."""
        now_ms = self._now_ms()
        record = MessageRecord(
            message_id=new_message_id(now_ms),
            channel_id=self.channel.channel_id,
            author_id=self.person.member_id,
            content=text.strip(),
            created_at_ms=now_ms,
            origin=self.origin,
        )
        return IncomingMessage(record, self.person, self.channel, is_playground=True)

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
        """Take the message; the terminal prints it from the pipeline's trace."""
        now_ms = self._now_ms()
        return Accepted(new_message_id(now_ms), now_ms)

    async def edit(self, channel_id: int, message_id: int, text: str) -> bool:
        """Nothing: what was printed stays."""
        return True

    async def delete(self, channel_id: int, message_id: int) -> None:
        """Nothing, as `edit`."""

    async def react(self, channel_id: int, message_id: int, emoji: str) -> bool:
        """False: there is nothing to put it under."""
        return False

    def listens_to(self, channel_id: int) -> bool:
        """Always."""
        return True

    @asynccontextmanager
    async def typing(self, channel_id: int) -> AsyncIterator[None]:
        """Nothing: the terminal shows that it waits by itself."""
        yield


@dataclass(frozen=True)
class Side:
    """One of the models in a terminal: its label, and its pipeline on a `LocalPlatform`."""

    label: str
    pipeline: Pipeline

    async def say(self, text: str) -> Trace:
        """Say one line to this side. Raises what `Pipeline.handle` raises."""
        platform = self.pipeline.platform
        if not isinstance(platform, LocalPlatform):
            raise TypeError(f"{type(platform).__name__} is no place for one person at a prompt")
        return await self.pipeline.handle(platform.message(text))


async def say_once(pipeline: Pipeline, text: str) -> SentReply | None:
    """Say one thing and get one reply; None where guard let nothing out (see `pipeline.traces`)."""
    return (await Side("", pipeline).say(text)).sent


class Terminal:
    """A chat at a prompt with one or more sides: one line in, every side's reply out, labelled."""

    def __init__(
        self, sides: Sequence[Side], *, read: TextIO | None = None, write: TextIO | None = None
    ) -> None:
        """`read` and `write` default to standard input and output; both may be pipes."""
        self._sides = tuple(sides)
        self._read = read or sys.stdin
        self._write = write or sys.stdout
        self._last: list[tuple[str, Trace]] = []

    async def run(self) -> None:
        """Chat until /quit or the end of the input. The event loop is free while it waits."""
        self._print(HELP)
        try:
            while (text := await self._line()) is not None:
                if text and not await self._take(text):
                    break
        finally:
            self._print("Bye.")

    async def _take(self, text: str) -> bool:
        """Act on one line. False ends the chat."""
        command = text.casefold()
        if command in ("/quit", "/exit", "/q"):
            return False
        if command == "/help":
            self._print(HELP)
        elif command == "/why":
            self._why()
        elif text.startswith("/"):
            self._print(f"There is no command {text.split()[0]}. {HELP}")
        else:
            await self._say(text)
        return True

    async def _say(self, text: str) -> None:
        self._last = []
        for side in self._sides:
            try:
                trace = await side.say(text)
            except MynahError as error:
                self._print(f"{self._label(side)} (failed: {error})")
                continue
            self._last.append((side.label, trace))
            self._print(f"{self._label(side)} {shown(trace)}")

    def _why(self) -> None:
        if not self._last:
            self._print("Nothing was said yet.")
        for label, trace in self._last:
            self._print(f"[{label}]\n{trace.explain()}")

    def _label(self, side: Side) -> str:
        width = max(len(each.label) for each in self._sides)
        return f"[{side.label}]".ljust(width + 2)

    def _print(self, text: str) -> None:
        print(text, file=self._write, flush=True)

    async def _line(self) -> str | None:
        """The next line without the spaces around it, or None at the end of the input."""
        if self._read.isatty():
            print("> ", end="", file=self._write, flush=True)
        line = await _in_daemon_thread(self._read.readline)
        return line.strip() if line else None


def shown(trace: Trace) -> str:
    """A reply as a terminal shows it, with seconds and tokens; or why there is none."""
    said = trace.sent.text if trace.sent else f"(silence: {trace.guard or trace.verdict})"
    return (
        f"{said}   ({trace.total_s:.1f} s, {trace.evaluated_tokens} of {trace.prompt_tokens} "
        f"prompt tokens read, {trace.reply_tokens} written)"
    )


async def _in_daemon_thread(blocking: Callable[[], str]) -> str:
    """`blocking()` in a thread that does not hold up the program's end while it waits for a key."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[str] = loop.create_future()

    def finish(line: str, error: Exception | None) -> None:
        if done.cancelled():
            return
        if error is None:
            done.set_result(line)
        else:
            done.set_exception(error)

    def work() -> None:
        line, error = "", None
        try:
            line = blocking()
        except Exception as raised:
            error = raised
        try:
            loop.call_soon_threadsafe(finish, line, error)
        except RuntimeError:  # the loop has ended meanwhile
            return

    threading.Thread(target=work, name="mynah-terminal", daemon=True).start()
    return await done

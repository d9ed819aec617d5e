"""A talk of one person with one pipeline, whose last exchange can be taken back and asked again.

To take something back, the pipeline gets transcripts anew, with the lines that are kept: what was
recalled for a reply goes with it, and may be recalled again. Called from the event loop's thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bot.answer import ATTEMPTS
from bot.messages import IncomingMessage, Trace
from bot.pipeline import Pipeline
from bot.platforms.local import LocalPlatform
from bot.platforms.platform import wall_clock_ms
from bot.transcript import Line
from storage.database import Database
from storage.errors import MynahError
from storage.settings import Settings


class NothingSaidError(MynahError):
    """There is no line to ask again."""


@dataclass(frozen=True)
class _Exchange:
    """The last line and where the transcript stood before it."""

    text: str
    before: tuple[Line, ...]
    said: tuple[int, ...]
    """Ids of the line's own message and of the reply to it."""
    times_again: int


class Conversation:
    """One pipeline's, on a `LocalPlatform` with a channel of its own."""

    def __init__(self, pipeline: Pipeline, database: Database) -> None:
        """Raises TypeError where the pipeline is for a place with more people."""
        if not isinstance(pipeline.platform, LocalPlatform):
            raise TypeError(f"{type(pipeline.platform).__name__} is no place for one person")
        self._pipeline = pipeline
        self._platform = pipeline.platform
        self._database = database
        self._last: _Exchange | None = None

    async def say(self, text: str) -> Trace:
        """Say one line. Raises what `Pipeline.handle` raises."""
        return await self._exchange(text, 0)

    async def again(self) -> Trace:
        """Take the last line and its reply out of the transcript and say the line once more.

        The seed is another one also where the settings name one. Raises NothingSaidError, and what
        `Pipeline.handle` raises.
        """
        last = self._last
        if last is None:
            raise NothingSaidError("Nothing was said yet, so there is no reply to ask for again.")
        await asyncio.to_thread(self._database.mark_deleted, last.said, wall_clock_ms())
        await self._begin_with(last.before)
        return await self._exchange(last.text, last.times_again + 1)

    async def clear(self) -> None:
        """Begin anew: what was said here is not read any more."""
        await self._begin_with(())
        self._last = None

    async def _exchange(self, text: str, times_again: int) -> Trace:
        message = self._platform.message(text)
        before = (await self._pipeline.transcripts.of(self._channel_id)).lines
        said: tuple[int, ...] = (message.message_id,)
        try:
            trace = await self._handle(message, times_again)
            if trace.sent is not None:
                said = (*said, *trace.sent.message_ids)
            return trace
        finally:
            self._last = _Exchange(text, before, said, times_again)

    async def _handle(self, message: IncomingMessage, times_again: int) -> Trace:
        """With a seed of its own for each time that the same line is asked again."""
        pipeline = self._pipeline
        before = pipeline.settings
        if times_again == 0 or before.whole("seed") < 0:
            return await pipeline.handle(message)
        seed = (before.whole("seed") + ATTEMPTS * times_again) % 2**31
        pipeline.settings = shifted = Settings({**before, "seed": seed})
        try:
            return await pipeline.handle(message)
        finally:
            if pipeline.settings is shifted:  # else somebody changed a setting meanwhile
                pipeline.settings = before

    async def _begin_with(self, lines: Sequence[Line]) -> None:
        """Go on as if these lines were all that was said here."""
        async with self._pipeline.turn(self._channel_id):
            self._pipeline.transcripts.begin_with(
                self._channel_id, lines, since_ms=wall_clock_ms() + 1
            )

    @property
    def _channel_id(self) -> int:
        return self._platform.channel.channel_id


def told(trace: Trace) -> dict[str, Any]:
    """A trace as JSON: the reply (or None) and how it came about."""
    return {
        "reply": trace.sent.text if trace.sent else None,
        "verdict": str(trace.verdict),
        "notes": [note.text for note in trace.notes],
        "prompt_tokens": trace.prompt_tokens,
        "evaluated_tokens": trace.evaluated_tokens,
        "reply_tokens": trace.reply_tokens,
        "attempts": trace.attempts,
        "guard": "" if trace.guard is None else str(trace.guard),
        "timings_s": {stage: round(seconds, 4) for stage, seconds in trace.timings_s},
        "total_s": round(trace.total_s, 4),
    }

"""A reply as a model server tells it: server-sent events, the text in them, and what it cost.

Whether it comes in pieces or as one whole answer makes no difference to `Answer`. One thread.
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from typing import Any

from model.llama_runtime import EngineError
from model.reply_text import ReplyText
from model.writing import Generation, StoppedBy

_LINE_END = re.compile(rb"\r\n|\n|\r(?=[^\n])")
"""A carriage return at the end of a piece waits: the line feed behind it may come in the next."""
_THOUGHTS, _THOUGHTS_END = "<think>", "</think>"


async def events(pieces: AsyncIterable[bytes]) -> AsyncIterator[str]:
    """The data of each server-sent event (HTML standard, 9.2), comments and other fields left out.

    llama.cpp's server once wrote its errors into a field of that name: it counts as data here.
    """
    rest, data = b"", list[bytes]()
    async for piece in pieces:
        *lines, rest = _LINE_END.split(rest + piece)
        for one in lines:
            if one:
                data += _data_in(one)
            elif data:
                yield b"\n".join(data).decode("utf-8", "replace")
                data = []
    data += _data_in(rest.rstrip(b"\r"))
    if data:  # the empty line behind the last one is missing
        yield b"\n".join(data).decode("utf-8", "replace")


def _data_in(line: bytes) -> list[bytes]:
    name, _, value = line.partition(b":")
    return [value.removeprefix(b" ")] if name in (b"data", b"error") else []


class Thoughts:
    """Leaves out what a reasoning model thinks before it speaks: <think> ... </think> in front."""

    def __init__(self) -> None:
        self.were_there = False
        self._held = ""
        self._is_over = False

    def outside(self, text: str) -> str:
        """What of the next piece is no thought, as far as that is certain."""
        if self._is_over:
            return text
        self._held += text
        begun = self._held.lstrip()
        if begun.startswith(_THOUGHTS):
            self.were_there = True
            _, end, behind = self._held.partition(_THOUGHTS_END)
            return self._let_go(behind) if end else ""
        return "" if _THOUGHTS.startswith(begun) else self._let_go(self._held)

    def rest(self) -> str:
        """What was held back and turns out to be none."""
        return self._let_go("" if self._is_over or self.were_there else self._held)

    def _let_go(self, text: str) -> str:
        self._is_over = True
        return text


class Answer:
    """What came of one reply so far.

    `add` takes the objects of the protocol: pieces ("delta") or a whole answer ("message").
    """

    def __init__(
        self, stop_texts: Sequence[str] = (), deliver: Callable[[str], None] | None = None
    ) -> None:
        self._stop_texts = stop_texts
        self._deliver = deliver
        self.was_handed_on = False
        """Whether somebody has got a piece of it: from then on there is no second attempt."""
        self.begin()

    def begin(self) -> None:
        """Forget what came: it is asked for once more."""
        hand_on = self._hand_on if self._deliver else None
        self._text = ReplyText(self._stop_texts, hand_on)
        self._thoughts = Thoughts()
        self._usage: dict[str, Any] = {}
        self._timings: dict[str, Any] = {}
        self._pieces = 0
        self._began_s = time.perf_counter()
        self._first_s = 0.0
        self.has_message = False
        """Whether it is the answer of a model at all."""
        self.has_begun = False
        """Whether a word or a thought has come."""
        self.has_thoughts = False
        self.ended = ""
        """The server's reason for the end; empty while there is none."""
        self._is_stopped = False

    def add(self, said: dict[str, Any]) -> bool:
        """Take the next object; True where a stop text came. Raises EngineError."""
        try:
            return self._add(said)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise no_message() from None

    def _add(self, said: dict[str, Any]) -> bool:
        for name, kept in (("usage", self._usage), ("timings", self._timings)):
            kept.update(said.get(name) or {})
        if not said.get("choices"):
            return False  # figures behind the last piece
        choice = said["choices"][0]
        self.has_message = True
        message = choice.get("delta")
        if message is None:
            message = choice["message"]
            self.ended = "stop"  # a whole answer need not say so
        self.ended = choice.get("finish_reason") or self.ended
        if message.get("reasoning_content") or message.get("reasoning"):
            self._note_beginning()
            self.has_thoughts = True
        content = message.get("content") or ""
        if not content:
            return False
        self._note_beginning()
        self._pieces += 1
        spoken = self._thoughts.outside(content)
        self.has_thoughts |= self._thoughts.were_there
        # A server may cut an emoji in two: half of one is nothing that can be written down.
        self._is_stopped = self._text.add(spoken.encode("utf-8", "replace"))
        return self._is_stopped

    def generation(self, stopped_by: StoppedBy | None = None) -> Generation:
        """The reply, and what the server says that it cost, else what was measured here. Call once.

        `stopped_by`: what ended it from outside. Tokens are 0 where the server does not tell them.
        """
        if not self._is_stopped:
            self._is_stopped = self._text.add(self._thoughts.rest().encode("utf-8", "replace"))
        text = self._text.finish(stopped=self._is_stopped)
        # Some templates begin the thoughts themselves: only their end is in the reply.
        _, end, behind = text.rpartition(_THOUGHTS_END)
        self.has_thoughts |= bool(end)
        now_s = time.perf_counter()
        first_s = self._first_s if self.has_begun else now_s
        timings, cached = self._timings, self._cached()
        prompt = _count(self._usage, "prompt_tokens") or cached + _count(timings, "prompt_n")
        return Generation(
            text=behind.strip(),
            token_ids=(),
            prompt_tokens=prompt,
            evaluated_tokens=max(prompt - cached, 0),
            reply_tokens=_count(self._usage, "completion_tokens")
            or _count(timings, "predicted_n")
            or self._pieces,
            prompt_s=_ms(timings, "prompt_ms") or first_s - self._began_s,
            reply_s=_ms(timings, "predicted_ms") or now_s - first_s,
            stopped_by=stopped_by or self._why(),
        )

    def _why(self) -> StoppedBy:
        if self._is_stopped:
            return StoppedBy.TEXT
        return StoppedBy.LENGTH if self.ended == "length" else StoppedBy.END

    def _cached(self) -> int:
        """Prompt tokens that the server had read before."""
        details = self._usage.get("prompt_tokens_details")
        told = _count(details, "cached_tokens") if isinstance(details, dict) else 0
        return told or _count(self._timings, "cache_n")

    def _note_beginning(self) -> None:
        if not self.has_begun:
            self.has_begun = True
            self._first_s = time.perf_counter()

    def _hand_on(self, text: str) -> None:
        if self._deliver:
            self.was_handed_on = True
            self._deliver(text)


def no_message() -> EngineError:
    return EngineError("The model server's answer holds no message: it may speak another protocol.")


def _count(told: dict[str, Any], name: str) -> int:
    value = told.get(name)
    return max(value, 0) if isinstance(value, int) else 0


def _ms(told: dict[str, Any], name: str) -> float:
    """Seconds."""
    value = told.get(name)
    return max(float(value), 0.0) / 1000 if isinstance(value, (int, float)) else 0.0

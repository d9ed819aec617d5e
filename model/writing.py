"""One reply in the making: what is left of its prompt, then a token at a time until something ends
it. On the compute worker, but for `cancel`."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from enum import Enum
from typing import Any

from model.abort import AbortFlag
from model.decoding import DecodingContext, Piece
from model.reply_text import ReplyText
from model.sampling import Sampling, make_chain


class StoppedBy(str, Enum):
    """Why a reply is over."""

    END = "end"
    """The model ended its turn (an end-of-generation or other control token, or a stop id)."""
    TEXT = "text"
    """A stop text came; it is not in the reply."""
    LENGTH = "length"
    """max_tokens."""
    CONTEXT = "context"
    """The context is full."""
    TIME = "time"
    """Its time was over."""
    CANCELLED = "cancelled"
    DROPPED = "dropped"
    """Nobody wanted it any more when its turn came; nothing was computed."""


@dataclass(frozen=True)
class Generation:
    """One reply and what it cost."""

    text: str
    token_ids: tuple[int, ...]
    """Every token drawn, the one that ended the reply left out."""
    prompt_tokens: int
    evaluated_tokens: int
    """Of the prompt's tokens, how many were not in the cache already."""
    reply_tokens: int
    prompt_s: float
    """From the beginning of its computing, not of its waiting, to the first token."""
    reply_s: float
    stopped_by: StoppedBy


@dataclass(frozen=True)
class Call:
    """One request to write, all choices made."""

    key: Hashable
    ids: tuple[int, ...]
    sampling: Sampling
    seed: int
    stop_texts: tuple[str, ...] = ()
    stop_ids: frozenset[int] = frozenset()
    fresh: bool = False
    deadline_s: float | None = None
    """time.monotonic() at which it ends."""
    is_wanted: Callable[[], bool] | None = None


class Writing:
    """A call while it waits and while it is carried out. `future` gets the Generation."""

    def __init__(self, call: Call, deliver: Callable[[str], None] | None) -> None:
        self.call = call
        self.future: Future[Generation] = Future()
        self.future.set_running_or_notify_cancel()  # it is ended by `cancel` alone
        self.flag = AbortFlag()
        self.batch_flag = self.flag
        """Ends the batch in which it is computed just now."""
        self.left: list[int] = []
        """What of the prompt is not evaluated yet."""
        self.target: tuple[int, ...] | None = None
        """What was to be read along in its conversation when it was asked for."""
        self._chain: Any = None
        self._reply = ReplyText(call.stop_texts, deliver)
        self._drawn: list[int] = []
        self._evaluated = 0
        self._began_s = self._prompted_s = 0.0

    def cancel(self) -> None:
        """Have it end at once, in the midst of its prompt too. From any thread."""
        self.flag.set()
        self.batch_flag.set()

    @property
    def most_tokens(self) -> int:
        """How much of the context it takes at most, if it held it alone."""
        return len(self.call.ids) + self.call.sampling.max_tokens

    @property
    def has_begun(self) -> bool:
        return self._chain is not None

    def why_not(self) -> StoppedBy | None:
        """Whether it is over before it begins."""
        is_wanted = self.call.is_wanted
        if is_wanted is not None and not is_wanted():
            return StoppedBy.DROPPED
        return self.why_over()

    def begin(self, context: DecodingContext, busy: set[Hashable]) -> None:
        """Find its conversation and keep what of it the prompt begins with.

        The prompt's last token is always evaluated: a token is drawn behind it.
        """
        call = self.call
        self._began_s = self._prompted_s = time.perf_counter()
        self.conversation = context.sequences.of(call.key, call.ids[:-1], busy)
        if call.fresh:
            context.sequences.cut(self.conversation, 0)
        context.sequences.settle(call.key, call.ids[:-1])
        self.left = list(call.ids[len(self.conversation.tokens) :])
        self._evaluated = len(self.left)
        self._chain = make_chain(context.llama, context.vocab, call.sampling, call.seed)

    def why_over(self) -> StoppedBy | None:
        """Whether something outside of the text ends it now."""
        if self.flag.is_set():
            return StoppedBy.CANCELLED
        if self.call.deadline_s is not None and time.monotonic() >= self.call.deadline_s:
            return StoppedBy.TIME
        return None

    def piece(self, most_tokens: int) -> Piece:
        """What of it goes into the next batch."""
        if not self.left:
            return Piece(self.conversation, self._drawn[-1:], is_sampled=True)
        ids = self.left[:most_tokens]
        return Piece(self.conversation, ids, is_sampled=len(ids) == len(self.left))

    def take(self, context: DecodingContext, piece: Piece, place: int) -> StoppedBy | None:
        """The batch with its piece is done: draw the next token where the prompt is through."""
        if self.left:
            del self.left[: len(piece.ids)]
            if self.left:
                return None
            self._prompted_s = time.perf_counter()
            context.refuse_nonsense(self.conversation, place)
        token = context.sample(self._chain, place)
        if token in self.call.stop_ids or context.ends_turn(token):
            return StoppedBy.END
        self._drawn.append(token)
        if self._reply.add(context.bytes_of(token)):
            return StoppedBy.TEXT
        if len(self._drawn) >= self.call.sampling.max_tokens:
            return StoppedBy.LENGTH
        if len(self.conversation.tokens) >= context.context_tokens:
            return StoppedBy.CONTEXT
        return None

    def finish(self, context: DecodingContext, stopped_by: StoppedBy) -> Generation:
        """What came of it; frees its sampler. Raises what `deliver` raises."""
        if self._chain is not None:
            context.llama.llama_sampler_free(self._chain)
        ended_s = time.perf_counter()
        if self.left or not self._began_s:
            self._prompted_s = ended_s
        return Generation(
            text=self._reply.finish(stopped=stopped_by is StoppedBy.TEXT),
            token_ids=tuple(self._drawn),
            prompt_tokens=len(self.call.ids),
            evaluated_tokens=self._evaluated - len(self.left),
            reply_tokens=len(self._drawn),
            prompt_s=self._prompted_s - (self._began_s or ended_s),
            reply_s=ended_s - self._prompted_s,
            stopped_by=stopped_by,
        )

"""One llama.cpp context that writes replies; `model/inference.py` gives it its thread.

The KV cache keeps what was evaluated last; the next call evaluates only what comes behind the
longest common prefix, so a transcript that only grows costs its new tokens alone. Everything of
`DecodingContext` runs on one thread; logged are sizes and times, never text.
"""

from __future__ import annotations

import ctypes
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from model.abort import AbortFlag
from model.llama_runtime import load_model
from model.reply_text import ReplyText
from storage.errors import MynahError

log = logging.getLogger(__name__)

BATCH_TOKENS = 512
REPEAT_WINDOW_TOKENS = 64


class EngineError(MynahError):
    """The engine cannot do what it was asked for."""


class PromptTooLong(EngineError):
    """A prompt does not fit into the context with room for one token of reply."""


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen. llama.cpp's own samplers, in its own order."""

    temperature: float = 0.7
    """0.0 takes the likeliest token always; nothing else below but the penalty then matters."""
    top_k: int = 40
    """0 switches it off."""
    top_p: float = 0.95
    """1.0 switches it off."""
    min_p: float = 0.05
    """0.0 switches it off."""
    repeat_penalty: float = 1.0
    """1.0 switches it off. Looks at the reply's own last 64 tokens, never at others' words."""
    max_tokens: int = 120
    seed: int = -1
    """-1: another one each time, or the engine's own where it was loaded with one."""


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
    CANCELLED = "cancelled"


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
    reply_s: float
    stopped_by: StoppedBy


@dataclass(frozen=True)
class Call:
    """One request to write, all choices made."""

    ids: tuple[int, ...]
    sampling: Sampling
    seed: int
    stop_texts: tuple[str, ...]
    stop_ids: frozenset[int]
    fresh: bool


class DecodingContext:
    """llama.cpp's model and context. Made, used and freed on the worker thread alone."""

    def __init__(self, path: Path, context_tokens: int, threads: int, use_mmap: bool) -> None:
        import llama_cpp

        self._llama = llama_cpp
        started = time.perf_counter()
        self._model, self.header = load_model(path, use_mmap=use_mmap)
        self.vocab = llama_cpp.llama_model_get_vocab(self._model)
        context_tokens = _within(self.header.context_length, context_tokens, path.name)
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = context_tokens
        params.n_batch = params.n_ubatch = min(BATCH_TOKENS, context_tokens)
        params.n_seq_max = 1
        params.n_outputs_max = 1
        params.n_threads = params.n_threads_batch = threads
        params.no_perf = True
        self._handle = llama_cpp.llama_init_from_model(self._model, params)
        if not self._handle:
            llama_cpp.llama_model_free(self._model)
            raise EngineError(
                f"no context of {context_tokens} tokens could be made for {path.name}: "
                "there is too little memory, or the model cannot write text"
            )
        self._memory = llama_cpp.llama_get_memory(self._handle)
        self.context_tokens = int(llama_cpp.llama_n_ctx(self._handle))
        self._batch_tokens = int(llama_cpp.llama_n_batch(self._handle))
        self._cached: list[int] = []
        log.info(
            "loaded %s: %d tokens of context, %d threads, %.2f s",
            path.name, self.context_tokens, threads, time.perf_counter() - started,
        )  # fmt: skip

    def generate(
        self, call: Call, flag: AbortFlag, deliver: Callable[[str], None] | None
    ) -> Generation:
        if self._handle is None:
            raise EngineError("the engine is closed")
        self._refuse_misfit(call.ids)
        flag.watch(self._llama, self._handle)
        try:
            return self._generate(call, flag, deliver)
        finally:
            flag.unwatch(self._llama, self._handle)

    def _generate(
        self, call: Call, flag: AbortFlag, deliver: Callable[[str], None] | None
    ) -> Generation:
        started = time.perf_counter()
        reused = self._cut_cache(0) if call.fresh else self._keep_prefix(call.ids)
        finished = self._evaluate(call.ids[reused:], flag)
        prompted = time.perf_counter()
        reply = ReplyText(call.stop_texts, deliver)
        drawn: list[int] = []
        stopped_by = StoppedBy.CANCELLED
        if finished:
            stopped_by = self._write(call, flag, reply, drawn)
        text = reply.finish(stopped=stopped_by is StoppedBy.TEXT)
        ended = time.perf_counter()
        log.info(
            "generated: prompt %d tokens (%d evaluated) in %.2f s, reply %d tokens in %.2f s, %s",
            len(call.ids), len(call.ids) - reused, prompted - started,
            len(drawn), ended - prompted, stopped_by.value,
        )  # fmt: skip
        return Generation(
            text=text,
            token_ids=tuple(drawn),
            prompt_tokens=len(call.ids),
            evaluated_tokens=len(call.ids) - reused,
            reply_tokens=len(drawn),
            prompt_s=prompted - started,
            reply_s=ended - prompted,
            stopped_by=stopped_by,
        )

    def _write(self, call: Call, flag: AbortFlag, reply: ReplyText, drawn: list[int]) -> StoppedBy:
        """Draw tokens into `drawn` and `reply` until something ends it."""
        llama = self._llama
        sampler = self._sampler(call)
        try:
            while len(drawn) < call.sampling.max_tokens:
                if flag.is_set():
                    return StoppedBy.CANCELLED
                token = llama.llama_sampler_sample(sampler, self._handle, -1)
                if token in call.stop_ids or self._ends_turn(token):
                    return StoppedBy.END
                drawn.append(token)
                if reply.add(self._piece(token)):
                    return StoppedBy.TEXT
                if len(drawn) == call.sampling.max_tokens:
                    break
                if len(self._cached) >= self.context_tokens:
                    return StoppedBy.CONTEXT
                if not self._evaluate((token,), flag):
                    return StoppedBy.CANCELLED
            return StoppedBy.LENGTH
        finally:
            llama.llama_sampler_free(sampler)

    def _refuse_misfit(self, ids: Sequence[int]) -> None:
        if not ids:
            raise EngineError("there is nothing to answer: the prompt is empty")
        if len(ids) >= self.context_tokens:
            raise PromptTooLong(
                f"the prompt has {len(ids)} tokens and the context holds {self.context_tokens}: "
                "shorten the transcript or raise context_tokens"
            )

    def _keep_prefix(self, ids: Sequence[int]) -> int:
        """Drop from the cache what differs from `ids`; how many of them need no evaluation.

        The last one is always evaluated again: its logits are needed.
        """
        common = 0
        for old, new in zip(self._cached, ids[:-1], strict=False):
            if old != new:
                break
            common += 1
        return self._cut_cache(common)

    def _cut_cache(self, length: int) -> int:
        """Keep the first `length` tokens; fewer where the model's memory cannot be cut (0)."""
        if not self._llama.llama_memory_seq_rm(self._memory, 0, length, -1):
            self._llama.llama_memory_clear(self._memory, True)
            length = 0
        del self._cached[length:]
        return length

    def _evaluate(self, ids: Sequence[int], flag: AbortFlag) -> bool:
        """Put `ids` behind what is cached; False where it was cancelled (what was done is kept)."""
        for start in range(0, len(ids), self._batch_tokens):
            if flag.is_set():
                return False
            chunk = ids[start : start + self._batch_tokens]
            tokens = (self._llama.llama_token * len(chunk))(*chunk)
            batch = self._llama.llama_batch_get_one(tokens, len(chunk))
            result = self._llama.llama_decode(self._handle, batch)
            if result == 0:
                self._cached += chunk
                continue
            self._cut_cache(len(self._cached))
            if result == 2 or flag.is_set():
                return False
            raise EngineError(f"llama.cpp could not evaluate {len(chunk)} tokens (code {result})")
        return True

    def _sampler(self, call: Call) -> Any:
        """llama.cpp's chain: penalties, top-k, top-p, min-p, temperature, draw."""
        llama, sampling = self._llama, call.sampling
        chain = llama.llama_sampler_chain_init(llama.llama_sampler_chain_default_params())
        steps = []
        if sampling.repeat_penalty != 1.0:
            size = llama.llama_vocab_n_tokens(self.vocab)
            steps.append(self._penalties(size, sampling.repeat_penalty))
        if sampling.temperature <= 0.0:
            steps.append(llama.llama_sampler_init_greedy())
        else:
            if sampling.top_k > 0:
                steps.append(llama.llama_sampler_init_top_k(sampling.top_k))
            if sampling.top_p < 1.0:
                steps.append(llama.llama_sampler_init_top_p(sampling.top_p, 1))
            if sampling.min_p > 0.0:
                steps.append(llama.llama_sampler_init_min_p(sampling.min_p, 1))
            steps.append(llama.llama_sampler_init_temp(sampling.temperature))
            steps.append(llama.llama_sampler_init_dist(call.seed))
        for step in steps:
            llama.llama_sampler_chain_add(chain, step)
        return chain

    def _penalties(self, vocabulary_size: int, repeat: float) -> Any:
        return self._llama.llama_sampler_init_penalties(
            vocabulary_size, REPEAT_WINDOW_TOKENS, repeat, 0.0, 0.0
        )

    def _ends_turn(self, token: int) -> bool:
        """End-of-generation, and any other control token: no reply goes on behind one."""
        return bool(
            self._llama.llama_vocab_is_eog(self.vocab, token)
            or self._llama.llama_vocab_is_control(self.vocab, token)
        )

    def _piece(self, token: int) -> bytes:
        room = 64
        while True:
            buffer = ctypes.create_string_buffer(room)
            size = self._llama.llama_token_to_piece(self.vocab, token, buffer, room, 0, False)
            if size >= 0:
                return buffer.raw[:size]
            room = -size

    def free(self) -> None:
        """Free context and model; nothing can be generated afterwards. Again does nothing."""
        if self._handle is not None:
            self._llama.llama_free(self._handle)
            self._llama.llama_model_free(self._model)
            self._handle = self._model = self._memory = self.vocab = None


def _within(model_tokens: int, context_tokens: int, name: str) -> int:
    """`context_tokens`, but no more than the model was made for: beyond that it writes nonsense."""
    if not 0 < model_tokens < context_tokens:
        return context_tokens
    log.warning(
        "%s was made for %d tokens of context; %d were asked for",
        name,
        model_tokens,
        context_tokens,
    )
    return model_tokens

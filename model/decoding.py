"""One llama.cpp context that holds several conversations; `model/scheduler.py` says what is next.

Used and freed on the compute worker alone. A batch holds a piece of each conversation that
is to go on: new tokens behind those that stand in the cache already. Logged are sizes and times,
never text.
"""

from __future__ import annotations

import ctypes
import logging
import time
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.abort import AbortFlag
from model.fit import BATCH_TOKENS, cells_of
from model.llama_runtime import ContextFullError, EngineError, LoadError, load_model
from model.sequences import Conversation, Sequences

log = logging.getLogger(__name__)

OTHER_SEQUENCES = 6
"""Beside two for each channel, one of them for what will be left of its transcript."""


@dataclass(frozen=True)
class Piece:
    """Tokens to be put behind a conversation."""

    conversation: Conversation
    ids: Sequence[int]
    is_sampled: bool = False
    """Whether a token is to be drawn behind its last one."""


class DecodingContext:
    """llama.cpp's model and context."""

    def __init__(
        self,
        path: Path,
        *,
        context_tokens: int,
        channels: int,
        threads: int,
        batch_threads: int,
        use_mmap: bool,
    ) -> None:
        """Room for `channels` conversations of `context_tokens`, and for what will be left of one
        of them; 0: for one alone. Raises GgufError, LoadError."""
        import llama_cpp

        self.llama = self._llama = llama_cpp
        started = time.perf_counter()
        self._model, self.header = load_model(path, use_mmap=use_mmap)
        self.vocab = llama_cpp.llama_model_get_vocab(self._model)
        self.context_tokens = _within(self.header.context_length, context_tokens, path.name)
        self.threads = threads, batch_threads
        """For writing and for reading."""
        self._sequences = 2 * channels + OTHER_SEQUENCES
        try:
            self._refuse_what_cannot_rewind(path.name)
            self._handle = self._make(path.name, channels, threads, batch_threads)
        except BaseException:
            llama_cpp.llama_model_free(self._model)
            raise
        self._memory = llama_cpp.llama_get_memory(self._handle)
        self.cells = int(llama_cpp.llama_n_ctx(self._handle))
        """Tokens of all conversations together; what they share counts once."""
        self._batch = llama_cpp.llama_batch_init(BATCH_TOKENS, 0, 1)
        self.sequences = Sequences(llama_cpp, self._memory, self._sequences)
        log.info(
            "loaded %s: %d tokens of context, %d and %d threads, %.2f s",
            path.name, self.cells, threads, batch_threads,
            time.perf_counter() - started,
        )  # fmt: skip

    def _refuse_what_cannot_rewind(self, name: str) -> None:
        llama = self._llama
        if llama.llama_model_is_recurrent(self._model) or llama.llama_model_is_hybrid(self._model):
            raise LoadError(
                f"{name} ({self.header.architecture}) keeps a running state instead of the words "
                "it read, so nothing could be taken back out of it: choose a transformer model"
            )

    def _make(self, name: str, channels: int, threads: int, batch_threads: int) -> Any:
        llama, one = self._llama, self.context_tokens
        params = llama.llama_context_default_params()
        params.n_ctx = cells_of(one, channels)
        params.n_batch = params.n_ubatch = BATCH_TOKENS
        # llama.cpp wants room for a row of logits a sequence.
        params.n_seq_max = params.n_outputs_max = self._sequences
        # Without it, copying a prefix between sequences aborts the process.
        params.kv_unified = True
        # Else a model with a sliding window forgets what a shorter transcript would need again.
        params.swa_full = True
        params.n_threads, params.n_threads_batch = threads, batch_threads
        params.no_perf = True
        handle = llama.llama_init_from_model(self._model, params)
        if not handle:
            raise EngineError(
                f"no context of {params.n_ctx} tokens could be made for {name}: "
                "there is too little memory, or the model cannot write text"
            )
        return handle

    @property
    def is_open(self) -> bool:
        return self._handle is not None

    def set_threads(self, threads: int, batch_threads: int) -> None:
        if self._handle is not None:
            self._llama.llama_set_n_threads(self._handle, threads, batch_threads)
            self.threads = threads, batch_threads

    def decode(
        self, pieces: Sequence[Piece], flag: AbortFlag, busy: Collection[Hashable]
    ) -> list[int] | None:
        """Put the pieces behind their conversations, together at most BATCH_TOKENS.

        Returns each piece's place in the batch for `sample`; None where `flag` ended it, and then
        nothing was put anywhere. Conversations that are not `busy` go where room is needed. Raises
        ContextFullError, EngineError.
        """
        places = self._fill(pieces)
        flag.watch(self._llama, self._handle)
        try:
            result = self._llama.llama_decode(self._handle, self._batch)
            while result == 1 and not flag.is_set() and self.sequences.drop_oldest(busy):
                result = self._llama.llama_decode(self._handle, self._batch)
        finally:
            flag.unwatch(self._llama, self._handle)
        if result == 0:
            for piece in pieces:
                piece.conversation.tokens += piece.ids
            return places
        for piece in pieces:
            self.sequences.clean(piece.conversation, len(piece.conversation.tokens))
        if result == 2 or flag.is_set():
            return None
        if result == 1:
            raise ContextFullError("the model's memory of the conversation is full")
        for piece in pieces:
            self.sequences.cut(piece.conversation, 0)  # what stands there cannot be relied on
        raise EngineError(
            f"llama.cpp could not evaluate {self._batch.n_tokens} tokens (code {result})"
        )

    def close_up(self, key: Hashable, ids: Sequence[int]) -> None:
        """`Sequences.close_up`, carried out at once: where a batch that moves keys is aborted, they
        are worth nothing."""
        if (conversation := self.sequences.close_up(key, ids)) is not None:
            last = conversation.tokens[-1:]
            self.sequences.cut(conversation, len(conversation.tokens) - 1)
            self.decode([Piece(conversation, last)], AbortFlag(), [key])

    def _fill(self, pieces: Sequence[Piece]) -> list[int]:
        batch, at, places = self._batch, 0, []
        for piece in pieces:
            begin = len(piece.conversation.tokens)
            for offset, token in enumerate(piece.ids):
                batch.token[at] = token
                batch.pos[at] = begin + offset
                batch.n_seq_id[at] = 1
                batch.seq_id[at][0] = piece.conversation.sequence_id
                batch.logits[at] = 0
                at += 1
            batch.logits[at - 1] = piece.is_sampled
            places.append(at - 1)
        batch.n_tokens = at
        return places

    def sample(self, chain: Any, place: int) -> int:
        """Draw the token behind the piece at `place` of the last batch."""
        return int(self._llama.llama_sampler_sample(chain, self._handle, place))

    def refuse_nonsense(self, conversation: Conversation, place: int) -> None:
        """Raise EngineError where what the last batch made of the piece at `place` are no numbers,
        and keep nothing of it: llama.cpp goes on with NaN and says nothing."""
        import numpy as np

        row = self._llama.llama_get_logits_ith(self._handle, place)
        size = self._llama.llama_vocab_n_tokens(self.vocab)
        # The maximum is NaN where any is.
        if not np.isfinite(np.ctypeslib.as_array(row, (size,)).max()):
            self.sequences.cut(conversation, 0)
            raise EngineError(
                "the model computes no numbers but NaN: its file is damaged or badly converted, "
                "choose another one"
            )

    def ends_turn(self, token: int) -> bool:
        """End-of-generation, and any other control token: no reply goes on behind one."""
        return bool(
            self._llama.llama_vocab_is_eog(self.vocab, token)
            or self._llama.llama_vocab_is_control(self.vocab, token)
        )

    def bytes_of(self, token: int) -> bytes:
        """The token's text; a part of a character where it takes several tokens."""
        room = 64
        while True:
            buffer = ctypes.create_string_buffer(room)
            size = self._llama.llama_token_to_piece(self.vocab, token, buffer, room, 0, False)
            if size >= 0:
                return buffer.raw[:size]
            room = -size

    def free(self) -> None:
        """Free context and model; nothing can be computed afterwards. Again does nothing."""
        if self._handle is not None:
            self._llama.llama_batch_free(self._batch)
            self._llama.llama_free(self._handle)
            self._llama.llama_model_free(self._model)
            self._handle = self._model = self._memory = self.vocab = None


def _within(model_tokens: int, context_tokens: int, name: str) -> int:
    """`context_tokens`, but no more than the model was made for: beyond that it writes nonsense."""
    if not 0 < model_tokens < context_tokens:
        return context_tokens
    log.info(
        "%s was made for %d tokens of context; %d were asked for",
        name,
        model_tokens,
        context_tokens,
    )
    return model_tokens

"""Which conversation stands in which sequence of llama.cpp's KV cache, token by token.

A sequence is one conversation's transcript as it was evaluated. What several have in common at
their beginning (the persona) is evaluated once and shared: with a unified cache copying a prefix
copies no cells. Everything runs on the compute worker but `missing`, which any thread may ask.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from model.llama_runtime import ContextFullError


@dataclass(eq=False)
class Conversation:
    """One sequence. `tokens` are those whose keys and values stand in the cache."""

    sequence_id: int
    tokens: list[int] = field(default_factory=list)


class Sequences:
    """The conversations of one context, the one used last at the end."""

    def __init__(self, llama: Any, memory: Any, count: int) -> None:
        """`memory` is the context's; `count` its n_seq_max."""
        self._llama = llama
        self._memory = memory
        self._free = list(range(count))
        self._by_key: OrderedDict[Hashable, Conversation] = OrderedDict()

    def of(self, key: Hashable, ids: Sequence[int], busy: Collection[Hashable]) -> Conversation:
        """The key's conversation. One that is not kept begins with what another one has in common
        with `ids`; where all are taken, the one used longest ago that is not `busy` goes. Raises
        ContextFullError."""
        found = self._by_key.get(key)
        if found is None:
            found = self._begin(key, ids, busy)
        self._by_key.move_to_end(key)
        return found

    def cut(self, conversation: Conversation, length: int) -> None:
        """Keep its first `length` tokens."""
        if length < len(conversation.tokens):
            self.clean(conversation, length)
            del conversation.tokens[length:]

    def clean(self, conversation: Conversation, length: int) -> None:
        """Take everything from position `length` on out of the cache."""
        self._llama.llama_memory_seq_rm(self._memory, conversation.sequence_id, length, -1)

    def drop(self, key: Hashable) -> None:
        """Take the key's conversation out of the cache."""
        conversation = self._by_key.pop(key, None)
        if conversation is not None:
            self.clean(conversation, 0)
            conversation.tokens.clear()
            self._free.append(conversation.sequence_id)

    def drop_oldest(self, busy: Collection[Hashable]) -> bool:
        """Drop the one used longest ago that is not `busy`; False where there is none."""
        oldest = next((key for key in self._by_key if key not in busy), _NOBODY)
        if oldest is _NOBODY:
            return False
        self.drop(oldest)
        return True

    def settle(self, key: Hashable, ids: Sequence[int]) -> None:
        """Cut the key's conversation to what it has in common with `ids`."""
        conversation = self._by_key.get(key)
        if conversation is not None:
            self.cut(conversation, common_prefix(conversation.tokens, ids))

    def close_up(self, key: Hashable, ids: Sequence[int]) -> Conversation | None:
        """Where the key's conversation goes on like `ids` behind a piece that is missing there,
        take that piece out of it and move up what stands behind, as far as it is alike.

        What is moved was computed with the piece in view. None where there is nothing to be moved,
        or some of it is another conversation's too.
        """
        conversation = self._by_key.get(key)
        if conversation is None or not self._llama.llama_memory_can_shift(self._memory):
            return None
        tokens = conversation.tokens
        begin = common_prefix(tokens, ids)
        gap = _gap(tokens, list(ids), begin)
        others = (one for one in self._by_key.values() if one is not conversation)
        if not gap or any(common_prefix(one.tokens, tokens) > begin for one in others):
            return None
        at, memory = conversation.sequence_id, self._memory
        self._llama.llama_memory_seq_rm(memory, at, begin, begin + gap)
        self._llama.llama_memory_seq_add(memory, at, begin + gap, -1, -gap)
        del tokens[begin : begin + gap]
        self.cut(conversation, common_prefix(tokens, ids))
        return conversation

    def missing(self, key: Hashable, ids: Sequence[int], without: Collection[Hashable] = ()) -> int:
        """How many of `ids` would have to be evaluated for this key now, if those `without` were
        dropped."""
        kept = {like: one for like, one in tuple(self._by_key.items()) if like not in without}
        candidates = [kept[key]] if key in kept else kept.values()
        return len(ids) - max((common_prefix(c.tokens, ids) for c in candidates), default=0)

    def _begin(self, key: Hashable, ids: Sequence[int], busy: Collection[Hashable]) -> Conversation:
        shared = [(common_prefix(one.tokens, ids), like) for like, one in self._by_key.items()]
        length, like = max(shared, key=lambda pair: pair[0], default=(0, _NOBODY))
        # What is to be copied goes last.
        if not self._free and not self.drop_oldest({*busy, like}):
            if like in busy or like not in self._by_key:
                raise ContextFullError("the model keeps as many conversations in mind as it can")
            begun = self._by_key.pop(like)
            self.cut(begun, length)
        else:
            begun = Conversation(self._free.pop())
            if length:
                begun.tokens += self._copy(self._by_key[like], begun, length)
        self._by_key[key] = begun
        return begun

    def _copy(self, source: Conversation, to: Conversation, length: int) -> list[int]:
        ids = source.sequence_id, to.sequence_id
        self._llama.llama_memory_seq_cp(self._memory, *ids, 0, length)
        return source.tokens[:length]


_NOBODY = object()

_LEAST_MOVED = 16
"""Tokens behind a gap: fewer are sooner evaluated again."""


def _gap(tokens: list[int], ids: list[int], begin: int) -> int:
    """How many of `tokens` are to go at `begin` so that most of the others stand in `ids`; 0: none
    are."""
    anchor, best, moved = ids[begin : begin + _LEAST_MOVED], 0, 0
    for at in range(begin + 1, len(tokens) - _LEAST_MOVED + 1):
        if tokens[at : at + _LEAST_MOVED] == anchor:
            alike = common_prefix(tokens[at:], ids[begin:])
            best, moved = (at - begin, alike) if alike > moved else (best, moved)
    return best


def common_prefix(old: Sequence[int], new: Sequence[int]) -> int:
    """How many tokens the two have in common at their beginning. `old` may change meanwhile."""
    mine = list(old[: len(new)])
    theirs = list(new[: len(mine)])
    if mine == theirs:
        return len(mine)
    return next(i for i in range(len(mine)) if mine[i] != theirs[i])

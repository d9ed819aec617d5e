"""What stands in which sequence of the KV cache: the books against llama.cpp's own, and replies
against those of an empty cache."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from pathlib import Path

import pytest

from model.abort import AbortFlag
from model.decoding import OTHER_SEQUENCES, DecodingContext, Piece
from model.fit import BATCH_TOKENS
from model.llama_runtime import ContextFullError, EngineError
from model.sequences import Conversation, common_prefix
from tests.model.engine_parts import Books, made_up_ids

PERSONA = made_up_ids(1, 60)
TOKENS = 256
COUNT = OTHER_SEQUENCES
"""Sequences of a context for one channel alone."""


class Cache:
    """A context on this thread, with what a test does to it."""

    def __init__(self, path: Path, tokens: int = TOKENS) -> None:
        self.context = DecodingContext(
            path, context_tokens=tokens, channels=0, threads=1, batch_threads=1, use_mmap=True
        )
        self.sequences = self.context.sequences
        self.books = Books(self.context)

    def hold(self, key: Hashable, ids: Sequence[int], busy: Collection[Hashable] = ()) -> int:
        """Have the conversation hold exactly `ids`; how many had to be evaluated."""
        busy = {*busy, key}
        conversation = self.sequences.of(key, ids, busy)
        self.sequences.settle(key, ids)
        rest = list(ids[len(conversation.tokens) :])
        for at in range(0, len(rest), BATCH_TOKENS):
            piece = Piece(conversation, rest[at : at + BATCH_TOKENS], is_sampled=True)
            assert self.context.decode([piece], AbortFlag(), busy) is not None
        return len(rest)

    def of(self, key: Hashable) -> Conversation:
        return self.sequences._by_key[key]

    def reply(self, key: Hashable, ids: Sequence[int], tokens: int = 6) -> list[int]:
        """The likeliest tokens behind `ids`, in the conversation as it stands."""
        self.hold(key, ids[:-1])
        held, drawn = list(ids), []
        for _ in range(tokens):
            conversation = self.of(key)
            piece = Piece(conversation, held[len(conversation.tokens) :], is_sampled=True)
            places = self.context.decode([piece], AbortFlag(), [key])
            assert places is not None
            row = self.context.llama.llama_get_logits_ith(self.context._handle, places[0])
            size = self.context.llama.llama_vocab_n_tokens(self.context.vocab)
            drawn.append(max(range(size), key=row.__getitem__))
            held.append(drawn[-1])
        return drawn


@pytest.fixture
def cache(f16_gguf: Path) -> Iterator[Cache]:
    made = Cache(f16_gguf)
    yield made
    made.books.check()
    made.context.free()


@pytest.fixture
def reply_of_an_empty_cache(f16_gguf: Path) -> Iterator[Callable[[Sequence[int]], list[int]]]:
    made = Cache(f16_gguf)

    def reply(ids: Sequence[int]) -> list[int]:
        made.sequences.drop("fresh")
        return made.reply("fresh", ids)

    yield reply
    made.context.free()


def test_a_common_beginning_is_evaluated_once(
    cache: Cache, reply_of_an_empty_cache: Callable[[Sequence[int]], list[int]]
) -> None:
    one, other = [*PERSONA, *made_up_ids(2, 30)], [*PERSONA, *made_up_ids(3, 20)]
    assert cache.sequences.missing("a", one) == cache.hold("a", one) == 90
    assert cache.sequences.missing("b", other) == cache.hold("b", other) == 20
    assert cache.books.positions(cache.of("b").sequence_id) == (0, 79)
    for key, ids in (("a", one), ("b", other)):
        assert cache.reply(key, ids) == reply_of_an_empty_cache(ids)


def test_shared_cells_count_once(cache: Cache) -> None:
    """Six conversations of 100 tokens, 60 of them common, in 256 cells: nobody has to go."""
    held = {key: [*PERSONA[:60], *made_up_ids(key, 38)] for key in range(4)}
    evaluated = [cache.hold(key, ids, held) for key, ids in held.items()]
    assert evaluated == [98, 38, 38, 38]
    assert [len(cache.of(key).tokens) for key in held] == [98] * 4


def test_what_was_copied_stays_when_its_source_goes(
    cache: Cache, reply_of_an_empty_cache: Callable[[Sequence[int]], list[int]]
) -> None:
    ids = [*PERSONA, *made_up_ids(2, 9)]
    cache.hold("a", PERSONA)
    assert cache.hold("b", ids) == 9
    cache.sequences.drop("a")
    cache.hold("c", made_up_ids(4, 90))  # in the cells that are free again
    assert cache.sequences.missing("b", ids) == 0
    assert cache.reply("b", ids) == reply_of_an_empty_cache(ids)


def test_cut_settle_and_drop(cache: Cache) -> None:
    ids = made_up_ids(5, 80)
    cache.hold("a", ids)
    one = cache.of("a")
    cache.sequences.cut(one, 100)
    assert (len(one.tokens), cache.books.positions(one.sequence_id)) == (80, (0, 79))
    cache.sequences.cut(one, 50)
    assert (one.tokens, cache.books.positions(one.sequence_id)) == (ids[:50], (0, 49))
    cache.sequences.settle("a", [*ids[:30], 11, *ids[31:]])
    assert (one.tokens, cache.books.positions(one.sequence_id)) == (ids[:30], (0, 29))
    cache.sequences.settle("a", ids)  # it holds less than that: all stays
    assert one.tokens == ids[:30]
    cache.sequences.settle("nobody", ids)
    cache.sequences.drop("nobody")
    cache.sequences.drop("a")
    assert cache.books.positions(one.sequence_id) == (-1, -1)
    assert cache.sequences.missing("a", ids) == 80


def test_the_one_used_longest_ago_goes_unless_busy(cache: Cache) -> None:
    for key in range(COUNT):
        cache.hold(key, made_up_ids(key, 10))
    cache.hold(0, made_up_ids(0, 10))  # used again
    cache.hold("new", made_up_ids(20, 10), busy=[1])
    assert list(cache.sequences._by_key) == [1, 3, 4, 5, 0, "new"]
    with pytest.raises(ContextFullError, match="as many conversations"):
        cache.hold("newer", made_up_ids(21, 10), busy=[1, 3, 4, 5, 0, "new"])
    assert list(cache.sequences._by_key) == [1, 3, 4, 5, 0, "new"]


def test_what_is_to_be_copied_does_not_go_for_it(
    cache: Cache, reply_of_an_empty_cache: Callable[[Sequence[int]], list[int]]
) -> None:
    """The one used longest ago has the persona; what `missing` promised is kept."""
    cache.hold(0, [*PERSONA, *made_up_ids(0, 10)])
    for key in range(1, COUNT):
        cache.hold(key, made_up_ids(key, 10))
    ids = [*PERSONA, *made_up_ids(30, 10)]
    assert cache.sequences.missing("new", ids) == cache.hold("new", ids) == 10
    # And where it is the only one that may go, its sequence is taken over.
    others = [key for key in cache.sequences._by_key if key != 0]
    again = [*PERSONA, *made_up_ids(31, 10)]
    cache.hold(0, ids)
    cache.sequences.drop("new")
    cache.hold("busy", made_up_ids(32, 10))
    busy = [key for key in others if key != "new"] + ["busy"]
    assert cache.sequences.missing("newer", again) == cache.hold("newer", again, busy) == 10
    assert 0 not in cache.sequences._by_key
    assert cache.reply("newer", again) == reply_of_an_empty_cache(again)


def test_full_cells_make_the_oldest_go(cache: Cache) -> None:
    cache.hold("a", made_up_ids(1, 100))
    cache.hold("b", made_up_ids(2, 100))
    assert cache.hold("c", made_up_ids(3, 100)) == 100
    assert list(cache.sequences._by_key) == ["b", "c"]


def test_full_cells_and_nobody_who_may_go(
    cache: Cache, reply_of_an_empty_cache: Callable[[Sequence[int]], list[int]]
) -> None:
    kept = made_up_ids(1, 100)
    cache.hold("a", kept)
    cache.hold("b", made_up_ids(2, 100))
    with pytest.raises(ContextFullError, match="full"):
        cache.hold("c", made_up_ids(3, 100), busy=["a", "b"])
    cache.books.check()
    assert cache.of("c").tokens == []
    assert cache.reply("a", kept) == reply_of_an_empty_cache(kept)


def test_an_ended_batch_leaves_nothing(
    cache: Cache, reply_of_an_empty_cache: Callable[[Sequence[int]], list[int]]
) -> None:
    ids = made_up_ids(1, 100)
    cache.hold("a", ids[:50])
    flag = AbortFlag()
    flag.set()
    piece = Piece(cache.of("a"), ids[50:], is_sampled=True)
    assert cache.context.decode([piece], flag, ["a"]) is None
    cache.books.check()
    assert cache.sequences.missing("a", ids) == 50
    assert cache.reply("a", ids) == reply_of_an_empty_cache(ids)


def test_what_llama_cpp_refuses_leaves_no_conversation_in_doubt(
    cache: Cache, reply_of_an_empty_cache: Callable[[Sequence[int]], list[int]]
) -> None:
    ids = made_up_ids(1, 40)
    cache.hold("a", ids)
    cache.hold("b", made_up_ids(2, 40))
    with pytest.raises(EngineError, match="could not evaluate"):
        cache.hold("b", [*made_up_ids(2, 40), 10_000_000])
    assert cache.of("b").tokens == []
    cache.books.check()
    assert cache.reply("a", ids) == reply_of_an_empty_cache(ids)


@pytest.mark.parametrize("seed", range(4))
def test_missing_is_what_is_then_evaluated(
    cache: Cache,
    reply_of_an_empty_cache: Callable[[Sequence[int]], list[int]],
    seed: int,
) -> None:
    """Random transcripts under more keys than there are sequences, in fewer cells than they need:
    begun, said more, edited, forgotten."""
    chance = random.Random(seed)
    transcripts: dict[Hashable, list[int]] = {}
    for number in range(150):
        key = chance.randrange(2 * COUNT)
        ids = transcripts.setdefault(key, list(PERSONA[: chance.choice([30, 60])]))
        ids += made_up_ids(1000 * seed + number, chance.randrange(12))
        if chance.random() < 0.3:
            del ids[chance.randrange(1, len(ids)) :]
            ids.append(chance.randrange(10, 700))
        if len(ids) > 150:
            ids[:] = [*PERSONA[:30], *ids[-40:]]
        if chance.random() < 0.1:
            cache.sequences.drop(key)
        assert cache.sequences.missing(key, ids) == cache.hold(key, ids)
        assert cache.sequences.missing(key, ids) == 0
        if number % 10 == 0:
            cache.books.check()
            assert cache.reply(key, ids) == reply_of_an_empty_cache(ids)


def test_missing_may_be_asked_from_any_thread(cache: Cache) -> None:
    ids = made_up_ids(1, 200)
    is_over = threading.Event()
    failures: list[BaseException] = []

    def keep_asking() -> None:
        try:
            while not is_over.is_set():
                assert 0 <= cache.sequences.missing("a", ids) <= 200
                assert 0 <= cache.sequences.missing("other", ids) <= 200
        except BaseException as error:
            failures.append(error)

    asking = [threading.Thread(target=keep_asking) for _ in range(2)]
    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # so that they meet often
    try:
        for thread in asking:
            thread.start()
        chance = random.Random(1)
        for number in range(300):
            cut = chance.randrange(150)
            cache.hold("a", [*ids[:cut], *made_up_ids(number, 5)])
            if number % 7 == 0:
                cache.sequences.drop(number % 3 or "a")
            cache.hold(number % 3, ids[:cut])
    finally:
        is_over.set()
        sys.setswitchinterval(usual_s)
    for thread in asking:
        thread.join()
    assert failures == []


def test_common_prefix() -> None:
    assert common_prefix([], [1]) == common_prefix([1], []) == 0
    assert common_prefix([1, 2, 3], [1, 2]) == common_prefix((1, 2), [1, 2, 3]) == 2
    assert common_prefix([1, 2, 3], [1, 5, 3]) == 1
    assert common_prefix([4, 2], [1, 2]) == 0


def test_what_stands_behind_a_gap_moves_up(cache: Cache) -> None:
    kept = made_up_ids(7, 80)
    cache.hold("a", [*PERSONA, *made_up_ids(6, 40), *kept, *made_up_ids(8, 5)])
    ids = [*PERSONA, *kept, *made_up_ids(9, 10)]
    cache.context.close_up("a", ids)
    assert cache.of("a").tokens == ids[:140]
    assert cache.books.positions(cache.of("a").sequence_id) == (0, 139)
    assert cache.hold("a", ids) == 10
    assert len(set(cache.reply("a", ids))) > 1
    cache.books.check()


@pytest.mark.parametrize("why", ["shared", "few", "nothing alike", "no gap", "unknown"])
def test_what_cannot_move_up_stays(cache: Cache, why: str) -> None:
    kept = made_up_ids(7, 10 if why == "few" else 60)
    whole = [*PERSONA, *made_up_ids(6, 40), *kept]
    cache.hold("a", whole)
    if why == "shared":
        cache.hold("b", whole[:80])
    ids = [*PERSONA, *kept]
    if why == "nothing alike":
        ids = [*PERSONA, *made_up_ids(11, 60)]
    if why == "no gap":
        ids = whole
    cache.context.close_up("b" if why == "unknown" else "a", ids)
    assert cache.of("a").tokens == whole
    cache.books.check()

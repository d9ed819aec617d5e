"""Reading along: what is evaluated while nobody waits, who interrupts it, and that the cache is
never wrong."""

from __future__ import annotations

import math
import random
import threading
import time
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from model import scheduler
from model.inference import BusyError, Engine, StoppedBy
from model.writing import Writing
from scripts.make_shape_gguf import SHAPES, Shape, make
from tests.model.engine_parts import (
    WAIT_S,
    Batches,
    Reference,
    ask,
    check_books,
    held,
    made_up_ids,
    read_through,
    reply,
    settled,
    until,
)

PERSONA = made_up_ids(1, 60)


@pytest.fixture
def engine(f16_gguf: Path) -> Iterator[Engine]:
    """Room for two conversations of 256 tokens and a half."""
    with Engine.load(f16_gguf, context_tokens=256, channels=2, threads=1) as loaded:
        yield loaded
        check_books(loaded)


@pytest.fixture(scope="module")
def reference(f16_gguf: Path) -> Iterator[Reference]:
    made = Reference(f16_gguf)
    yield made
    made.context.free()


@pytest.fixture(scope="module")
def roomy(f16_gguf: Path) -> Iterator[Engine]:
    with Engine.load(f16_gguf, context_tokens=4096, channels=1, threads=1) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def deep_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 layers, so that a batch of 512 tokens lasts and can be ended in many places."""
    shape = Shape("deep, for tests", "qwen2", 64, 256, 768, 4, 2)
    return make(shape, tmp_path_factory.mktemp("deep") / "deep.gguf")


@pytest.fixture
def deep(deep_file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr(scheduler, "READ_TOKENS", 512)
    with Engine.load(deep_file, context_tokens=2048, channels=2, threads=1) as loaded:
        yield loaded
        check_books(loaded)


def in_a_batch(engine: Engine) -> None:
    """Wait until a batch is being read, and a little longer."""
    until(lambda: engine._scheduler._reading is not None)
    time.sleep(0.03)


# -- reading ----------------------------------------------------------------------------------


def test_what_is_read_is_there_when_somebody_asks(engine: Engine, reference: Reference) -> None:
    ids = [*PERSONA, *made_up_ids(2, 100)]
    assert engine.missing("a", ids) == 160
    read_through(engine, "a", ids)
    assert (engine.evaluated.read, engine.evaluated.asked, engine.evaluated.lost) == (160, 0, 0)
    made = reply(engine, [*ids, 20, 21, 22], "a")
    assert made.evaluated_tokens == 3
    reference.judge([*ids, 20, 21, 22], made)
    # The next channel has the persona already.
    read_through(engine, "b", [*PERSONA, *made_up_ids(3, 10)])
    assert engine.evaluated.read == 170


def test_what_is_said_next_costs_what_was_said(engine: Engine) -> None:
    ids = made_up_ids(2, 40)
    read_through(engine, "a", ids)
    read_through(engine, "a", [*ids, *made_up_ids(3, 7)])
    assert engine.evaluated.read == 47
    engine.read("a", [*ids, *made_up_ids(3, 7)])  # nothing new
    settled(engine)
    assert engine.evaluated.read == 47


def test_several_channels_are_read_in_turn(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "READ_TOKENS", 16)
    batches = Batches(engine, monkeypatch)
    texts = {key: made_up_ids(key, 128) for key in range(4)}
    with held(engine._worker):
        for key, ids in texts.items():
            engine.read(key, ids)
    until(lambda: not any(engine.missing(key, ids) for key, ids in texts.items()))
    assert all(sum(batch.values()) <= 16 for batch in batches.sizes)
    for begin in range(0, 32, 4):
        counts = Counter(key for batch in batches.sizes[begin : begin + 4] for key in batch)
        assert sorted(counts.values()) == [1, 1, 1, 1]
    assert engine.evaluated.read == 4 * 128


def test_short_pieces_of_several_channels_share_a_batch(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = Batches(engine, monkeypatch)
    with held(engine._worker):
        for key in range(4):
            engine.read(key, made_up_ids(key, 5))
    until(lambda: engine.evaluated.read == 20)
    assert [sorted(batch.values()) for batch in batches.sizes] == [[5, 5, 5, 5]]


def test_more_channels_than_can_be_kept(engine: Engine, reference: Reference) -> None:
    """Ten sequences, thirty channels: those that came first are read, the others are answered."""
    texts = {key: [*PERSONA[:20], *made_up_ids(key, 10)] for key in range(30)}
    for key, ids in texts.items():
        engine.read(key, ids)
    until(lambda: sum(engine.missing(key, ids) == 0 for key, ids in texts.items()) >= 10)
    for key in (0, 12, 29):
        reference.judge(texts[key], reply(engine, texts[key], key))


def test_a_channel_for_which_there_is_no_room_is_left(
    engine: Engine, reference: Reference, caplog: pytest.LogCaptureFixture
) -> None:
    """640 cells hold three conversations of 200 tokens that are all to be read, not four."""
    texts = {key: made_up_ids(key, 200) for key in range(4)}
    for key, ids in texts.items():
        if key < 3:
            read_through(engine, key, ids)
        else:
            engine.read(key, ids)
    until(lambda: "not read along" in caplog.text)
    assert [engine.missing(key, texts[key]) for key in range(3)] == [0, 0, 0]
    for key, ids in texts.items():
        reference.judge(ids, reply(engine, ids, key))


def test_what_is_spare_waits_until_nothing_else_was_to_be_read(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "SPARE_AFTER_S", 0.3)
    spare, ids = made_up_ids(2, 40), made_up_ids(3, 100)
    engine.read("spare", spare, is_spare=True)
    until(lambda: engine.missing("spare", spare) == 0)  # there is nothing else
    engine.read("a", ids[:50])
    engine.read("spare", [*spare, *ids[:50]], is_spare=True)
    for end in range(55, 100, 5):
        time.sleep(0.05)
        read_through(engine, "a", ids[:end])
        assert engine.missing("spare", [*spare, *ids[:50]]) == 50
    until(lambda: engine.missing("spare", [*spare, *ids[:50]]) == 0)


def test_pausing_and_going_on(engine: Engine) -> None:
    ids = made_up_ids(2, 100)
    engine.set_reading(0.0)
    engine.read("a", ids)
    time.sleep(0.05)
    assert engine.missing("a", ids) == 100
    engine.set_reading(1.0)
    until(lambda: engine.missing("a", ids) == 0)


def test_a_quarter_of_the_time_takes_four_times_as_long(roomy: Engine) -> None:
    ids = made_up_ids(2, 3000)
    took_s: dict[float, float] = {}
    for share in (1.0, 0.25, 1.0):
        roomy.set_reading(share)
        began_s = time.monotonic()
        read_through(roomy, "a", ids)
        took_s[share] = min(time.monotonic() - began_s, took_s.get(share, math.inf))
        roomy.forget("a")
    assert 2.5 < took_s[0.25] / took_s[1.0] < 8.0, took_s


def test_a_changed_past_is_taken_out_at_once(engine: Engine, reference: Reference) -> None:
    ids = made_up_ids(2, 100)
    read_through(engine, "a", ids)
    other = [*ids[:30], 11, 12, *ids[40:]]
    engine.set_reading(0.0)  # even while nothing is read
    engine.read("a", other)
    settled(engine)
    assert len(engine._context.sequences._by_key["a"].tokens) == 30
    check_books(engine)
    assert engine.missing("a", other) == len(other) - 30
    engine.set_reading(1.0)
    until(lambda: engine.missing("a", other) == 0)
    reference.judge(other, reply(engine, other, "a"))


def test_a_past_that_changes_while_it_is_read(engine: Engine, reference: Reference) -> None:
    """Batch after batch, the words change under it."""
    chance = random.Random(5)
    ids = made_up_ids(2, 200)
    for number in range(60):
        ids = [*ids[: chance.randrange(1, 180)], *made_up_ids(number, 20)]
        engine.read("a", ids)
        time.sleep(chance.random() * 0.003)
    until(lambda: engine.missing("a", ids) == 0)
    check_books(engine)
    reference.judge(ids, reply(engine, ids, "a"))


# -- asks and reading -------------------------------------------------------------------------


def test_an_ask_ends_a_batch_of_another_channel(deep: Engine) -> None:
    text = made_up_ids(2, 1500)
    deep.read("a", text)
    until(lambda: deep.evaluated.read > 0)
    began_s, read = time.monotonic(), deep.evaluated.read
    until(lambda: deep.evaluated.read > read)
    batch_s = time.monotonic() - began_s
    waited_s = []
    for number in range(5):
        deep.forget("a")
        deep.read("a", text)
        in_a_batch(deep)
        asked_s = time.monotonic()
        made = reply(deep, made_up_ids(number, 4), "b", max_tokens=1)
        waited_s.append(time.monotonic() - asked_s - made.prompt_s)
    assert sorted(waited_s)[2] < min(0.1, batch_s / 4), (waited_s, batch_s)
    assert deep.evaluated.lost >= 5 * 512 - 512
    until(lambda: deep.missing("a", text) == 0)


def test_an_ask_does_not_end_a_batch_of_its_own_channel(deep: Engine) -> None:
    text = made_up_ids(2, 512)
    deep.read("a", text)
    in_a_batch(deep)
    made = ask(deep, [*text, 20, 21], key="a", max_tokens=1).future.result(WAIT_S)
    assert made.evaluated_tokens == 2
    assert (deep.evaluated.read, deep.evaluated.lost) == (512, 0)


def test_an_ask_ends_a_batch_that_is_mostly_others(deep: Engine) -> None:
    text = made_up_ids(2, 20)
    with held(deep._worker):
        deep.read("a", text)
        deep.read("b", made_up_ids(3, 1000))
    in_a_batch(deep)
    made = ask(deep, [*text, 20, 21], key="a", max_tokens=1).future.result(WAIT_S)
    assert made.evaluated_tokens == 22
    assert (deep.evaluated.read, deep.evaluated.lost) == (0, 512)


def test_a_cancel_ends_the_batch(deep: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """In which another reply has a part too; that one goes on, and is evaluated once."""
    monkeypatch.setattr(scheduler, "PROMPT_TOKENS", 512)
    other = made_up_ids(3, 100)
    with held(deep._worker):
        writing = ask(deep, made_up_ids(2, 1000), key="a", max_tokens=1)
        beside = ask(deep, other, key="b", max_tokens=1)
    time.sleep(0.05)
    began_s = time.monotonic()
    writing.cancel()
    made = writing.future.result(WAIT_S)
    assert time.monotonic() - began_s < 0.1
    assert (made.stopped_by, made.evaluated_tokens) == (StoppedBy.CANCELLED, 0)
    assert beside.future.result(WAIT_S).evaluated_tokens == 100
    assert deep.evaluated.asked == 100


def test_while_somebody_waits_nothing_is_read_and_then_no_other_channel(engine: Engine) -> None:
    one, other = made_up_ids(2, 100), made_up_ids(3, 100)
    with suppress(ZeroDivisionError), engine.asked("a"), engine.asked("a"):
        engine.read("b", other)
        engine.read("a", one)
        settled(engine)
        assert engine.missing("a", one) == engine.missing("b", other) == 100
        ask(engine, one[:40], key="a", max_tokens=1).future.result(WAIT_S)
        engine.read("a", one)
        until(lambda: engine.missing("a", one) == 0)
        settled(engine)
        assert engine.missing("b", other) == 100
        raise ZeroDivisionError
    until(lambda: engine.missing("b", other) == 0)
    assert not engine._scheduler._asked
    assert not engine._scheduler._is_answered


def test_waiting_ends_a_batch_of_its_own_channel_too(deep: Engine) -> None:
    text = made_up_ids(2, 600)
    deep.read("a", text)
    in_a_batch(deep)
    with deep.asked("a"):
        until(lambda: deep.evaluated.lost == 512, 2.0)
        assert deep.missing("a", text) == 600
    until(lambda: deep.missing("a", text) == 0)


def test_how_much_is_read_within_a_time_is_known_once_something_was(deep: Engine) -> None:
    assert deep.within(1.0) is None
    began_s = time.monotonic()
    deep.read("a", made_up_ids(2, 600))
    until(lambda: deep.missing("a", made_up_ids(2, 600)) == 0)
    rate = 600 / (time.monotonic() - began_s)
    within = deep.within(1.0)
    assert within is not None
    assert rate / 2 < within < rate * 10
    assert deep.within(0.0) == 0


def test_waiting_ends_a_batch_of_another_channel(deep: Engine) -> None:
    text = made_up_ids(2, 600)
    deep.read("a", text)
    in_a_batch(deep)
    with deep.asked("b"):
        until(lambda: deep.evaluated.lost == 512, 2.0)
        assert deep.missing("a", text) == 600
    until(lambda: deep.missing("a", text) == 0)
    assert deep.evaluated.read == 600


def test_nothing_is_read_while_a_reply_is_written(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    other = made_up_ids(3, 200)

    def on_text(_: str) -> None:
        if not seen:
            engine.read("b", other)
        seen.append(engine.evaluated.read)

    made = ask(engine, made_up_ids(2, 50), key="a", max_tokens=60, deliver=on_text)
    assert made.future.result(WAIT_S).reply_tokens > 5
    assert set(seen) == {0}
    until(lambda: engine.missing("b", other) == 0)


def test_what_is_read_after_the_ask_is_kept_and_read_afterwards(
    engine: Engine, reference: Reference
) -> None:
    """People go on talking while the reply waits and while it is written."""
    before = made_up_ids(2, 80)
    after = [*before, *made_up_ids(3, 30)]
    with held(engine._worker):
        writing = ask(engine, [*before, 20, 21], key="a")
        engine.read("a", after)
    reference.judge([*before, 20, 21], writing.future.result(WAIT_S))
    until(lambda: engine.missing("a", after) == 0)
    reference.judge(after, reply(engine, after, "a"))


def test_a_reply_that_nobody_wanted_leaves_its_channel_as_it_was(engine: Engine) -> None:
    ids = made_up_ids(2, 80)
    engine.set_reading(0.0)
    engine.read("a", ids)
    made = ask(engine, [*ids, 20], key="a", is_wanted=lambda: False).future.result(WAIT_S)
    assert made.stopped_by is StoppedBy.DROPPED
    engine.set_reading(1.0)
    until(lambda: engine.missing("a", ids) == 0)


def test_the_reply_stays_until_it_is_said_what_is_to_follow(engine: Engine) -> None:
    ids = made_up_ids(2, 80)
    read_through(engine, "a", ids)
    said = [*ids, *reply(engine, ids, "a").token_ids]
    settled(engine)
    assert engine.missing("a", said) == 1  # the last one drawn
    read_through(engine, "a", said)
    assert engine.evaluated.read == 81


def test_reading_goes_on_after_it_was_ended(engine: Engine, reference: Reference) -> None:
    """Sixty asks fall into it: nothing is lost, nothing is doubled."""
    text = made_up_ids(2, 250)
    for number in range(60):
        engine.read("a", text[: 4 * number + 10])
        time.sleep(0.001 * (number % 3))
        ask(engine, made_up_ids(number, 9), key="b", max_tokens=2).future.result(WAIT_S)
    read_through(engine, "a", text)
    check_books(engine)
    assert engine._context.sequences._by_key["a"].tokens == text
    reference.judge(text, reply(engine, text, "a"))


# -- forgetting -------------------------------------------------------------------------------


def test_forgetting_ends_the_reply_and_takes_the_words_out(engine: Engine) -> None:
    ids = made_up_ids(2, 80)
    engine.read("a", ids)
    writing = ask(engine, ids, key="a", max_tokens=150, deliver=lambda _: engine.forget("a"))
    assert writing.future.result(WAIT_S).stopped_by is StoppedBy.CANCELLED
    settled(engine)
    assert engine.missing("a", ids) == len(ids)
    check_books(engine)


def test_forgetting_ends_a_reply_that_waits(engine: Engine) -> None:
    """It was shown the words too; after it they would stand in the cache again."""
    ids = made_up_ids(2, 80)
    with held(engine._worker):
        writing = ask(engine, ids, key="a")
        engine.forget("a")
    made = writing.future.result(WAIT_S)
    assert (made.stopped_by, made.evaluated_tokens) == (StoppedBy.CANCELLED, 0)
    settled(engine)
    assert engine.missing("a", ids) == len(ids)


def test_what_is_asked_and_read_after_forgetting_counts(
    engine: Engine, reference: Reference
) -> None:
    ids, other = made_up_ids(2, 80), made_up_ids(3, 60)
    engine.read("a", ids)
    long = ask(engine, made_up_ids(4, 20), key="b", max_tokens=200)
    for number in range(30):
        engine.forget("a")
        again = ask(engine, [*other, 20 + number], key="a", max_tokens=2)
        assert again.future.result(WAIT_S).stopped_by is not StoppedBy.CANCELLED
    engine.forget("a")
    read_through(engine, "a", other)
    long.future.result(WAIT_S)
    reference.judge(other, reply(engine, other, "a"))


def test_what_is_forgotten_is_missing_from_then_on(engine: Engine) -> None:
    ids = made_up_ids(2, 80)
    read_through(engine, "a", ids)
    with held(engine._worker):
        engine.forget("a")
        assert engine.missing("a", ids) == engine.missing("b", ids) == 80
    read_through(engine, "a", ids)
    assert engine.evaluated.read == 160


def test_forgetting_ends_a_batch_of_it(deep: Engine) -> None:
    text = made_up_ids(2, 1000)
    deep.read("a", text)
    in_a_batch(deep)
    deep.forget("a")
    settled(deep)
    assert (deep.evaluated.read, deep.evaluated.lost) == (0, 512)
    assert deep.missing("a", text) == 1000


# -- the cache is never wrong -----------------------------------------------------------------


class Room:
    """Some channels whose transcripts change in every way they may, and what was replied."""

    def __init__(self, engine: Engine, seed: int) -> None:
        self.engine = engine
        self.replies: list[tuple[list[int], Writing]] = []
        self._chance = random.Random(seed)
        self._texts = {key: list(PERSONA[:40]) for key in range(7)}
        self._new = 0

    def live(self, turns: int) -> None:
        kinds = [self.say, self.say, self.say, self.edit, self.ask, self.ask, self.ask_together]
        kinds += [self.halve, self.forget, self.pause, self.change_one_s_mind, self.rest]
        for _ in range(turns):
            self._chance.choice(kinds)()

    def _some(self) -> int:
        return self._chance.choice(list(self._texts))

    def _words(self, most: int) -> list[int]:
        self._new += 1
        return made_up_ids(10_000 + self._new, self._chance.randrange(1, most))

    def say(self) -> None:
        key = self._some()
        text = self._texts[key]
        text += self._words(15)
        if len(text) > 200:
            text[:] = [*PERSONA[:40], *text[-50:]]
        self.engine.read(key, text)

    def edit(self) -> None:
        key = self._some()
        text = self._texts[key]
        at = self._chance.randrange(len(text))
        text[at : at + self._chance.randrange(4)] = self._words(4)
        self.engine.read(key, text)

    def halve(self) -> None:
        text = self._texts[self._some()]
        text[40:] = text[40 + (len(text) - 40) // 2 :]

    def forget(self) -> None:
        self.engine.forget(self._some())

    def pause(self) -> None:
        self.engine.set_reading(self._chance.choice([0.0, 0.5, 1.0]))

    def rest(self) -> None:
        time.sleep(self._chance.random() * 0.004)

    def _ask(self, key: int) -> Writing:
        prompt = [*self._texts[key], *self._words(6)]
        writing = ask(self.engine, prompt, key=key, max_tokens=6)
        self.replies.append((prompt, writing))
        return writing

    def ask(self) -> None:
        key = self._some()
        made = self._ask(key).future.result(WAIT_S)
        if self._chance.random() < 0.7:
            self._texts[key] += made.token_ids
            self.engine.read(key, self._texts[key])

    def ask_together(self) -> None:
        asked = [self._ask(self._some()) for _ in range(self._chance.randrange(2, 6))]
        self.say()
        for writing in asked:
            writing.future.result(WAIT_S)

    def change_one_s_mind(self) -> None:
        writing = ask(self.engine, self._words(150), key=self._some(), max_tokens=100)
        self.rest()
        writing.cancel()


@pytest.mark.parametrize("seed", range(4))
def test_the_cache_is_never_wrong(engine: Engine, reference: Reference, seed: int) -> None:
    """Whatever happened before, each token of a greedy reply is the likeliest for an engine that
    has read nothing else."""
    room = Room(engine, seed)
    for _ in range(5):
        room.live(50)
        check_books(engine)
    for prompt, writing in room.replies:
        reference.judge(prompt, writing.future.result(WAIT_S))
    assert len(room.replies) > 50


def test_missing_is_what_an_ask_evaluates(engine: Engine) -> None:
    """For every key that is kept or not, while nothing is read in between."""
    chance = random.Random(3)
    texts: dict[Hashable, list[int]] = {}
    for number in range(150):
        key = chance.randrange(14)
        text = texts.setdefault(key, list(PERSONA[: chance.choice([20, 60])]))
        del text[chance.randrange(10, 120) :]
        text += made_up_ids(number, chance.randrange(1, 20))
        if chance.random() < 0.4:
            read_through(engine, key, text)
        engine.set_reading(0.0)
        settled(engine)
        missing = engine.missing(key, text)
        made = ask(engine, text, key=key, max_tokens=2).future.result(WAIT_S)
        assert made.evaluated_tokens == max(1, missing)
        engine.set_reading(1.0)


def test_a_sliding_window_is_rewound_rightly(tmp_path: Path) -> None:
    """Its window is 64 tokens: what a shorter transcript needs again must still be there, far
    outside of the window and of a batch."""
    path = make(SHAPES["gemma3-tiny"], tmp_path / "gemma3.gguf")
    ids = made_up_ids(2, 1500)
    reference = Reference(path)
    with Engine.load(path, context_tokens=2048, channels=2, threads=1) as engine:
        read_through(engine, "a", ids)
        read_through(engine, "b", [*ids[:250], *made_up_ids(4, 20)])
        for cut in (500, 400, 300, 150, 70, 20):
            prompt = [*ids[:cut], *made_up_ids(cut, 5)]
            made = reply(engine, prompt, "a")
            assert made.evaluated_tokens == 5
            reference.judge(prompt, made)
        check_books(engine, counts_cells=False)
    reference.context.free()


# -- many threads -----------------------------------------------------------------------------


KEYS = 14
"""More than there are sequences."""


class Crowd:
    """Uses an engine in every way from several threads."""

    def __init__(self, engine: Engine, ends_s: float) -> None:
        self.failures: list[BaseException] = []
        self.replies: list[tuple[list[int], Writing]] = []
        self._engine = engine
        self._ends_s = ends_s

    def use(self, seed: int) -> None:
        chance = random.Random(seed)
        ways = [self._read, self._read, self._look, self._wait, self._wait, self._walk_away]
        ways += [self._forget, self._pause, self._raise, self._cancel]
        try:
            while time.monotonic() < self._ends_s:
                ids = made_up_ids(chance.randrange(40), chance.randrange(2, 150))
                chance.choice(ways)(chance, chance.randrange(KEYS), ids)
        except BaseException as error:
            self.failures.append(error)

    def _read(self, chance: random.Random, key: int, ids: list[int]) -> None:
        self._engine.read(key, ids)

    def _look(self, chance: random.Random, key: int, ids: list[int]) -> None:
        assert 0 <= self._engine.missing(key, ids) <= len(ids)
        assert self._engine.threads == (1, 1)

    def _wait(self, chance: random.Random, key: int, ids: list[int]) -> None:
        with self._engine.asked(key):
            writing = ask(self._engine, ids, key=key, max_tokens=4)
            writing.future.result(WAIT_S)
            self.replies.append((ids, writing))

    def _walk_away(self, chance: random.Random, key: int, ids: list[int]) -> None:
        with suppress(BusyError):
            ask(self._engine, ids, key=key, is_wanted=lambda: chance.random() < 0.5).cancel()

    def _raise(self, chance: random.Random, key: int, ids: list[int]) -> None:
        def fail(*_: str) -> bool:
            raise ZeroDivisionError

        which = chance.choice(["deliver", "is_wanted"])
        with suppress(ZeroDivisionError):
            ask(self._engine, ids, key=key, **{which: fail}).future.result(WAIT_S)  # type: ignore[arg-type]

    def _forget(self, chance: random.Random, key: int, ids: list[int]) -> None:
        self._engine.forget(key)

    def _pause(self, chance: random.Random, key: int, ids: list[int]) -> None:
        self._engine.set_reading(chance.choice([0.0, 0.3, 1.0, 1.0]))

    def _cancel(self, chance: random.Random, key: int, ids: list[int]) -> None:
        if chance.random() < 0.1:
            self._engine.cancel()
        time.sleep(0.001)


def test_many_threads_at_once(engine: Engine, reference: Reference) -> None:
    crowd = Crowd(engine, time.monotonic() + 3.0)
    threads = [threading.Thread(target=crowd.use, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert crowd.failures == []
    check_books(engine)
    made = [(ids, writing.future.result()) for ids, writing in crowd.replies]
    whole = [(ids, one) for ids, one in made if one.stopped_by is not StoppedBy.CANCELLED]
    assert len(whole) > 50
    for ids, one in whole[:300]:
        reference.judge(ids, one)
    engine.set_reading(1.0)
    for key in range(KEYS):
        engine.forget(key)
    for key in range(6):
        read_through(engine, key, made_up_ids(key, 90))
    assert not engine._scheduler._asked

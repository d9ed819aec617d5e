"""Threads: the choice by made-up rates, the measuring on a real engine, and what is kept of it."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from model import processor, thread_tuning
from model.gguf_check import GgufHeader
from model.inference import Engine, EngineError
from model.processor import Look, Machine, candidates, look, others_share, this_machine
from model.thread_choice import ROUNDS, Rate, Tuned, choose
from model.thread_tuning import (
    SMALL,
    remember,
    remember_for,
    remembered,
    remembered_for,
    shown,
    tune,
)
from model.writing import StoppedBy
from storage.paths import DEMO_BASE_DIR

AT_MS = 1_795_232_909_790  # 21 Nov 2026, about noon
LAPTOP = Machine("AMD Ryzen 7 5800H with Radeon Graphics", 8, 16)
HEADER = GgufHeader("qwen2", "", 1_927_397_920, 1, 1, {"qwen2.block_count": 36}, {})
TUNED = Tuned(
    2, 2, 15.4, 45.0, (Rate(1, 9.1, None), Rate(2, 15.4, 45.0)), measured_at_ms=AT_MS
)  # fmt: skip


class Computer:
    """Turns that take as long as their made-up rates say, on a clock of its own."""

    def __init__(
        self,
        decode: dict[int, float],
        prompt: dict[int, float],
        disturb: Callable[[int], float] = lambda turn: 1.0,
    ) -> None:
        self.decode, self.prompt, self.disturb = decode, prompt, disturb
        self.now_s = 0.0
        self.turns: list[tuple[str, int]] = []

    def write(self, threads: int) -> float:
        return self._turn("write", threads, self.decode[threads], 5)

    def read(self, threads: int) -> float:
        return self._turn("read", threads, self.prompt[threads], 32)

    def _turn(self, kind: str, threads: int, rate: float, tokens: int) -> float:
        rate *= self.disturb(len(self.turns))
        self.turns.append((kind, threads))
        self.now_s += tokens / rate
        return rate

    def choose(self) -> Tuned:
        return choose(sorted(self.decode), self.write, self.read, lambda: self.now_s)

    def counts(self, kind: str) -> list[int]:
        return [threads for turn, threads in self.turns if turn == kind]


def test_writing_and_reading_are_chosen_apart() -> None:
    """Writing is bound by memory at half the cores; reading gains up to all of them."""
    computer = Computer({1: 9.0, 4: 21.0, 8: 20.0, 16: 15.0}, {1: 13.0, 4: 48.0, 8: 90.0, 16: 80.0})
    tuned = computer.choose()
    assert (tuned.threads, tuned.batch_threads) == (4, 8)
    assert (tuned.decode_tokens_s, tuned.prompt_tokens_s) == (21.0, 90.0)
    assert tuned.measured[0] == Rate(1, 9.0, None)
    assert tuned.measured[3] == Rate(16, 15.0, 80.0)
    assert computer.now_s < 10.0


@pytest.mark.parametrize(("two", "chosen"), [(10.4, 1), (10.6, 2)])
def test_a_tie_goes_to_fewer_threads(two: float, chosen: int) -> None:
    tuned = Computer({1: 10.0, 2: two}, {1: 30.0, 2: 30.0 * two / 10}).choose()
    assert (tuned.threads, tuned.batch_threads) == (chosen, chosen)
    assert tuned.decode_tokens_s == (10.0 if chosen == 1 else two)


def test_one_core_has_no_choice_and_one_turn_each() -> None:
    computer = Computer({1: 5.0}, {1: 20.0})
    assert computer.choose() == Tuned(1, 1, 5.0, 20.0, (Rate(1, 5.0, 20.0),))
    assert computer.turns == [("write", 1), ("read", 1)]


def test_noise_decides_nothing() -> None:
    """15% up and down in each turn, a hundred times: what is a third faster is always chosen."""
    draw = random.Random(7)
    for _ in range(100):
        computer = Computer(
            {1: 15.0, 2: 22.0, 4: 33.0, 8: 17.0},
            {1: 42.0, 2: 84.0, 4: 160.0, 8: 120.0},
            lambda _: draw.uniform(0.85, 1.15),
        )
        tuned = computer.choose()
        assert (tuned.threads, tuned.batch_threads) == (4, 4)


@pytest.mark.parametrize("disturbed", range(8))
def test_a_moment_of_another_program_decides_nothing(disturbed: int) -> None:
    """One turn that a busy core slowed down to a tenth, whichever it was."""
    computer = Computer(
        {1: 15.0, 2: 22.0}, {1: 42.0, 2: 84.0}, lambda turn: 0.1 if turn == disturbed else 1.0
    )
    tuned = computer.choose()
    assert (tuned.threads, tuned.batch_threads) == (2, 2)


def test_cold_first_turns_decide_nothing() -> None:
    """A processor that is faster later on favours nobody: every other round goes backwards."""
    computer = Computer(
        {1: 20.0, 2: 22.0, 4: 22.5},
        {1: 40.0, 2: 44.0, 4: 45.0},
        lambda turn: min(1.0, 0.7 + 0.1 * turn),
    )
    tuned = computer.choose()
    assert (tuned.threads, tuned.batch_threads) == (2, 2)


def test_what_is_clearly_slower_has_no_more_turns() -> None:
    computer = Computer({1: 10.0, 2: 20.0, 4: 21.5}, {1: 30.0, 2: 60.0, 4: 62.0})
    computer.choose()
    written = computer.counts("write")
    assert [written.count(threads) for threads in (1, 2, 4)] == [2, ROUNDS, ROUNDS]
    assert computer.counts("read").count(1) == 0


def test_fewer_threads_that_write_slower_may_still_read() -> None:
    """Beside a busy core, more threads write slower; then all of them are tried on prompts."""
    computer = Computer({1: 15.0, 2: 2.0}, {1: 40.0, 2: 60.0})
    tuned = computer.choose()
    assert (tuned.threads, tuned.batch_threads) == (1, 2)
    assert tuned.measured[1] == Rate(2, 2.0, 60.0)


def test_a_slow_machine_is_not_kept_for_long() -> None:
    """13B on two cores: one round of writing, and one of reading with what can win."""
    computer = Computer({1: 3.0, 2: 4.6}, {1: 9.0, 2: 17.0})
    assert computer.choose().threads == 2
    assert computer.turns == [("write", 1), ("write", 2), ("read", 2)]


def test_a_3b_on_an_old_laptop_takes_about_ten_seconds() -> None:
    """Four cores with two threads each, of which none is clearly slower at writing but one."""
    computer = Computer({1: 6.7, 2: 10.0, 4: 11.0, 8: 10.5}, {1: 8.0, 2: 15.0, 4: 28.0, 8: 28.5})
    tuned = computer.choose()
    assert (tuned.threads, tuned.batch_threads) == (4, 4)
    assert computer.now_s < 10.5


def test_candidates() -> None:
    assert candidates(Machine("", 1, 1)) == (1,)
    assert candidates(Machine("", 1, 2)) == (1, 2)
    assert candidates(Machine("", 2, 2)) == (1, 2)
    assert candidates(Machine("", 2, 4)) == (1, 2, 4)
    assert candidates(LAPTOP) == (1, 4, 8, 16)
    assert candidates(Machine("", 14, 20, performance=6)) == (1, 6, 7, 14, 20)
    assert candidates(Machine("", 256, 512)) == (1, 128, 256)


def test_this_machine() -> None:
    machine = this_machine()
    assert machine == this_machine()
    assert 1 <= machine.physical <= machine.logical <= (os.cpu_count() or 1)
    assert machine.processor.strip() == machine.processor != ""
    assert "\n" not in machine.processor


def test_the_name_in_cpuinfo() -> None:
    text = "processor\t: 0\nvendor_id\t: X\nmodel name\t: Some CPU @ 2.50GHz\nflags\t: a: b\n"
    assert processor._from_cpuinfo(text).strip() == "Some CPU @ 2.50GHz"
    assert processor._from_cpuinfo("processor\t: 0\nBogoMIPS\t: 50.00\n") == ""


def test_what_other_programs_take() -> None:
    before = Look(100.0, 1000.0, 50.0, 4)
    assert others_share(before, Look(110.0, 1020.0, 70.0, 4)) == 0.0
    assert others_share(before, Look(110.0, 1010.0, 70.0, 4)) == 0.25
    assert others_share(before, Look(110.0, 1000.0, 50.0, 4)) == 1.0
    assert others_share(before, Look(110.0, 1021.0, 70.0, 4)) == 0.0  # clocks of other grain
    assert others_share(before, before) == 0.0


def test_one_look_after_another() -> None:
    before = look()
    until = time.monotonic() + 0.2
    while time.monotonic() < until:
        pass
    after = look()
    assert after.own_s > before.own_s
    assert 0.0 <= others_share(before, after) <= 1.0


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    [path] = DEMO_BASE_DIR.glob("*.gguf")
    with Engine.load(path, context_tokens=512, threads=1) as loaded:
        yield loaded


def test_a_real_engine_is_measured_and_left_with_the_choice(engine: Engine) -> None:
    began = time.monotonic()
    tuned = tune(engine, small_model_bytes=0)
    assert time.monotonic() - began < 10.0
    counts = candidates(this_machine())
    assert tuple(rate.threads for rate in tuned.measured) == counts
    assert tuned.threads in counts
    assert tuned.batch_threads in counts
    assert tuned.decode_tokens_s > 0
    assert tuned.prompt_tokens_s > 0
    assert engine.threads == (tuned.threads, tuned.batch_threads)
    assert abs(tuned.measured_at_ms - time.time() * 1000) < 60_000


def test_a_small_model_is_not_measured(engine: Engine, tmp_path: Path) -> None:
    engine.set_threads(2, 2)
    assert tune(engine) == SMALL == remembered(tmp_path, engine)
    assert engine.threads == (1, 1)
    assert remember(tmp_path, engine, SMALL)
    assert list(tmp_path.iterdir()) == []
    assert shown(SMALL) == "1 thread: so small a model needs no more"


def test_a_closed_engine_is_an_expected_failure() -> None:
    [path] = DEMO_BASE_DIR.glob("*.gguf")
    with Engine.load(path, context_tokens=512, threads=1) as closed:
        pass
    with pytest.raises(EngineError):
        tune(closed, small_model_bytes=0)


def test_stopped_in_its_midst_the_threads_are_as_before(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.set_threads(1, 2)
    generate = engine.generate_blocking
    calls: list[int] = []

    def cancelling(*arguments: Any, **named: Any) -> Any:
        calls.append(1)
        made = generate(*arguments, **named)
        if len(calls) == 5:
            return replace(made, stopped_by=StoppedBy.CANCELLED)
        return made

    monkeypatch.setattr(engine, "generate_blocking", cancelling)
    with pytest.raises(EngineError, match="stopped"):
        tune(engine, small_model_bytes=0)
    assert len(calls) == 5
    assert engine.threads == (1, 2)


def test_kept_and_remembered_for_this_machine_and_model(engine: Engine, tmp_path: Path) -> None:
    folder = tmp_path / "home" / "data_storage"
    assert remembered(folder, engine, small_model_bytes=0) is None
    tuned = tune(engine, small_model_bytes=0)
    calm = replace(tuned, is_calm=True)
    assert remember(folder, engine, calm)
    assert remembered(folder, engine, small_model_bytes=0) == calm
    assert [path.name for path in folder.iterdir()] == ["threads.json"]


def test_another_machine_or_model_is_measured_anew(tmp_path: Path) -> None:
    assert remember_for(tmp_path, HEADER, TUNED, machine=LAPTOP)
    others = [
        (replace(LAPTOP, processor="another"), HEADER),
        (replace(LAPTOP, physical=4), HEADER),
        (replace(LAPTOP, logical=8), HEADER),
        (LAPTOP, replace(HEADER, size_bytes=HEADER.size_bytes + 1)),
        (LAPTOP, replace(HEADER, architecture="llama")),
        (LAPTOP, replace(HEADER, metadata={"qwen2.block_count": 28})),
    ]
    for machine, header in others:
        assert remembered_for(tmp_path, header, machine=machine) is None
        assert remember_for(tmp_path, header, replace(TUNED, threads=1), machine=machine)
    assert remembered_for(tmp_path, HEADER, machine=LAPTOP) == TUNED
    kept = json.loads((tmp_path / "threads.json").read_text(encoding="utf-8"))
    assert len(kept) == 1 + len(others)
    assert (
        "AMD Ryzen 7 5800H with Radeon Graphics, 8 cores, 16 threads; "
        "qwen2, 1927397920 bytes, 36 blocks"
    ) in kept


def test_measured_beside_busy_programs_holds_for_a_day(tmp_path: Path) -> None:
    now_ms = time.time_ns() // 1_000_000
    busy = replace(TUNED, measured_at_ms=now_ms - 3_600_000, is_calm=False)
    assert remember_for(tmp_path, HEADER, busy, machine=LAPTOP)
    assert remembered_for(tmp_path, HEADER, machine=LAPTOP) == busy
    for at_ms in (now_ms - 25 * 3_600_000, now_ms + 3_600_000):
        old = replace(busy, measured_at_ms=at_ms)
        assert remember_for(tmp_path, HEADER, old, machine=LAPTOP)
        assert remembered_for(tmp_path, HEADER, machine=LAPTOP) is None


def _file_with(change: dict[str, Any]) -> str:
    key = thread_tuning._key(LAPTOP, HEADER)
    return json.dumps({"somebody else's": [1, 2], key: {**asdict(TUNED), **change}})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 100_000,
        '{"a": ' + "9" * 5000 + "}",
        "\x00\x01",
        _file_with({"threads": 0}),
        _file_with({"threads": True}),
        _file_with({"batch_threads": 1_000_000}),
        _file_with({"threads": "2"}),
        _file_with({"decode_tokens_s": float("nan")}),
        _file_with({"decode_tokens_s": -1.0}),
        _file_with({"prompt_tokens_s": 10**400}),
        _file_with({"measured": []}),
        _file_with({"measured": [{"threads": 2}]}),
        _file_with({"measured": 5}),
        _file_with({"measured_at_ms": 10**30}),
        _file_with({"measured_at_ms": None}),
        _file_with({"is_calm": "yes"}),
        _file_with({"more": 1}),
        json.dumps({thread_tuning._key(LAPTOP, HEADER): "2 threads"}),
    ],
)
def test_a_broken_or_foreign_file_is_ignored_and_written_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / "threads.json").write_text(text, encoding="utf-8")
    assert remembered_for(tmp_path, HEADER, machine=LAPTOP) is None
    assert remember_for(tmp_path, HEADER, TUNED, machine=LAPTOP)
    assert remembered_for(tmp_path, HEADER, machine=LAPTOP) == TUNED


def test_what_is_somebody_elses_in_the_file_stays(tmp_path: Path) -> None:
    file = tmp_path / "threads.json"
    file.write_text(_file_with({}), encoding="utf-8")
    assert remembered_for(tmp_path, HEADER, machine=LAPTOP) == TUNED
    assert remember_for(tmp_path, HEADER, TUNED, machine=LAPTOP)
    assert json.loads(file.read_text(encoding="utf-8"))["somebody else's"] == [1, 2]


def test_bytes_that_are_no_text_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "threads.json").write_bytes(b"\xff\xfe\x00{")
    assert remembered_for(tmp_path, HEADER, machine=LAPTOP) is None


def test_a_file_that_cannot_be_written_is_said_and_not_raised(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "threads.json").mkdir()
    assert remembered_for(tmp_path, HEADER, machine=LAPTOP) is None
    assert not remember_for(tmp_path, HEADER, TUNED, machine=LAPTOP)
    assert "could not be kept" in caplog.text


def test_the_sentence() -> None:
    said = "2 threads: 15.4 tokens a second written, 45 read; measured on 21 Nov 2026"
    assert shown(TUNED) == said
    one = replace(TUNED, threads=1, batch_threads=1, prompt_tokens_s=1234.4)
    assert shown(one).startswith("1 thread: 15.4 tokens a second written, 1,234 read;")
    apart = replace(TUNED, threads=4, batch_threads=8)
    said = "4 threads: 15.4 tokens a second written; 8 threads: 45 read; measured on 21 Nov 2026"
    assert shown(apart) == said
    busy = shown(replace(TUNED, is_calm=False))
    assert busy.endswith("21 Nov 2026 beside busy programs, so it is measured again after a day")

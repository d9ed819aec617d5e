"""The engine on a real, tiny GGUF: prefix reuse, stopping, cancelling, refusing."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gguf
import psutil
import pytest

from model import abort, scheduler
from model.abort import AbortFlag
from model.compute import ComputeWorker
from model.gguf_check import GgufError
from model.inference import BusyError, Engine, EngineError, PromptTooLong, Sampling, StoppedBy
from model.llama_runtime import LoadError, refuse_too_large
from model.reply_text import ReplyText
from model.tokenizers import TokenizerClosed
from model.writing import Writing
from scripts.make_shape_gguf import SHAPES, make
from tests.model import tiny
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
)

GREEDY = Sampling(temperature=0.0, max_tokens=12)
PROMPT = "mira: anyone up for the raid tonight?\nbob: yeah what time\n" * 4


@pytest.fixture(scope="module")
def engine(q4_gguf: Path) -> Iterator[Engine]:
    with Engine.load(q4_gguf, context_tokens=tiny.CONTEXT, threads=1) as loaded:
        yield loaded


@pytest.fixture
def prompt(engine: Engine) -> list[int]:
    return engine.tokenizer.text_ids(PROMPT)


@pytest.fixture(scope="module")
def roomy(f16_gguf: Path) -> Iterator[Engine]:
    """With a context whose filling takes many seconds: for what must happen meanwhile."""
    with Engine.load(f16_gguf, context_tokens=30_720, threads=1) as loaded:
        yield loaded


LONG = [5 + i % 600 for i in range(30_000)]


def controls(engine: Engine) -> set[int]:
    return {engine.tokenizer.control_id(token) for token in tiny.CONTROLS}


def test_greedy_is_the_likeliest_token(engine: Engine, hf_dir: Path, f16_gguf: Path) -> None:
    """Against transformers with the same weights: what comes first behind ten prompts."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(1)
    model = AutoModelForCausalLM.from_pretrained(hf_dir, dtype=torch.float32)
    with Engine.load(f16_gguf, context_tokens=tiny.CONTEXT, threads=1) as f16:
        for line in tiny.made_up_text(31, 10):
            ids = f16.tokenizer.text_ids(line)
            with torch.inference_mode():
                best = int(model(torch.tensor([ids])).logits[0, -1].argmax())
            drawn = f16.generate_blocking(ids, sampling=GREEDY).token_ids
            assert drawn[:1] == (best,) or best in controls(f16)


def test_counts_and_times(engine: Engine, prompt: list[int]) -> None:
    made = engine.generate_blocking(prompt, sampling=GREEDY, fresh=True)
    assert made.prompt_tokens == made.evaluated_tokens == len(prompt)
    assert made.reply_tokens == len(made.token_ids) <= GREEDY.max_tokens
    assert made.prompt_s > 0
    assert made.reply_s > 0


def test_a_seed_repeats_and_another_differs(engine: Engine, prompt: list[int]) -> None:
    def write(seed: int) -> str:
        return engine.generate_blocking(
            prompt, sampling=Sampling(temperature=1.0, max_tokens=30, seed=seed), fresh=True
        ).text

    assert write(5) == write(5)
    assert len({write(seed) for seed in range(5)}) > 1


def test_only_what_is_new_is_evaluated(engine: Engine, prompt: list[int]) -> None:
    engine.generate_blocking(prompt, sampling=GREEDY, fresh=True)
    again = engine.generate_blocking(prompt, sampling=GREEDY)
    assert again.evaluated_tokens == 1
    longer = [*prompt, *engine.tokenizer.text_ids("lol")]
    assert engine.generate_blocking(longer, sampling=GREEDY).evaluated_tokens == len(longer) - len(
        prompt
    )
    other = [*prompt[:20], *prompt[:5]]
    evaluated = engine.generate_blocking(other, sampling=GREEDY).evaluated_tokens
    assert evaluated <= 5
    assert engine.generate_blocking(prompt[5:], sampling=GREEDY).evaluated_tokens > len(prompt) - 30


def test_a_reused_prefix_gives_the_same_reply(f16_gguf: Path) -> None:
    """The likeliest tokens do not depend on what was cached: cut anywhere, any order."""
    with Engine.load(f16_gguf, context_tokens=tiny.CONTEXT, threads=1) as engine:
        prompt = engine.tokenizer.text_ids(PROMPT)
        prompts = [prompt[:60], [*prompt[:40], *prompt[10:30]], prompt, prompt[:7]]
        reused = [engine.generate_blocking(p, sampling=GREEDY).text for p in prompts]
        fresh = [engine.generate_blocking(p, sampling=GREEDY, fresh=True).text for p in prompts]
        assert reused == fresh


def test_stop_text_is_never_emitted(engine: Engine, prompt: list[int]) -> None:
    whole = engine.generate_blocking(prompt, sampling=GREEDY, fresh=True).text
    stop = whole[4:7]
    pieces: list[str] = []
    cut = engine.generate_blocking(
        prompt, sampling=GREEDY, stop_texts=[stop], on_text=pieces.append, fresh=True
    )
    assert cut.stopped_by is StoppedBy.TEXT
    assert cut.text == "".join(pieces) == whole[: whole.index(stop)]


def test_stop_ids_end_the_reply(engine: Engine, prompt: list[int]) -> None:
    drawn = engine.generate_blocking(prompt, sampling=GREEDY, fresh=True).token_ids
    cut = engine.generate_blocking(prompt, sampling=GREEDY, stop_ids=[drawn[2]], fresh=True)
    assert cut.stopped_by is StoppedBy.END
    assert drawn[2] not in cut.token_ids


def test_control_tokens_end_the_reply(engine: Engine, prompt: list[int]) -> None:
    """Hot sampling over so few tokens draws one of the three within a few hundred."""
    endings = set()
    for seed in range(12):
        hot = Sampling(temperature=5.0, top_k=0, top_p=1.0, min_p=0.0, max_tokens=380, seed=seed)
        made = engine.generate_blocking(prompt, sampling=hot)
        endings.add(made.stopped_by)
        assert not set(made.token_ids) & controls(engine)
        assert "<|im_end|>" not in made.text
    assert StoppedBy.END in endings


def test_the_context_s_end_ends_the_reply(engine: Engine) -> None:
    ids = [5 + i % 300 for i in range(tiny.CONTEXT - 4)]
    made = engine.generate_blocking(ids, sampling=GREEDY)
    assert made.stopped_by in (StoppedBy.CONTEXT, StoppedBy.END)
    assert made.reply_tokens <= 5


def test_repeat_penalty_changes_a_repeating_reply(engine: Engine, prompt: list[int]) -> None:
    plain = engine.generate_blocking(prompt, sampling=GREEDY, fresh=True)
    punished = Sampling(temperature=0.0, max_tokens=60, repeat_penalty=2.0)
    made = engine.generate_blocking(prompt, sampling=punished, fresh=True)
    assert made.token_ids[:1] == plain.token_ids[:1]  # nothing of the reply's own to repeat yet
    assert len(set(made.token_ids)) > len(made.token_ids) * 0.9


def test_refusals(engine: Engine) -> None:
    with pytest.raises(PromptTooLong, match="512"):
        engine.generate_blocking([5] * tiny.CONTEXT, sampling=GREEDY)
    with pytest.raises(EngineError, match="empty"):
        engine.generate_blocking([], sampling=GREEDY)
    assert engine.generate_blocking([5] * 10, sampling=GREEDY).prompt_tokens == 10


async def test_pieces_come_on_the_loop_in_order(engine: Engine, prompt: list[int]) -> None:
    pieces: list[str] = []
    threads = set()

    def on_text(piece: str) -> None:
        pieces.append(piece)
        threads.add(threading.get_ident())

    made = await engine.generate(prompt, sampling=GREEDY, on_text=on_text)
    await asyncio.sleep(0)
    assert "".join(pieces) == made.text
    assert threads == {threading.get_ident()}


async def test_calls_wait_for_each_other(engine: Engine, prompt: list[int]) -> None:
    calls = [engine.generate(prompt[: 20 + i], sampling=GREEDY) for i in range(5)]
    made, other = await asyncio.gather(asyncio.gather(*calls), engine.run(sum, [1, 2]))
    assert other == 3
    assert [generation.prompt_tokens for generation in made] == [20, 21, 22, 23, 24]


async def test_cancel_ends_what_runs_and_what_waits(roomy: Engine, prompt: list[int]) -> None:
    calls = [asyncio.create_task(roomy.generate(LONG, sampling=GREEDY)) for _ in range(2)]
    await asyncio.sleep(0.2)
    roomy.cancel()
    for made in await asyncio.gather(*calls):
        assert (made.stopped_by, made.reply_tokens) == (StoppedBy.CANCELLED, 0)
    again = await roomy.generate(prompt, sampling=GREEDY)
    assert again.stopped_by is not StoppedBy.CANCELLED


async def test_cancel_ends_writing(engine: Engine, prompt: list[int]) -> None:
    """Some seed writes long enough for the cancel to come in between."""
    endings = []
    for seed in range(40):
        hot = Sampling(temperature=1.0, max_tokens=400, seed=seed)
        made = await engine.generate(prompt, sampling=hot, on_text=lambda _: engine.cancel())
        endings.append(made.stopped_by)
    assert StoppedBy.CANCELLED in endings


def test_cancel_in_the_midst_of_a_prompt(roomy: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """A prompt of 30,000 tokens takes a good while here; a cancel ends it within a fraction."""
    timer = threading.Timer(0.5, roomy.cancel)
    timer.start()
    started = time.monotonic()
    made = roomy.generate_blocking(LONG, sampling=GREEDY, fresh=True)
    assert made.stopped_by is StoppedBy.CANCELLED
    assert (made.reply_tokens, made.text) == (0, "")
    assert time.monotonic() - started < 3.0
    assert [r for r in caplog.records if r.levelno > logging.WARNING] == []
    # What was evaluated before the cancel is kept, and right.
    kept = roomy.generate_blocking(LONG[:400], sampling=GREEDY)
    assert kept.evaluated_tokens < 400
    assert kept.text == roomy.generate_blocking(LONG[:400], sampling=GREEDY, fresh=True).text


async def test_cancelling_the_task_ends_the_generation(roomy: Engine, prompt: list[int]) -> None:
    task = asyncio.create_task(roomy.generate(LONG, sampling=GREEDY, fresh=True))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    started = time.monotonic()
    assert (await roomy.generate(prompt, sampling=GREEDY)).prompt_tokens == len(prompt)
    assert time.monotonic() - started < 3.0


def test_sha256_is_the_file_s_and_notices_a_change(q4_gguf: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(q4_gguf.read_bytes())
    with Engine.load(path, context_tokens=128, threads=1) as engine:
        assert engine.sha256 == hashlib.sha256(q4_gguf.read_bytes()).hexdigest()
    with Engine.load(path, context_tokens=128, threads=1) as engine:
        replacement = tmp_path / "other.gguf"
        replacement.write_bytes(q4_gguf.read_bytes())
        replacement.replace(path)
        with pytest.raises(EngineError, match="changed"):
            _ = engine.sha256
        path.unlink()
        with pytest.raises(EngineError, match="cannot be read any more"):
            _ = engine.sha256


def test_missing_broken_and_oversized_files_are_sentences(tmp_path: Path, q4_gguf: Path) -> None:
    with pytest.raises(GgufError, match="cannot be read"):
        Engine.load(tmp_path / "none.gguf")
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(q4_gguf.read_bytes()[:-1000])
    with pytest.raises(GgufError, match="incomplete"):
        Engine.load(broken)
    with pytest.raises(LoadError, match="larger than this machine's memory"):
        refuse_too_large("big.gguf", 9_000_000_000, 8_000_000_000)


def test_a_sound_header_of_nonsense_is_a_sentence(tmp_path: Path) -> None:
    from tests.model.test_gguf_check import small

    path = tmp_path / "nonsense.gguf"
    path.write_bytes(small())
    with pytest.raises(LoadError, match="qwen2"):
        Engine.load(path)


async def test_closed_means_closed(q4_gguf: Path) -> None:
    engine = Engine.load(q4_gguf, context_tokens=128, threads=1)
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.generate_blocking([5], sampling=GREEDY)
    with pytest.raises(EngineError, match="closed"):
        await engine.generate([5], sampling=GREEDY)
    with pytest.raises(EngineError, match="closed"):
        await engine.run(sum, [1, 2])
    with pytest.raises(TokenizerClosed):
        engine.tokenizer.text_ids("raid")


def test_a_call_that_began_before_close_is_refused_after_it(q4_gguf: Path) -> None:
    reached, may_go_on = threading.Event(), threading.Event()

    class Hesitant(Engine):
        def _seed_of(self, sampling: Sampling) -> int:
            reached.set()
            may_go_on.wait(10)
            return super()._seed_of(sampling)

    engine = Hesitant.load(q4_gguf, context_tokens=128, threads=1)
    with ThreadPoolExecutor(1) as other:
        asked = other.submit(engine.generate_blocking, [5], sampling=GREEDY)
        assert reached.wait(10)
        engine.close()
        may_go_on.set()
        with pytest.raises(EngineError, match="closed"):
            asked.result(10)


def test_close_ends_what_runs(f16_gguf: Path) -> None:
    engine = Engine.load(f16_gguf, context_tokens=30_720, threads=1)
    with ThreadPoolExecutor(1) as other:
        asked = other.submit(engine.generate_blocking, LONG, sampling=GREEDY)
        time.sleep(0.2)
        engine.close()
        assert asked.result(3).stopped_by is StoppedBy.CANCELLED


def test_no_more_context_than_the_model_was_made_for(
    q4_gguf: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    with Engine.load(q4_gguf, context_tokens=tiny.TRAINED_CONTEXT * 2, threads=1) as engine:
        assert engine.context_tokens == tiny.TRAINED_CONTEXT
    assert "was made for 32768 tokens" in caplog.text


def test_logs_hold_no_text(
    engine: Engine,
    prompt: list[int],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with caplog.at_level(logging.DEBUG):
        text = engine.generate_blocking(prompt, sampling=GREEDY).text
    said = "\n".join(record.getMessage() for record in caplog.records)
    assert "generated" in said
    assert "raid" not in said
    assert text not in said


def test_llama_cpp_s_own_lines_go_to_logging(
    q4_gguf: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG, logger="llama.cpp"):
        Engine.load(q4_gguf, context_tokens=128, threads=1).close()
    assert any(record.name == "llama.cpp" for record in caplog.records)
    assert capfd.readouterr().err == ""


def test_reply_text_holds_back_half_characters_and_half_stops() -> None:
    pieces: list[str] = []
    text = ReplyText(["\nmira:", "\nmi"], pieces.append)
    emoji = "🙂".encode()
    assert not text.add(b"ok " + emoji[:2])
    assert pieces == ["ok "]
    assert not text.add(emoji[2:])
    assert not text.add(b"\n")
    assert not text.add(b"m")
    assert pieces == ["ok ", "🙂"]
    assert not text.add(b"ax")
    assert "".join(pieces) == "ok 🙂\nmax"
    assert not text.add(b" bye\n")
    assert text.add(b"mira: hi")
    assert text.finish(stopped=True) == "".join(pieces) == "ok 🙂\nmax bye"


def test_reply_text_ends_with_what_was_held() -> None:
    text = ReplyText(["END"])
    assert not text.add(b"the EN")
    assert text.finish() == "the EN"
    broken = ReplyText()
    broken.add(b"a\xf0\x9f")
    assert broken.finish() == "a\ufffd"


# -- several replies ----------------------------------------------------------------------------


@pytest.fixture
def several(f16_gguf: Path) -> Iterator[Engine]:
    """Room for four conversations of 512 tokens and a half."""
    with Engine.load(f16_gguf, context_tokens=tiny.CONTEXT, channels=4, threads=1) as loaded:
        yield loaded
        check_books(loaded)


@pytest.fixture(scope="module")
def reference(f16_gguf: Path) -> Iterator[Reference]:
    made = Reference(f16_gguf)
    yield made
    made.context.free()


def failing(*_: object) -> Any:
    raise ZeroDivisionError


def test_replies_that_share_batches_are_what_they_are_alone(
    several: Engine, reference: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six at once: four together, the others after them; prompts of all lengths."""
    batches = Batches(several, monkeypatch)
    prompts = {key: made_up_ids(key, 20 + 70 * key) for key in range(6)}
    with held(several._worker):
        asked = {key: ask(several, ids, key=key, max_tokens=20) for key, ids in prompts.items()}
    for key, writing in asked.items():
        reference.judge(prompts[key], writing.future.result(WAIT_S))
    assert max(len(batch) for batch in batches.sizes) == scheduler.TOGETHER
    assert max(sum(batch.values()) for batch in batches.sizes) <= scheduler.PROMPT_TOKENS


def test_only_so_many_may_wait(several: Engine) -> None:
    ids = made_up_ids(1, 10)
    with held(several._worker):
        asked = [ask(several, ids, key=key, max_tokens=1) for key in range(scheduler.WAITING)]
        with pytest.raises(BusyError, match="32 replies wait"):
            ask(several, ids, key="one too many")
        several.cancel()
    ends = [writing.future.result(WAIT_S).stopped_by for writing in asked]
    assert ends == [StoppedBy.CANCELLED] * scheduler.WAITING
    assert reply(several, ids, "one").reply_tokens > 0


def test_those_who_left_the_line_make_room(roomy: Engine) -> None:
    """Although one that is being written still takes all there is."""
    first = ask(roomy, LONG, max_tokens=1000)
    for number in range(2 * scheduler.WAITING):
        ask(roomy, [20, 21], key=number).cancel()
        settled(roomy)
    with pytest.raises(TimeoutError):
        first.future.result(0)
    first.cancel()


def test_replies_begin_while_the_cells_suffice(q4_gguf: Path) -> None:
    """Eight times 150 tokens in 512 cells: three together, and none fails."""
    with Engine.load(q4_gguf, context_tokens=tiny.CONTEXT, threads=1) as engine:
        with held(engine._worker):
            asked = [ask(engine, made_up_ids(key, 120), key=key, max_tokens=30) for key in range(8)]
        tokens = [writing.future.result(WAIT_S).reply_tokens for writing in asked]
        assert all(tokens)
        # One that takes the whole context waits until it is alone, and the next one for it.
        with held(engine._worker):
            small = [ask(engine, made_up_ids(key, 50), key=key) for key in range(2)]
            large = ask(engine, made_up_ids(9, 505), key=9, max_tokens=400)
            small.append(ask(engine, made_up_ids(3, 50), key=3))
        assert large.future.result(WAIT_S).reply_tokens > 0
        assert all(writing.future.result(WAIT_S).reply_tokens for writing in small)
        check_books(engine)


def test_two_asks_in_one_conversation_go_one_after_the_other(
    several: Engine, reference: Reference
) -> None:
    order: list[str] = []

    def begin(name: str) -> Callable[[], bool]:
        def is_wanted() -> bool:
            order.append(f"{name} begins")
            return True

        return is_wanted

    ids = [made_up_ids(number, 60) for number in range(3)]
    with held(several._worker):
        asked = [ask(several, ids[n], key="a", is_wanted=begin(str(n))) for n in range(2)]
        asked.append(ask(several, ids[2], key="b", is_wanted=begin("other")))
        asked[0].future.add_done_callback(lambda _: order.append("0 ends"))
    for prompt, writing in zip(ids, asked, strict=True):
        reference.judge(prompt, writing.future.result(WAIT_S))
    assert order == ["0 begins", "other begins", "0 ends", "1 begins"]


def test_a_long_prompt_is_not_kept_waiting_by_short_ones(several: Engine) -> None:
    """Three at a time, each just long enough to take a whole batch, for as long as it takes."""
    begun: list[int] = []

    def feed(number: int) -> None:
        if number < 600 and not long.future.done():
            ids = made_up_ids(number, scheduler.PROMPT_TOKENS)
            short = ask(several, ids, key=number % 5, max_tokens=1)
            short.future.add_done_callback(lambda _: feed(number + 3))
            begun.append(number)

    with held(several._worker):
        long = ask(several, made_up_ids(1000, 480), key="long", max_tokens=1)
        for number in range(3):
            feed(number)
    long.future.result(WAIT_S)
    assert len(begun) < 60


# -- what ends a reply --------------------------------------------------------------------------


async def test_time_is_over_before_it_begins(several: Engine) -> None:
    made = await several.generate([20, 21], sampling=GREEDY, deadline_s=time.monotonic() - 1)
    assert (made.stopped_by, made.evaluated_tokens) == (StoppedBy.TIME, 0)
    assert (made.text, made.prompt_s, made.reply_s) == ("", 0.0, 0.0)


def test_time_is_over_while_it_waits(roomy: Engine) -> None:
    """Behind one that takes the whole context for longer than that."""
    first = ask(roomy, LONG, max_tokens=1000)
    began_s = time.monotonic()
    second = ask(roomy, [20, 21], key="b", deadline_s=began_s + 0.2)
    made = second.future.result(WAIT_S)
    assert 0.2 <= time.monotonic() - began_s < 1.5
    assert (made.stopped_by, made.evaluated_tokens) == (StoppedBy.TIME, 0)
    assert not first.future.done()
    first.cancel()


def test_time_is_over_in_the_midst_of_a_prompt(roomy: Engine) -> None:
    began_s = time.monotonic()
    prompt = [6, *LONG]
    made = ask(roomy, prompt, deadline_s=began_s + 0.3).future.result(WAIT_S)
    assert 0.3 <= time.monotonic() - began_s < 1.5
    assert (made.stopped_by, made.reply_tokens) == (StoppedBy.TIME, 0)
    assert 0 < made.evaluated_tokens < len(prompt)
    assert roomy.missing(None, prompt) == len(prompt) - made.evaluated_tokens


def test_time_is_over_in_the_midst_of_a_reply(several: Engine, reference: Reference) -> None:
    ids = made_up_ids(1, 20)
    whole = reply(several, ids, max_tokens=200).token_ids
    deadline_s = time.monotonic() + 0.1

    def on_text(_: str) -> None:
        time.sleep(0.02)

    writing = ask(several, ids, max_tokens=200, deliver=on_text, deadline_s=deadline_s)
    made = writing.future.result(WAIT_S)
    assert made.stopped_by is StoppedBy.TIME
    assert 0 < made.reply_tokens < len(whole)
    assert made.token_ids == whole[: made.reply_tokens]


async def test_what_nobody_wants_any_more_is_not_begun(several: Engine) -> None:
    ids = made_up_ids(1, 20)
    threads: list[int] = []

    def is_wanted() -> bool:
        threads.append(threading.get_ident())
        return False

    made = await several.generate(ids, sampling=GREEDY, key="a", is_wanted=is_wanted)
    assert (made.stopped_by, made.evaluated_tokens) == (StoppedBy.DROPPED, 0)
    assert several.missing("a", ids) == 20
    assert several.evaluated.asked == 0
    assert threads == [several._worker._thread.ident]


async def test_an_exception_of_is_wanted_reaches_who_asked(several: Engine) -> None:
    other = asyncio.create_task(several.generate(made_up_ids(1, 20), sampling=GREEDY, key="b"))
    for _ in range(scheduler.TOGETHER + 1):  # none of them keeps its place
        with pytest.raises(ZeroDivisionError):
            await several.generate([20, 21], sampling=GREEDY, key="a", is_wanted=failing)
    assert (await other).reply_tokens > 0
    assert reply(several, [20, 21], "a").reply_tokens > 0


def test_an_exception_of_on_text_reaches_who_asked(several: Engine, reference: Reference) -> None:
    """And the others in the same batch are whole, before it and behind it."""
    prompts = [made_up_ids(number, 30) for number in range(3)]
    with held(several._worker):
        first = ask(several, prompts[0], key=0, max_tokens=1)
        failed = ask(several, prompts[1], key=1, deliver=failing)
        last = ask(several, prompts[2], key=2, max_tokens=30)
    with pytest.raises(ZeroDivisionError):
        failed.future.result(WAIT_S)
    reference.judge(prompts[0], first.future.result(WAIT_S))
    reference.judge(prompts[2], last.future.result(WAIT_S))
    with pytest.raises(ZeroDivisionError):
        several.generate_blocking(prompts[1], sampling=GREEDY, on_text=failing)
    reference.judge(prompts[1], reply(several, prompts[1], 1))


def test_an_exception_of_the_last_piece_reaches_who_asked(several: Engine) -> None:
    """What may have begun a stop text is handed over when the reply is over."""
    ids = made_up_ids(5, 30)
    whole = reply(several, ids, max_tokens=6).text
    stop_texts = (whole[-2:] + "\x00",)

    def on_text(piece: str) -> None:
        if piece == whole[-2:]:
            raise ZeroDivisionError

    held_back = ask(several, ids, max_tokens=6, deliver=on_text, stop_texts=stop_texts)
    with pytest.raises(ZeroDivisionError):
        held_back.future.result(WAIT_S)
    assert reply(several, ids, max_tokens=6).text == whole


def test_cancelling_one_leaves_the_one_beside_it_whole(
    several: Engine, reference: Reference
) -> None:
    ids = [made_up_ids(number, 300) for number in range(2)]
    for pause_s in (0.0, 0.002, 0.005, 0.01):
        with held(several._worker):
            one, other = (ask(several, ids[n], key=n, max_tokens=60) for n in range(2))
        time.sleep(pause_s)
        one.cancel()
        assert one.future.result(WAIT_S).stopped_by in (StoppedBy.CANCELLED, StoppedBy.END)
        reference.judge(ids[1], other.future.result(WAIT_S))
        several.forget(0)
        several.forget(1)


# -- the end ------------------------------------------------------------------------------------


def test_close_ends_what_is_written_what_waits_and_what_is_read(f16_gguf: Path) -> None:
    before = threading.active_count()
    engine = Engine.load(f16_gguf, context_tokens=30_720, threads=1)
    engine.read("r", LONG[:20_000])
    asked = [ask(engine, [6 + key, *LONG[:9000]], key=key) for key in range(6)]
    time.sleep(0.1)
    began_s = time.monotonic()
    engine.close()
    assert time.monotonic() - began_s < 1.0
    ends = [writing.future.result(0).stopped_by for writing in asked]
    assert ends == [StoppedBy.CANCELLED] * 6
    engine.read("r", LONG)
    engine.forget("r")
    engine.set_reading(0.5)
    engine.cancel()
    with pytest.raises(EngineError, match="closed"):
        ask(engine, [20])
    assert threading.active_count() == before


def test_two_engines_share_a_worker(f16_gguf: Path, q4_gguf: Path, reference: Reference) -> None:
    worker = ComputeWorker()
    one = Engine.load(f16_gguf, worker=worker, context_tokens=4096, threads=1)
    other = Engine.load(q4_gguf, worker=worker, context_tokens=4096, threads=1)
    ids = made_up_ids(1, 300)
    one.read("a", ids)
    other.read("a", ids)
    long = ask(other, LONG[:4000], key="long", max_tokens=90)
    reference.judge(ids, reply(one, ids, "a"))
    other.close()
    assert long.future.result(0).stopped_by in (StoppedBy.CANCELLED, StoppedBy.END)
    other.close()
    ids += made_up_ids(2, 50)
    read_through(one, "a", ids)
    reference.judge(ids, reply(one, ids, "a"))
    one.close()
    assert worker.submit(sum, [1, 2]).result(WAIT_S) == 3
    worker.close()


def test_a_worker_that_closes_first_leaves_nobody_waiting(f16_gguf: Path) -> None:
    worker = ComputeWorker()
    engine = Engine.load(f16_gguf, worker=worker, context_tokens=4096, threads=1)
    engine.read("a", LONG[:2000])
    asked = [ask(engine, LONG[: 3000 + key], key=key) for key in range(3)]
    worker.close()
    for writing in asked:
        assert writing.future.result(WAIT_S).stopped_by is StoppedBy.CANCELLED
    with pytest.raises(EngineError, match="closed"):
        ask(engine, [20])
    with engine.asked("a"):
        engine.read("a", LONG)
        engine.forget("a")
    with ThreadPoolExecutor(1) as pool:
        pool.submit(engine.close).result(WAIT_S)
    assert not engine._context.is_open


def test_a_model_without_attention_is_a_sentence(tmp_path: Path) -> None:
    path = make(SHAPES["mamba-tiny"], tmp_path / "mamba.gguf")
    with pytest.raises(LoadError, match=r"mamba.*nothing could be taken back.*transformer"):
        Engine.load(path)


def test_a_model_that_computes_nothing_but_nan_is_a_sentence(
    f16_gguf: Path, tmp_path: Path
) -> None:
    path = tmp_path / "nan.gguf"
    path.write_bytes(f16_gguf.read_bytes())
    tensors = gguf.GGUFReader(path, "r+").tensors
    next(tensor for tensor in tensors if tensor.name == "output_norm.weight").data[3] = math.nan
    with Engine.load(path, context_tokens=128, threads=1) as engine:
        for key in (None, "a"):
            with pytest.raises(EngineError, match="no numbers but NaN"):
                reply(engine, made_up_ids(1, 20), key)
            assert engine.missing(key, made_up_ids(1, 20)) == 20


def alive() -> int:
    """Replies in the making and flags that something holds."""
    gc.collect()
    return sum(type(one) in (Writing, AbortFlag) for one in gc.get_objects())


def test_nothing_grows(f16_gguf: Path) -> None:
    """300 replies in 20 conversations, after 100 to warm up: less than 2 MB."""
    process = psutil.Process()
    before = threading.active_count(), alive()
    with Engine.load(f16_gguf, context_tokens=tiny.CONTEXT, channels=4, threads=1) as engine:
        for number in range(400):
            if number == 100:
                begun_with = process.memory_info().rss
            ids = made_up_ids(number, 60)
            engine.read((number + 1) % 20, ids)
            made = reply(engine, ids, number % 20, max_tokens=20)
            assert made.stopped_by in (StoppedBy.LENGTH, StoppedBy.END)
        grown = process.memory_info().rss - begun_with
        assert grown < 2_000_000, grown
    assert (threading.active_count(), alive()) == before
    assert not abort._watched

"""The engine on a real, tiny GGUF: prefix reuse, stopping, cancelling, refusing."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from model.gguf_check import GgufError
from model.inference import Engine, EngineError, PromptTooLong, Sampling, StoppedBy
from model.llama_runtime import LoadError, refuse_too_large
from model.reply_text import ReplyText
from model.tokenizers import TokenizerClosed
from tests.model import tiny

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

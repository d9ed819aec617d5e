"""The small base's maker, for a few seconds and a few steps."""

from __future__ import annotations

import random
from pathlib import Path

from model.pretrain import PretrainingConfig, batches_by_length, pretrain, train_tokenizer
from model.tokenizers import TransformersTokenizer
from tests.model.tiny import made_up_text


def test_batches_hold_every_sequence_once_within_the_budget() -> None:
    rng = random.Random(1)
    sequences = [[0] * rng.randint(3, 60) for _ in range(200)]
    batches = batches_by_length(sequences, 256, rng)
    assert sorted(i for batch in batches for i in batch) == list(range(200))
    assert all(max(len(sequences[i]) for i in b) * len(b) <= 256 for b in batches)


def test_a_short_run_learns_and_can_be_loaded(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    fast = train_tokenizer(made_up_text(1, 300), 600, tmp_path)
    tokenizer = TransformersTokenizer(fast)
    sequences = [tokenizer.text_ids(line) for line in made_up_text(2, 400)]
    config = PretrainingConfig(
        vocab_size=600,
        hidden_size=64,
        intermediate_size=64,
        layers=1,
        heads=2,
        kv_heads=1,
        tokens_a_step=512,
        warmup_steps=2,
        max_seconds=60,
        max_passes=3,
    )
    said: list[str] = []
    report = pretrain(
        sequences[20:], sequences[:20], fast, tmp_path, config, on_progress=said.append
    )
    assert report.held_out_loss < 5.5 < 6.39  # ln(600): what knowing nothing costs
    assert report.passes >= 3
    assert said[-1].startswith("done")
    assert AutoTokenizer.from_pretrained(tmp_path).eos_token == "<|im_end|>"
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert str(loaded.dtype) == "torch.float16"

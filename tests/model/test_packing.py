"""Packed examples: none sees another, and nothing else changes."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from model import trainer
from model.evaluate import model_nll
from model.profile import load
from model.training.base import load_base, packed_see_each_other
from model.training.examples import EncodedExample, as_dataset
from model.training.plain_head import plain_head_without_triton

PACKED = load("demo").with_(packing=True, max_length=96, sft={"batch_size": 2})


def examples(count: int) -> list[EncodedExample]:
    """Random tokens of 8 to 40, the last few learned."""
    chance = random.Random(5)
    made = []
    for _ in range(count):
        length = chance.randint(8, 40)
        ids = [chance.randrange(10, 700) for _ in range(length)]
        made.append((ids, [at >= length - 4 for at in range(length)]))
    return made


@pytest.fixture(scope="module")
def base(hf_dir: Path) -> Any:
    return load_base(hf_dir, PACKED)


def test_the_loss_of_packed_examples_is_that_of_each_alone(
    hf_dir: Path, base: Any, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer
    from trl import SFTTrainer

    chosen = examples(12)
    alone = model_nll(base, chosen)
    with plain_head_without_triton():
        packing = SFTTrainer(
            model=base,
            args=trainer.sft_config(PACKED.with_(sft={"batch_size": 12}), tmp_path, is_packed=True),
            train_dataset=as_dataset(chosen),
            processing_class=AutoTokenizer.from_pretrained(hf_dir),
        )
        assert len(packing.train_dataset) <= 6, "several share a sequence"
        (batch,) = packing.get_train_dataloader()
        assert batch["input_ids"].shape == (1, sum(len(ids) for ids, _ in chosen))
        together = packing.compute_loss(packing.model.eval(), dict(batch)).item()
    assert together == pytest.approx(alone.mean, rel=2e-3)


def test_a_base_that_lets_them_see_each_other_is_found_out(base: Any) -> None:
    class Leaking:
        """A mask that is given keeps transformers from looking for where examples begin."""

        device, training = base.device, False
        eval = train = staticmethod(lambda *_: None)

        def __call__(self, input_ids: Any, **named: Any) -> Any:
            return base(input_ids, attention_mask=input_ids.new_ones(input_ids.shape), **named)

    assert not packed_see_each_other(base)
    assert packed_see_each_other(Leaking())

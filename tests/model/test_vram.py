"""The memory of a training: predicted, compared with what PyTorch holds, and made to fit."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from model import vram
from model.profile import Profile, load
from model.vram import CARD, CARD_WITHOUT_TRITON, PROCESSOR, NoRoomError
from tests.model.shapes import CONFIGS, shape
from tests.model.training_memory import CASES, Case, measured_bytes, predicted_bytes

GB = 1_000_000_000
BIG = load("rtx3070")


def total(name: str, profile: Profile = BIG, mode: Any = "sft", device: Any = CARD) -> float:
    """In GB."""
    return vram.predict(shape(name), profile, mode, device).total_bytes / GB


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_predicted_is_what_pytorch_holds_at_its_peak(case: Case) -> None:
    """Within 15% either way; most are within 3% (docs/experiments.md has the table)."""
    assert 0.85 < predicted_bytes(case) / measured_bytes(case) < 1.15


def test_a_3b_model_in_4_bits_needs_what_was_estimated_for_it() -> None:
    assert 4.5 < total("qwen2.5-3b") < 5.5
    need = vram.predict(shape("qwen2.5-3b"), BIG, "sft")
    assert need.weights_bytes == pytest.approx(
        2.05 * GB, rel=0.01
    )  # 2.77 x 10^9 in 4 bits, 0.31 in 16
    assert need.optimizer_bytes == 2 * need.gradients_bytes == 2 * need.adapter_bytes


def test_larger_bases_need_more() -> None:
    order = ["qwen2.5-0.5b", "gemma-3-1b", "qwen2.5-1.5b", "qwen2.5-3b", "qwen3-4b", "qwen2.5-7b"]
    needs = [total(name) for name in order]
    assert needs == sorted(needs)
    assert set(order) < set(CONFIGS)


def test_whole_logits_cost_more_than_a_gigabyte_without_triton() -> None:
    with_triton, without = (
        vram.predict(shape("qwen2.5-3b"), BIG, "sft", one) for one in (CARD, CARD_WITHOUT_TRITON)
    )
    learned = vram.LEARNED_SHARE * 2 * 2048
    assert without.passing_bytes == pytest.approx(16 * 151_936 * learned, rel=0.02)
    assert without.total_bytes - with_triton.total_bytes > 1.5 * GB


def test_preferences_need_the_adapter_twice_and_dpo_two_sequences_a_pair() -> None:
    sft, dpo, kto = (vram.predict(shape("qwen2.5-3b"), BIG, mode) for mode in ("sft", "dpo", "kto"))
    assert sft.reference_bytes == 0
    assert dpo.reference_bytes == kto.reference_bytes == 4 * 119_734_272
    assert dpo.activations_bytes == sft.activations_bytes  # a pair at once against two sequences


def test_a_processor_holds_the_base_in_32_bits() -> None:
    small = load("laptop-cpu")
    need = vram.predict(shape("qwen2.5-0.5b"), small, "sft", PROCESSOR)
    assert need.weights_bytes == 4 * 494_032_768
    assert need.adapter_bytes == 4 * shape("qwen2.5-0.5b").lora_parameters(16)
    quantised = small.with_(quantised_base="nf4")
    assert total("qwen2.5-0.5b", quantised, device=PROCESSOR) < need.total_bytes / GB


def test_what_is_made_smaller_learns_the_same_as_long_as_it_can() -> None:
    steps = [BIG]
    while (step := vram.smaller(steps[-1], "sft")) is not None:
        steps.append(step)
    told = [vram.said(a, b, "sft") for a, b in itertools.pairwise(steps)]
    assert told == [
        "batch_size 1",
        "max_length 1024",
        "max_length 512",
        "max_length 256",
        "r 32",
        "r 16",
        "r 8",
    ]
    assert {s.sft.batch_size * s.sft.gradient_accumulation for s in steps} == {32}
    assert {s.lora.alpha / s.lora.r for s in steps} == {2}
    assert {s.dpo for s in steps} == {BIG.dpo}
    needs = [total("qwen2.5-3b", s) for s in steps]
    assert needs == sorted(needs, reverse=True)


def test_checkpointing_comes_before_what_changes_the_model() -> None:
    demo = load("demo")
    one = vram.smaller(demo.with_(sft={"batch_size": 3, "gradient_accumulation": 2}), "sft")
    assert one is not None
    assert (one.sft.batch_size, one.sft.gradient_accumulation) == (1, 6)
    two = vram.smaller(one, "sft")
    assert two is not None
    assert two.gradient_checkpointing
    three = vram.smaller(two, "sft")
    assert three is not None
    assert (three.max_length, three.lora.r) == (256, 8)
    assert vram.smaller(three, "sft") is None


def test_kto_keeps_two_examples_to_compare() -> None:
    pair = BIG.with_(kto={"batch_size": 2})
    less = vram.smaller(pair, "kto")
    assert less is not None
    assert less.kto.batch_size == 2
    assert less.max_length == 1024


def test_what_fits_is_let_through_with_its_figures() -> None:
    need = vram.check_fits(shape("qwen2.5-3b"), BIG, "sft", 8 * GB)
    assert need == vram.predict(shape("qwen2.5-3b"), BIG, "sft")


def test_what_does_not_fit_is_refused_with_what_would() -> None:
    with pytest.raises(NoRoomError) as refused:
        vram.check_fits(shape("qwen2.5-3b"), BIG, "sft", 4 * GB, CARD_WITHOUT_TRITON)
    assert str(refused.value) == (
        "The profile rtx3070 needs 6.8 GB of memory, the card has 4.0 GB free; batch_size 1 with "
        "max_length 512 needs 3.9 GB: --auto-fit takes that."
    )
    fitting = refused.value.fitting
    assert fitting is not None
    assert (fitting.sft.batch_size, fitting.max_length) == (1, 512)
    assert total("qwen2.5-3b", fitting, device=CARD_WITHOUT_TRITON) < 4


def test_where_nothing_fits_the_way_out_is_another_base() -> None:
    with pytest.raises(
        NoRoomError, match=r"the smallest setting still needs 3\.0 GB: take a sma"
    ) as refused:
        vram.check_fits(shape("qwen2.5-3b"), BIG, "dpo", 2 * GB)
    assert refused.value.fitting is None


def test_this_computer_is_what_the_trainer_will_find() -> None:
    import torch

    here = vram.device_here()
    assert here.is_card == torch.cuda.is_available()
    assert here.is_card or not here.has_fused_head
    assert vram.free_bytes(here) > 0

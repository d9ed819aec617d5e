"""Rows of preferences as token ids: the same as SFT's, whole, and mixed as KTO wants them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model.chat_format import encode, render_ask, render_example
from model.profile import load
from model.tokenizers import TransformersTokenizer
from model.training.errors import TrainingError
from model.training.preferences import (
    FEW,
    PAIRS,
    SINGLE,
    Row,
    as_single,
    check_enough,
    choose,
    encoded,
    mismatched,
    read_rows,
)
from tests.model.preference_sets import DISLIKED, LIKED, PERSONA, make_set, turns

PROFILE = load("demo").with_(max_length=128)


@pytest.fixture(scope="module")
def tokenizer(hf_dir: Path) -> TransformersTokenizer:
    from transformers import AutoTokenizer

    return TransformersTokenizer(AutoTokenizer.from_pretrained(hf_dir))


def row(liked: Sequence[int] | None, disliked: Sequence[int] | None, prompt: int = 3) -> Row:
    both = (None if reply is None else list(reply) for reply in (liked, disliked))
    return Row([1] * prompt, *both)


def test_a_row_has_the_ids_that_sft_learns(
    tokenizer: TransformersTokenizer, tmp_path: Path
) -> None:
    folder = make_set(tmp_path / "set", pairs=2, held_out=1)
    training, held_out = read_rows(folder, "dpo", tokenizer)
    assert (len(training), len(held_out)) == (2, 1)
    for at, pair in enumerate([*training, *held_out]):
        assert pair.prompt == encode(render_ask(PERSONA, turns(at)), tokenizer)[0]
        for reply, ids in ((LIKED, pair.liked), (DISLIKED, pair.disliked)):
            whole, learned = encode(render_example(PERSONA, turns(at), reply), tokenizer)
            assert ids == [i for i, is_learned in zip(whole, learned, strict=True) if is_learned]
            ((measured, marks),) = encoded([Row(pair.prompt, ids, None)], "liked")
            assert (measured, marks) == (whole[: len(measured)], learned[: len(measured)])
            assert not any(learned[len(measured) :])


def test_what_somebody_typed_is_no_control_token(
    tokenizer: TransformersTokenizer, tmp_path: Path
) -> None:
    training, _ = read_rows(make_set(tmp_path / "set", pairs=1), "dpo", tokenizer)
    ends = training[0].prompt.count(tokenizer.control_id("<|im_end|>"))
    assert ends == 4, "of the persona, two lines of others and one own: the typed one is text"


def test_what_a_model_wrote_in_place_of_a_liked_reply_is_disliked(
    tokenizer: TransformersTokenizer, tmp_path: Path
) -> None:
    folder = make_set(tmp_path / "set", pairs=4, held_out=2)
    lines = (folder / PAIRS).read_text().splitlines()
    sampled = [{**json.loads(line), "sampled_by": "0" * 64} for line in lines[1:]]
    text = "".join(json.dumps(one) + "\n" for one in sampled)
    (folder / PAIRS).write_text(lines[0] + "\n" + text)
    training, held_out = read_rows(folder, "kto", tokenizer)
    assert [one.liked is not None for one in training] == [False, True, False, True, *[False] * 3]
    assert [one.liked is not None for one in held_out] == [False, True, False, False]
    assert len(read_rows(folder, "dpo", tokenizer)[0]) == 4


@pytest.mark.parametrize(
    "wrong",
    ['{"side": "training"', '{"side": "training", "persona": "p", "turns": [], "chosen": 1}'],
)
def test_a_line_that_is_none_is_named(
    wrong: str, tokenizer: TransformersTokenizer, tmp_path: Path
) -> None:
    folder = make_set(tmp_path / "set", pairs=1, held_out=0)
    with (folder / PAIRS).open("a") as file:
        file.write(wrong + "\n")
    with pytest.raises(TrainingError, match=r"preference_data\.jsonl, line 2 is no preference"):
        read_rows(folder, "dpo", tokenizer)


def test_what_is_too_long_is_left_out_and_never_cut() -> None:
    rows = [row([2] * n, [3] * 4) for n in (4, 125, 126)]
    chosen = choose(rows, PROFILE, "dpo", None)
    assert sorted(one.longest for one in chosen) == [7, 128]
    assert {len(one.liked or ()) for one in chosen} == {4, 125}


def test_the_draw_is_the_same_for_the_same_seed_and_keeps_to_limit_and_budget() -> None:
    rows = [row([n], [n]) for n in range(50)]
    drawn = choose(rows, PROFILE, "dpo", None)
    assert drawn == choose(rows, PROFILE, "dpo", None)
    assert drawn != rows
    assert choose(rows, PROFILE, "dpo", 7) == drawn[:7]
    bounded = PROFILE.with_(dpo={"max_tokens": 2 * 8 * 5, "epochs": 2})
    assert choose(rows, bounded, "dpo", None) == drawn[:5]


def test_each_batch_of_kto_is_like_the_whole() -> None:
    rows = [row([n], None) for n in range(30)] + [row(None, [n]) for n in range(10)]
    drawn = choose(rows, PROFILE, "kto", None)
    for start in range(0, 40, 4):
        assert sum(one.disliked is not None for one in drawn[start : start + 4]) == 1


def test_kto_compares_with_the_replies_of_the_same_batch() -> None:
    rows = [row([n], None) if n % 2 else row(None, [n]) for n in range(5)]
    columns: Any = as_single(rows, 2)
    assert columns["completion_ids"][:] == [[0], [1], [2], [3], [4]]
    assert columns["KL_completion_ids"][:] == [[1], [0], [3], [2], [4]]
    assert columns["label"][:] == [False, True, False, True, False]
    others = [ids[3:] for ids, _ in mismatched(rows)]
    assert others == [[4], [0], [1], [2], [3]]


def test_too_few_are_said_and_one_kind_alone_is_refused() -> None:
    pair = row([1], [2])
    said = check_enough([pair] * (FEW - 1), "dpo", "demo")
    assert "199 preferences to learn from, fewer than 200" in said
    assert "2b_sample_rejected" in said
    assert check_enough([pair] * FEW, "dpo", "demo") == ""
    for rows, lacks in (
        ([], "no preference"),
        ([replace(pair, disliked=None)], "nothing that was disliked"),
        ([replace(pair, liked=None)], "nothing that was liked"),
    ):
        with pytest.raises(TrainingError, match=f"The dataset demo has {lacks} that fits"):
            check_enough(rows, "kto", "demo")


def test_a_set_without_the_files_has_no_preferences(
    tokenizer: TransformersTokenizer, tmp_path: Path
) -> None:
    assert not (tmp_path / SINGLE).exists()
    assert read_rows(tmp_path, "kto", tokenizer) == ([], [])

"""The NLL of llama.cpp and of transformers agree; only learned tokens count."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from model.chat_format import Note, Own, Said, encode, render_example
from model.evaluate import EvaluationError, gguf_nll, transformers_nll
from model.tokenizers import VocabularyFile
from tests.model import tiny

Encoded = tuple[list[int], list[bool]]


@pytest.fixture(scope="module")
def examples(q4_gguf: Path) -> list[Encoded]:
    """Thirty short ones and one that fills most of the context."""
    lines = tiny.made_up_text(21, 120)
    with VocabularyFile(q4_gguf) as vocabulary:
        made = [
            encode(
                render_example(
                    "You are Mynah.",
                    [
                        Said("mira", lines[i]),
                        Own(lines[i + 30]),
                        Said("bob", lines[i + 60]),
                        Note("x"),
                    ],
                    lines[i + 90],
                ),
                vocabulary.tokenizer,
            )
            for i in range(30)
        ]
        long = render_example("You are Mynah.", [Said("mira", x) for x in lines[:33]], lines[99])
        made.append(encode(long, vocabulary.tokenizer))
    assert 400 < len(made[-1][0]) <= tiny.CONTEXT
    return made


def test_f16_agrees_with_transformers(
    hf_dir: Path, f16_gguf: Path, examples: list[Encoded]
) -> None:
    """Bound: 0.5% of the mean and of every example (seen: 0.01%)."""
    ours = gguf_nll(f16_gguf, examples)
    reference = transformers_nll(hf_dir, examples)
    assert ours.tokens == reference.tokens == sum(sum(learned) for _, learned in examples)
    assert ours.mean == pytest.approx(reference.mean, rel=0.005)
    for mine, theirs in zip(ours.examples, reference.examples, strict=True):
        assert mine.tokens == theirs.tokens
        assert mine.nats == pytest.approx(theirs.nats, rel=0.005)


def test_q4_is_near(f16_gguf: Path, q4_gguf: Path, examples: list[Encoded]) -> None:
    assert gguf_nll(q4_gguf, examples).mean == pytest.approx(
        gguf_nll(f16_gguf, examples).mean, rel=0.02
    )


def test_the_mean_weighs_tokens(f16_gguf: Path, examples: list[Encoded]) -> None:
    whole = gguf_nll(f16_gguf, examples[:3])
    nats = sum(gguf_nll(f16_gguf, [example]).examples[0].nats for example in examples[:3])
    assert whole.mean == pytest.approx(nats / whole.tokens)
    assert whole.examples[0].mean == pytest.approx(
        whole.examples[0].nats / whole.examples[0].tokens
    )
    # Random weights know nothing: about the logarithm of the vocabulary, or worse.
    assert whole.mean > math.log(768) * 0.8


def test_what_comes_behind_the_last_learned_token_changes_nothing(
    f16_gguf: Path, examples: list[Encoded]
) -> None:
    ids, learned = examples[0]
    longer = ([*ids, 5, 6, 7], [*learned, False, False, False])
    assert gguf_nll(f16_gguf, [longer]) == gguf_nll(f16_gguf, [(ids, learned)])


def test_a_long_example_goes_through_several_batches(f16_gguf: Path, hf_dir: Path) -> None:
    """All learned, longer than one batch of 512 would be for a real context."""
    ids = [3 + i * 7 % 700 for i in range(700)]
    learned = [True] * len(ids)
    ours, reference = (
        gguf_nll(f16_gguf, [(ids, learned)]),
        transformers_nll(hf_dir, [(ids, learned)]),
    )
    assert ours.tokens == 699  # nothing predicts the first
    assert ours.mean == pytest.approx(reference.mean, rel=0.005)


def test_what_cannot_be_evaluated_is_said(f16_gguf: Path) -> None:
    for broken in ([], [([1, 2, 3], [True, False, False])], [([1, 2], [True])]):
        with pytest.raises(EvaluationError):
            gguf_nll(f16_gguf, broken)

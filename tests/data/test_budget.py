"""The sum of the pieces is the count of the whole."""

from __future__ import annotations

from itertools import groupby

import pytest

from data.budget import EstimatedTokenizer, TokenCount
from model.chat_format import Note, Own, Said, Tokenizer, Turn, encode, render_example
from tests.data.talk import LetterTokenizer

TURNS: tuple[Turn, ...] = (
    Own("hi"),
    Said("a: b", "x\ny"),
    Said("a: b", "and z", goes_on=True),
    Note("n"),
    Said("a: b", "v", goes_on=True),
    Own("k "),
    Own("z"),
    Said("c", "d"),
)


@pytest.mark.parametrize("tokenizer", [LetterTokenizer(), EstimatedTokenizer()])
@pytest.mark.parametrize("end", range(len(TURNS) + 1))
@pytest.mark.parametrize("persona", [" You are Mynah. ", "You are Bob,\na pirate."])
def test_counts_add_up_to_the_encoded_example(tokenizer: Tokenizer, end: int, persona: str) -> None:
    count = TokenCount(tokenizer)
    pieces: list[tuple[bool, int]] = []
    for is_own, run in groupby(TURNS[:end], key=lambda turn: isinstance(turn, Own)):
        if is_own:
            pieces += [(True, count.own(turn.text)) for turn in run]
        else:
            pieces.append((False, count.lines([t for t in run if not isinstance(t, Own)])))
    ids, _ = encode(render_example(persona, TURNS[:end], "bye"), tokenizer)
    assert count.example(persona, pieces, count.own("bye")) == len(ids)

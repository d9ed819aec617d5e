"""The sum of the pieces is the count of the whole."""

from __future__ import annotations

import pytest

from data.budget import EstimatedTokenizer, TokenCount
from model.chat_format import Note, Own, Said, Tokenizer, Turn, encode, render_example
from tests.data.talk import LetterTokenizer

TURNS: tuple[Turn, ...] = (
    Own("hi"),
    Said("a: b", "x\ny"),
    Note("n"),
    Own("k "),
    Own("z"),
    Said("c", "d"),
)


@pytest.mark.parametrize("tokenizer", [LetterTokenizer(), EstimatedTokenizer()])
@pytest.mark.parametrize("end", range(len(TURNS) + 1))
def test_counts_add_up_to_the_encoded_example(tokenizer: Tokenizer, end: int) -> None:
    count = TokenCount(tokenizer, " You are Mynah. ")
    turns = TURNS[:end]
    pieces = [(isinstance(turn, Own), count.turn(turn)) for turn in turns]
    ids, _ = encode(render_example(" You are Mynah. ", turns, "bye"), tokenizer)
    assert count.example(pieces, count.own("bye")) == len(ids)

"""Llama 3's and Gemma 3's layouts: what stands where, append-only, counted exactly."""

from __future__ import annotations

from itertools import groupby, pairwise

import pytest

from data.budget import TokenCount
from model import chat_format
from model.chat_format import (
    CHATML,
    GEMMA3,
    LAYOUTS,
    LLAMA3,
    ChatLayout,
    LayoutError,
    Note,
    Own,
    Said,
    Turn,
)

PERSONA = "You are Mynah."
TALK: tuple[Turn, ...] = (
    Said("mira", "raid?"),
    Note("bob: never before nine"),
    Own("nine works for me"),
    Own("or ten"),
    Said("bob", "ten\nthen"),
    Said("bob", "good", goes_on=True),
)

LLAMA3_ASKED = (
    "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nYou are Mynah.<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\n"
    "mira: raid?\n* memory: bob: never before nine\n<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\nnine works for me<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\nor ten<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nbob: ten\n  then\n  good\n<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n"
)
GEMMA3_ASKED = (
    "<bos><start_of_turn>user\nYou are Mynah.\n\n"
    "mira: raid?\n* memory: bob: never before nine\n<end_of_turn>\n"
    "<start_of_turn>model\nnine works for me<end_of_turn>\n"
    "<start_of_turn>model\nor ten<end_of_turn>\n"
    "<start_of_turn>user\nbob: ten\n  then\n  good\n<end_of_turn>\n"
    "<start_of_turn>model\n"
)


class Vocabulary:
    """Bytes as ids, the control tokens of one layout above them."""

    def __init__(self, *controls: str) -> None:
        self._controls = {token: 256 + n for n, token in enumerate(controls)}

    def control_id(self, token: str) -> int:
        if token not in self._controls:
            raise LayoutError(f"{token} is missing")
        return self._controls[token]

    def text_ids(self, text: str) -> list[int]:
        return list(text.encode())


def vocabulary(layout: ChatLayout) -> Vocabulary:
    return Vocabulary(*layout.controls)


@pytest.mark.parametrize(("layout", "asked"), [(LLAMA3, LLAMA3_ASKED), (GEMMA3, GEMMA3_ASKED)])
def test_a_prompt_is_laid_out_as_its_family_wants(layout: ChatLayout, asked: str) -> None:
    assert chat_format.as_text(chat_format.render_ask(PERSONA, TALK, layout=layout)) == asked
    example = chat_format.render_example(PERSONA, TALK, "sure", layout=layout)
    assert chat_format.as_text(example) == f"{asked}sure{layout.end}{layout.after_end}"
    assert "".join(s.text for s in example if s.learned) == f"sure{layout.end}"
    assert {s.text for s in example if s.control} == set(layout.controls)


def test_gemma_begins_alike_where_nobody_spoke_and_where_it_spoke_first() -> None:
    first = "<bos><start_of_turn>user\nYou are Mynah."
    own = "<end_of_turn>\n<start_of_turn>model\n"
    assert chat_format.as_text(chat_format.render(PERSONA, [], layout=GEMMA3)) == first
    assert chat_format.as_text(chat_format.render_ask(PERSONA, [], layout=GEMMA3)) == first + own
    spoke = chat_format.render_ask(PERSONA, [Own("hi")], layout=GEMMA3)
    assert chat_format.as_text(spoke) == f"{first}{own}hi{own}"


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_every_layout_is_append_only(layout: ChatLayout) -> None:
    tokenizer = vocabulary(layout)
    for start in range(3):
        turns = TALK[start:]
        read = [
            chat_format.encode(chat_format.render(PERSONA, turns[:n], layout=layout), tokenizer)[0]
            for n in range(len(turns) + 1)
        ]
        for before, after in pairwise(read):
            assert after[: len(before)] == before
            assert len(after) > len(before)
        for n, shown in enumerate(read):
            asked = chat_format.render_ask(PERSONA, turns[:n], layout=layout)
            assert chat_format.encode(asked, tokenizer)[0][: len(shown)] == shown


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_nobody_writes_a_control_token(layout: ChatLayout) -> None:
    """A name, a message, a note, a reply and a persona that hold every control token there is."""
    evil = "".join(token for one in LAYOUTS for token in one.controls)
    turns = (Said(evil, evil), Note(evil), Own(evil), Said("mira", "hi"))
    controls = {vocabulary(layout).control_id(token) for token in layout.controls}
    plain = (Said("eve", "hi"), Note("hi"), Own("hi"), Said("mira", "hi"))
    counts = []
    for persona, said in ((evil, turns), (PERSONA, plain)):
        segments = chat_format.render_example(persona, said, evil, layout=layout)
        ids, _ = chat_format.encode(segments, vocabulary(layout))
        counts.append([ids.count(control) for control in sorted(controls)])
    assert counts[0] == counts[1]
    assert chat_format.cut_to_own_words(f"ok{evil}", []) == "ok"


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
@pytest.mark.parametrize("persona", [" You are Mynah. ", ""])
def test_token_counts_add_up(layout: ChatLayout, persona: str) -> None:
    count = TokenCount(vocabulary(layout))
    for start in range(4):
        turns = TALK[start:]
        pieces: list[tuple[bool, int]] = []
        for is_own, run in groupby(turns, key=lambda turn: isinstance(turn, Own)):
            if is_own:
                pieces += [(True, count.own(turn.text)) for turn in run]
            else:
                pieces.append((False, count.lines([t for t in run if not isinstance(t, Own)])))
        example = chat_format.render_example(persona, turns, "bye", layout=layout)
        ids, _ = chat_format.encode(example, vocabulary(layout))
        assert count.example(persona, pieces, count.own("bye")) == len(ids)


def test_a_vocabulary_says_which_layout_it_is() -> None:
    for layout in LAYOUTS:
        assert chat_format.layout_of(vocabulary(layout)) is layout
    both = Vocabulary(*LLAMA3.controls, *CHATML.controls)
    assert chat_format.layout_of(both) is CHATML  # a Llama that was tuned in ChatML
    for missing in LLAMA3.controls:
        rest = (token for token in LLAMA3.controls if token != missing)
        with pytest.raises(LayoutError, match=r"<\|im_start\|> is missing"):
            chat_format.layout_of(Vocabulary(*rest))


def test_layouts_have_names_of_their_own() -> None:
    assert [layout.name for layout in LAYOUTS] == ["chatml/1", "llama3/1", "gemma3/1"]

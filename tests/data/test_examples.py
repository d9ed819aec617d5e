"""An example and its JSON line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data.examples import (
    Example,
    ExampleError,
    as_messages,
    from_json_line,
    read_examples,
    to_json_line,
)
from model.chat_format import Note, Own, Said, as_text, render_example

EXAMPLE = Example(
    "8",
    "You are Mynah.",
    (
        Said("mira", "soup?\nnow"),
        Note('bob on 3 May 2025: "no"'),
        Own("hm"),
        Said("bob", "ok 🔥"),
        Said("bob", "or not", goes_on=True),
    ),
    "yes\nsoup",
    3,
    (1, 2, 4, 5, 6, 7, 8),
    500,
    4,
    40,
    2,
    (7, 8),
)


def test_a_line_reads_back_as_it_was() -> None:
    text = to_json_line(EXAMPLE)
    assert text.count("\n") == 1
    assert from_json_line(text) == EXAMPLE


def test_the_standard_form_renders_to_the_same_text() -> None:
    standard = "".join(
        f"<|im_start|>{message['role']}\n{message['content']}<|im_end|>\n"
        for message in as_messages(EXAMPLE)
    )
    assert standard == as_text(render_example(EXAMPLE.persona, EXAMPLE.turns, EXAMPLE.reply))


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    broken = json.loads(to_json_line(EXAMPLE)) | {"turns": [["sung", "la"]]}
    path.write_text(to_json_line(EXAMPLE) + json.dumps(broken) + "\n", encoding="utf-8")
    with pytest.raises(ExampleError, match="Line 2"):
        list(read_examples(path))

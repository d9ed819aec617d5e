"""What a model keeps of the persona that it was trained with."""

from __future__ import annotations

from pathlib import Path

import pytest

from model import served_as, trained_on
from model.served_as import ServedAs, of_dataset
from model.trained_on import TrainedOn

BLEND = ("Mynah", "You are Mynah, a regular of The Lantern.")
ROOK = ("Rook", "You are Rook.")


def test_a_set_of_one_persona() -> None:
    served = of_dataset({"persona": BLEND[1], "persona_name": "Mynah"})
    assert served == ServedAs((BLEND,))
    assert served.text("Mynah") == BLEND[1]
    assert served.text("Pip") == "You are Pip, a regular of The Lantern."


def test_a_set_of_several_serves_the_one_that_is_asked_for() -> None:
    rows = [{"name": name, "text": text, "member_ids": [1]} for name, text in (ROOK, BLEND)]
    served = of_dataset({"personas": rows, "persona": BLEND[1], "persona_name": "Mynah"})
    assert served.personas == (BLEND, ROOK)
    assert served.text("Rook") == "You are Rook."
    assert served.text("Pip") == "You are Pip, a regular of The Lantern."


def test_a_name_is_exchanged_as_a_word_alone() -> None:
    served = ServedAs((("Al", "You are Al. Also you know Alma, Al's friend."),))
    assert served.text("C\\1") == "You are C\\1. Also you know Alma, C\\1's friend."
    assert ServedAs((("", "You are here."),)).text("Mynah") == "You are here."


def test_a_set_that_names_none() -> None:
    assert of_dataset({}) == ServedAs()
    assert ServedAs().text("Mynah") == ""


def test_it_goes_with_the_model(tmp_path: Path) -> None:
    first, second = tmp_path / "adapter", tmp_path / "merged"
    first.mkdir()
    second.mkdir()
    assert served_as.read(first) is None
    served_as.pass_on(first, second)
    assert served_as.read(second) is None
    served = ServedAs((BLEND, ("Птица", "Ты Птица.")))
    served_as.write(first, served)
    served_as.pass_on(first, second)
    assert served_as.read(second) == served


@pytest.mark.parametrize("text", [None, "{", '{"personas": 3}'])
def test_one_that_was_tuned_before_is_known_by_what_it_learned(
    tmp_path: Path, text: str | None
) -> None:
    if text is not None:
        (tmp_path / served_as.NAME).write_text(text)
    assert served_as.read(tmp_path) is None
    trained_on.write(tmp_path / trained_on.NAME, TrainedOn(frozenset({1}), frozenset({2})))
    assert served_as.read(tmp_path) == ServedAs()

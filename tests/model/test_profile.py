"""A profile of one's own that says what it cannot: the sentence names the place."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.profile import PROFILES_DIR, ProfileError, load, shipped


def test_all_that_ship_can_be_read() -> None:
    assert {load(name).name for name in shipped()} == set(shipped())


@pytest.mark.parametrize(
    ("given", "instead", "said"),
    [
        ("  learning_rate:", "  learning_rat:", "sft.learning_rat: there is nothing of that name"),
        ("max_length: ", "# max_length: ", "max_length: it is not there"),
        ("  epochs: ", "  epochs: many #", "sft.epochs: Input should be a valid integer"),
        ("name: ", "name: [", "is no YAML file"),
    ],
)
def test_a_mistake_is_named_with_its_place(
    tmp_path: Path, given: str, instead: str, said: str
) -> None:
    text = (PROFILES_DIR / "rtx3070.yaml").read_text(encoding="utf-8")
    assert given in text
    mine = tmp_path / "mine.yaml"
    mine.write_text(text.replace(given, instead, 1), encoding="utf-8")
    with pytest.raises(ProfileError) as found:
        load(str(mine))
    assert said in str(found.value)


def test_none_of_that_name_says_which_there_are() -> None:
    with pytest.raises(ProfileError, match="take one of demo, laptop-cpu, rtx3070"):
        load("rtx4090")

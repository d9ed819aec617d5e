"""What does not fit is made smaller, and what was begun so goes on so."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from model.profile import Profile, load
from model.trainer import OutOfMemoryError
from model.training.fitting import train_what_fits
from model.vram import NoRoomError, smaller

LARGE = load("rtx3070")


def only(fits: Callable[[Profile], bool], tried: list[Profile]) -> Callable[[Profile], bool]:
    """A training on a machine where only that fits."""

    def train(profile: Profile) -> bool:
        tried.append(profile)
        if not fits(profile):
            raise OutOfMemoryError("The memory is too small.")
        return True

    return train


def test_smaller_settings_are_tried_in_order() -> None:
    tried: list[Profile] = []
    assert train_what_fits(
        LARGE, "sft", only(lambda p: p.max_length <= 512, tried), lambda profile: False
    )
    assert [(p.sft.batch_size, p.max_length) for p in tried] == [
        (2, 2048),
        (1, 2048),
        (1, 1024),
        (1, 512),
    ]
    assert {p.sft.batch_size * p.sft.gradient_accumulation for p in tried} == {32}


def test_what_was_begun_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    tried: list[Profile] = []
    train_what_fits(LARGE, "sft", only(lambda p: True, tried), lambda p: p.max_length == 1024)
    assert [(p.sft.batch_size, p.max_length) for p in tried] == [(1, 1024)]
    assert "batch_size 1 with max_length 1024 is taken" in caplog.text


def test_a_refusal_names_what_is_tried_next() -> None:
    tried: list[Profile] = []
    fitting = smaller(LARGE, "sft")

    def train(profile: Profile) -> bool:
        tried.append(profile)
        if profile == LARGE:
            raise NoRoomError("It needs more than there is.", fitting)
        return True

    assert train_what_fits(LARGE, "sft", train, lambda profile: False)
    assert tried == [LARGE, fitting]


def test_the_end_of_the_ladder_is_the_error_itself() -> None:
    with pytest.raises(OutOfMemoryError, match="too small"):
        train_what_fits(LARGE, "sft", only(lambda p: False, []), lambda profile: False)
    refusal = NoRoomError("None of it fits.", None)

    def refuse(profile: Profile) -> bool:
        raise refusal

    with pytest.raises(NoRoomError, match="None"):
        train_what_fits(LARGE, "sft", refuse, lambda profile: False)

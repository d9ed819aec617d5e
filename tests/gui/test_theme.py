"""The theme's colours can be read: contrasts as WCAG 2 computes them."""

from __future__ import annotations

import pytest

from gui import theme

LEAST = 4.5


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["GROUND", "CARD"])
@pytest.mark.parametrize("text", ["TEXT", "MUTED", "GOOD", "WARN", "BAD"])
def test_words_stand_out_from_their_ground(text: str, ground: str, mode: int) -> None:
    assert contrast(getattr(theme, text)[mode], getattr(theme, ground)[mode]) >= LEAST


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["ACCENT", "ACCENT_HOVER"])
def test_words_stand_out_from_the_button(ground: str, mode: int) -> None:
    assert contrast(theme.ON_ACCENT[mode], getattr(theme, ground)[mode]) >= LEAST


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
def test_the_button_grows_darker_under_the_pointer(mode: int) -> None:
    assert luminance(theme.ACCENT_HOVER[mode]) < luminance(theme.ACCENT[mode])


def test_contrasts_that_are_known() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def contrast(one: str, other: str) -> float:
    """From 1 to 21."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    """From 0 to 1, of "#rrggbb"."""
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

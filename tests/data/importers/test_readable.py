"""Raw Discord forms made readable."""

from __future__ import annotations

import pytest

from data.importers.readable import Names, is_placeholder, placeholder, readable

NAMES = Names(members={1: "Mira"}, roles={2: "raiders"}, channels={3: "general"})


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("hi <@1> and <@!1>", "hi @Mira and @Mira"),
        ("<@99> <@&99> <#99>", "@unknown-user @unknown-role #unknown"),
        ("<@&2> to <#3>!", "@raiders to #general!"),
        ("<:pog:123><a:party_blob:45>", ":pog::party_blob:"),
        ("at <t:1714762800:R>", "at 03 May 2024 19:00 UTC"),
        ("<t:999999999999>", "<t:999999999999>"),
        ("</roll dice:77>", "/roll dice"),
        ("<id:customize>", "#customize"),
        (
            "a < b > c <3 <@> <@x> <https://example.org>",
            "a < b > c <3 <@> <@x> <https://example.org>",
        ),
        ("nul\0 here", "nul here"),
        ("half \ud800 letter", "half \ufffd letter"),
        ("<@123456789012345678901>", "<@123456789012345678901>"),
        ("plain", "plain"),
    ],
)
def test_readable(raw: str, said: str) -> None:
    assert readable(raw, NAMES) == said


def test_placeholders_are_one_line_and_recognised() -> None:
    wave = placeholder("sticker", "Wave\n[big]")
    assert wave == "[sticker: Wave (big)]"
    assert is_placeholder(wave)
    assert is_placeholder(f"{wave} {placeholder('embed', 'x' * 5000)}")
    assert not is_placeholder("")
    assert not is_placeholder(f"{wave} look at that]")
    assert not is_placeholder("[link: x]")

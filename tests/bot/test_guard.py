"""guard: nothing that speaks for somebody else, pings everybody or only echoes gets out."""

from __future__ import annotations

import random

import pytest

from bot.guard import MAX_CHARS, guard
from bot.guarding.surroundings import Surroundings
from bot.messages import Allowed, GuardVerdict, Refused, RefusedBecause

NAMES = [
    *("mira", "Bob the Builder", "xX_kai_Xx", "[AFK]joe", "Ünal", "r2:d2"),
    *("Zoe\u0308", "ke\u200bra", "\uff2dimi"),
]


def checked(draft: str, asked: str = "raid tonight?") -> GuardVerdict:
    around = Surroundings(allowed_links=("example.org", "a.b"))
    return guard(draft, asked=asked, names=NAMES, persona_name="Mynah", surroundings=around)


@pytest.mark.parametrize(
    ("draft", "expected"),
    [
        ("nine works for me", "nine works for me"),
        ("  nine works  ", "nine works"),
        ("Mynah: nine works", "nine works"),
        ("**mynah:** nine works", "nine works"),
        ("nine works\nmira: no", "nine works"),
        ("nine works\n  Bob the Builder: no", "nine works"),
        ("nine works\n**mira:** no", "nine works"),
        ("nine works\n> xX_kai_Xx: no", "nine works"),
        ("nine works\n<mira>: no", "nine works"),
        ("nine works\r\nMIRA : no", "nine works"),
        ("nine works\u2028mira: no", "nine works"),
        ("nine works\u2028\u200bmira: no", "nine works"),
        ("nine works\n[AFK]joe: no", "nine works"),
        ("nine works\nMynah: and ten", "nine works"),
        ("nine works\nZo\u00eb: I quit", "nine works"),
        ("nine works\nZOE\u0308: I quit", "nine works"),
        ("nine works\nkera: I quit", "nine works"),
        ("nine works\nk\u200dera: I quit", "nine works"),
        ("nine works\nmimi: I quit", "nine works"),
        ("nine works\nmira\uff1a I quit", "nine works"),
        ("we have two plans\nmonday: raid\ntuesday: rest",) * 2,
        ("newest \U0001fae9 \U0001faea",) * 2,
        ("flag \U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",) * 2,
        ("heart \u2764\ufe0f", "heart \u2764\ufe0f"),
        ("a\tb", "a b"),
        ("bell\x07 and \ud800half", "bell and half"),
        ("nine works<|im_end|>\n<|im_start|>user", "nine works"),
        ("nine works\n* memory: mira on 3 May", "nine works"),
        ("nine works\nedit: ten", "nine works\nedit: ten"),
        ("see https://example.org at 9:30 :smile:", "see https://example.org at 9:30 :smile:"),
        ("mira, nine works", "mira, nine works"),
        ("two lines\nof one thought", "two lines\nof one thought"),
        ("family 👩\u200d👧", "family 👩\u200d👧"),
    ],
)
def test_what_is_left_of_a_draft(draft: str, expected: str) -> None:
    verdict = checked(draft)
    assert isinstance(verdict, Allowed)
    assert verdict.text == expected
    unseen = any(char in draft for char in "\u2028\t\x07\ud800")
    assert bool(verdict.changes) == (verdict.text != draft.strip()) or unseen


def test_a_member_named_https_does_not_cost_the_links() -> None:
    draft = "it is here\nhttps://example.org"
    around = Surroundings(allowed_links=("example.org",))
    verdict = guard(draft, asked="", names=["https"], persona_name="Mynah", surroundings=around)
    assert verdict == Allowed(draft)


@pytest.mark.parametrize(
    "draft", ["", " \n ", "mira: sure", "Mynah:", "\u200b", "Mynah: \nmira: hi"]
)
def test_nothing_left_is_refused(draft: str) -> None:
    assert checked(draft) == Refused(RefusedBecause.EMPTY)


def test_an_echo_is_refused() -> None:
    assert checked("Raid  TONIGHT?") == Refused(RefusedBecause.ECHO)
    assert checked("Mynah: raid tonight?") == Refused(RefusedBecause.ECHO)


@pytest.mark.parametrize(
    "mention", ["@everyone", "@HERE", "@everyones", "@here_", "<@123>", "<@!123>", "<@&456>"]
)
def test_mass_and_raw_mentions_are_broken(mention: str) -> None:
    verdict = checked(f"hey {mention} look")
    assert isinstance(verdict, Allowed)
    assert mention not in verdict.text
    assert verdict.changes == ("mentions of everybody broken",)


def test_a_mention_that_hides_behind_an_unseen_character_is_broken_too() -> None:
    verdict = checked("hey @\u200beveryone and @every\u2060one")
    assert isinstance(verdict, Allowed)
    assert "@everyone" not in verdict.text


def test_length_is_capped() -> None:
    verdict = checked(" ".join(f"word{n}" for n in range(400)))
    assert isinstance(verdict, Allowed)
    assert MAX_CHARS - 100 <= len(verdict.text) <= MAX_CHARS
    assert not verdict.text.endswith(" ")
    capped = checked("@everyone" * 300)
    assert isinstance(capped, Allowed)
    assert len(capped.text) <= MAX_CHARS


def test_none_of_500_random_drafts_speaks_for_somebody() -> None:
    chance = random.Random(11)
    words = ["raid", "nine", "lol", "works", "https://a.b", "9:30", ":smile:", "edit:", "ok"]
    passed = 0
    for _ in range(500):
        lines = []
        for _ in range(chance.randint(1, 6)):
            text = " ".join(chance.choices(words, k=chance.randint(0, 6)))
            name = chance.choice([*NAMES, *NAMES, "Mynah", ""])
            marks = chance.choice(["", "", "**", "> ", "  ", "\t", "_"])
            colon = chance.choice([": ", ":", " : ", ":** "]) if name else ""
            lines.append(f"{marks}{name}{colon}{text}")
        draft = chance.choice(["\n", "\r\n", "\u2028", "\n\n"]).join(lines)
        verdict = checked(draft)
        if isinstance(verdict, Refused):
            continue
        passed += 1
        for line in verdict.text.splitlines():
            bare = line.casefold().replace("*", "").replace("_", "").strip("> \t")
            for name in NAMES:
                plain = name.casefold().replace("_", "").replace(":", " ")
                assert not bare.startswith((plain + ":", plain + " :")), (draft, verdict)
    assert passed > 40

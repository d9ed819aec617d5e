"""What a message's words say of whom it is meant for and what it wants."""

from __future__ import annotations

import time

import pytest

from bot.relevance import (
    Asks,
    Named,
    addressee,
    asks,
    closes,
    goes_on,
    named,
    speaks_to_one,
    spoken_of,
)


@pytest.mark.parametrize(
    ("text", "how"),
    [
        ("mynah", Named.SPOKEN_TO),
        ("MYNAH!", Named.SPOKEN_TO),
        ("mynah, tell me a joke", Named.SPOKEN_TO),
        ("mynah tell me a joke", Named.SPOKEN_TO),
        ("hey mynah good morning", Named.SPOKEN_TO),
        ("ok so, mynah: what now", Named.SPOKEN_TO),
        ("@Mynah hi", Named.SPOKEN_TO),
        ("what say you, MYNAH?", Named.SPOKEN_TO),
        ("thanks mynah", Named.SPOKEN_TO),
        ("love you mynah", Named.SPOKEN_TO),
        ("was denkst du, mynah", Named.SPOKEN_TO),
        ("the guild, mynah, is falling apart", Named.SPOKEN_TO),
        ("is mynah around?", Named.SPOKEN_TO),
        ("mynah bird", Named.SPOKEN_TO),
        ("mynah said so yesterday", Named.SPOKEN_OF),
        ("lol mynah is broken again", Named.SPOKEN_OF),
        ("i like mynah", Named.SPOKEN_OF),
        ("i was talking to mynah.", Named.SPOKEN_OF),
        ("bob and mynah were here", Named.SPOKEN_OF),
        ("so then mynah went home", Named.SPOKEN_OF),
        ("mynahs are birds", Named.NOT),
        ("hominahs", Named.NOT),
        ("", Named.NOT),
    ],
)
def test_how_it_is_named(text: str, how: Named) -> None:
    assert named(text, "Mynah") is how


def test_names_that_are_no_words() -> None:
    assert named("c++ (bot), are you there", "C++ (bot)") is Named.SPOKEN_TO
    assert named("anything", "") is Named.NOT


NAMES = ("Bob the Builder", "mira", "toast", "Zoë")


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("bob: hi", "Bob the Builder"),
        ("Bob the Builder, hi", "Bob the Builder"),
        ("hey bob", "Bob the Builder"),
        ("bob you there", "Bob the Builder"),
        ("bob, no", "Bob the Builder"),
        ("@mira lol", "mira"),
        ("lol @mira", "mira"),
        ("mira try this", "mira"),
        ("MIRA", "mira"),
        ("what do you think, mira?", "mira"),
        ("what do you think mira?", "mira"),
        ("is there soup on your stove, mira? safety check", "mira"),
        ("zoë, und du?", "Zoë"),
        ("toast you ok", "toast"),
        ("toast: hi", "toast"),
        ("toast is nice", None),
        ("toast with butter", None),
        ("mira said so", None),
        ("i saw mira yesterday", None),
        ("do you know mira", None),
        ("boba tea", None),
        ("", None),
    ],
)
def test_who_else_is_addressed(text: str, who: str | None) -> None:
    assert addressee(text, NAMES) == who


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("can someone help me", Asks.HELP),
        ("does anyone know a good pizza place", Asks.HELP),
        ("anyone up for a raid?", Asks.HELP),
        ("hi all, anybody here", Asks.HELP),
        ("who wants cake", Asks.HELP),
        ("i'm looking for a good headset", Asks.HELP),
        ("any recommendations for a headset", Asks.HELP),
        ("kann mir jemand helfen", Asks.HELP),
        ("i asked someone who said no", Asks.NOTHING),
        ("someone had special brownies this morning", Asks.NOTHING),
        ("what's for dinner?", Asks.ROOM),
        ("how do i install the old drivers", Asks.ROOM),
        ("is there a phone for the repair shop?", Asks.ROOM),
        ("how do i install this", Asks.SOMEBODY),
        ("does it fix the one where quill spins forever?", Asks.SOMEBODY),
        ("should I still hit the F2 key?", Asks.SOMEBODY),
        ("are you guys coming?", Asks.ROOM),
        ("wo finde ich den keller?", Asks.ROOM),
        ("did you eat?", Asks.SOMEBODY),
        ("huh?", Asks.SOMEBODY),
        ("why", Asks.NOTHING),
        ("ok", Asks.NOTHING),
        ("", Asks.NOTHING),
    ],
)
def test_what_is_asked(text: str, what: Asks) -> None:
    assert asks(text) is what


def test_what_goes_on_and_what_ends_a_talk() -> None:
    for text in ("why?", "lol true", "and then", "but what of the cake", "you too", "really"):
        assert goes_on(text), text
        assert not closes(text), text
    for text in ("ok", "OK!", "thanks", "thanks a lot!", "lol", "haha nice", "😂", "...", "gn all"):
        assert closes(text), text
    for text in ("the cellar is wet", "i had soup"):
        assert not goes_on(text), text
        assert not closes(text), text
    for text in ("thanks, will try that", "oh nice, thank you so much mynah", "cheers, off to bed"):
        assert closes(text), text
    for text in ("thanks to the patch it crashes", "thanks, but how much?", "tyler is here"):
        assert not closes(text), text
    assert not closes("ok?")
    assert speaks_to_one("sounds like you broke it")
    assert not speaks_to_one("did you break it?")
    assert not speaks_to_one("good morning you all")


def test_what_is_spoken_of() -> None:
    subjects = ("raids", "retro games", "cat", "C++", "!!")
    assert spoken_of("we were raiding, and a Cat sat there", subjects) == ("raids", "cat")
    assert spoken_of("a retro-game!", subjects) == ("retro games",)
    assert spoken_of("games that are retro; category; raiders", subjects) == ("raids",)
    assert spoken_of("anything", ()) == ()


def test_long_lines_take_no_time() -> None:
    names = [f"name{n}" for n in range(60)]
    pieces = ("you ", "mynah ", "hey ", ", ", "name7 ", "a", "k", "!", "ha", ":ok:", "good night ")
    for piece in pieces:
        text = (piece * 4000)[:3990] + " what"
        began = time.process_time()
        named(text, "Mynah"), addressee(text, names), asks(text), closes(text), goes_on(text)
        spoken_of(text, ("retro games", "cats"))
        assert time.process_time() - began < 0.1, piece

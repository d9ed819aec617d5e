"""compose: prompts fit, keep their newest lines, and grow without moving until they are halved."""

from __future__ import annotations

import random

import pytest

from bot.compose import (
    LEAST_IN_VIEW,
    MARGIN_TOKENS,
    NoRoomError,
    caught_up,
    compose,
    read_ids,
    turns_read,
    turns_to_leave,
)
from bot.messages import Prompt
from model.chat_format import Note, Own, Said, Turn, encode, persona_text, render, render_ask
from tests.bot.scene import ByteTokenizer

TOKENS = ByteTokenizer()
PERSONA = "You are Mynah."


def composed(turns: list[Turn], context: int = 600, reply: int = 100) -> Prompt:
    return compose(PERSONA, turns, TOKENS, context_tokens=context, max_reply_tokens=reply)


def test_a_short_transcript_is_rendered_whole() -> None:
    turns: list[Turn] = [Said("mira", "hi"), Own("yo"), Said("Bob", "raid?"), Note("mira said no")]
    prompt = composed(turns)
    assert list(prompt.ids) == encode(render_ask(PERSONA, turns), TOKENS)[0]
    assert prompt.turns == tuple(turns)
    assert prompt.names == ("mira", "Bob")
    assert prompt.dropped == 0
    assert prompt.tokens == len(prompt.ids)


def test_later_prompts_begin_with_the_earlier_ones_until_halved() -> None:
    chance = random.Random(5)
    turns: list[Turn] = []
    before: Prompt | None = None
    halvings = 0
    for number in range(300):
        if chance.random() < 0.2:
            turns.append(Note("mira on 3 May 2025: 'y'"))
        turns.append(Said(f"member{number % 5}", "x" * chance.randint(1, 60)))
        prompt = composed(turns, context=1600)
        assert prompt.tokens <= 1600 - 100 - MARGIN_TOKENS
        assert prompt.turns == tuple(turns[prompt.dropped :])
        if prompt.dropped:
            halvings += 1
            assert prompt.tokens <= 900
        elif before is not None:
            # All that was said before stands where it stood; only the asking end is new.
            shared = encode(render(PERSONA, before.turns), TOKENS)[0]
            assert list(prompt.ids[: len(shared)]) == shared
        turns = turns[prompt.dropped :]
        if chance.random() < 0.5:
            turns.append(Own("z" * chance.randint(1, 30)))
            # The whole prompt, the header of the own turn too, begins the next one.
            longer = composed([*turns, Said("mira", "ok")], context=10_000)
            assert longer.ids[: prompt.tokens] == prompt.ids
        before = Prompt(prompt.ids, PERSONA, tuple(turns), prompt.names)
    assert 5 <= halvings <= 60  # by halves, not one line at a time


def test_a_message_longer_than_the_room_is_shortened() -> None:
    prompt = composed([Said("bob", "old"), Note("n" * 100), Said("mira", "ä" * 4000)])
    assert prompt.tokens <= 600 - 100 - MARGIN_TOKENS
    assert isinstance(prompt.turns[0], Said)
    assert prompt.turns[0].text.startswith("äää")
    assert prompt.tokens > 400


def test_a_note_stays_with_its_message_while_there_is_room() -> None:
    turns: list[Turn] = [Said("mira", "x" * 50) for _ in range(20)]
    turns += [Note("z" * 100), Said("bob", "y" * 250)]
    assert composed(turns).turns == (turns[-2], turns[-1])


def test_a_persona_that_fills_the_context_is_refused_with_the_remedy() -> None:
    with pytest.raises(NoRoomError, match="shorten the persona"):
        compose("p" * 900, [Said("mira", "hi")], TOKENS, context_tokens=512, max_reply_tokens=50)
    with pytest.raises(NoRoomError):
        compose("p" * 900, [], TOKENS, context_tokens=512, max_reply_tokens=50)


def test_other_braces_of_a_persona_stay() -> None:
    text = persona_text("{name} of {server} says {} and {x}", name="Mynah", server="The Lantern")
    assert text == "Mynah of The Lantern says {} and {x}"


def left_of(turns: list[Turn], *, read: int, within: int) -> tuple[Turn, ...]:
    """What the prompt shows where the first `read` turns are read, but for those."""
    prompt = composed(turns, context=10_000)
    shown = caught_up(PERSONA, prompt, TOKENS, read=read, within=within)
    assert list(shown.ids) == encode(render_ask(PERSONA, shown.turns), TOKENS)[0]
    assert shown.turns[:read] == tuple(turns[:read])
    assert shown.unread == len(turns) - len(shown.turns)
    assert shown.names == prompt.names  # whoever is in the room, no draft speaks for them
    return shown.turns[read:]


def test_of_lines_that_are_not_read_yet_the_newest_are_caught_up_with() -> None:
    long = [Said(f"member{n}", "x" * 90) for n in range(8)]
    late = [Said("mira", "a" * 20), Said("Bob", "b" * 20), Said("mira", "c" * 20)]
    asked: list[Turn] = [Note("Bob said no"), Said("Ann", "Mynah?")]
    turns: list[Turn] = [*long, *late, *asked]
    assert left_of(turns, read=8, within=0) == tuple(asked)
    assert left_of(turns, read=8, within=30) == (late[-1], *asked)
    assert left_of(turns, read=8, within=1_000) == (*late, *asked)
    assert left_of(turns, read=11, within=0) == tuple(asked)
    assert left_of(turns, read=13, within=0) == ()  # all of it, the line that asks too
    by_mira: list[Turn] = [*turns[:-1], Said("mira", "Mynah?")]
    # What the asker said just before belongs to the question; what stood between goes.
    assert left_of(by_mira, read=8, within=40) == (late[-1], *by_mira[-2:])
    others: list[Turn] = [*long, late[0], Said("Bob", "b" * 90), *asked[:1], Said("mira", "Mynah?")]
    assert left_of(others, read=8, within=40) == (late[0], *others[-2:])


def test_behind_a_gap_nothing_goes_on() -> None:
    """What stands before the gap may be another's of that name."""
    long = [Said(f"member{n}", "x" * 90) for n in range(8)]
    burst = [Said("mira", "a" * 90), *(Said("mira", c * 20, goes_on=True) for c in "bcd")]
    turns: list[Turn] = [*long, *burst]
    assert left_of(turns, read=9, within=60) == (burst[1], *burst[2:])
    assert left_of(turns, read=9, within=30) == (Said("mira", "c" * 20), burst[3])
    assert left_of(turns, read=9, within=0) == (Said("mira", "d" * 20),)
    between = [*long, burst[0], Said("mira", "z" * 90), *burst[1:]]
    assert left_of([*between[:-1], burst[3]], read=8, within=60) == (
        Said("mira", "b" * 20), burst[2], burst[3],
    )  # fmt: skip


def test_a_talk_is_not_cut_in_the_midst_of_what_somebody_says_unless_that_is_most_of_it() -> None:
    others: list[Turn] = [Said(f"member{n % 3}", "x" * 20) for n in range(30)]
    for length in (2, 3, 5, 7):
        turns = list(others)
        for n in range(10, 30):
            turns[n] = Said(f"mira{n // length}", "y" * 20, goes_on=n % length > 0)
        prompt = composed(turns)
        left = turns_to_leave(PERSONA, turns, TOKENS, prompt.tokens * 2)
        for first in (prompt.turns[0], turns[left]):
            assert isinstance(first, Said)
            assert not first.goes_on
        assert min(prompt.dropped, left) > 10
    monologue: list[Turn] = [Said("mira", f"{n} " + "y" * 20, goes_on=n > 0) for n in range(40)]
    prompt = composed(monologue)
    assert 200 < prompt.tokens < 400
    text = bytes(token for token in prompt.ids if token < 256).decode()
    assert f"user\nmira: {prompt.dropped} yyy" in text
    assert 30 < turns_to_leave(PERSONA, monologue, TOKENS, 500) < 35


def test_an_answer_has_something_in_view_however_little_was_read() -> None:
    turns: list[Turn] = [Said("mira", "x" * 50) for _ in range(40)]
    shown = left_of(turns, read=0, within=0)
    assert LEAST_IN_VIEW - 100 < len(read_ids(PERSONA, shown[:-1], TOKENS)) <= LEAST_IN_VIEW
    assert shown == tuple(turns[-len(shown) :])


def test_turns_read_counts_whole_ones() -> None:
    turns: list[Turn] = [Said("mira", "x" * 50), Own("y" * 20), Said("Bob", "z" * 30)]
    ends = [len(read_ids(PERSONA, turns[:n], TOKENS)) for n in range(4)]
    for n in range(3):
        assert turns_read(PERSONA, turns, TOKENS, ends[n]) == n
        assert turns_read(PERSONA, turns, TOKENS, ends[n + 1] - 1) == n
    assert turns_read(PERSONA, turns, TOKENS, ends[3]) == 3
    assert turns_read(PERSONA, turns, TOKENS, 0) == 0

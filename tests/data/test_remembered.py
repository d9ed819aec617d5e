"""Which notes an example shows, and where."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from bot import reader
from bot.transcript import Line, Transcript
from data import recollection, remembered, shown
from data.preprocessor import CleanMessage, clean
from model.chat_format import NOTE_PREFIX, Note, Said, as_text, line, render
from storage.settings import Settings
from tests.data.planned import Built, assert_exact, hidden, with_rare_words
from tests.data.talk import MEMBERS, history

ASKED_LETTERS = 120


@pytest.fixture
def long_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A letter is a token here."""
    monkeypatch.setattr(remembered, "MOST_NOTE_TOKENS", 200)
    monkeypatch.setattr(remembered, "MOST_NOTE_SHARE", 0.2)
    monkeypatch.setattr(remembered, "ASKED_NOTE_TOKENS", ASKED_LETTERS)
    monkeypatch.setattr(shown, "ASKED_NOTE_TOKENS", ASKED_LETTERS)


@pytest.mark.usefixtures("long_notes")
def test_counts_are_exact_and_notes_allowed_where_somebody_is_hidden() -> None:
    messages = hidden(clean(history(1500)[0], MEMBERS)[0], "kai", "Dove")
    messages = with_rare_words(messages)
    built = Built(messages, note_share=1.0)
    shown = {m.message_id for m in messages if not m.not_shown}
    assert len(built.examples) > 100
    assert any(isinstance(turn, Note) for example in built.examples for turn in example.turns)
    for example in built.examples:
        assert_exact(example, 1024)
        assert shown.issuperset(example.source_ids)


@pytest.mark.usefixtures("long_notes")
def test_notes_are_older_real_messages_of_somebody_else_where_they_were_recalled() -> None:
    messages = with_rare_words(clean(history(2000)[0], MEMBERS)[0])
    built = Built(messages, note_share=1.0)
    noted = [(p, e) for p, e in zip(built.plans, built.examples, strict=True) if p.notes]
    assert len(noted) > 0.3 * len(built.plans)
    places: Counter[str] = Counter()
    for plan, example in noted:
        own = built.channels[plan.channel_id]
        assert len({note.message for note in plan.notes}) == len(plan.notes)
        for note in plan.notes:
            assert note.message < plan.start <= note.place < plan.target
            assert own[note.message].author_id != example.target_author_id
            assert own[note.place].author_id != example.target_author_id
            assert own[note.message].message_id in example.source_ids
            places["asked" if plan.target == note.place + 1 else "before"] += 1
        assert sum(isinstance(turn, Note) for turn in example.turns) == len(plan.notes)
    assert places["asked"] > 60
    assert places["before"] > 60
    half = [plan for plan in Built(messages, note_share=0.5).plans if plan.notes]
    assert 0.35 < len(half) / len(noted) < 0.65
    assert not any(plan.notes for plan in Built(messages, note_share=0.0).plans)


@pytest.mark.usefixtures("long_notes")
def test_a_note_stands_in_its_place_in_every_example_that_shows_the_line() -> None:
    """As in a transcript: what was recalled while reading was recalled whoever is asked later."""
    built = Built(with_rare_words(clean(history(3000)[0], MEMBERS)[0]), note_share=1.0)
    recalled: dict[tuple[int, int], set[int]] = {}
    for plan in built.plans:
        for note in plan.notes:
            between = built.channels[plan.channel_id][note.place : plan.target]
            if len({message.author_id for message in between}) > 1:  # not the asked line
                recalled.setdefault((plan.channel_id, note.place), set()).add(note.message)
    assert len(recalled) > 50
    assert all(len(found) == 1 for found in recalled.values())


@pytest.mark.usefixtures("long_notes")
def test_what_is_recalled_for_the_asked_line_parts_what_was_said_in_a_row() -> None:
    """As the bot puts it before the newest line alone."""
    messages = with_rare_words(clean(history(3000)[0], MEMBERS)[0])
    built = Built([in_a_row(messages, at) for at in range(len(messages))], note_share=1.0)
    parted = 0
    for plan, example in zip(built.plans, built.examples, strict=True):
        own = built.channels[plan.channel_id]
        assert_exact(example, 1024)
        asked = plan.target - 1
        is_joined = asked > plan.start and own[asked - 1].author_id == own[asked].author_id
        if not (is_joined and any(note.place == asked for note in plan.notes)):
            continue
        parted += 1
        lines = [Line(turn) for turn in example.turns if not isinstance(turn, Note)]
        notes = [Line(turn) for turn in example.turns if isinstance(turn, Note)]
        turns = Transcript(tuple(lines)).recalled(notes[-1:]).turns
        assert isinstance(turns[-1], Said)
        assert isinstance(turns[-2], Note)
        shown = as_text(render("", example.turns)).splitlines()
        assert shown[-1] == as_text(render("", turns)).splitlines()[-1]
        assert shown[-1].startswith(f"{own[asked].name}: ")
        assert shown[-2].startswith(NOTE_PREFIX)
    assert parted > 10


@pytest.mark.usefixtures("long_notes")
def test_what_is_recalled_for_the_asked_line_takes_no_more_than_the_bot_s() -> None:
    messages = with_rare_words(clean(history(2000)[0], MEMBERS)[0])
    built = Built(messages, note_share=1.0)
    asked: list[int] = []
    for plan, example in zip(built.plans, built.examples, strict=True):
        notes = [turn for turn in example.turns if isinstance(turn, Note)]
        short = [
            len(line(turn))
            for turn, planned in zip(notes, plan.notes, strict=True)
            if planned.recalled.asked_at is not None
        ]
        assert sum(short) <= ASKED_LETTERS
        asked += short
    assert len(asked) > 60


def in_a_row(messages: list[CleanMessage], at: int) -> CleanMessage:
    """Every fourth line is said by whoever said the one before, right behind it."""
    message, before = messages[at], messages[max(0, at - 1)]
    if at % 4 != 1 or before.channel_id != message.channel_id:
        return message
    author, name = before.author_id, before.name
    at_ms = min(message.created_at_ms, before.created_at_ms + 60_000)
    return replace(message, author_id=author, name=name, created_at_ms=at_ms, reply_to_id=None)


def test_notes_are_as_frequent_as_the_bot_s() -> None:
    assert recollection.LINES_BETWEEN == reader.LINES_BETWEEN_NOTES
    assert max(remembered.ASKED_NOTES) <= Settings({}).whole("recall_notes")

"""recall: finds by words and by vectors, and never what must not be shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bot.fusion import Ways
from bot.messages import Memories
from bot.query_words import content_words
from bot.recall import Asked, Recall
from storage.database import Database
from storage.records import ChannelRecord, Origin, Readers
from storage.vectordb import VectorIndex
from tests.bot.scene import BOB, GUILD_ID, MIRA, TAVERN, incoming, record


def find(
    recall: Recall,
    text: str,
    *,
    limit: int = 8,
    in_view: tuple[int, ...] = (),
    channel: ChannelRecord = TAVERN,
    **more: Any,
) -> Memories:
    message = incoming(text, channel=channel)
    rest = recall.named_in(text, message.record.created_at_ms).rest
    return recall.find(message, recall.embed(rest), limit=limit, in_view=in_view, said=[], **more)


def test_words_alone_find_and_the_hidden_stays_hidden(database: Database) -> None:
    found = find(Recall(database), "another dungeon tonight?")
    assert [memory.message_id for memory in found.items] == [1]
    assert found.notes[0].text == 'mira on 3 May 2025: "never again a dungeon before nine"'
    assert found.found_by == ("full text",)


def test_exclusion_counts_at_once(database: Database) -> None:
    recall = Recall(database)
    assert find(recall, "dungeon").items
    database.set_excluded(MIRA.member_id, True)
    assert not find(recall, "dungeon").items


def test_what_is_in_view_is_not_recalled(database: Database) -> None:
    assert not find(Recall(database), "dungeon", in_view=(1,)).items
    recall = Recall(database)
    said = ["Never again a  DUNGEON before nine"]
    assert not recall.find(incoming("dungeon"), None, limit=5, in_view=(), said=said).items


def test_the_same_words_are_recalled_once_and_the_playground_never(database: Database) -> None:
    database.upsert_messages(
        [
            record(20, MIRA, "never again a dungeon before nine"),
            replace(record(21, MIRA, "a dungeon of the terminal"), origin=Origin.PLAYGROUND),
        ]
    )
    assert len(find(Recall(database), "dungeon").items) == 1


def test_personal_data_does_not_come_back_through_a_note(database: Database) -> None:
    database.upsert_messages(
        [
            record(20, MIRA, "the dungeon master is at (202) 555-0119 <@123456789012345678>"),
            record(21, MIRA, "!dungeon roll for me"),
        ]
    )
    notes = find(Recall(database), "master of the dungeon").notes
    assert notes[0].text.endswith('"the dungeon master is at [phone] @someone"')
    assert not any("roll" in note.text for note in notes)


def test_the_limit_holds(database: Database) -> None:
    database.upsert_messages(
        [record(30 + n, MIRA, f"dungeon number {n} was fun") for n in range(9)]
    )
    assert len(find(Recall(database), "dungeon", limit=2).items) == 2
    assert find(Recall(database), "dungeon", limit=0) == Memories()


def test_common_words_find_nothing(database: Database) -> None:
    assert content_words("What's up, are they just like that again?") == []
    assert find(Recall(database), "how are you again") == Memories()


class Directions:
    """An embedder of three directions: cake, sleep, anything else. Stands where a model would."""

    dimensions = 8

    def embed(self, lines: list[str]) -> np.ndarray:
        rows = np.zeros((len(lines), 8), np.float32)
        for row, line in zip(rows, lines, strict=True):
            row[0 if "cake" in line or "pastry" in line else 1 if "slept" in line else 2] = 1
        return rows


def test_vectors_find_what_shares_no_word(database: Database, tmp_path: Path) -> None:
    embedder = Directions()
    index = VectorIndex(tmp_path / "vectors", 8)
    messages = list(database.messages())
    index.add([m.message_id for m in messages], embedder.embed([m.content for m in messages]))
    recall = Recall(database, index=index, embedder=embedder)  # type: ignore[arg-type]
    found = find(recall, "some sweet pastry maybe")
    assert [memory.message_id for memory in found.items] == [6]
    assert found.found_by == ("vectors",)
    both = find(recall, "cake in the dungeon?")
    assert [memory.message_id for memory in both.items] == [6]  # the dungeon is about sleep
    assert both.found_by == ("full text", "vectors")


# -- where it may be heard ---------------------------------------------------------------------

OPEN, FOR_STAFF = Readers(everyone=True), Readers(may=frozenset({901}))
OFFICE = ChannelRecord(502, GUILD_ID, "The Lantern", "office", readers=FOR_STAFF)
SQUARE = ChannelRecord(503, GUILD_ID, "The Lantern", "square", readers=OPEN)
IMPORTED = ChannelRecord(504, GUILD_ID, "The Lantern", "imported")


def told_in_three_rooms(database: Database) -> Recall:
    database.upsert_channels([OFFICE, SQUARE, IMPORTED])
    database.upsert_messages(
        [
            record(40, BOB, "the vault of the office holds gold", OFFICE),
            record(41, BOB, "a vault on the square holds flowers", SQUARE),
            record(42, BOB, "an imported vault holds letters", IMPORTED),
        ]
    )
    return Recall(database)


def test_the_office_is_heard_in_the_office_alone(database: Database) -> None:
    recall = told_in_three_rooms(database)

    def heard(channel: ChannelRecord) -> set[int]:
        found = find(recall, "what is in the vault", channel=channel)
        return {memory.message_id for memory in found.items}

    assert heard(OFFICE) == {40, 41}
    assert heard(SQUARE) == {41}
    assert heard(IMPORTED) == {41, 42}
    # Who comes along with a message counts less than what is stored.
    assert heard(replace(SQUARE, readers=FOR_STAFF)) == {41}
    database.set_readers({OFFICE.channel_id: OPEN})
    assert heard(SQUARE) == {40, 41}
    database.set_readers({OFFICE.channel_id: FOR_STAFF})
    assert heard(SQUARE) == {41}


def test_its_owner_hears_everything_in_the_playground(database: Database) -> None:
    recall = told_in_three_rooms(database)
    message = incoming("what is in the vault", playground=True)
    found = recall.find(message, None, limit=8, in_view=(), said=[])
    assert {memory.message_id for memory in found.items} == {40, 41, 42}


def test_what_must_not_be_heard_takes_no_place(database: Database) -> None:
    recall = told_in_three_rooms(database)
    database.upsert_messages([record(50 + n, BOB, "vault vault vault", OFFICE) for n in range(100)])
    found = find(recall, "what is in the vault", channel=SQUARE)
    assert [memory.message_id for memory in found.items] == [41]


# -- what fits, and what is named --------------------------------------------------------------


def test_the_notes_are_no_longer_than_they_may_be(database: Database) -> None:
    long = "we went to the old mill and there the dungeon was flooded up to the third step again"
    database.upsert_messages([record(20, BOB, long), record(21, BOB, "a dungeon, a small one")])
    count = lambda note: len(note.text)  # noqa: E731
    found = find(Recall(database), "the dungeon?", in_view=(1,), count=count, most_tokens=120)
    assert sum(len(note.text) for note in found.notes) <= 120
    assert {memory.message_id for memory in found.items} == {20, 21}
    assert any("…" in note.text and "dungeon" in note.text for note in found.notes)
    assert find(Recall(database), "dungeon", most_tokens=10, count=lambda note: 11) == Memories()


def test_whose_words_and_when_count_where_the_line_names_them(database: Database) -> None:
    later = replace(record(21, MIRA, "a dungeon of stone"), created_at_ms=1_751_500_000_000)
    rows = [record(20, BOB, "a dungeon of stone by bob"), later]
    database.upsert_messages(rows)
    first = lambda text: find(Recall(database), text, in_view=(1,)).items[0].message_id  # noqa: E731
    assert first("what did bob say of the stone dungeon") == 20
    assert first("what did mira say of the stone dungeon") == 21
    message = incoming("the stone dungeon in July 2025")
    in_july = replace(message.record, created_at_ms=1_752_000_000_000)
    message = replace(message, record=in_july)
    found = Recall(database).find(message, None, limit=1, in_view=(1,), said=[])
    assert [memory.message_id for memory in found.items] == [21]


def test_an_answer_is_found_beside_its_question(database: Database, tmp_path: Path) -> None:
    database.upsert_messages(
        [
            *(record(60 + n, BOB, f"filler line number {n}") for n in range(5)),
            record(70, MIRA, "which torch did the wizard bring"),
            record(71, BOB, "the green one from the shop"),
            *(record(80 + n, BOB, f"another green line {n}") for n in range(9)),
        ]
    )
    asked = Asked("the wizard's torch, green?", TAVERN, 10**13, 900)
    ranked = [one.spoken.message_id for one in Recall(database).rank(asked, None)]
    assert ranked[:2] == [70, 71]
    alone = Recall(database).rank(asked, None, ways=Ways(lent=()))
    assert 71 not in [one.spoken.message_id for one in alone][:2]


def test_nothing_that_was_said_later_is_recalled(database: Database) -> None:
    database.upsert_messages([record(950, BOB, "a dungeon of tomorrow")])
    assert [memory.message_id for memory in find(Recall(database), "dungeon").items] == [1]


def test_a_line_of_no_weight_recalls_nothing_while_nobody_asks(database: Database) -> None:
    assert find(Recall(database), "thanks, dungeon!").items
    assert find(Recall(database), "thanks, dungeon!", only_close=True) == Memories()


def test_a_line_s_vector_is_kept_for_all_who_ask_until_words_are_forgotten(
    database: Database,
) -> None:
    recall = Recall(database)
    vector = np.ones(8, np.float32)
    recall.keep_vector(1, "some words", vector)
    assert recall.kept_vector(1, "some words") is vector
    assert recall.kept_vector(1, "other words") is None
    recall.forget()
    assert recall.kept_vector(1, "some words") is None
    recall.keep_vector(1, "some words", vector)
    for n in range(2, 200):
        recall.keep_vector(n, "x", vector)
    assert recall.kept_vector(1, "some words") is None

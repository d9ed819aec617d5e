"""recall: finds by words and by vectors, and never what must not be shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bot.messages import Memories
from bot.recall import Recall, content_words, fuse
from storage.database import Database
from storage.records import Origin
from storage.vectordb import VectorIndex
from tests.bot.scene import MIRA, incoming, record


def find(recall: Recall, text: str, *, limit: int = 8, in_view: tuple[int, ...] = ()) -> Memories:
    message = incoming(text)
    return recall.find(message, recall.embed(text), limit=limit, in_view=in_view, said=[])


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
    from dataclasses import replace

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
    assert {memory.message_id for memory in both.items} == {6, 1}
    assert both.found_by == ("full text", "vectors")


def test_found_by_both_ways_comes_first() -> None:
    fused = fuse([{1: 9.0, 2: 5.0, 3: 1.0}, {2: 0.9, 4: 0.5}])
    assert max(fused, key=lambda i: fused[i]) == 2
    assert set(fused) == {1, 2, 3, 4}
    assert fuse([{}, {}]) == {}
    assert fuse([{5: 2.0}, {}]) == {5: pytest.approx(0.0)}

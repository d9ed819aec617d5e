"""From reactions in SQLite to preferences in a set, by the whole pipeline."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data.budget import EstimatedTokenizer
from data.consent import check_dataset_may_train
from data.dataset import DatasetOptions, make_dataset
from data.examples import read_examples
from data.personas import PersonaText
from data.preference_rows import KTO, PAIRS, PROMPTS, Row, read_rows
from data.windows import WindowOptions
from storage.database import Database
from storage.manifest import verify_manifest
from storage.records import MessageRecord, Origin, Reaction
from tests.data.talk import MEMBERS, history

PERSONA = PersonaText("Mynah", "You are Mynah.")
LIKED = (Reaction("👍", 2), Reaction("🤔", 9))
DISLIKED = (Reaction("👎🏽", 1), Reaction(":downvote:", 1))
SEEN = (Reaction("👀", 1),)


def with_reactions(records: list[MessageRecord]) -> Iterator[MessageRecord]:
    rng = random.Random(4)
    for record in records:
        drawn = rng.random()
        under = LIKED if drawn < 0.06 else DISLIKED if drawn < 0.1 else SEEN if drawn < 0.2 else ()
        yield replace(record, reactions=under, origin=Origin.SAMPLE)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Database, Path, Any]]:
    folder = tmp_path_factory.mktemp("liked")
    records, channels = history(4000)
    with Database.open(folder / "a.db") as database:
        database.upsert_channels(channels)
        database.upsert_messages(with_reactions(records))
        database.upsert_members(MEMBERS)
        options = DatasetOptions(WindowOptions(max_tokens=400))
        report = make_dataset(database, folder / "set", EstimatedTokenizer(), PERSONA, options)
        yield database, folder / "set", report["preferences"]


def rows_of(folder: Path, side: str) -> list[Row]:
    return [r for n in (KTO, PAIRS, PROMPTS) for r in read_rows(folder / n) if r["side"] == side]


def test_each_label_is_what_people_said(made: tuple[Database, Path, Any]) -> None:
    database, folder, report = made
    labels = {row["id"]: row["label"] for row in read_rows(folder / KTO)}
    reply_ids = {row["id"]: row["reply_ids"] for row in read_rows(folder / KTO)}
    assert len(labels) == report["lines"]["kto"] > 100
    for row_id, label in labels.items():
        found = database.messages_by_id(reply_ids[row_id])
        said = {reaction.emoji for message in found for reaction in message.reactions}
        assert ("👍" if label else "👎🏽") in said
        assert row_id in {str(message.message_id) for message in found}
    assert {True, False} == set(labels.values())
    for row in read_rows(folder / PAIRS):
        chosen, rejected = int(row["id"]), row["reply_ids"][-1]
        assert labels[str(chosen)] is True
        assert labels[str(rejected)] is False


def test_the_sides_share_no_message(made: tuple[Database, Path, Any]) -> None:
    _, folder, _ = made
    training = {i for row in rows_of(folder, "training") for i in row["source_ids"]}
    validation = {i for row in rows_of(folder, "validation") for i in row["source_ids"]}
    assert training
    assert validation
    for side, ids in (("training", training), ("validation", validation)):
        other = "training" if side == "validation" else "validation"
        for example in read_examples(folder / f"{other}_data.jsonl"):
            assert ids.isdisjoint(example.source_ids)


def test_all_is_counted_and_passes_the_door(made: tuple[Database, Path, Any]) -> None:
    database, folder, report = made
    counts = verify_manifest(folder).counts
    lines = {name: len(list(read_rows(folder / name))) for name in (KTO, PAIRS, PROMPTS)}
    assert counts["kto"] == lines[KTO]
    assert counts["preferences"] == lines[PAIRS] == sum(report["pairs"].values()) > 0
    assert counts["preference_prompts"] == lines[PROMPTS] == sum(report["to_sample"].values())
    kto = report["kto"]
    assert lines[KTO] == sum(side["well"] + side["badly"] for side in kto.values())
    assert lines[PAIRS] + lines[PROMPTS] == sum(side["well"] for side in kto.values())
    check_dataset_may_train(folder, database)
    for row in rows_of(folder, "training"):
        assert row["tokens"] <= 400

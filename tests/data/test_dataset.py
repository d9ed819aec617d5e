"""A whole training set: counted, apart, repeatable, refused without a ground."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data.consent import (
    EXCLUDED_MEMBER,
    NOT_OPTED_IN,
    OPTED_OUT,
    ConsentError,
    check_dataset_may_train,
    declare,
)
from data.dataset import DatasetOptions, NoExamplesError, PersonaText, make_dataset
from data.examples import read_examples
from data.windows import WindowOptions
from model.chat_format import NOT_SHARED, Said, persona_text
from storage.database import Database
from storage.manifest import verify_manifest
from storage.records import Origin
from tests.data.talk import ID_OF, MEMBERS, LetterTokenizer, history

PERSONA = PersonaText("Mynah", "You are Mynah.")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory):
    with fill(tmp_path_factory.mktemp("db") / "a.db", Origin.SAMPLE) as opened:
        yield opened


def fill(path: Path, origin: Origin, count: int = 2500) -> Database:
    records, channels = history(count)
    opened = Database.open(path)
    opened.upsert_channels(channels)
    opened.upsert_messages(replace(record, origin=origin) for record in records)
    opened.upsert_members(MEMBERS)  # afterwards: some of them said things before their exclusion
    return opened


def make(database: Database, folder: Path, **options: object) -> dict[str, Any]:
    chosen = DatasetOptions(WindowOptions(max_tokens=1500, **options))  # type: ignore[arg-type]
    return make_dataset(database, folder, LetterTokenizer(), PERSONA, chosen)


def sides(folder: Path):
    return (
        list(read_examples(folder / "training_data.jsonl")),
        list(read_examples(folder / "validation_data.jsonl")),
    )


def test_everything_is_counted(database: Database, tmp_path: Path) -> None:
    report = make(database, tmp_path / "set")
    for what in ("messages", "examples"):
        counted = report[what]
        assert counted["in"] == counted["kept"] + sum(counted["dropped"].values())
    assert report["messages"]["in"] == sum(database.message_counts().values())
    assert report["messages"]["kept"] == report["examples"]["in"]
    assert json.loads((tmp_path / "set" / "dataset_report.json").read_text()) == report
    training, validation = sides(tmp_path / "set")
    assert report["training"]["examples"] == len(training)
    assert report["validation"]["examples"] == len(validation)
    assert report["examples"]["kept"] == len(training) + len(validation)
    assert report["training"]["tokens"] == sum(example.tokens for example in training)
    assert 0.03 < len(validation) / len(training) < 0.25
    manifest = verify_manifest(tmp_path / "set")
    assert report["origins"] == {"sample": report["messages"]["kept"]}
    assert set(manifest.files) == {
        "training_data.jsonl",
        "validation_data.jsonl",
        "dataset_report.json",
    }


def test_the_sides_share_nothing(database: Database, tmp_path: Path) -> None:
    make(database, tmp_path / "set", note_share=1.0)
    training, validation = sides(tmp_path / "set")
    assert training
    assert validation
    for shared in (
        {i for e in training for i in e.source_ids} & {i for e in validation for i in e.source_ids},
        {e.conversation_id for e in training} & {e.conversation_id for e in validation},
        {e.example_id for e in training} & {e.example_id for e in validation},
    ):
        assert not shared


def test_nobody_left_out_is_in_it(database: Database, tmp_path: Path) -> None:
    make(database, tmp_path / "set", note_share=1.0)
    left_out = {m.member_id for m in MEMBERS if m.is_bot or m.is_excluded}
    authors = {m.message_id: m.author_id for m in database.messages(include_deleted=True)}
    for side in sides(tmp_path / "set"):
        for example in side:
            assert not left_out & {authors[i] for i in example.source_ids}


def test_the_same_seed_gives_the_same_files(database: Database, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        make(database, tmp_path / name, seed=seed)
    a, b, c = ((tmp_path / n / "training_data.jsonl").read_bytes() for n in "abc")
    assert a == b != c


def test_a_limit_takes_from_the_whole_history(database: Database, tmp_path: Path) -> None:
    report = make(database, tmp_path / "set", limit=60)
    assert report["examples"]["kept"] == 60
    training, _ = sides(tmp_path / "set")
    assert len({e.channel_id for e in training}) == 2
    ids = [int(e.example_id) for e in training]
    assert max(ids) - min(ids) > 1000


def test_an_export_is_refused_until_a_ground_is_declared(tmp_path: Path) -> None:
    with fill(tmp_path / "e.db", Origin.EXPORT, 300) as database:
        with pytest.raises(ConsentError, match="rule 21"):
            make(database, tmp_path / "set")
        assert not (tmp_path / "set").exists()
        database.record_declaration("ann", "open data", 1)
        with pytest.raises(ConsentError, match="retrieval_only"):
            make(database, tmp_path / "set")
        database.set_config("consent_mode", "opt_in")
        with pytest.raises(ConsentError, match="nobody has opted in"):
            make(database, tmp_path / "set")
        database.set_config("consent_mode", "declared")
        report = make(database, tmp_path / "set")
        assert report["consent"]["declared"] == 'ann declared: "open data"'
        assert report["consent"]["coverage"].startswith("4 of 5 members, 9")
        assert list(report["consent"]["left_out"]) == [EXCLUDED_MEMBER]
        check_dataset_may_train(tmp_path / "set", database)


def test_who_has_not_opted_in_is_a_placeholder_and_no_target(tmp_path: Path) -> None:
    with fill(tmp_path / "e.db", Origin.EXPORT) as database:
        declare(database, "open data")
        database.set_config("consent_mode", "opt_in")
        for name in ("mira", "bob"):
            database.set_consent(ID_OF[name], "opted_in")
        database.set_consent(ID_OF["kai"], "opted_out")
        report = make(database, tmp_path / "set", note_share=1.0)
        said_by = {m.message_id: m.author_id for m in database.messages()}
        examples = [one for side in sides(tmp_path / "set") for one in side]
        assert {said_by[i] for e in examples for i in e.source_ids} == {ID_OF["mira"], ID_OF["bob"]}
        turns = [turn for example in examples for turn in example.turns]
        assert {turn.name for turn in turns if isinstance(turn, Said)} == {"mira", "bob", "someone"}
        assert {t.text for t in turns if t == NOT_SHARED} == {"[not shared]"}
        left_out = report["consent"]["left_out"]
        assert set(left_out) == {NOT_OPTED_IN, OPTED_OUT, EXCLUDED_MEMBER}
        for reason in (NOT_OPTED_IN, OPTED_OUT):
            assert report["examples"]["dropped"][reason] == left_out[reason] > 100
        assert report["consent"]["members_learned_from"] == 2


def test_an_empty_history_is_said(tmp_path: Path) -> None:
    with (
        Database.open(tmp_path / "e.db") as database,
        pytest.raises(NoExamplesError, match="There is no history to learn from"),
    ):
        make(database, tmp_path / "set")


def test_the_persona_is_filled_in() -> None:
    assert (
        persona_text("You are {name} of {server} {x}.", name="Pip", server="Inn")
        == "You are Pip of Inn {x}."
    )


def test_the_main_reason_for_no_examples_is_named(tmp_path: Path) -> None:
    with (
        fill(tmp_path / "e.db", Origin.SAMPLE, 1) as database,
        pytest.raises(NoExamplesError, match=r"mostly for this reason: no context in reach \(1\)"),
    ):
        make(database, tmp_path / "set")

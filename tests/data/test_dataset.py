"""A whole training set: counted, apart, repeatable, refused without a ground."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data import dataset, survey
from data.consent import (
    EXCLUDED_MEMBER,
    NOT_OPTED_IN,
    OPTED_OUT,
    ConsentError,
    check_dataset_may_train,
    declare,
)
from data.conversations import in_true_order
from data.dataset import WRITING, DatasetOptions, NoExamplesError, is_current, make_dataset
from data.examples import Example, read_examples
from data.links.community import fit_community
from data.links.ranker import LinkRanker, prior
from data.personas import Personas, PersonaText
from data.preprocessor import clean
from data.segments import cut
from data.windows import WindowOptions
from model.chat_format import NOT_SHARED, Note, Said, persona_text
from storage.database import Database
from storage.manifest import content_hash, verify_manifest
from storage.records import FIRST_SNOWFLAKE, Origin
from tests.data.talk import ID_OF, MEMBERS, LetterTokenizer, history

PERSONA = PersonaText("Mynah", "You are Mynah.")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory):
    with fill(tmp_path_factory.mktemp("db") / "a.db", Origin.SAMPLE) as opened:
        yield opened


def fill(path: Path, origin: Origin, count: int = 2500, above: int = 0) -> Database:
    """`above` is added to each message's id: what is erased is known by Discord's large ones."""
    records, channels = history(count)
    opened = Database.open(path)
    opened.upsert_channels(channels)
    opened.upsert_messages(
        replace(
            record,
            origin=origin,
            message_id=record.message_id + above,
            reply_to_id=record.reply_to_id and record.reply_to_id + above,
        )
        for record in records
    )
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
    assert sum(map(sum, report["activity"])) == report["messages"]["kept"]
    assert sum(report["links"].values()) == report["messages"]["kept"]
    assert sum(report["conversation_sizes"]["count"]) == report["conversations"]
    for lengths in report["lengths"].values():
        assert sum(lengths["count"]) == report["examples"]["kept"]
        assert len(lengths["upto"]) == len(lengths["count"])
    assert sum(report["kinds"].values()) == report["examples"]["kept"]
    manifest = verify_manifest(tmp_path / "set")
    assert report["origins"] == {"sample": report["messages"]["kept"]}
    assert set(manifest.files) == {
        "training_data.jsonl",
        "validation_data.jsonl",
        "kto_data.jsonl",
        "preference_data.jsonl",
        "preference_prompts.jsonl",
        "dataset_report.json",
    }
    files = {path.name for path in (tmp_path / "set").iterdir()}
    assert files == {*manifest.files, "manifest.json", "dataset_report.html"}  # and no spool


def test_what_is_deleted_meanwhile_is_in_no_file(tmp_path: Path) -> None:
    with fill(tmp_path / "a.db", Origin.SAMPLE, above=FIRST_SNOWFLAKE) as database:
        gone = [record.message_id for record in database.messages()][::3]

        def delete(step: str, done: int, total: int) -> None:
            if step == WRITING and not done:
                database.mark_deleted(gone, 1)

        chosen = DatasetOptions(WindowOptions(max_tokens=1500))
        make_dataset(database, tmp_path / "set", LetterTokenizer(), PERSONA, chosen, delete)
        assert not is_current(tmp_path / "set", database, PERSONA, 1500)
    kept = {i for side in sides(tmp_path / "set") for example in side for i in example.source_ids}
    assert kept
    assert kept.isdisjoint(gone)
    verify_manifest(tmp_path / "set")
    assert (tmp_path / "set" / "dataset_report.html").is_file()  # of what is left


def test_few_replies_cost_no_fit(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The prior would come out of it: the set is the same, made sooner."""
    fitted: list[LinkRanker] = []
    monkeypatch.setattr(dataset, "fit_community", lambda s: fitted.append(fit_community(s)))
    assert make(database, tmp_path / "few")["links_learned_here"] is False
    assert not fitted
    monkeypatch.setattr(dataset, "LEAST_REPLIES", 0)
    make(database, tmp_path / "all")
    assert fitted == [prior()]
    assert content_hash(tmp_path / "few") == content_hash(tmp_path / "all")


def test_a_part_of_the_history_is_no_current_set(database: Database, tmp_path: Path) -> None:
    make(database, tmp_path / "part", limit=20)
    assert not is_current(tmp_path / "part", database, PERSONA, 1500)
    make(database, tmp_path / "part")
    assert is_current(tmp_path / "part", database, PERSONA, 1500)


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


def test_every_context_is_what_stood_there(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted over all examples, of a history that is cut into many segments."""
    monkeypatch.setattr(survey, "cut", lambda records: cut(records, most=300))
    make(database, tmp_path / "set", note_share=0.3)
    messages = in_true_order(clean(database.messages(include_deleted=True), MEMBERS)[0])
    place = {message.message_id: at for at, message in enumerate(messages)}
    training, validation = sides(tmp_path / "set")
    seen: dict[str, set[int]] = {"training": set(), "validation": set()}
    true = 0
    for side, examples in zip(seen, (training, validation), strict=True):
        for example in examples:
            places = [place[i] for i in shown_ids(example)]
            true += places == list(range(places[0], places[0] + len(places)))
            assert {messages[at].channel_id for at in places} == {example.channel_id}
            assert messages[places[-1]].author_id == example.target_author_id
            seen[side].update(example.source_ids)
    assert true == len(training) + len(validation) > 500
    assert validation
    assert not seen["training"] & seen["validation"]


def shown_ids(example: Example) -> tuple[int, ...]:
    """Without what is remembered: of context and reply."""
    notes = sum(isinstance(turn, Note) for turn in example.turns)
    return example.source_ids[notes:]


def test_a_history_in_segments_gives_nearly_what_it_gives_whole(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = make(database, tmp_path / "whole")
    monkeypatch.setattr(survey, "cut", lambda records: cut(records, most=500))
    pieces = make(database, tmp_path / "pieces")
    assert pieces["messages"] == whole["messages"]
    assert pieces["activity"] == whole["activity"]
    assert 0.9 < pieces["examples"]["kept"] / whole["examples"]["kept"] < 1.1
    assert 0.04 < pieces["validation"]["examples"] / pieces["training"]["examples"] < 0.2


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
    a, b, c = (
        {path.name: path.read_bytes() for path in (tmp_path / name).glob("*.json*")}
        for name in "abc"
    )
    for files in (a, b, c):
        del files["manifest.json"]  # it says when
    assert a == b
    assert a["training_data.jsonl"] != c["training_data.jsonl"]


def test_a_limit_takes_from_the_whole_history(database: Database, tmp_path: Path) -> None:
    report = make(database, tmp_path / "set", limit=60)
    assert report["examples"]["kept"] == 60
    training, _ = sides(tmp_path / "set")
    assert len({e.channel_id for e in training}) == 2
    ids = [int(e.example_id) for e in training]
    assert max(ids) - min(ids) > 1000


def test_members_are_learned_as_personas_of_their_own(database: Database, tmp_path: Path) -> None:
    def text_of(name: str) -> str:
        return f"You are {name}."

    personas = Personas.of_targets([("Pip", ["mira", "bob"]), ("Ann", ["kai"])], MEMBERS, text_of)
    options = DatasetOptions(WindowOptions(max_tokens=1500), personas=personas)
    report = make_dataset(database, tmp_path / "set", LetterTokenizer(), PERSONA, options)
    training, validation = sides(tmp_path / "set")
    learned = {(e.target_author_id, e.persona) for e in (*training, *validation)}
    assert learned == {
        (ID_OF["mira"], "You are Pip."),
        (ID_OF["bob"], "You are Pip."),
        (ID_OF["kai"], "You are Ann."),
    }
    assert report["members"]["count"] == 3
    assert report["examples"]["dropped"]["not among the targets asked for"] > 100
    manifest = verify_manifest(tmp_path / "set")
    assert [one["name"] for one in manifest.config["personas"]] == ["Pip", "Ann"]


def test_what_was_deleted_while_it_was_made_is_in_no_file(tmp_path: Path) -> None:
    with fill(tmp_path / "e.db", Origin.SAMPLE, above=FIRST_SNOWFLAKE) as database:
        first = make(database, tmp_path / "first")
        gone = sides(tmp_path / "first")[0][0].source_ids[0]

        def delete(step: str, done: int, total: int) -> None:
            if step == "writing examples":
                database.mark_deleted([gone], 1)

        options = DatasetOptions(WindowOptions(max_tokens=1500))
        make_dataset(database, tmp_path / "set", LetterTokenizer(), PERSONA, options, delete)
        examples = [one for side in sides(tmp_path / "set") for one in side]
        assert not [e for e in examples if gone in e.source_ids]
        assert 0 < first["examples"]["kept"] - len(examples) < 100
        manifest = verify_manifest(tmp_path / "set")
        assert sum(manifest.counts[side] for side in ("training", "validation")) == len(examples)
        check_dataset_may_train(tmp_path / "set", database)


def test_the_steps_tell_how_far_they_are(database: Database, tmp_path: Path) -> None:
    told: dict[str, list[tuple[int, int]]] = {}

    def progress(step: str, done: int, total: int) -> None:
        told.setdefault(step, []).append((done, total))

    options = DatasetOptions(WindowOptions(max_tokens=1500))
    make_dataset(database, tmp_path / "set", LetterTokenizer(), PERSONA, options, progress)
    assert list(told) == [
        "reading and cleaning",
        "learning who answers whom",
        "choosing examples",
        "writing examples",
    ]
    for pairs in told.values():
        assert [done for done, _ in pairs] == sorted(done for done, _ in pairs)
        assert all(done <= total for done, total in pairs)


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

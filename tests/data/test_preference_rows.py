"""Preferences at the door and under erasure: each message in a row is looked up, each row goes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from data import consent
from data.consent import ConsentError, Use, check_dataset_may_train, refused_lines
from data.examples import LAYOUT, ExampleError
from data.forgetting import forget_member, forget_messages, resume
from data.forgetting_models import learned_by
from data.member_view import view_of
from data.preference_rows import FILES, KTO, LEARNED, PAIRS, PROMPTS, read_rows
from data.sampled import Drawn, complete, mark_of
from model import trained_on
from storage.manifest import (
    ADDED_LATER,
    content_hash,
    read_manifest,
    verify_manifest,
    write_manifest,
)
from storage.model_registry import ModelRegistry
from storage.records import DELETED_MESSAGE, FORGOTTEN_MEMBER, ModelVersion
from tests.data.liked import ANN, BOB, CID, DEE, EVE, Liked, liked, message_id, words


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Liked]:
    with liked(tmp_path) as one:
        yield one


def refused(made: Liked) -> set[tuple[str, int]]:
    """File and line of what may not be trained on."""
    found = [where.split(" of ") for where, _ in refused_lines(made.folder, made.database)]
    return {(Path(path).name, int(line.removeprefix("Line "))) for line, path in found}


def lines_of(made: Liked, name: str) -> dict[str, int]:
    """By the id of the reply, in which line it stands."""
    return {row["id"]: n for n, row in enumerate(read_rows(made.folder / name), start=1)}


def test_the_set_is_as_it_was_meant(made: Liked) -> None:
    ids = [str(i) for i in made.reply_ids]
    assert sorted(lines_of(made, KTO)) == ids
    (pair,) = read_rows(made.folder / PAIRS)
    assert (pair["chosen"], pair["rejected"]) == (words(0, 2), words(1, 2))
    assert sorted(lines_of(made, PROMPTS)) == [ids[2], ids[3], ids[4]]
    check_dataset_may_train(made.folder, made.database)


# -- the door -------------------------------------------------------------------------------------


def test_the_author_of_a_rejected_reply_says_no(made: Liked) -> None:
    made.database.set_consent(DEE, "opted_out")
    dees = lines_of(made, KTO)[str(made.reply_ids[1])]
    assert refused(made) == {(KTO, dees), (PAIRS, 1)}
    with pytest.raises(ConsentError, match=r"kto_data\.jsonl may not be trained on: .*opted out"):
        check_dataset_may_train(made.folder, made.database)
    made.database.set_consent(DEE, "unset")
    check_dataset_may_train(made.folder, made.database)


def test_somebody_in_a_context_is_excluded(made: Liked) -> None:
    made.database.set_excluded(ANN, True)
    everywhere = {(name, n) for name in FILES.values() for n in lines_of(made, name).values()}
    assert refused(made) == everywhere | {("training_data.jsonl", 1), ("validation_data.jsonl", 1)}


def test_a_rejected_message_is_deleted(made: Liked) -> None:
    made.database.mark_deleted([made.reply_ids[1]], 5)
    dees = lines_of(made, KTO)[str(made.reply_ids[1])]
    assert refused(made) == {(KTO, dees), (PAIRS, 1)}


@pytest.mark.parametrize("use", [Use.CONTEXT, Use.TARGET])
def test_replies_are_targets_and_all_else_is_context(
    made: Liked, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of the two uses is forbidden: only rows that use somebody's words so are refused."""
    asked: set[int] = set()

    def note(self: Any, as_use: Use, message: Any) -> str:
        if as_use is use and message is not None:
            asked.add(message.message_id)
        return ""

    monkeypatch.setattr(consent._Door, "_why_not", note)
    assert refused(made) == set()
    replies = set(made.reply_ids)
    contexts = {message_id(at, line) for at in range(5) for line in (0, 1)}
    assert asked == (replies if use is Use.TARGET else contexts)


def changed(change: Callable[[dict[str, Any]], object]) -> Callable[[Liked, str], None]:
    def apply(made: Liked, name: str) -> None:
        path = made.folder / name
        rows = list(read_rows(path))
        change(rows[0])
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        known = read_manifest(made.folder)
        config = known.config if known else {"layout": LAYOUT}
        write_manifest(made.folder, "dataset", config, {})

    return apply


@pytest.mark.parametrize(
    "change",
    [
        changed(lambda row: row["reply_ids"].clear()),
        changed(lambda row: row.update(source_ids=row["source_ids"][1:])),
        changed(lambda row: row.update(source_ids=row["source_ids"][::-1])),
        changed(lambda row: row.update(reply_ids=[message_id(0, 0)])),
        changed(lambda row: row.update(id="77")),
    ],
)
@pytest.mark.parametrize("name", FILES.values())
def test_a_row_that_does_not_say_whose_it_is(
    made: Liked, change: Callable[[Liked, str], None], name: str
) -> None:
    change(made, name)
    with pytest.raises(ConsentError, match="does not name the message of each line"):
        check_dataset_may_train(made.folder, made.database)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        (KTO, changed(lambda row: row.update(label=1))),
        (KTO, changed(lambda row: row.pop("completion"))),
        (PAIRS, changed(lambda row: row.pop("rejected"))),
        (PAIRS, changed(lambda row: row.update(rejected=None))),
        (PAIRS, changed(lambda row: row.update(sampled_by="ab" * 32))),
        (PAIRS, changed(lambda row: row.update(reply_ids=row["reply_ids"][:1]))),
        (PROMPTS, changed(lambda row: row.update(turns=[["shouted", "x"]]))),
    ],
)
def test_a_row_that_is_none(made: Liked, name: str, change: Callable[[Liked, str], None]) -> None:
    change(made, name)
    with pytest.raises(ExampleError, match=rf"Line 1 of .*{name} is no preference"):
        check_dataset_may_train(made.folder, made.database)


# -- erasure --------------------------------------------------------------------------------------


def left_of(made: Liked, *markers: str) -> list[str]:
    """Which files of the set hold any of these."""
    return [
        path.name
        for path in sorted(made.folder.rglob("*"))
        if path.is_file() and any(marker.encode() in path.read_bytes() for marker in markers)
    ]


def counts(made: Liked) -> dict[str, int]:
    return dict(verify_manifest(made.folder).counts)


def test_whose_reply_was_rejected_is_forgotten(made: Liked) -> None:
    before = counts(made)
    assert left_of(made, words(1, 2), str(DEE)) == [KTO, PAIRS]
    assert view_of(made.home, made.database, DEE).examples == {"default": 2}
    report = forget_member(made.home, made.database, DEE, by="test")
    assert report.is_done
    assert left_of(made, words(1, 2), str(DEE), str(made.reply_ids[1])) == []
    assert counts(made) == {**before, "kto": before["kto"] - 1, "preferences": 0}
    assert view_of(made.home, made.database, DEE).examples == {}
    check_dataset_may_train(made.folder, made.database)


def test_whose_line_stands_in_every_context_is_forgotten(made: Liked) -> None:
    assert view_of(made.home, made.database, BOB).examples == {"default": 11}
    forget_member(made.home, made.database, BOB, by="test")
    assert set(counts(made).values()) == {0}
    assert all((made.folder / name).read_bytes() == b"" for name in FILES.values())


def test_one_message_is_deleted(made: Liked) -> None:
    forget_messages(made.home, made.database, [message_id(2, 0)])
    assert left_of(made, words(2, 0)) == []
    assert counts(made)["preference_prompts"] == 2
    assert counts(made)["kto"] == 4
    check_dataset_may_train(made.folder, made.database)


def version(made: Liked, name: str = "tuned", **more: Any) -> ModelVersion:
    gguf = made.home.finetuned / name / f"{name}.gguf"
    gguf.parent.mkdir(parents=True)
    gguf.write_bytes(name.encode())
    one = write_manifest(gguf.parent, "gguf", {}, {})
    file = one.files[gguf.name]
    registered = ModelVersion(
        name, "tuned", "candidate", made.home.relative(gguf), file.sha256, file.size_bytes,
        one.created_at_ms, "demo-base", **more,
    )  # fmt: skip
    ModelRegistry(made.database, made.home).register(registered)
    return registered


def test_what_a_training_with_preferences_learned(made: Liked) -> None:
    files = [made.folder / name for name in ("training_data.jsonl", *LEARNED)]
    learned = trained_on.of_dataset(*files)
    assert learned.members == {CID, DEE, EVE}  # the rejected reply's author too
    own = {message_id(at, line) for at in range(4) for line in range(3)}
    assert learned.messages == own  # what is for measuring alone was not learned
    assert trained_on.of_dataset(files[0], made.folder / "none.jsonl").members == {CID}


@pytest.mark.parametrize("by_member", [True, False])
def test_a_model_of_the_set_is_tainted_through_a_rejected_reply(
    made: Liked, by_member: bool
) -> None:
    version(made, dataset_sha256=content_hash(made.folder, ADDED_LATER))
    registry = ModelRegistry(made.database, made.home)
    learned = learned_by(made.home, registry, registry.get("tuned"))
    assert learned is not None
    assert DEE in learned.members
    if by_member:
        report = forget_member(made.home, made.database, DEE, by="test")
    else:
        report = forget_messages(made.home, made.database, [made.reply_ids[1]])
    because = FORGOTTEN_MEMBER if by_member else DELETED_MESSAGE
    assert [(one.version_id, one.because, one.is_known) for one in report.tainted] == [
        ("tuned", because, True)
    ]


def sampled(made: Liked, sha256: str) -> None:
    rows = list(read_rows(made.folder / PROMPTS))
    drawn = {mark_of(row): Drawn(f"a model says {row['id']}", 9) for row in rows}
    complete(made.folder, lambda: drawn, sha256)


def test_the_counts_are_those_of_the_files(made: Liked) -> None:
    """Whoever erased while the pairs were written may have taken examples out."""
    (made.folder / "training_data.jsonl").write_bytes(b"")
    config = {"layout": LAYOUT}
    write_manifest(made.folder, "dataset", config, {"training": 1, "validation": 1, "kto": 7})
    sampled(made, "ab" * 32)
    assert counts(made) == {
        "training": 0,
        "validation": 1,
        "kto": 5,
        "preferences": 4,
        "preference_prompts": 0,
    }


def test_sampling_does_not_make_it_another_models_set(made: Liked) -> None:
    before, whole = content_hash(made.folder, ADDED_LATER), content_hash(made.folder)
    sampled(made, "ab" * 32)
    assert content_hash(made.folder, ADDED_LATER) == before
    assert content_hash(made.folder) != whole
    assert set(FILES.values()) - {KTO} == ADDED_LATER


def test_what_a_model_wrote_goes_when_it_is_tainted_or_unknown(made: Liked) -> None:
    """It may be what it learned of somebody, word for word."""
    before = (made.folder / PROMPTS).read_text(encoding="utf-8")
    one = version(made, dataset_sha256=content_hash(made.folder, ADDED_LATER))
    sampled(made, one.sha256)
    assert counts(made) | {"preferences": 4, "preference_prompts": 0} == counts(made)
    report = forget_member(made.home, made.database, DEE, by="test")
    assert [tainted.version_id for tainted in report.tainted] == ["tuned"]
    assert left_of(made, "a model says") == []
    assert counts(made) | {"preferences": 0, "preference_prompts": 3} == counts(made)
    assert (made.folder / PROMPTS).read_text(encoding="utf-8") == before
    sampled(made, "cd" * 32)  # a file that nobody registered
    forget_messages(made.home, made.database, [message_id(2, 0)])
    assert left_of(made, "a model says") == []
    check_dataset_may_train(made.folder, made.database)


def test_what_a_model_wrote_that_learned_nothing_of_it_stays(made: Liked) -> None:
    one = version(made)
    trained_on.write(
        made.home.finetuned / "tuned" / trained_on.NAME,
        trained_on.TrainedOn(frozenset(), frozenset()),
    )
    sampled(made, one.sha256)
    forget_member(made.home, made.database, DEE, by="test")
    assert counts(made)["preferences"] == 3
    assert {row["sampled_by"] for row in read_rows(made.folder / PAIRS)} == {one.sha256}


def test_a_set_in_use_bars_nothing_else_from_being_erased(
    made: Liked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows, where a folder cannot be renamed while somebody reads a file in it."""
    sampled(made, "ab" * 32)

    def in_use(*_: object) -> int:
        raise PermissionError("in use")

    with monkeypatch.context() as patch:
        patch.setattr("data.forgetting.take_back", in_use)
        report = forget_member(made.home, made.database, DEE, by="test")
    assert list(report.unfinished.values()) == ["in use"]
    assert left_of(made, words(1, 2), str(DEE)) == []
    assert left_of(made, "a model says") != []
    assert resume(made.home, made.database)[0].is_done
    assert left_of(made, "a model says") == []


def test_a_damaged_line_of_a_model_stops_nobody_from_being_forgotten(made: Liked) -> None:
    sampled(made, "ab" * 32)
    with (made.folder / PAIRS).open("a", encoding="utf-8") as file:
        file.write('{"sampled_by": "torn\n')
        file.write('{"sampled_by": ["a model says"], "tokens": 9}\n')
    write_manifest(made.folder, "dataset", {"layout": LAYOUT}, {})
    report = forget_member(made.home, made.database, DEE, by="test")
    assert report.is_done
    assert left_of(made, "a model says", str(DEE)) == []

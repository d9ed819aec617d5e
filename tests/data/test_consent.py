"""What may be trained on, and who has to say so."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.consent import (
    ConsentError,
    MayNotTrain,
    MayTrain,
    check_dataset_may_train,
    declare,
    may_train,
    require_may_train,
)
from storage.database import Database
from storage.manifest import write_manifest
from storage.records import Declaration, Origin

DECLARED = [Declaration(1, 5, "ann", "written permission")]


@pytest.mark.parametrize("origin", [Origin.DISCORD_API, Origin.EXPORT])
def test_content_from_discord_needs_a_declaration(origin: Origin) -> None:
    with pytest.raises(ConsentError, match=r"rule 21.*--declare"):
        require_may_train([Origin.SAMPLE, origin], [])
    assert "ann" in require_may_train([origin], DECLARED).reason


def test_the_sample_needs_none() -> None:
    assert require_may_train([Origin.SAMPLE], [])
    assert isinstance(may_train([], []), MayTrain)
    assert isinstance(may_train([Origin.EXPORT], []), MayNotTrain)


def test_a_declaration_is_recorded_once(tmp_path: Path) -> None:
    with Database.open(tmp_path / "a.db") as database:
        with pytest.raises(ConsentError):
            declare(database, " - ")
        first = declare(database, "open data, CC-BY-4.0 ")
        assert first.who
        assert first.declared_at_ms > 0
        assert declare(database, "open data, CC-BY-4.0") == first
        assert database.declarations() == [first]


def write_set(folder: Path, origins: list[str], *lines: str) -> Path:
    folder.mkdir()
    (folder / "training_data.jsonl").write_text("".join(f"{line}\n" for line in lines))
    write_manifest(folder, "dataset", {"origins": origins}, {})
    return folder


def test_the_trainers_door(tmp_path: Path) -> None:
    sample = write_set(tmp_path / "a", ["sample"], '{"origins": ["sample"]}')
    assert check_dataset_may_train(sample, [])
    export = write_set(tmp_path / "b", ["export"], '{"origins": ["export"]}')
    with pytest.raises(ConsentError, match="rule 21"):
        check_dataset_may_train(export, [])
    assert check_dataset_may_train(export, DECLARED)
    smuggled = write_set(tmp_path / "c", ["sample"], '{"origins": ["sample", "export"]}')
    with pytest.raises(ConsentError, match="manifest does not name"):
        check_dataset_may_train(smuggled, DECLARED)
    for name, line in {"d": "{}", "e": '{"origins": []}', "f": '{"origins": ["moon"]}'}.items():
        silent = write_set(tmp_path / name, ["sample"], line)
        with pytest.raises(ConsentError, match="does not say where"):
            check_dataset_may_train(silent, DECLARED)
    with pytest.raises(ConsentError, match="no complete training set"):
        check_dataset_may_train(tmp_path / "none", DECLARED)

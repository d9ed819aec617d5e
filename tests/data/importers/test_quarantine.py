"""What is kept aside, and for how long."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from data.importers.quarantine import Quarantine


def test_nothing_wrong_leaves_nothing(tmp_path: Path) -> None:
    with Quarantine(tmp_path / "q", tmp_path / "a.json"):
        pass
    assert not (tmp_path / "q").exists()


def test_entries_are_replaced_and_vanish_with_their_cause(tmp_path: Path) -> None:
    source = tmp_path / "The Lantern - généräl [1].json"
    for reasons in (["a", "b"], ["c"]):
        with Quarantine(tmp_path, source) as aside:
            for number, reason in enumerate(reasons):
                aside.add(number, 99, reason, {"id": Decimal("1.5"), "text": "ü\ud800"})
        lines = [json.loads(line) for line in aside.path.read_text("utf-8").splitlines()]
        assert [line["reason"] for line in lines] == reasons
        assert lines[0]["file"] == str(source.resolve())
        assert lines[0]["near_byte"] == 99
        assert lines[0]["record"]["id"] == "1.5"
    with Quarantine(tmp_path, source) as aside:
        pass
    assert list(tmp_path.iterdir()) == []


def test_files_of_the_same_name_do_not_meet(tmp_path: Path) -> None:
    one, two = (Quarantine(tmp_path, tmp_path / folder / "a.json") for folder in "xy")
    assert one.path != two.path


def test_a_bottomless_record_is_left_out(tmp_path: Path) -> None:
    deep: Any = []
    for _ in range(200_000):
        deep = [deep]
    with Quarantine(tmp_path, tmp_path / "a.json") as aside:
        aside.add(0, 0, "deep", deep)
    assert "nested too deeply" in aside.path.read_text("utf-8")

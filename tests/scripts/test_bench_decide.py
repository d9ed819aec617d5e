"""The bench of decisions, on a little talk of The Lantern."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from data.samples.lantern import write_lantern
from storage.paths import PROGRAM_DIR

SCRIPT = PROGRAM_DIR / "scripts" / "bench_decide.py"


def run(*arguments: str) -> str:
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout


def test_its_figures_agree_with_each_other(tmp_path: Path) -> None:
    exports = [str(path) for path in write_lantern(tmp_path, message_count=2_000)]
    options = ("--exports", *exports, "--messages", "150", "--cares", "soup, raids")
    figures = json.loads(run(*options, "--rate", "0", "0.3", "1", "--json"))
    assert figures["messages"] == 150
    rates = figures["rates"]
    assert (rates["0"]["unasked"], rates["0"]["asked"]) == (0, 0)
    assert rates["0.3"]["unasked"] < rates["1"]["unasked"]
    for row in rates.values():
        assert sum(row["reasons"].values()) == 150
        assert row["unasked"] == row["reasons"].get("RELEVANT", 0)
        for what in ("channels", "hours"):
            assert sum(one["messages"] for one in row[what].values()) == 150
            assert sum(one["unasked"] for one in row[what].values()) == row["unasked"]
    shown = run(*options, "--rate", "1", "--show", "2")
    assert shown.count("-->") == 2

"""The bench of guard, on few drafts: nothing hostile gets out, and its figures agree."""

from __future__ import annotations

import json
import subprocess
import sys

from storage.paths import PROGRAM_DIR

SCRIPT = PROGRAM_DIR / "scripts" / "bench_guard.py"


def test_its_figures_agree_with_each_other() -> None:
    options = ("--drafts", "300", "--words", "--json")
    command = [sys.executable, str(SCRIPT), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    figures = json.loads(done.stdout)
    hostile = figures["hostile"]
    assert hostile["drafts"] == 300
    left = ("pings", "invites", "links", "spoken", "controls", "again")
    assert [hostile[name] for name in left] == [0] * len(left)
    assert 0 < hostile["changed"] <= hostile["allowed"] < 300
    ordinary = figures["ordinary"]["the lantern"]
    assert ordinary["lines"] == 300
    blocked = sum(ordinary["blocked"].values())
    assert ordinary["blocked_percent"] == round(100 * blocked / 300, 2)
    assert ordinary["history_messages"] > 10_000

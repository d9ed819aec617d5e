"""scripts/show_report.py as a user runs it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from storage.manifest import verify_manifest
from storage.paths import PROGRAM_DIR, Home
from tests.data.report_set import REPORT, Page, fill, usual, write_set

SCRIPT = PROGRAM_DIR / "scripts" / "show_report.py"


def run(home: Home, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), "--home", str(home.root), *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, **environment},
    )


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home").ensure()
    fill(home, usual()).close()
    return home


def test_a_home_without_a_set_is_told_how_to_make_one(home: Home) -> None:
    done = run(home)
    assert done.returncode == 2
    assert "2_prepare_training_data.py" in done.stderr
    assert "Traceback" not in done.stderr
    assert run(home, "--name", "none").returncode == 2
    assert "letters, digits" in run(home, "--name", "../x").stderr


def test_the_newest_set_is_shown_unless_another_is_named(home: Home) -> None:
    for number, name in enumerate(("old", "new")):
        folder = write_set(home.datasets / name, usual(), {**REPORT, "made": number})
        manifest = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps({**manifest, "created_at_ms": number}))
    done = run(home, "--json")
    assert done.returncode == 0, done.stderr
    page = Path(json.loads(done.stdout)["page"])
    assert page == home.datasets / "new" / "dataset_report.html"
    Page(page.read_text(encoding="utf-8"))
    assert run(home, "--name", "old").stdout.strip() == str(page.parent.parent / "old" / page.name)
    verify_manifest(home.datasets / "new")


@pytest.mark.skipif(os.name == "nt", reason="the browser is a shell script")
def test_it_opens_in_the_browser(home: Home, tmp_path: Path) -> None:
    folder = write_set(home.datasets / "a set", usual())
    browser, seen = tmp_path / "browser", tmp_path / "seen"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {shlex.quote(str(seen))}\n')
    browser.chmod(0o755)
    done = run(home, "--open", BROWSER=str(browser))
    assert done.returncode == 0, done.stderr
    assert seen.read_text() == (folder / "dataset_report.html").as_uri()
    browser.write_text("#!/bin/sh\nexit 1\n")
    failed = run(home, "--open", BROWSER=str(browser), PATH=str(tmp_path), DISPLAY="")
    assert "by hand" in failed.stderr

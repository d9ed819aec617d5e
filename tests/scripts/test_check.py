"""The one check command, and the rule that in CI a skip is a failure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import check

ROOT = Path(__file__).resolve().parents[2]

SKIPS = """
import pytest

def test_runs():
    pass

@pytest.mark.skip(reason="no display")
def test_marked():
    pass

def test_skips_itself():
    pytest.importorskip("a_package_that_is_absent")

@pytest.mark.xfail(strict=True)
def test_expected_to_fail():
    assert False
"""


def run_pytest(folder: Path, ci: str | None, *flags: str) -> subprocess.CompletedProcess[str]:
    """pytest on a folder of its own that has our conftest.py."""
    (folder / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (folder / "pytest.ini").write_text("[pytest]\n")
    surroundings = {name: text for name, text in os.environ.items() if name != "CI"}
    if ci is not None:
        surroundings["CI"] = ci
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *flags, str(folder)]
    return subprocess.run(command, env=surroundings, capture_output=True, text=True, cwd=folder)


@pytest.mark.parametrize("ci", [None, "", "false"])
def test_a_skip_passes_outside_ci(tmp_path: Path, ci: str | None) -> None:
    (tmp_path / "test_skips.py").write_text(SKIPS)
    done = run_pytest(tmp_path, ci)
    assert done.returncode == 0
    assert "1 passed, 2 skipped, 1 xfailed" in done.stdout


def test_a_skip_fails_in_ci(tmp_path: Path) -> None:
    (tmp_path / "test_skips.py").write_text(SKIPS)
    done = run_pytest(tmp_path, "true")
    assert done.returncode == 1
    assert "1 failed, 1 passed, 1 xfailed, 1 error" in done.stdout
    assert "skipped, which is a failure in CI: Skipped: no display" in done.stdout
    assert "could not import 'a_package_that_is_absent'" in done.stdout


def test_a_module_that_skips_itself_fails_in_ci(tmp_path: Path) -> None:
    text = "import pytest\npytest.importorskip('a_package_that_is_absent')\n"
    (tmp_path / "test_module.py").write_text(text)
    done = run_pytest(tmp_path, "1")
    assert done.returncode == 2
    assert "test_module.py: skipped, which is a failure in CI" in done.stdout
    assert "could not import 'a_package_that_is_absent'" in done.stdout


def test_ci_says_that_it_is_ci() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert [line.split("  #")[0] for line in lines if "export CI" in line] == ["export CI=true"]


def test_steps_in_order_and_fast_leaves_slow_tests_out() -> None:
    names = [step.name for step in check.steps(fast=False)]
    assert [name for name in names if name != "settings"] == [
        "format",
        "lint",
        "types",
        "imports",
        "tests",
    ]
    assert "not slow" in check.steps(fast=True)[-1].arguments
    assert "not slow" not in check.steps(fast=False)[-1].arguments


def test_a_steps_output_passes_through_and_its_failure_is_told(
    capfd: pytest.CaptureFixture[str],
) -> None:
    held, _ = check.run_step(Path(sys.executable), check.Step("good", ("-c", "print('words')")))
    failed, _ = check.run_step(
        Path(sys.executable), check.Step("bad", ("-c", "raise SystemExit(3)"))
    )
    assert (held, failed) == (0, 3)
    shown = capfd.readouterr().out
    assert "words" in shown
    assert "--- good: ok (" in shown
    assert "--- bad: FAILED (" in shown


@pytest.mark.parametrize(
    ("status", "failed", "again"),
    [(1, 3, 3), (1, 4, 0), (0, 3, 0), (2, 1, 0), (1, 0, 0)],
    ids=["a few", "too many", "none did", "it was stopped", "not by a test"],
)
def test_a_few_failed_tests_are_run_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, failed: int, again: int
) -> None:
    file = tmp_path / "lastfailed"
    file.write_text(json.dumps({f"tests/test_it.py::test_{n}": True for n in range(failed)}))
    monkeypatch.setattr(check, "FAILED_FILE", file)
    assert len(check.worth_another_run({"types": (1, 1.0), "tests": (status, 1.0)})) == again
    assert check.worth_another_run({"types": (1, 1.0)}) == []


def test_help_names_every_step() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "check.py"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0
    assert all(step.name in done.stdout for step in check.steps(fast=False))

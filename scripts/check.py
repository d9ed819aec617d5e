#!/usr/bin/env python3
"""Checks everything: format, lint, types, import rules, generated documents, tests.

Makes or completes the environment first (.venv with requirements-dev.txt), so that a fresh clone
needs no other command. Goes on after a failure and sums up; exits 1 if any step failed.

A few tests that fail are run once more, alone: real processes, sockets and windows meet a busy
machine now and then. Those that hold then are named at the end: each is a defect to mend.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts import environment
from scripts.edge import use_utf8_output

IN_TWO_PROCESSES = (
    *("-n", "2", "--max-worker-restart", "0"),
    *("--dist", "loadfile", "--no-loadscope-reorder"),
)
"""How the tests run: while one process waits (for a bot that starts, for a window), the other one
computes. A file's tests stay together, for what they share is made once."""

MOST_AGAIN = 3
"""More tests than these that fail together do not fail by chance."""
FAILED_FILE = environment.PROGRAM_DIR / ".pytest_cache" / "v" / "cache" / "lastfailed"


@dataclass(frozen=True)
class Step:
    name: str
    arguments: tuple[str, ...]  # of the environment's Python


def steps(fast: bool) -> list[Step]:
    """What is checked, in order."""
    import_linter = (
        "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    )
    chosen = ("-m", "not slow") if fast else ()
    found = [
        Step("format", ("-m", "ruff", "format", "--check", ".")),
        Step("lint", ("-m", "ruff", "check", ".")),
        Step("types", ("-m", "mypy")),
        Step("imports", ("-c", import_linter)),
        Step("settings", ("scripts/make_settings_doc.py", "--check")),
        Step("tests", ("-m", "pytest", "--cache-clear", *IN_TWO_PROCESSES, *chosen)),
    ]
    written = (environment.PROGRAM_DIR / "scripts" / "make_settings_doc.py").exists()
    return [step for step in found if step.name != "settings" or written]


def run_step(python: Path, step: Step) -> tuple[int, float]:
    """Run one step with its output passed through; its exit status and its seconds."""
    print(f"--- {step.name}", flush=True)
    began = time.monotonic()
    done = subprocess.run([str(python), *step.arguments], cwd=environment.PROGRAM_DIR)
    seconds = time.monotonic() - began
    said = "ok" if done.returncode == 0 else "FAILED"
    print(f"--- {step.name}: {said} ({seconds:.1f} s)\n", flush=True)
    return done.returncode, seconds


def failed_tests() -> list[str]:
    """Those that failed in the last run, as pytest keeps them."""
    try:
        return sorted(json.loads(FAILED_FILE.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return []


def worth_another_run(results: dict[str, tuple[int, float]]) -> list[str]:
    """The tests that failed, where they are few and all others were run: pytest says 1 then, and
    something else where it was stopped or a process of it died."""
    status, _ = results.get("tests", (0, 0.0))
    failed = failed_tests() if status == 1 else []
    return failed if len(failed) <= MOST_AGAIN else []


def main() -> int:
    use_utf8_output()
    names = [step.name for step in steps(fast=False)]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fast", action="store_true", help="leave out the tests marked slow")
    parser.add_argument(
        "--only", action="append", choices=names, metavar="STEP", help=f"of {', '.join(names)}"
    )
    options = parser.parse_args()
    if refusal := environment.python_refusal():
        print(refusal, file=sys.stderr)
        return 2
    began = time.monotonic()
    files = [environment.LAPTOP, environment.TRAIN, environment.DEV]
    try:
        python = environment.ensure(environment.Environment(), files)
        chosen = [s for s in steps(options.fast) if not options.only or s.name in options.only]
        results = {step.name: run_step(python, step) for step in chosen}
        again = worth_another_run(results)
        if again:
            alone = ("-m", "pytest", "--last-failed", "--last-failed-no-failures=none")
            status, _ = run_step(python, Step("tests again", alone))
            results["tests"] = (status, results["tests"][1])
    except environment.InstallError as failure:
        print(failure, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    for name, (status, seconds) in results.items():
        print(f"{name:>9}  {'FAILED' if status else 'ok':<6}  {seconds:6.1f} s")
    failed = [name for name, (status, _) in results.items() if status]
    for name in again:
        print(f"failed at first: {name}")
    verdict = f"{', '.join(failed)} failed" if failed else "all ok"
    print(f"{verdict} ({time.monotonic() - began:.0f} s)")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

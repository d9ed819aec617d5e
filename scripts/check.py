#!/usr/bin/env python3
"""Checks everything: format, lint, types, import rules, generated documents, tests.

Makes or completes the environment first (.venv with requirements-dev.txt), so that a fresh clone
needs no other command. Goes on after a failure and sums up; exits 1 if any step failed.
"""

from __future__ import annotations

import argparse
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


@dataclass(frozen=True)
class Step:
    name: str
    arguments: tuple[str, ...]  # of the environment's Python


def steps(fast: bool) -> list[Step]:
    """What is checked, in order."""
    import_linter = (
        "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    )
    found = [
        Step("format", ("-m", "ruff", "format", "--check", ".")),
        Step("lint", ("-m", "ruff", "check", ".")),
        Step("types", ("-m", "mypy")),
        Step("imports", ("-c", import_linter)),
        Step("settings", ("scripts/make_settings_doc.py", "--check")),
        Step("tests", ("-m", "pytest", *IN_TWO_PROCESSES, *(("-m", "not slow") if fast else ()))),
    ]
    written = (environment.PROGRAM_DIR / "scripts" / "make_settings_doc.py").exists()
    return [step for step in found if step.name != "settings" or written]


def run_step(python: Path, step: Step) -> tuple[bool, float]:
    """Run one step with its output passed through; whether it held, and its seconds."""
    print(f"--- {step.name}", flush=True)
    began = time.monotonic()
    done = subprocess.run([str(python), *step.arguments], cwd=environment.PROGRAM_DIR)
    seconds = time.monotonic() - began
    held = done.returncode == 0
    print(f"--- {step.name}: {'ok' if held else 'FAILED'} ({seconds:.1f} s)\n", flush=True)
    return held, seconds


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
    except environment.InstallError as failure:
        print(failure, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    for name, (held, seconds) in results.items():
        print(f"{name:>9}  {'ok' if held else 'FAILED':<6}  {seconds:6.1f} s")
    failed = [name for name, (held, _) in results.items() if not held]
    verdict = f"{', '.join(failed)} failed" if failed else "all ok"
    print(f"{verdict} ({time.monotonic() - began:.0f} s)")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

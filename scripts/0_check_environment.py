#!/usr/bin/env python3
"""Says whether this computer has what running or training Mynah needs, and how to get what lacks.

    python scripts/0_check_environment.py                       to run the bot
    python scripts/0_check_environment.py --role train          to train a model
    python scripts/0_check_environment.py --profile rtx3070     the same, by that profile's figures
    python scripts/0_check_environment.py --role train --fix    install what pip can, look again

Starts with the standard library alone: nothing has to be installed yet. Exit status: 0 all is
there, 1 something lacks, 2 it could not be looked at.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

sys.path[0:1] = [str(Path(__file__).resolve().parent.parent)]

from scripts import environment
from scripts.edge import add_home, add_json, ending_in_a_sentence
from scripts.environment import GPU, LAPTOP, TRAIN, Environment
from scripts.environment_checks import Check, checks
from scripts.environment_facts import cards, look
from scripts.events import Events, add_events
from storage.paths import find_home

MARKS = {"ok": "ok   ", "warns": "note ", "lacks": "LACKS"}


def main() -> int:
    arguments = parse_arguments()
    events = Events(arguments.events)
    began_s = time.monotonic()
    events.begin("environment")
    home = find_home(arguments.home)
    found = checks(look(Environment(), home, arguments.role, arguments.profile))
    if arguments.fix and is_lacking(found):
        fix(arguments.role)
        found = checks(look(Environment(), home, arguments.role, arguments.profile))
    events.end("environment", time.monotonic() - began_s)
    is_ok = not is_lacking(found)
    if arguments.json:
        told = {"role": arguments.role, "ok": is_ok, "checks": [asdict(check) for check in found]}
        print(json.dumps(told, ensure_ascii=False))
    else:
        print("\n".join(shown(found)))
    return 0 if is_ok else 1


def is_lacking(found: list[Check]) -> bool:
    return any(check.state == "lacks" for check in found)


def fix(role: str) -> None:
    """Complete the environment for the role. Raises InstallError."""
    files = [LAPTOP] + ([TRAIN] if role == "train" else [])
    if role == "train" and cards():
        files.append(GPU)
    environment.ensure(Environment(), files)


def shown(found: list[Check]) -> list[str]:
    """The report, a line a check and one more for what to do."""
    lines = []
    for check in found:
        needed = f" (needed: {check.needed})" if check.needed else ""
        lines.append(f"{MARKS[check.state]}  {check.name + ':':<16} {check.found}{needed}")
        if check.remedy:
            lines.append(f"{'':<7}{'':<17} -> {check.remedy}")
    lacking = sum(check.state == "lacks" for check in found)
    return [*lines, "", f"{lacking} lacking." if lacking else "All that is needed is there."]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--role", choices=("laptop", "train"), help="default: laptop")
    parser.add_argument(
        "--profile", default="", help="the profile to train by (default: what suits the machine)"
    )
    parser.add_argument("--fix", action="store_true", help="install what pip can, then look again")
    add_home(parser)
    add_json(parser, "one object with all checks")
    add_events(parser)
    arguments = parser.parse_args()
    if arguments.profile and arguments.role == "laptop":
        parser.error("--profile goes with --role train")
    arguments.role = arguments.role or ("train" if arguments.profile else "laptop")
    return arguments


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))

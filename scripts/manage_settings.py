"""Lists, shows, sets and resets the settings of one home (docs/settings.md explains each)."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.edge import ending_in_a_sentence, home_and_json
from scripts.running_bot import tell_running_bot
from storage.database import Database
from storage.paths import find_home
from storage.settings import Setting, find, load, parse, to_text

EXAMPLES = """\
examples:
  python scripts/manage_settings.py list
  python scripts/manage_settings.py get temperature
  python scripts/manage_settings.py set temperature 0.5
  python scripts/manage_settings.py reset temperature     the default again

A running bot is told at once; a chat in a terminal reads its settings at its next start.
Exit status: 0 done, 2 refused, with what is allowed.
"""


def build_parser() -> argparse.ArgumentParser:
    """The command line. --home and --json may stand before or after the command."""
    common = home_and_json()
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=EXAMPLES,
        parents=[common],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, arguments, explained in (
        ("list", (), "all settings and their values"),
        ("get", ("name",), "one setting: its value, and what is allowed"),
        ("set", ("name", "value"), "give a setting a value; out of range is refused"),
        ("reset", ("name",), "give a setting its default again"),
    ):
        command = commands.add_parser(name, help=explained, description=explained, parents=[common])
        for argument in arguments:
            command.add_argument(argument)
    return parser


def run(database: Database, arguments: argparse.Namespace) -> dict[str, Any]:
    """Do it, and answer with what --json prints. Raises MynahError."""
    if arguments.command == "set":
        database.set_config(arguments.name, arguments.value)
    elif arguments.command == "reset":
        database.reset_config(arguments.name)
    settings, warnings = load(database.config_rows())
    for warning in warnings:
        print(warning, file=sys.stderr)
    names = list(settings) if arguments.command == "list" else [arguments.name]
    return {"settings": [_as_json(find(name), settings[find(name).name]) for name in names]}


def _as_json(setting: Setting, value: Any) -> dict[str, Any]:
    return {
        "name": setting.name,
        "value": value,
        "default": setting.default,
        "allowed": setting.allowed,
        "live": setting.live,
    }


def show(result: dict[str, Any]) -> None:
    """Print a result for a person: a line a setting; a single one with what it is about."""
    for row in result["settings"]:
        setting = find(row["name"])
        changed = "" if row["value"] == row["default"] else f"   (default: {setting.default})"
        print(f"{row['name']:<20} {to_text(setting, row['value'])}{changed}")
    if len(result["settings"]) == 1:
        print(f"{setting.help}\nAllowed: {setting.allowed}.")


def told(setting: Setting, answer: Mapping[str, Any]) -> str:
    """What has come of it in the running bot, by its answer to `reload`: its environment counts
    more than what is stored."""
    counts = "counts from its next message on" if setting.live else "counts after its next restart"
    overridden = answer.get("overridden")
    if isinstance(overridden, list) and setting.name in overridden:
        return (
            f"The running bot was told, but it was started with {setting.environment} in its "
            "environment, and that counts. Start it without, and what is stored counts."
        )
    if setting.environment is None or isinstance(overridden, list):
        return f"The running bot was told: this {counts}."
    return (
        f"The running bot was told: this {counts}, unless it was started with "
        f"{setting.environment} in its environment."
    )


def main() -> int:
    """See EXAMPLES for the exit status."""
    arguments = build_parser().parse_args()
    if arguments.command == "set":  # before a home is made for it
        parse(find(arguments.name), arguments.value)
    home = find_home(getattr(arguments, "home", None))
    with Database.open(home.database, backups=home.backups) as database:
        result = run(database, arguments)
    if arguments.command in ("set", "reset"):
        setting = find(arguments.name)
        tell_running_bot(home, "reload", lambda answer: told(setting, answer))
    if getattr(arguments, "json", False):
        print(json.dumps(result, ensure_ascii=False))
    else:
        show(result)
    return 0


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))

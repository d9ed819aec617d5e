"""Keeps the bot's Discord token, removes it, or says where it is; the token itself is never shown.

It is kept in the system's keyring, and where there is none in the home's .env, which only your user
may read then. It is never taken from the command line, where other users could see it.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bot.secret import VARIABLE, NoTokenError, forget_token, keep_token, token_places
from scripts.edge import ending_in_a_sentence, home_and_json
from storage.paths import Home, find_home

EXAMPLES = """\
examples:
  python scripts/manage_token.py set                  asks for it; what you type is not shown
  python scripts/manage_token.py set < token.txt
  python scripts/manage_token.py where
  python scripts/manage_token.py delete

The bot looks into the environment (DISCORD_BOT_TOKEN), the keyring, then .env; a new token counts
from its next start on.
Exit status: 0 done, 2 it could not be done, or there is no token.
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
    for name, explained in (
        ("set", "keep the token that is typed, or comes on stdin"),
        ("where", "where a token is found, the one that counts first"),
        ("delete", "remove the token from keyring and .env"),
    ):
        commands.add_parser(name, help=explained, description=explained, parents=[common])
    return parser


def run(home: Home, command: str) -> dict[str, Any]:
    """Do it, and answer with what --json prints. Raises MynahError."""
    if command == "set":
        return {"kept_in": keep_token(home, read_token())}
    if command == "delete":
        return {"deleted_from": forget_token(home)}
    places = token_places(home)
    if not places:
        raise NoTokenError("There is no token yet; `set` keeps one.")
    return {"places": places}


def read_token() -> str:
    """From the terminal without an echo, else the first line of stdin."""
    return getpass.getpass("Token: ") if sys.stdin.isatty() else sys.stdin.readline()


def show(result: dict[str, Any]) -> None:
    """Print a result for a person."""
    if "kept_in" in result:
        print(f"Kept in {result['kept_in']}. It counts from the bot's next start on.")
    elif "deleted_from" in result:
        gone = " and ".join(result["deleted_from"])
        print(f"Deleted from {gone}." if gone else "There was no token to delete.")
    else:
        first, *others = result["places"]
        print(f"The token is in {first}.")
        for place in others:
            print(f"One that is not used is in {place}.")
    if os.environ.get(VARIABLE) and "places" not in result:
        print(f"{VARIABLE} is set in the environment and counts before all others.")


def main() -> int:
    """See EXAMPLES for the exit status."""
    arguments = build_parser().parse_args()
    result = run(find_home(getattr(arguments, "home", None)), arguments.command)
    if getattr(arguments, "json", False):
        print(json.dumps(result, ensure_ascii=False))
    else:
        show(result)
    return 0


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))

"""Lists the channels of one home, closes one to memory and learning, or allows it again.

In a closed channel nothing that is said is stored, answered, recalled or learned from; what was
imported of it stays stored. Where on Discord the bot reads at all is the setting
discord_channel_ids (scripts/manage_settings.py). docs/consent.md says more.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.edge import ending_in_a_sentence, home_and_json
from scripts.names import named
from storage.database import Database
from storage.paths import find_home
from storage.records import ChannelRecord

EXAMPLES = """\
examples:
  python scripts/manage_channels.py list
  python scripts/manage_channels.py close "#bot-tests"
  python scripts/manage_channels.py allow 2002002002002002002

A channel is named by id or name; where a name is several channels', by id.
A running bot follows with the next message. Exit status: 0 done, 2 it could not be done.
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
        ("list", "all channels, by name"),
        ("allow", "let a channel be stored live, recalled and learned from"),
        ("close", "keep a channel out of all that"),
    ):
        command = commands.add_parser(name, help=explained, description=explained, parents=[common])
        if name != "list":
            command.add_argument("channel", help="id or name")
    return parser


def run(database: Database, arguments: argparse.Namespace) -> dict[str, Any]:
    """Do it, and answer with what --json prints. Raises MynahError."""
    everything = sorted(database.channels(), key=lambda c: (c.name.casefold(), c.channel_id))
    if arguments.command != "list":
        chosen = named(
            arguments.channel, everything, "channel", lambda c: c.channel_id, lambda c: (c.name,)
        )
        database.set_allowed(chosen.channel_id, arguments.command == "allow")
        everything = [c for c in database.channels() if c.channel_id == chosen.channel_id]
    return {"channels": [_fields(channel) for channel in everything]}


def _fields(channel: ChannelRecord) -> dict[str, Any]:
    return {
        "channel_id": str(channel.channel_id),
        "name": channel.name,
        "server": channel.guild_name,
        "parent_id": None if channel.parent_id is None else str(channel.parent_id),
        "is_allowed": channel.is_allowed,
    }


def show(result: dict[str, Any]) -> None:
    """Print a result for a person."""
    if not result["channels"]:
        print("There are no channels yet; scripts/1_fetch_all_history.py brings some.")
    for row in result["channels"]:
        server = f" ({row['server']})" if row["server"] else ""
        closed = "" if row["is_allowed"] else "  closed"
        print(f"{row['channel_id']:>20}  #{row['name']}{server}{closed}")


def main() -> int:
    """See EXAMPLES for the exit status."""
    arguments = build_parser().parse_args()
    home = find_home(getattr(arguments, "home", None))
    with Database.open(home.database, backups=home.backups) as database:
        result = run(database, arguments)
    if getattr(arguments, "json", False):
        print(json.dumps(result, ensure_ascii=False))
    else:
        show(result)
    return 0


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))

"""Lists the members of one home, excludes one from everything, or takes that back.

What an excluded member wrote is not answered, not recalled and not in a training set that is
prepared from then on; docs/consent.md says what stays.
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
from scripts.running_bot import tell_running_bot
from storage.database import Database
from storage.paths import find_home
from storage.records import MemberRecord

EXAMPLES = """\
examples:
  python scripts/manage_members.py list
  python scripts/manage_members.py exclude mira
  python scripts/manage_members.py include 1001001001001001001

A member is named by id, nickname or account name; where a name is several people's, by id.
A running bot is told at once.
Exit status: 0 done, 2 it could not be done.
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
        ("list", "all members, by nickname"),
        ("exclude", "leave a member out of everything"),
        ("include", "take an exclusion back"),
    ):
        command = commands.add_parser(name, help=explained, description=explained, parents=[common])
        if name != "list":
            command.add_argument("member", help="id, nickname or account name")
    return parser


def run(database: Database, arguments: argparse.Namespace) -> dict[str, Any]:
    """Do it, and answer with what --json prints. Raises MynahError."""
    everyone = sorted(database.members(), key=lambda m: (m.nickname.casefold(), m.member_id))
    if arguments.command != "list":
        chosen = named(arguments.member, everyone, "member", _id, _names)
        database.set_excluded(chosen.member_id, arguments.command == "exclude")
        everyone = [m for m in database.members() if m.member_id == chosen.member_id]
    return {"members": [{**_fields(m), "member_id": str(m.member_id)} for m in everyone]}


def _id(member: MemberRecord) -> int:
    return member.member_id


def _names(member: MemberRecord) -> tuple[str, ...]:
    return member.nickname, member.name


def _fields(member: MemberRecord) -> dict[str, Any]:
    return {
        "nickname": member.nickname,
        "name": member.name,
        "is_bot": member.is_bot,
        "is_excluded": member.is_excluded,
        "consent": member.consent,
    }


def show(result: dict[str, Any]) -> None:
    """Print a result for a person."""
    if not result["members"]:
        print("There are no members yet; scripts/1_fetch_all_history.py --import brings some.")
    for row in result["members"]:
        marks = ["bot"] * row["is_bot"] + ["excluded"] * row["is_excluded"]
        marks += [row["consent"].replace("_", " ")] * (row["consent"] != "unset")
        name = f" ({row['name']})" if row["name"] != row["nickname"] else ""
        print(f"{row['member_id']:>20}  {row['nickname']}{name}  {', '.join(marks)}".rstrip())


def main() -> int:
    """See EXAMPLES for the exit status."""
    arguments = build_parser().parse_args()
    home = find_home(getattr(arguments, "home", None))
    with Database.open(home.database, backups=home.backups) as database:
        result = run(database, arguments)
    if arguments.command != "list":
        tell_running_bot(
            home,
            "exclude",
            "The running bot was told: this counts from now on.",
            member_id=int(result["members"][0]["member_id"]),
            is_excluded=arguments.command == "exclude",
        )
    if getattr(arguments, "json", False):
        print(json.dumps(result, ensure_ascii=False))
    else:
        show(result)
    return 0


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))

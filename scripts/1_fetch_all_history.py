"""Brings a community's history into the home: from DiscordChatExporter's JSON files.

Import again whenever there is a newer export: what is known is not stored twice, edits and
reactions are brought up to date, nothing goes back to an older state.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data.importers.import_progress import ProgressLine
from data.importers.importing import import_paths
from scripts.edge import add_home, add_json, ending_in_a_sentence
from storage.database import Database
from storage.errors import MynahError
from storage.paths import find_home
from storage.records import Origin

EXAMPLES = """\
examples:
  python scripts/1_fetch_all_history.py --import exports/
  python scripts/1_fetch_all_history.py --import general.json memes.json.gz --home ~/mynah

How to get such files: DiscordChatExporter, format JSON. What is no export is skipped and listed;
broken records are kept aside with their reasons in the home's data_storage/quarantine.
Exit status: 0 imported, 2 it could not be done, 130 interrupted (what was imported stays).
"""


class NothingToImport(MynahError):
    """No file was named, or none that could be used."""


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--import",
        dest="paths",
        nargs="+",
        action="extend",
        type=Path,
        metavar="PATH",
        help="files (.json, .json.gz) or folders, which are searched all the way down",
    )
    add_home(parser)
    add_json(parser, "print the summary as one JSON object on the last line")
    return parser


def main() -> int:
    """Import what the command line names. Raises MynahError."""
    arguments = build_parser().parse_args()
    if not arguments.paths:
        raise NothingToImport(
            "Fetching from Discord itself comes with the bot and is not there yet; "
            "name DiscordChatExporter files or folders with --import."
        )
    line = ProgressLine(sys.stderr)
    try:
        home = find_home(arguments.home).ensure()
        with Database.open(home.database, backups=home.backups) as db:
            summary = import_paths(
                db,
                [Path(os.path.expanduser(path)) for path in arguments.paths],  # noqa: PTH111
                origin=Origin.EXPORT,
                quarantine=home.quarantine,
                progress=line.show,
            )
    finally:
        line.end()
    for text in summary.lines():
        print(text)
    print(f"database: {home.database}")
    if arguments.json:
        print(json.dumps({**summary.as_dict(), "database": str(home.database)}))
    if not summary.files_imported:
        raise NothingToImport("Nothing was imported: there is no usable DiscordChatExporter file.")
    return 0


if __name__ == "__main__":
    sys.exit(
        ending_in_a_sentence(
            main,
            failed="Not everything was imported; what was imported stays",
            stopped="Interrupted. What was imported up to here stays; "
            "the same command again imports the rest.",
        )
    )

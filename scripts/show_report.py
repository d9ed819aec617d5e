"""Makes the report of a training set anew, as a page for a browser, and says where it is.

    python scripts/show_report.py --open
    python scripts/show_report.py --name small

Script 2 makes it with the set. It shows members by the names that they have now, and it is taken
away when somebody in it is forgotten; this makes it again from what is left. Nothing leaves this
machine.
"""

from __future__ import annotations

import argparse
import json
import sys
import webbrowser
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data.forgetting import alone
from data.report.page import ReportError, render_report
from scripts.edge import add_home, add_json, ending_in_a_sentence, folder_name
from scripts.erasures import finish_erasing
from storage.database import Database
from storage.manifest import read_manifest
from storage.paths import Home, find_home


def main() -> int:
    arguments = parse_arguments()
    home = find_home(arguments.home).ensure()
    folder = home.datasets / arguments.name if arguments.name else newest_set(home)
    with Database.open(home.database, backups=home.backups) as database:
        finish_erasing(home, database)
        with alone(home):  # else it could be written behind whoever takes it away
            page = render_report(folder, database)
    print(json.dumps({"page": str(page)}) if arguments.json else page)
    if arguments.open and not webbrowser.open(page.as_uri()):
        print(f"No browser was found; open {page} by hand.", file=sys.stderr)
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_home(parser)
    parser.add_argument(
        "--name", type=folder_name, help="the set's folder (default: the one made last)"
    )
    parser.add_argument("--open", action="store_true", help="show it in the browser")
    add_json(parser, "print its place as one JSON object")
    return parser.parse_args()


def newest_set(home: Home) -> Path:
    """The training set that was made last. Raises ReportError where there is none."""
    made = {
        folder: manifest.created_at_ms
        for folder in home.datasets.glob("[!.]*/")
        if (manifest := read_manifest(folder)) is not None
    }
    if not made:
        raise ReportError(
            "There is no training set yet: python scripts/2_prepare_training_data.py makes one."
        )
    return max(made, key=lambda folder: made[folder])


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main, failed="The report could not be written"))

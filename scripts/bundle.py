"""Carries a training set to another machine, and the trained model back, as one verified zip.

At home, for a machine with a graphics card:

    python scripts/bundle.py pack --dataset default --profile rtx3070
    python scripts/bundle.py pack --dataset default --profile rtx3070 --over ssh://me@box/home/me/in

There, in any home of its own (and with --base's download, or pack --with-base):

    python scripts/bundle.py unpack default-....zip
    python scripts/3_train_model.py --dataset default --profile data_storage/profiles/....yaml
    python scripts/bundle.py pack --model VERSION

At home again:

    python scripts/bundle.py unpack VERSION-....zip
    python scripts/bundle.py unpack --over ssh://me@box/home/me/mynah/data_storage/bundles/....zip

A bundle holds members' words: it is readable by its owner alone, and what is forgotten at home
later is not forgotten in it. Delete it, here and there, once it was unpacked. Nothing is written
over: unpacking a second time does nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data.bundle import FOLDER, read_bundle
from data.packing import pack_dataset, pack_model
from data.unpacking import Unpacked, unpack
from model.profile import load
from scripts.edge import ending_in_a_sentence, home_and_json, stop_when_terminated
from scripts.erasures import finish_erasing
from scripts.over_ssh import Place, fetch, send
from storage.database import Database
from storage.errors import MynahError
from storage.paths import Home, find_home

HOLDS_WORDS = (
    "It holds members' words, and only you may read it: keep it so. What is forgotten here from "
    "now on is not forgotten in it, nor on the machine that it goes to: delete it on both once it "
    "was unpacked."
)


def main() -> int:
    arguments = parse_arguments()
    stop_when_terminated()
    if arguments.command == "send":
        read_bundle(file := Path(arguments.file).expanduser())
        result = sent(file, Place.parse(arguments.over), arguments.over)
    else:
        result = at_home(find_home(getattr(arguments, "home", None)).ensure(), arguments)
    if getattr(arguments, "json", False):
        print(json.dumps(result, ensure_ascii=False))
    return 0


def at_home(home: Home, arguments: argparse.Namespace) -> dict[str, Any]:
    """Pack or unpack. Raises MynahError."""
    with Database.open(home.database, backups=home.backups) as database:
        finish_erasing(home, database)
        does = packed if arguments.command == "pack" else unpacked
        return does(home, database, arguments)


def packed(home: Home, database: Database, arguments: argparse.Namespace) -> dict[str, Any]:
    """Pack, and send where asked to; what --json prints. Raises MynahError."""
    over = Place.parse(arguments.over) if arguments.over else None
    out = Path(arguments.out).expanduser().resolve() if arguments.out else None
    if arguments.model:
        path, bundle = pack_model(home, database, arguments.model, out=out)
    else:
        profile = load(arguments.profile)
        path, bundle = pack_dataset(
            home, database, arguments.dataset, profile, with_base=arguments.with_base, out=out
        )
    say(f"{bundle.name}: {len(bundle.entries)} files, {path.stat().st_size / 1e6:,.1f} MB: {path}")
    say(HOLDS_WORDS)
    result: dict[str, Any] = {"bundle": str(path), "what": bundle.what, "name": bundle.name}
    result |= {"folders": list(bundle.folders), "size_bytes": path.stat().st_size}
    if over is not None:
        result |= sent(path, over, arguments.over)
    return result


def sent(path: Path, over: Place, address: str) -> dict[str, Any]:
    """Raises MynahError."""
    try:
        say(f"Sent with {send(path, over)} to {address}.")
    except MynahError:
        say(f"Not sent. Once it can be: python scripts/bundle.py send {path} --over {address}")
        raise
    return {"bundle": str(path), "sent_to": address}


def unpacked(home: Home, database: Database, arguments: argparse.Namespace) -> dict[str, Any]:
    """Unpack, fetched where asked for; what --json prints. Raises MynahError."""
    if arguments.over is None:
        done = unpack(Path(arguments.file).expanduser(), home, database, say=say)
    else:
        folder = home.data_storage / FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        done = unpack(fetch(Place.parse(arguments.over), folder), home, database, say=say)
    for sentence in (*_what_now(home, done), *done.remarks):
        say(sentence)
    return {
        "what": done.bundle.what,
        "name": done.bundle.name,
        "made": list(done.made),
        "places": {at: str(place) for at, place in done.places.items()},
        "version": done.version.version_id if done.version else None,
        "dataset": done.dataset or None,
        "profile": str(done.profile) if done.profile else None,
        "remarks": list(done.remarks),
    }


def _what_now(home: Home, done: Unpacked) -> list[str]:
    said = [] if done.made else ["All of it was here already."]
    if done.version is not None:
        command = f"python scripts/6_manage_models.py deploy {done.version.version_id}"
        return [*said, f"{done.version.version_id} is registered, its file verified: {command}"]
    return [
        *said,
        f"Train it: python scripts/3_train_model.py --home {home.root} --dataset {done.dataset} "
        f"--profile {done.profile}",
    ]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def parse_arguments() -> argparse.Namespace:
    common = home_and_json()
    parser = argparse.ArgumentParser(
        description=__doc__,
        parents=[common],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    pack = commands.add_parser("pack", help="make a bundle", parents=[common])
    what = pack.add_mutually_exclusive_group(required=True)
    what.add_argument("--dataset", metavar="NAME", help="a training set, for another machine")
    what.add_argument("--model", metavar="VERSION", help="a trained model, for the way back")
    pack.add_argument("--profile", default="rtx3070", help="a name or a YAML file (rtx3070)")
    pack.add_argument("--with-base", action="store_true", help="the base model's files too")
    pack.add_argument("--out", metavar="FILE", help="where to (default: data_storage/bundles)")
    pack.add_argument("--over", metavar="ssh://HOST/FOLDER", help="send it there as well")
    again = commands.add_parser("send", help="send a bundle that is there", parents=[common])
    again.add_argument("file", help="a bundle's zip")
    again.add_argument("--over", metavar="ssh://HOST/FOLDER", required=True, help="where to")
    take = commands.add_parser("unpack", help="take a bundle in", parents=[common])
    source = take.add_mutually_exclusive_group(required=True)
    source.add_argument("file", nargs="?", help="a bundle's zip")
    source.add_argument("--over", metavar="ssh://HOST/FILE", help="fetch it from there first")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))

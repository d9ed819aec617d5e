"""Lists the bases that can be trained, and downloads one: resumable, pinned, verified file by file.

A base is what scripts/3_train_model.py --base NAME starts from; it is put into models/bases of the
home. Files come from the hub, or from the mirror that HF_ENDPOINT names; HF_TOKEN opens what wants
an account (Llama, Gemma). Any folder of transformers can be trained as well, without this.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from model import vram
from model.base_download import BaseDownload
from model.base_models import BASES, DEMO_BASE, BaseModel, base_folder, known_base
from model.catalogue import free_bytes, in_words
from model.hub import Hub
from model.profile import load
from scripts.download_model import ProgressLine
from scripts.edge import ending_in_a_sentence, home_and_json
from scripts.events import Events, add_events
from storage.manifest import read_manifest
from storage.paths import DEMO_BASE_DIR, Home, find_home

EXAMPLES = """\
examples:
  python scripts/download_base.py list
  python scripts/download_base.py get qwen2.5-1.5b-instruct
  HF_TOKEN=hf_... python scripts/download_base.py get llama-3.2-3b-instruct --accept-licence

Stop it with Ctrl-C; the same command goes on where it was. --json ends with one object: {"base",
"path", "repository", "revision", "licence", "made"}. Exit status: 0 done, 2 it could not be done,
130 stopped.
"""
STAGE = "download"
"""What its events call it."""
PROFILE = "rtx3070"
"""By which the list tells the memory that training takes."""


def listed(home: Home, hub: Hub) -> dict[str, Any]:
    """The bases, with what each would mean."""
    profile = load(PROFILE)
    bases = []
    for base in BASES:
        download = BaseDownload(base, home, hub)
        bases.append(
            {
                "base": base.base_id,
                "name": base.name,
                "repository": base.repository,
                "revision": base.revision,
                "licence": base.licence,
                "licence_url": base.licence_url,
                "must_be_accepted": not base.is_open,
                "needs_token": base.is_gated,
                "parameters": base.parameters,
                "download_bytes": base.download_bytes,
                "training_bytes": vram.predict(base.shape, profile, "sft").total_bytes,
                "path": str(download.folder) if download.is_there else "",
                "part_bytes": download.part_bytes,
            }
        )
    return {
        "bases": bases,
        "demo_base": {"base": DEMO_BASE, "path": str(DEMO_BASE_DIR)},
        "profile": PROFILE,
        "disk_free_bytes": free_bytes(home.models),
    }


def show(answer: dict[str, Any]) -> None:
    """The list for a person."""
    print(f"{'base':<24} {'download':>8} {'GPU memory':>10}  licence")
    for one in answer["bases"]:
        marks = ", downloaded" if one["path"] else ""
        marks += ", wants HF_TOKEN" if one["needs_token"] else ""
        print(
            f"{one['base']:<24} {in_words(one['download_bytes']):>8} "
            f"{in_words(one['training_bytes']):>10}  {one['licence']}{marks}"
        )
    print(f"{DEMO_BASE:<24} comes with Mynah. GPU memory: with the profile {answer['profile']}.")


def get(home: Home, base: BaseModel, arguments: argparse.Namespace) -> bool:
    """Download it, telling the licence first. Raises MynahError."""
    events = Events(arguments.events)
    events.begin(STAGE)
    began_s = time.monotonic()
    line = ProgressLine(as_json=False)

    def progress(done: int, total: int) -> None:
        line(done, total)
        events.progress(STAGE, step=done, steps=total, is_last=done == total)

    if not getattr(arguments, "json", False):
        print(f"{base.name}: its licence is {base.licence}, {base.licence_url}", flush=True)
    download = BaseDownload(base, home, Hub.of_environment(os.environ), on_progress=progress)
    made = download.run(accept_licence=arguments.accept_licence)
    events.end(STAGE, time.monotonic() - began_s, made=made)
    return made


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
    told = "the bases: licence, size, and the memory that training takes"
    commands.add_parser("list", help=told, description=told, parents=[common])
    told = "download a base, or go on with it"
    one = commands.add_parser("get", help=told, description=told, parents=[common])
    one.add_argument("base", metavar="NAME", help="as `list` shows it")
    one.add_argument(
        "--accept-licence",
        action="store_true",
        help="you have read the base's licence and accept it; asked once",
    )
    add_events(one)
    return parser


def main() -> int:
    """See EXAMPLES for the exit status."""
    arguments = build_parser().parse_args()
    as_json = bool(getattr(arguments, "json", False))
    home = find_home(getattr(arguments, "home", None)).ensure()
    if arguments.command == "list":
        answer = listed(home, Hub.of_environment(os.environ))
        if as_json:
            print(json.dumps(answer, ensure_ascii=False))
        else:
            show(answer)
        return 0
    base = known_base(arguments.base)
    made = get(home, base, arguments)
    manifest = read_manifest(base_folder(home, base.base_id))
    assert manifest is not None
    if as_json:
        told = {key: manifest.config[key] for key in ("base", "repository", "revision", "licence")}
        folder = str(base_folder(home, base.base_id))
        print(json.dumps({**told, "path": folder, "made": made}, ensure_ascii=False))
    else:
        print(f"{base.base_id} is at {base_folder(home, base.base_id)}.")
        print(f"Train it: python scripts/3_train_model.py --base {base.base_id}")
    return 0


if __name__ == "__main__":
    stopped = "Stopped. What has come is kept; start again to go on."
    sys.exit(ending_in_a_sentence(main, failed="The download failed", stopped=stopped))

"""Lists the models that can be downloaded, and downloads one: resumable, verified by SHA-256.

What is downloaded becomes a candidate of the registry (scripts/6_manage_models.py). Files come from
the hub, or from the mirror that HF_ENDPOINT names; HF_TOKEN opens what wants an account.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from model import catalogue
from model.download import Download
from model.downloaded import Downloaded, Wanted, wanted_of, wanted_of_url
from model.hub import SHA256, Hub, Source
from model.web import DownloadError
from scripts.edge import ending_in_a_sentence, home_and_json
from storage.database import Database
from storage.model_registry import ModelRegistry
from storage.paths import Home, find_home
from storage.records import ModelVersion
from storage.settings import load

EXAMPLES = """\
examples:
  python scripts/download_model.py list
  python scripts/download_model.py get qwen3-4b-instruct-2507
  python scripts/download_model.py get --url https://example.org/model.gguf --sha256 HEX

Stop it with Ctrl-C; the same command goes on where it was. With --json, `get` prints one object a
line: the licence, {"bytes", "total", "rate"} up to five times a second, and last {"version",
"path"}. Exit status: 0 done, 2 it could not be done, 130 stopped.
"""

LINES_PER_S = 5
RATE_WINDOW_S = 5.0


class ProgressLine:
    """Says how far it is, at most five times a second: JSON on stdout, a line on a terminal."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._is_seen = sys.stderr.isatty()
        self._last_s = 0.0
        self._points: deque[tuple[float, int]] = deque()

    def __call__(self, done: int, total: int) -> None:
        now_s = time.monotonic()
        is_end = 0 < total == done
        if now_s - self._last_s < 1 / LINES_PER_S and not is_end:
            return
        self._last_s = now_s
        rate = self._rate(now_s, done)
        if self._as_json:
            print(json.dumps({"bytes": done, "total": total, "rate": rate}), flush=True)
        if self._is_seen:
            line = (
                f"{catalogue.in_words(done)} of {catalogue.in_words(total)}  {rate / 1e6:.1f} MB/s"
            )
            print(f"\r{line:<60}", end="\n" if is_end else "", file=sys.stderr, flush=True)

    def _rate(self, now_s: float, done: int) -> int:
        """Bytes a second over the last seconds."""
        points = self._points
        points.append((now_s, done))
        while len(points) > 2 and now_s - points[0][0] > RATE_WINDOW_S:
            points.popleft()
        passed_s = now_s - points[0][0]
        return round((done - points[0][1]) / passed_s) if passed_s > 0 else 0


def listed(home: Home, database: Database, downloaded: Downloaded) -> dict[str, Any]:
    """The catalogue, with what each model would mean on this computer."""
    context = load(database.config_rows())[0].whole("context_tokens")
    computer = catalogue.this_computer(home.models)
    models = []
    for model in catalogue.CATALOGUE:
        path = downloaded.find(model.model_id)
        part = downloaded.part_bytes(model.model_id)
        missing = 0 if path else max(model.size_bytes - part, 0)
        fit, why = catalogue.fit(model, computer, context, missing_bytes=missing)
        models.append(
            {
                "id": model.model_id,
                "name": model.name,
                "licence": model.licence,
                "licence_url": model.licence_url,
                "repository": model.repository,
                "parameters": model.parameters,
                "context_tokens": model.context_tokens,
                "size_bytes": model.size_bytes,
                "memory_bytes": model.memory_bytes(context),
                "fit": fit,
                "why": why,
                "path": str(path) if path else "",
                "part_bytes": part,
            }
        )
    return {
        "models": models,
        "memory_bytes": computer.memory_bytes,
        "disk_free_bytes": computer.disk_free_bytes,
    }


def show(answer: dict[str, Any]) -> None:
    """The list for a person."""
    for one in answer["models"]:
        state = "downloaded" if one["path"] else one["fit"]
        print(
            f"{one['id']:<24} {catalogue.in_words(one['size_bytes']):>7}  memory "
            f"{catalogue.in_words(one['memory_bytes']):>7}  {state:<13} {one['licence']}"
        )


def fetch(
    downloaded: Downloaded, wanted: Wanted, source: Source, progress: ProgressLine
) -> ModelVersion:
    """The version, there and registered."""
    return downloaded.get(
        wanted, source, lambda found, part: Download(found, part, on_progress=progress)
    )


def get(downloaded: Downloaded, arguments: argparse.Namespace, as_json: bool) -> ModelVersion:
    """Download what the arguments name. Raises MynahError."""
    progress = ProgressLine(as_json)
    hub = Hub.of_environment(os.environ)
    if arguments.url:
        sha256 = (arguments.sha256 or "").strip().lower()
        if arguments.model_id or not SHA256.fullmatch(sha256):
            raise DownloadError(
                "With --url, give --sha256 with the file's 64 hex digits, and no model's name."
            )
        wanted = wanted_of_url(arguments.url, arguments.name or "")
        source = Source(arguments.url, sha256, token=hub.token_for(arguments.url))
        return fetch(downloaded, wanted, source, progress)
    if not arguments.model_id:
        raise DownloadError("Name a model as `list` shows it, or give --url and --sha256.")
    model = catalogue.find(arguments.model_id)
    wanted = wanted_of(model)
    if (kept := downloaded.keep(wanted)) is not None:
        return kept
    tell_licence(model, as_json)
    return fetch(downloaded, wanted, hub.find(model), progress)


def tell_licence(model: catalogue.CatalogueModel, as_json: bool) -> None:
    """Before anything is downloaded."""
    if as_json:
        told = {"licence": model.licence, "licence_url": model.licence_url}
        print(json.dumps(told, ensure_ascii=False), flush=True)
    else:
        print(f"{model.name}: its licence is {model.licence}, {model.licence_url}", flush=True)


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
    told = "the catalogue: licence, size, memory, and whether it fits this computer"
    commands.add_parser("list", help=told, description=told, parents=[common])
    told = "download a model, or go on with it"
    one = commands.add_parser("get", help=told, description=told, parents=[common])
    one.add_argument("model_id", nargs="?", help="as `list` shows it")
    one.add_argument("--url", help="the address of any other GGUF file")
    one.add_argument("--sha256", metavar="HEX", help="what the file at --url has to be")
    one.add_argument("--name", help="what to call it (default: the file's name)")
    return parser


def main() -> int:
    """See EXAMPLES for the exit status."""
    arguments = build_parser().parse_args()
    as_json = bool(getattr(arguments, "json", False))
    home = find_home(getattr(arguments, "home", None)).ensure()
    with Database.open(home.database, backups=home.backups) as database:
        registry = ModelRegistry(database, home)
        downloaded = Downloaded(home, registry)
        if arguments.command == "list":
            answer = listed(home, database, downloaded)
            if as_json:
                print(json.dumps(answer, ensure_ascii=False))
            else:
                show(answer)
            return 0
        version = get(downloaded, arguments, as_json)
        path = registry.path(version)
    if as_json:
        print(json.dumps({"version": version.version_id, "path": str(path)}))
    else:
        print(f"{version.version_id} is at {path}.")
        print(f"Let it answer: python scripts/6_manage_models.py deploy {version.version_id}")
    return 0


if __name__ == "__main__":
    stopped = "Stopped. What has come is kept; start again to go on."
    sys.exit(ending_in_a_sentence(main, failed="The download failed", stopped=stopped))

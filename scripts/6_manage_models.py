"""Lists, shows, deploys, rolls back and verifies the model versions of one home.

A version is one GGUF file with its lineage (base, dataset, profile, parents) and SHA-256. Exactly
one is deployed: the one that the bot answers with. Every deployment compares the file with its
SHA-256 first.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bot.protocol import ControlError, ask_running
from scripts.edge import ending_in_a_sentence, home_and_json
from storage.database import Database
from storage.errors import MynahError
from storage.model_registry import ModelRegistry
from storage.paths import Home, find_home
from storage.records import ModelVersion

EXAMPLES = """\
examples:
  python scripts/6_manage_models.py list
  python scripts/6_manage_models.py show lantern-20261120-2140
  python scripts/6_manage_models.py deploy lantern-20261120-2140
  python scripts/6_manage_models.py rollback        the previously deployed version answers again
  python scripts/6_manage_models.py verify          every version's file against its SHA-256

A running bot tries the model out and answers with it from then on; it stays online.
Exit status: 0 done, 1 verify found a file that is missing or differs, 2 it could not be done.
"""

NOT_REHEARSED = (
    "not heard yet. python scripts/rehearse.py run shows what it would say, then answer and accept."
)

CHANGE_S = 600.0
"""How long the running bot may take to load another model and to try it out."""


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
    for name, wants_id, explained in (
        ("list", None, "all versions, oldest first"),
        ("show", "one", "everything known about one version"),
        ("deploy", "one", "verify a version's file and let it answer"),
        ("rollback", None, "let the previously deployed version answer again"),
        ("verify", "any", "compare files with their SHA-256 (all versions where none is named)"),
    ):
        command = commands.add_parser(name, help=explained, description=explained, parents=[common])
        if wants_id:
            command.add_argument(
                "version_id", nargs=None if wants_id == "one" else "?", help="as `list` shows it"
            )
    return parser


def run(registry: ModelRegistry, command: str, version_id: str | None) -> dict[str, Any]:
    """Do it, and answer with what --json prints. Raises MynahError."""
    if command == "list":
        return {"versions": [_as_json(registry, version) for version in registry.list()]}
    if command == "rollback":
        return {"deployed": _as_json(registry, registry.rollback())}
    if command == "verify" and version_id is None:
        return {"verified": {v.version_id: _problem(registry, v) for v in registry.list()}}
    assert version_id is not None
    if command == "verify":
        return {"verified": {version_id: _problem(registry, registry.get(version_id))}}
    if command == "deploy":
        return {"deployed": _as_json(registry, registry.deploy(version_id))}
    return {"version": _as_json(registry, registry.get(version_id))}


def deployed_by_running_bot(home: Home, version_id: str) -> bool:
    """Have the bot that runs in this home try the version out and deploy it; False where none runs.

    Raises ControlError with the bot's sentence: then nothing has changed.
    """
    return (
        ask_running(home.data_storage, "deploy", version_id=version_id, timeout_s=CHANGE_S)
        is not None
    )


def rolled_back(home: Home, registry: ModelRegistry) -> dict[str, Any]:
    """Roll back, and have the bot that runs in this home answer with that version.

    Raises MynahError; where the bot cannot answer with it, nothing has changed.
    """
    current = registry.deployed()
    result = run(registry, "rollback", None)
    try:
        if ask_running(home.data_storage, "follow", timeout_s=CHANGE_S) is not None:
            print("The running bot answers with it.", file=sys.stderr)
    except ControlError:
        if current is not None:
            registry.record_deployed(current.version_id)
        raise
    return result


def _problem(registry: ModelRegistry, version: ModelVersion) -> str | None:
    try:
        registry.verify(version.version_id)
    except MynahError as error:
        return str(error)
    return None


def _as_json(registry: ModelRegistry, version: ModelVersion) -> dict[str, Any]:
    """With `rehearsal`: how it did before its owner, "" where it was not heard yet."""
    return {
        **vars(version),
        "parents": list(version.parents),
        "path": str(registry.path(version)),
        "rehearsal": registry.how_rehearsed(version.version_id),
    }


def show(result: dict[str, Any]) -> None:
    """Print a result for a person."""
    if "versions" in result:
        if not result["versions"]:
            print("No model has been registered yet; scripts/3_train_model.py makes one.")
        for version in result["versions"]:
            mark = "*" if version["status"] == "deployed" else " "
            print(
                f"{mark} {version['version_id']:<32} {version['kind']:<6} {version['status']:<10}"
                f"{version['size_bytes'] / 1e6:>9.1f} MB  {_date(version['created_at_ms'])}"
            )
            if version["rehearsal"]:
                print(f"    {version['rehearsal']}")
            if version["tainted_at_ms"]:
                print(f"    {_tainted(version)}")
    elif "verified" in result:
        for version_id, problem in result["verified"].items():
            print(problem or f"{version_id}: the file is what was registered.")
    elif "deployed" in result:
        print(f"Deployed: {result['deployed']['version_id']}  ({result['deployed']['path']})")
        print(f"In rehearsal: {result['deployed']['rehearsal'] or NOT_REHEARSED}")
    else:
        for name, value in result["version"].items():
            text = ", ".join(value) if isinstance(value, list) else value
            is_time = name.endswith("_ms") and value is not None
            print(f"{name:<15} {_date(int(value)) if is_time else text}")


def _tainted(version: dict[str, Any]) -> str:
    """What is wrong with a version that learned what was erased since, and until when."""
    by = _date(version["retrain_by_ms"])
    said = f"learned from {version['tainted_because']}: retrain by {by}"
    if not version["deferred_at_ms"]:
        return said
    return f"{said}; deferred by {version['deferred_by']}: {version['deferred_why']}"


def _date(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, tz=timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def main() -> int:
    """See EXAMPLES for the exit status."""
    arguments = build_parser().parse_args()
    home = find_home(getattr(arguments, "home", None))
    version_id: Any = getattr(arguments, "version_id", None)
    with Database.open(home.database, backups=home.backups) as db:
        registry = ModelRegistry(db, home)
        if arguments.command == "deploy" and deployed_by_running_bot(home, version_id):
            result = {"deployed": _as_json(registry, registry.get(version_id))}
        elif arguments.command == "rollback":
            result = rolled_back(home, registry)
        else:
            result = run(registry, arguments.command, version_id)
    if getattr(arguments, "json", False):
        print(json.dumps(result, ensure_ascii=False))
    else:
        show(result)
    return 1 if any((result.get("verified") or {}).values()) else 0


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))

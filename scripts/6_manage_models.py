"""Lists, shows, compares, deploys, rolls back, verifies and clears away the model versions of one
home.

A version is one GGUF file with its lineage (base, dataset, profile, parents) and SHA-256. Exactly
one is deployed: the one that the bot answers with. Every deployment compares the file with its
SHA-256 first, and looks whether the version has passed what its training profile asks of it: a
personality score (scripts/4_evaluate_personality.py), a leak audit (scripts/4b_audit_leaks.py).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import webbrowser
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bot.protocol import ControlError, ask_running
from scripts.edge import ending_in_a_sentence, home_and_json, user_name
from scripts.model_words import show
from storage.before_deploy import changed_since
from storage.database import Database
from storage.errors import MynahError
from storage.gates import PERSONALITY, latest_of
from storage.model_registry import ModelRegistry, RegistryError
from storage.paths import Home, find_home
from storage.pruning import KEEP, clear, plan
from storage.records import ModelVersion
from storage.version_facts import compared, facts_of, results_of

EXAMPLES = """\
examples:
  python scripts/6_manage_models.py list
  python scripts/6_manage_models.py show lantern-20261120-2140
  python scripts/6_manage_models.py compare lantern-20261120-2140 lantern-20261127-0910
  python scripts/6_manage_models.py deploy lantern-20261127-0910
  python scripts/6_manage_models.py deploy lantern-20261127-0910 --force --why "a test server"
  python scripts/6_manage_models.py rollback        the previously deployed version answers again
  python scripts/6_manage_models.py verify          every version's file against its SHA-256
  python scripts/6_manage_models.py prune --dry-run what would be cleared away, and how much it is
  python scripts/6_manage_models.py pin lantern-20261120-2140
  python scripts/6_manage_models.py lineage --open  where each came from, as a page

A running bot tries the model out and answers with it from then on; it stays online. Where it goes
down twice within minutes with a version that was deployed lately, it returns to the one before.
Exit status: 0 done, 1 verify found a file that is missing or differs, 2 it could not be done.
"""

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

    def command(name: str, explained: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=explained, description=explained, parents=[common])

    as_listed = "as `list` shows it"
    command("list", "all versions, oldest first")
    command("show", "everything known about one version").add_argument("version_id", help=as_listed)
    sides = command("compare", "two versions side by side: making, training, every figure")
    sides.add_argument("version_id", help=as_listed)
    sides.add_argument("other_id", help=as_listed)
    deploy = command("deploy", "verify a version's file and gates, and let it answer")
    deploy.add_argument("version_id", help=as_listed)
    deploy.add_argument(
        "--force", action="store_true", help="although it has not passed; kept with your name"
    )
    deploy.add_argument("--why", default="", help="the reason, with --force")
    command("rollback", "let the previously deployed version answer again")
    verify = command("verify", "compare files with their SHA-256 (all where none is named)")
    verify.add_argument("version_id", nargs="?", help=as_listed)
    prune = command("prune", "clear away what nobody will miss; what versions were stays on record")
    prune.add_argument(
        "--keep", type=_count, default=KEEP, metavar="N", help=f"newest versions (default {KEEP})"
    )
    prune.add_argument("--dry-run", action="store_true", help="only say what would go")
    pin = command("pin", "have prune leave a version's files alone")
    pin.add_argument("version_id", help=as_listed)
    pin.add_argument("--off", action="store_true", help="take that back")
    lineage = command("lineage", "where each version came from, as a page for a browser")
    lineage.add_argument("--open", action="store_true", help="show it in the browser")
    return parser


def main() -> int:
    """See EXAMPLES for the exit status."""
    arguments = build_parser().parse_args()
    home = find_home(getattr(arguments, "home", None))
    with Database.open(home.database, backups=home.backups) as db:
        result = run(home, db, arguments)
    if getattr(arguments, "json", False):
        print(json.dumps(result, ensure_ascii=False))
    else:
        show(result)
    if getattr(arguments, "open", False) and not webbrowser.open(Path(result["page"]).as_uri()):
        print(f"No browser was found; open {result['page']} by hand.", file=sys.stderr)
    return 1 if any((result.get("verified") or {}).values()) else 0


def run(home: Home, database: Database, arguments: argparse.Namespace) -> dict[str, Any]:
    """Do it, and answer with what --json prints. Raises MynahError."""
    registry = ModelRegistry(database, home)
    match arguments.command:
        case "list":
            return {"versions": [_as_json(registry, version) for version in registry.list()]}
        case "deploy":
            return deployed(home, registry, arguments)
        case "rollback":
            return rolled_back(home, database, registry)
        case "verify":
            named = arguments.version_id
            chosen = [registry.get(named)] if named else registry.list()
            return {"verified": {v.version_id: _problem(registry, v) for v in chosen}}
        case "compare":
            return side_by_side(home, registry, arguments.version_id, arguments.other_id)
        case "prune":
            return pruned(home, database, arguments.keep, is_trial=arguments.dry_run)
        case "pin":
            registry.get(arguments.version_id)
            database.pin_model(arguments.version_id, not arguments.off)
            return {"pinned": arguments.version_id, "is_pinned": not arguments.off}
        case "lineage":
            from data.lineage import render_lineage  # late: it brings numpy

            return {"page": str(render_lineage(home, database))}
        case _:
            return {"version": _as_json(registry, registry.get(arguments.version_id))}


def deployed(home: Home, registry: ModelRegistry, arguments: argparse.Namespace) -> dict[str, Any]:
    """Deploy a version; the bot that runs in this home tries it out first. Raises MynahError: then
    nothing has changed."""
    version_id, why = arguments.version_id, arguments.why.strip()
    if bool(why) != arguments.force:
        raise RegistryError('--force and --why "..." go together: the reason is kept.')
    force = {"force_by": user_name(), "force_why": why} if arguments.force else {}
    lower = registry.lower_than_deployed(version_id)
    if not deployed_by_running_bot(home, version_id, **force):
        registry.deploy(version_id, **force)
    version = _as_json(registry, registry.get(version_id))
    return {"deployed": version, "said": [lower] if lower else []}


def deployed_by_running_bot(home: Home, version_id: str, **force: str) -> bool:
    """Have the bot that runs in this home try the version out and deploy it; False where none runs.

    Raises ControlError with the bot's sentence: then nothing has changed.
    """
    asked = {"version_id": version_id, **force}
    return ask_running(home.data_storage, "deploy", timeout_s=CHANGE_S, **asked) is not None


def rolled_back(home: Home, database: Database, registry: ModelRegistry) -> dict[str, Any]:
    """Roll back, and have the bot that runs in this home answer with that version.

    Raises MynahError; where the bot cannot answer with it, nothing has changed.
    """
    current = registry.deployed()
    changed = {} if current is None else changed_since(home, database, current.version_id)
    version = registry.rollback()
    try:
        if ask_running(home.data_storage, "follow", timeout_s=CHANGE_S) is not None:
            print("The running bot answers with it.", file=sys.stderr)
    except ControlError:
        if current is not None:
            registry.deploy_again(current.version_id)
        raise
    return {"deployed": _as_json(registry, version), "settings_changed": changed}


def side_by_side(
    home: Home, registry: ModelRegistry, version_id: str, other_id: str
) -> dict[str, Any]:
    """All that is known of two versions, line by line. Raises RegistryError."""
    sides = [registry.get(version_id), registry.get(other_id)]
    first, second = (
        facts_of(home, one)
        | results_of(
            one, registry.evaluations(one.version_id), registry.how_rehearsed(one.version_id)
        )
        for one in sides
    )
    lines = [{**vars(line), "differs": line.differs} for line in compared(first, second)]
    return {"compared": [version_id, other_id], "lines": lines}


def pruned(home: Home, database: Database, keep: int, *, is_trial: bool) -> dict[str, Any]:
    """Clear away, or say what would go. Raises PruneError."""
    planned = plan(home, database, keep)
    if not is_trial:
        clear(home, database, planned, time.time_ns() // 1_000_000)
    return {
        "going": [{**vars(one), "path": str(one.path)} for one in planned.going],
        "stays": dict(planned.stays),
        "pruned": list(planned.pruned),
        "size_bytes": planned.size_bytes,
        "is_trial": is_trial,
    }


def _problem(registry: ModelRegistry, version: ModelVersion) -> str | None:
    """What is wrong with its file; nothing where it was cleared away and so is not expected."""
    if version.pruned_at_ms is not None and not registry.path(version).is_file():
        return None
    try:
        registry.verify(version.version_id)
    except MynahError as error:
        return str(error)
    return None


def _as_json(registry: ModelRegistry, version: ModelVersion) -> dict[str, Any]:
    """With `rehearsal`: how it did before its owner, "" where it was not heard yet; `score` of its
    personality, None where it was not judged; `gates`."""
    judged = latest_of(registry.evaluations(version.version_id))(version.version_id, PERSONALITY)
    return {
        **vars(version),
        "parents": list(version.parents),
        "path": str(registry.path(version)),
        "rehearsal": registry.how_rehearsed(version.version_id),
        "score": None if judged is None else judged.score,
        "gates": [vars(gate) for gate in registry.gates(version.version_id)],
    }


def _count(text: str) -> int:
    """An argparse type: 0 or more."""
    count = int(text)
    if count < 0:
        raise argparse.ArgumentTypeError(f"{text} is less than 0")
    return count


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))

"""Shows, exports, excludes and forgets a member; keeps what somebody said about being learned from.

`forget` removes what a member wrote and what was derived from it: rows, full text, vectors,
exports, training sets, reports, backups. A keyed hash of their id remains, so that no fetch and no
import brings them back. docs/consent.md says what the words mean.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data.consent import Rules, coverage
from data.forgetting import ForgetReport, forget_member, resume
from data.member_view import MemberView, export_member, view_of
from scripts.edge import ending_in_a_sentence, home_and_json, user_name
from scripts.erasures import FOLLOW_S
from scripts.names import named
from scripts.running_bot import tell_running_bot
from storage.database import Database
from storage.errors import MynahError
from storage.model_registry import ModelRegistry
from storage.paths import Home, find_home
from storage.records import FIRST_SNOWFLAKE, FORGOTTEN_MEMBER, MemberRecord

EXAMPLES = """\
examples:
  python scripts/privacy.py show --member mira
  python scripts/privacy.py export --member mira        a zip in data_storage/exports
  python scripts/privacy.py exclude --member mira       kept, and used for nothing; include: again
  python scripts/privacy.py optout --member mira        not recalled, not learned from; optin: is
  python scripts/privacy.py forget --member mira        asks first; --yes does not
  python scripts/privacy.py defer lantern-20261120-2140 --why "retrained on Sunday"
  python scripts/privacy.py resume                      finish what was cut off or is pending
  python scripts/privacy.py coverage                    how many members may be learned from

A member is named by id, nickname or account name; where a name is several people's, by id. A
running bot is told at once. `include` and `optin` also take a forgotten member's tombstone away.
Exit status: 0 done, 1 not everything could be erased yet (it is tried again), 2 it could not be
done.
"""

CONSENTS = {"optin": "opted_in", "optout": "opted_out"}


class PrivacyError(MynahError):
    """The command line asks for what cannot be done."""


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
        ("show", "what is stored of a member"),
        ("export", "all that is stored of a member, as a zip"),
        ("exclude", "leave a member out of everything"),
        ("include", "take an exclusion, or a tombstone, back"),
        ("optin", "they may be learned from"),
        ("optout", "they are neither recalled nor learned from"),
        ("forget", "erase a member for good"),
    ):
        command = commands.add_parser(name, help=explained, description=explained, parents=[common])
        command.add_argument("--member", required=True, metavar="ID|NAME", help="whom")
        if name == "forget":
            command.add_argument("--yes", action="store_true", help="do not ask")
    explained = "let a model that learned from a forgotten member answer until it is retrained"
    command = commands.add_parser("defer", help=explained, description=explained, parents=[common])
    command.add_argument("version_id", metavar="VERSION", help="as 6_manage_models.py shows it")
    command.add_argument("--why", required=True, help="your reason; it is kept with your name")
    explained = "finish what was cut off, was in use, or was deleted on Discord"
    commands.add_parser("resume", help=explained, description=explained, parents=[common])
    explained = "of how many members, and of how much, a model may be trained"
    commands.add_parser("coverage", help=explained, description=explained, parents=[common])
    return parser


def main() -> int:
    """See EXAMPLES for the exit status."""
    arguments = build_parser().parse_args()
    home = find_home(getattr(arguments, "home", None))
    as_json = bool(getattr(arguments, "json", False))
    with Database.open(home.database, backups=home.backups) as database:
        if arguments.command == "resume":
            reports = resume(home, database, progress=say_place)
            if not reports and database.has_erasures():
                return busy(as_json)
            return told(home, reports, as_json)
        if arguments.command == "coverage":
            return covered(database, as_json)
        if arguments.command == "defer":
            return deferred(home, database, arguments.version_id, arguments.why, as_json)
        member_id = member_of(database, arguments.member)
        if arguments.command == "forget":
            if not arguments.yes:
                ask(view_of(home, database, member_id))
            report = forget_member(
                home,
                database,
                member_id,
                by=user_name(),
                progress=say_place,
                begun=lambda: tell_forget(home, member_id),
            )
            return told(home, [report], as_json)
        if arguments.command not in ("show", "export"):
            change(home, database, arguments.command, member_id)
        view = view_of(home, database, member_id)
        path = export_member(home, database, view) if arguments.command == "export" else None
    result = {**view.as_json(), **({} if path is None else {"file": str(path)})}
    print(json.dumps(result, ensure_ascii=False) if as_json else in_words(view, path))
    return 0


def member_of(database: Database, text: str) -> int:
    """The id of the member who is meant; an id of Discord's also where nothing is stored of them.

    Raises UnknownNameError, PrivacyError.
    """
    bare = text.strip().lstrip("@")
    if bare.isascii() and bare.isdigit() and FIRST_SNOWFLAKE <= int(bare) < 2**63:
        return int(bare)
    return named(
        text,
        database.members(),
        "member",
        lambda m: m.member_id,
        lambda m: (m.nickname, m.name),
        "scripts/manage_members.py list",
    ).member_id


def change(home: Home, database: Database, command: str, member_id: int) -> None:
    """exclude, include, optin or optout; a running bot is told. Raises DatabaseError."""
    if command in ("include", "optin") and database.lift_tombstone(member_id):
        print("They are known again; what was erased does not come back.", file=sys.stderr)
    if database.member(member_id) is None:
        name = f"member {member_id}"
        database.upsert_members([MemberRecord(member_id, name, name)])
    if command in CONSENTS:
        database.set_consent(member_id, CONSENTS[command])
    else:
        database.set_excluded(member_id, command == "exclude")
    tell_running_bot(
        home,
        "exclude",
        "The running bot was told: this counts from now on.",
        member_id=member_id,
        is_excluded=_is_excluded(database, member_id),
    )


def _is_excluded(database: Database, member_id: int) -> bool:
    member = database.member(member_id)
    return member is not None and member.is_excluded


def ask(view: MemberView) -> None:
    """Say what will go and ask. Raises PrivacyError unless somebody says yes."""
    print(in_words(view, None), file=sys.stderr)
    print(
        "Forgetting erases all of this and every copy of it under this home, backups and training\n"
        "sets included. Models that learned it stop answering. It cannot be undone.",
        file=sys.stderr,
    )
    if not sys.stdin.isatty():
        raise PrivacyError("Nobody is there to be asked, so nothing was erased: add --yes.")
    print('Forget them? Type "yes": ', end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().casefold() != "yes":
        raise PrivacyError("Nothing was erased.")


def tell_forget(home: Home, member_id: int) -> None:
    """A running bot drops what it holds of them, before the rows go."""
    tell_running_bot(
        home, "forget", "The running bot holds nothing of them any more.", member_id=member_id
    )


def deferred(home: Home, database: Database, version_id: str, why: str, as_json: bool) -> int:
    """Keep who lets a tainted version answer, and why. Raises MynahError."""
    registry = ModelRegistry(database, home)
    registry.get(version_id)
    database.defer_model(version_id, user_name(), why, time.time_ns() // 1_000_000)
    version = registry.get(version_id)
    if as_json:
        print(json.dumps({"version": version_id, "by": version.deferred_by, "why": why}))
    else:
        print(
            f"{version_id} may answer until it is retrained; that is kept with your name, "
            f"{version.deferred_by}. python scripts/6_manage_models.py deploy {version_id} lets it."
        )
    return 0


def covered(database: Database, as_json: bool) -> int:
    """Say whom may be learned from under this home's rules."""
    rules = Rules.of(database)
    found = coverage(database, rules.mode, rules.is_declared)
    if as_json:
        mode = {"mode": rules.mode.value, "is_declared": rules.is_declared}
        print(json.dumps({"words": str(found), **mode, **asdict(found)}))
        return 0
    print(f"{found} may be learned from; consent_mode is {rules.mode.value}.")
    for reason, count in found.left_out.items():
        print(f"{count:>9,}  left out: {reason}")
    return 0


def told(home: Home, reports: Sequence[ForgetReport], as_json: bool) -> int:
    """Say what was done, and have a running bot follow; the exit status."""
    if any(report.answers_now for report in reports):
        tell_running_bot(
            home, "follow", "The running bot answers with another model.", timeout_s=FOLLOW_S
        )
    if as_json:
        print(json.dumps({"reports": [report.as_json() for report in reports]}))
    else:
        for report in reports:
            print("\n".join(lines_of(report)))
        if not reports:
            print("There is nothing to erase.")
    return 1 if any(not report.is_done for report in reports) else 0


def busy(as_json: bool) -> int:
    """Another process is at it; the exit status."""
    if as_json:
        print(json.dumps({"reports": []}))
    print("Another process is erasing just now: let it finish.", file=sys.stderr)
    return 1


def lines_of(report: ForgetReport) -> list[str]:
    """A report for people: ids and figures, never a word or a name."""
    whom = ", ".join(f"member {i}" for i in report.member_ids) or "deleted messages"
    lines = [f"Erased: {whom}, {report.messages:,} messages, in {report.seconds} s."]
    lines += [f"{count:>9,}  {place}" for place, count in report.changed.items()]
    lines += [f"removed as a whole: {path}" for path in report.removed]
    for one in report.tainted:
        may = "learned" if one.is_known else "may have learned"
        lines.append(
            f"{one.version_id} {may} from {one.because}: train a new version by "
            f"{_date(one.retrain_by_ms)}."
        )
    if report.answers_now:
        lines.append(f"{report.answers_now} answers now.")
    elif any(one.because == FORGOTTEN_MEMBER for one in report.tainted):
        lines.append("What answers stays as it was.")
    lines += [f"NOT DONE YET in {place}: {why}" for place, why in report.unfinished.items()]
    if report.unfinished:
        lines.append(
            "The rest is tried again at the next start of the bot, or by: privacy.py resume"
        )
    return lines


def in_words(view: MemberView, path: Path | None) -> str:
    """A view for people."""
    member = view.member
    called = f"{member.nickname} ({member.name}), " if member is not None else ""
    lines = [f"{called}{view.member_id}"]
    if view.is_forgotten:
        lines.append("was forgotten: nothing of theirs is stored any more")
    elif member is not None:
        since = f" since {_date(member.consent_at_ms)}" if member.consent_at_ms else ""
        excluded = ", excluded" if member.is_excluded else ""
        lines.append(f"consent: {member.consent.replace('_', ' ')}{since}{excluded}")
    lines.append(f"{view.messages:,} messages")
    lines += [
        f"{one.messages:>9,}  {one.channel or one.channel_id}, {one.origin}, "
        f"{_date(one.first_ms)} to {_date(one.last_ms)}"
        for one in view.said
    ]
    lines.append(f"{view.vectors:,} vectors")
    lines += [f"{count:,} examples of the set {name}" for name, count in view.examples.items()]
    if view.rehearsed:
        lines.append(f"{view.rehearsed:,} moments of rehearsals are about it, or written from it")
    lines += [f"the model {version_id} learned from them" for version_id in view.models]
    if path is not None:
        lines.append(str(path))
    return "\n".join(lines)


def say_place(place: str, done: int, total: int) -> None:
    print(f"{done + 1} of {total}: {place} ...", file=sys.stderr, flush=True)


def _date(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, tz=timezone.utc).strftime("%Y-%m-%d")


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main, failed="Not everything could be erased"))

"""Makes backups of a home, lists and verifies them, and restores a home from one.

In a backup: messages and everything else of the database, the settings, the model that answers, the
embedder. Not in it: the bot's token, logs, and what is built again (vectors, training sets). It is
made while the bot runs, and verified by a restore into a scratch home. They lie in
data_storage/backups; models in its folder models, once for all of them: copy both to another disk.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import shlex
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data.backup import Backup, BackupError, create, list_backups, verify
from data.backup_archive import BackupDamagedError, Contents, read_contents
from data.backup_key import VARIABLE, Opener, PassphraseError, key_file, make_key
from data.restoring import restore
from scripts.edge import ending_in_a_sentence, home_and_json
from storage.database import Database
from storage.paths import PROGRAM_DIR, Home, find_home
from storage.settings import load

EXAMPLES = """\
examples:
  python scripts/7_backup.py create
  python scripts/7_backup.py create --without-model         without the model's file of gigabytes
  python scripts/7_backup.py list
  python scripts/7_backup.py verify                         the newest one
  python scripts/7_backup.py restore mynah-20261121-101500.zip --into ~/mynah-home
  python scripts/7_backup.py restore mynah-20261121-101500.zip --replace
  python scripts/7_backup.py encrypt                        from now on, with a passphrase
  python scripts/7_backup.py schedule                       a line for cron or the Task Scheduler

The passphrase is asked for, or comes from --passphrase-file or the environment variable
MYNAH_BACKUP_PASSPHRASE; making an encrypted backup needs none.
Exit status: 0 done, 1 verify found a damaged backup, 2 it could not be done.
"""

AT_HOUR = 4
"""When a scheduled backup is made: hardly anybody talks."""


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
        ("create", "make a backup, verify it, and remove the oldest ones"),
        ("list", "all backups, oldest first"),
        ("verify", "restore one into a scratch home and compare"),
        ("restore", "put a home's database, settings and model back"),
        ("encrypt", "have backups encrypted with a passphrase from now on"),
        ("schedule", "print what makes cron or the Task Scheduler do it"),
    ):
        command = commands.add_parser(name, help=explained, description=explained, parents=[common])
        if name in ("verify", "restore"):
            command.add_argument(
                "archive",
                nargs="?" if name == "verify" else None,
                help="a file, or its name as `list` shows it",
            )
        if name in ("verify", "restore", "encrypt"):
            command.add_argument(
                "--passphrase-file",
                metavar="FILE",
                help="the passphrase is its first line; -: the first line of stdin",
            )
        if name in ("create", "restore"):
            command.add_argument(
                "--without-model", action="store_true", help="leave the model and embedder out"
            )
        if name == "restore":
            command.add_argument(
                "--into", metavar="DIR", help="the home to restore into (default: --home)"
            )
            command.add_argument(
                "--replace", action="store_true",
                help="put the database that is there aside, into its backups",
            )  # fmt: skip
        if name == "encrypt":
            command.add_argument(
                "--off", action="store_true", help="no more; older ones keep their passphrase"
            )
    return parser


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Do it, and answer with what --json prints. Raises MynahError, OSError."""
    home = find_home(getattr(arguments, "home", None))
    if arguments.command == "create":
        days, weeks = _kept(home)
        made = create(home, with_model=not arguments.without_model, days=days, weeks=weeks, say=say)
        return {"created": _as_json(made)}
    if arguments.command == "list":
        return {"backups": [_as_json(one) for one in list_backups(home)]}
    if arguments.command == "schedule":
        return {"cron": cron_line(home), "task_scheduler": task_line(home)}
    if arguments.command == "encrypt":
        return _encrypt(home, arguments)
    path = _archive(home, arguments.archive)
    opener = _opener(path, arguments.passphrase_file)
    if arguments.command == "verify":
        return {"verified": path.name, **_figures(verify(home, path, opener, say))}
    into = find_home(arguments.into) if arguments.into else home
    done = restore(
        path,
        into,
        replace=arguments.replace,
        with_model=not arguments.without_model,
        opener=opener,
        say=say,
    )
    return {
        "restored": str(into.root),
        **_figures(done.contents),
        "aside": str(done.aside) if done.aside else None,
        "forgotten": done.forgotten,
        "deleted": done.deleted,
        "remarks": list(done.remarks),
    }


def _kept(home: Home) -> tuple[int, int]:
    if not home.database.is_file():
        raise BackupError(f"There is nothing to back up: {home.root} has no database yet.")
    with Database.open(home.database, backups=home.backups) as database:
        settings, _ = load(database.config_rows())
    return settings.whole("backup_daily_kept"), settings.whole("backup_weekly_kept")


def _archive(home: Home, named: str | None) -> Path:
    """The file that is meant; None: the newest of the home's."""
    if named is None:
        if not (all_of_them := list_backups(home)):
            raise BackupError(f"There is no backup in {home.backups} yet; `create` makes one.")
        return all_of_them[-1].path
    for path in (home.backups / named, Path(named).expanduser().resolve()):
        if path.is_file():
            return path
    raise BackupError(f"There is no backup {named}; `list` shows those of {home.backups}.")


def _opener(path: Path, passphrase_file: str | None) -> Opener:
    return Opener(read_passphrase(passphrase_file) if read_contents(path).is_encrypted else None)


def _encrypt(home: Home, arguments: argparse.Namespace) -> dict[str, Any]:
    if arguments.off:
        key_file(home).unlink(missing_ok=True)
        return {"encrypted": False}
    home.ensure()
    make_key(home, read_passphrase(arguments.passphrase_file, is_new=True))
    return {"encrypted": True, "key": str(key_file(home))}


def read_passphrase(file: str | None, *, is_new: bool = False) -> str:
    """From the file, the environment, or the prompt. Raises PassphraseError, OSError."""
    if file == "-":
        return _words(sys.stdin.buffer.readline())
    if file is not None:
        with Path(file).expanduser().open("rb") as lines:
            return _words(lines.readline())
    if given := os.environ.get(VARIABLE):
        return given
    if not sys.stdin.isatty():
        raise PassphraseError(f"There is no passphrase: give --passphrase-file, or set {VARIABLE}.")
    try:
        first = getpass.getpass("Passphrase: ")
        if is_new and getpass.getpass("Again: ") != first:
            raise PassphraseError("These are two different passphrases; start again.")
    except (EOFError, UnicodeError):
        raise PassphraseError("No passphrase could be read.") from None
    return first


def _words(line: bytes) -> str:
    """The line as text, without the mark that Windows' editors begin a file with."""
    try:
        return line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise PassphraseError("The passphrase is not UTF-8: save its file so.") from None


def cron_line(home: Home) -> str:
    """For `crontab -e`: weekly, on Mondays."""
    command = shlex.join(_command(home)).replace("%", "\\%")  # which ends a line in cron
    return f"0 {AT_HOUR} * * 1 {command}"


def task_line(home: Home) -> str:
    """For Windows' command line: weekly, on Mondays."""
    quoted = subprocess.list2cmdline(_command(home)).replace('"', '\\"')
    at = f"/SC WEEKLY /D MON /ST {AT_HOUR:02}:00"
    return f'schtasks /Create /TN "Mynah backup" {at} /TR "{quoted}"'


def _command(home: Home) -> list[str]:
    script = PROGRAM_DIR / "scripts" / "7_backup.py"
    return [sys.executable, str(script), "--home", str(home.root), "create"]


def _as_json(backup: Backup) -> dict[str, Any]:
    known: dict[str, Any] = {"problem": "damaged"}
    if backup.contents is not None:
        known = {"problem": "", **_figures(backup.contents)}
    return {
        "name": backup.path.name,
        "at_ms": backup.at_ms,
        "size_bytes": backup.size_bytes,
        "verified_at_ms": backup.verified_at_ms,
        **known,
    }


def _figures(contents: Contents) -> dict[str, Any]:
    models_bytes = sum(blob.size_bytes for blob in contents.blobs.values())
    return {
        "messages": contents.messages,
        "is_encrypted": contents.is_encrypted,
        "deployed": contents.deployed,
        "models_bytes": models_bytes,
        "mynah": contents.mynah,
    }


def show(command: str, result: dict[str, Any]) -> None:
    """Print a result for a person."""
    if command == "list":
        if not result["backups"]:
            print("There is no backup yet; `create` makes one.")
        for one in result["backups"]:
            print(_line(one))
    elif command == "create":
        print(_line(result["created"]))
    elif command == "verify":
        print(f"{result['verified']} is whole: {_many(result['messages'], 'message')}.")
    elif command == "restore":
        print(f"Restored {_many(result['messages'], 'message')} into {result['restored']}.")
        if result["aside"]:
            print(f"The database that was there is {result['aside']} now.")
        if result["forgotten"] or result["deleted"]:
            print(
                "Forgotten or deleted since, and so in it too: "
                f"{_many(result['forgotten'], 'member')}, {_many(result['deleted'], 'message')}."
            )
        for remark in result["remarks"]:
            print(remark)
    elif command == "schedule":
        print("The bot makes a backup by itself (the setting backup_every_days). Without the bot:")
        print(f"\ncron (crontab -e):\n{result['cron']}")
        print(f"\nWindows (one command):\n{result['task_scheduler']}")
    elif result["encrypted"]:
        print("Backups are encrypted from now on, models too. Without the passphrase nobody can")
        print("restore one: keep it where this computer is not. Backups made before stay as they")
        print("are. When somebody is forgotten, encrypted backups are removed, unless the")
        print(f"passphrase is in {VARIABLE} then.")
    else:
        print("Backups are not encrypted from now on; older ones keep their passphrase.")


def _line(one: dict[str, Any]) -> str:
    if one["problem"]:
        return f"{one['name']:<30} {one['size_bytes'] / 1e6:>9.1f} MB  damaged: it cannot be read"
    verified = (
        f"verified {_date(one['verified_at_ms'])}" if one["verified_at_ms"] else "not verified"
    )
    parts = (
        f"{one['messages']:>9,} messages",
        "encrypted" if one["is_encrypted"] else "not encrypted",
        f"model {one['deployed'] or 'none'} ({one['models_bytes'] / 1e6:,.0f} MB beside)",
        verified,
    )
    return f"{one['name']:<30} {one['size_bytes'] / 1e6:>9.1f} MB  " + "  ".join(parts)


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _date(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, tz=timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    """See EXAMPLES for the exit status."""
    arguments = build_parser().parse_args()
    try:
        result = run(arguments)
    except BackupDamagedError as error:
        if arguments.command != "verify":
            raise
        print(error, file=sys.stderr)
        return 1
    if getattr(arguments, "json", False):
        print(json.dumps(result, ensure_ascii=False))
    else:
        show(arguments.command, result)
    return 0


if __name__ == "__main__":
    sys.exit(
        ending_in_a_sentence(
            main,
            failed="The backups could not be used",
            stopped="Stopped. What was there before is as it was.",
        )
    )

"""Backups as the page Data shows them: the list, and the jobs that make, check and restore one.

All of it is scripts/7_backup.py. Tk's thread alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gui.app_model import AppModel
from gui.models.chore import Job
from gui.models.model_listing import when_words
from gui.models.words import many, size_words

SCRIPT = "7_backup.py"
EVERY = "backup_every_days"
EVERY_WORDS = {
    0: "never",
    1: "every day",
    3: "every 3 days",
    7: "every week",
    14: "every 2 weeks",
    30: "every 30 days",
}
"""What the choice offers; another number of the user's is shown as it is."""
NONE = "\u2014"

OnFailed = Callable[[str, str], object]
"""Gets what happened and why."""


@dataclass(frozen=True)
class BackupRow:
    """One backup, as `scripts/7_backup.py list --json` has it."""

    name: str
    at_ms: int
    size_bytes: int
    verified_at_ms: int | None
    is_damaged: bool
    messages: int = 0
    is_encrypted: bool = False
    model: str = ""
    models_bytes: int = 0


class BackupsModel:
    """One page's. `changed` is called after each change of what stands here."""

    def __init__(self, app: AppModel, changed: Callable[[], object], failed: OnFailed) -> None:
        self._app = app
        self._changed = changed
        self._failed = failed
        self.rows: tuple[BackupRow, ...] = ()
        self.is_read = False
        self.is_setting = False
        """Whether the interval is being stored."""
        self._is_reading = self._is_stale = False

    def find(self, name: str | None) -> BackupRow | None:
        return next((row for row in self.rows if row.name == name), None)

    @property
    def every_days(self) -> int:
        return self._app.settings.whole(EVERY)

    def reload(self) -> None:
        """Read the list anew, by the script; once more where that is at it already."""
        if self._is_reading:
            self._is_stale = True
            return
        self._is_reading = True
        self._app.run_script(SCRIPT, "list", "--json", done=self._read, failed=self._unreadable)

    def set_every(self, days: int) -> None:
        """Have the bot make a backup by itself every so many days; 0: never."""
        if self.is_setting or days == self.every_days:
            return

        def stored() -> None:
            self.is_setting = False
            self._changed()

        def failed(reason: str) -> None:
            self.is_setting = False
            self._failed("How often a backup is made was not changed.", reason)
            self._changed()

        self.is_setting = True
        self._app.set_setting(EVERY, str(days), stored, failed)
        self._changed()

    def _read(self, result: dict[str, Any]) -> None:
        self.rows, self.is_read = rows_of(result.get("backups", ())), True
        self._rest()

    def _unreadable(self, reason: str) -> None:
        self.is_read = True
        self._failed("The list of backups cannot be read.", reason)
        self._rest()

    def _rest(self) -> None:
        self._is_reading = False
        if self._is_stale:
            self._is_stale = False
            self.reload()
        self._changed()


def rows_of(backups: Sequence[Mapping[str, Any]]) -> tuple[BackupRow, ...]:
    """What the script lists."""
    return tuple(
        BackupRow(
            one["name"],
            one["at_ms"],
            one["size_bytes"],
            one["verified_at_ms"],
            bool(one["problem"]),
            one.get("messages", 0),
            one.get("is_encrypted", False),
            one.get("deployed") or "",
            one.get("models_bytes", 0),
        )
        for one in backups
    )


# -- in words -----------------------------------------------------------------------------------


def backup_cells(row: BackupRow) -> tuple[str, ...]:
    """When, size, messages, the model in it, encrypted, when it was last checked."""
    if row.is_damaged:
        return (when_words(row.at_ms), size_words(row.size_bytes), NONE, NONE, NONE, "damaged")
    return (
        when_words(row.at_ms),
        size_words(row.size_bytes),
        f"{row.messages:,}",
        row.model or NONE,
        "yes" if row.is_encrypted else "no",
        when_words(row.verified_at_ms) if row.verified_at_ms else "not yet",
    )


def backup_order(row: BackupRow) -> tuple[Any, ...]:
    """What sorts each of these columns."""
    return (
        row.at_ms,
        row.size_bytes,
        row.messages,
        row.model.casefold(),
        row.is_encrypted,
        row.verified_at_ms or 0,
    )


def every_words(days: int) -> str:
    """As the choice shows it."""
    return EVERY_WORDS.get(days, f"every {many(days, 'day')}")


def days_of(words: str) -> int:
    """The number that the choice stands for."""
    known = {shown: days for days, shown in EVERY_WORDS.items()}
    return known[words] if words in known else int(words.split()[1].replace(",", ""))


def totals_words(rows: Sequence[BackupRow]) -> str:
    """What they take together; "" where there are none."""
    if not rows:
        return ""
    models_bytes = max(row.models_bytes for row in rows)
    beside = f", and models of at least {size_words(models_bytes)} beside" if models_bytes else ""
    return f"{many(len(rows), 'backup')}, {size_words(sum(r.size_bytes for r in rows))}{beside}."


# -- jobs -----------------------------------------------------------------------------------------


def create_job() -> Job:
    return Job(
        "A backup is being made", "The backup was not made.", SCRIPT, ("create",), made_words, True
    )


def check_job(row: BackupRow, passphrase: str = "") -> Job:
    """Restore it into a scratch home and compare."""
    return Job(
        f"The backup of {when_words(row.at_ms)} is being checked",
        "The backup is not what it should be.",
        SCRIPT,
        ("verify", row.name, *(("--passphrase-file", "-") if passphrase else ())),
        checked_words,
        True,
        _line(passphrase),
    )


def restore_job(row: BackupRow, passphrase: str = "") -> Job:
    """Put it in the place of what is there."""
    return Job(
        f"The backup of {when_words(row.at_ms)} is being restored",
        "The backup was not restored.",
        SCRIPT,
        ("restore", row.name, "--replace", *(("--passphrase-file", "-") if passphrase else ())),
        restored_words,
        stdin=_line(passphrase),
    )


def restore_question(row: BackupRow) -> str:
    return f"Restore the backup of {when_words(row.at_ms)}, with {many(row.messages, 'message')}?"


RESTORE_DETAILS = (
    "Messages, members, settings and the model that answers become what they were then; what was "
    "said since is not in it, and can be fetched again.\n"
    "What is there now is put aside into the folder of backups. Who was forgotten, excluded or "
    "opted out since, and what was deleted on Discord, stays so."
)


def made_words(result: Mapping[str, Any]) -> str:
    (row,) = rows_of([result["created"]])
    return (
        f"The backup is made and checked: {many(row.messages, 'message')}, "
        f"{size_words(row.size_bytes)}. It lies on this disk: copy it to another one, too."
    )


def checked_words(result: Mapping[str, Any]) -> str:
    return f"{result['verified']} is whole: {many(result['messages'], 'message')}."


def restored_words(result: Mapping[str, Any]) -> str:
    lines = [f"Restored: {many(result['messages'], 'message')}."]
    if result["aside"]:
        name = Path(result["aside"]).name
        lines.append(f"What was there is {name} in the folder of backups now.")
    if result["forgotten"] or result["deleted"]:
        lines.append(
            f"Forgotten or deleted since, and so in it too: {many(result['forgotten'], 'member')}, "
            f"{many(result['deleted'], 'message')}."
        )
    # Those that name a command are for a terminal, and of a home that is new.
    return " ".join([*lines, *(one for one in result["remarks"] if "python " not in one)])


def _line(passphrase: str) -> str | None:
    return f"{passphrase}\n" if passphrase else None

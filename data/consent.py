"""Whether a training set may be made from, or trained on, what it comes from: a thin first form.

Discord's Developer Policy, rule 21, forbids training models on message content obtained through its
API without Discord's express permission. Mynah cannot know who has that permission, so it asks once
for a recorded ground, and keeps who declared it, when, and what. Without one, only retrieval works.
"""

from __future__ import annotations

import getpass
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from storage.errors import MynahError
from storage.manifest import read_manifest
from storage.records import Declaration, Origin

RULE_21 = (
    "Discord's Developer Policy (rule 21) forbids training machine-learning models on message "
    "content that was obtained through Discord's API, exporters' files included, unless Discord "
    "has given its express permission."
)
REMEDY = (
    "If you have a ground for training on it (Discord's written permission, or content that is "
    'openly licensed), say which: --declare "your ground". It is asked once and recorded with your '
    "user name and the time. Without it Mynah can still remember and quote these messages, but not "
    "learn from them."
)


class ConsentError(MynahError):
    """Training is not allowed on this content; the sentence says why and what would allow it."""


@dataclass(frozen=True)
class MayTrain:
    """Training is allowed."""

    reason: str


@dataclass(frozen=True)
class MayNotTrain:
    """Training is not allowed."""

    reason: str


class Declarations(Protocol):
    """Where declarations are recorded: `storage.database.Database`."""

    def record_declaration(self, who: str, ground: str, at_ms: int) -> Declaration: ...

    def declarations(self) -> list[Declaration]: ...


def may_train(
    origins: Iterable[Origin], declarations: Sequence[Declaration]
) -> MayTrain | MayNotTrain:
    """The verdict on training with content of these origins."""
    asking = sorted({origin.value for origin in origins if origin.needs_declaration})
    if not asking:
        return MayTrain("none of the content came from Discord's API")
    if declarations:
        latest = max(declarations, key=lambda d: (d.declared_at_ms, d.declaration_id))
        return MayTrain(f'{latest.who} declared: "{latest.ground}"')
    return MayNotTrain(
        f"This history holds messages of origin {' and '.join(asking)}. {RULE_21} {REMEDY}"
    )


def require_may_train(origins: Iterable[Origin], declarations: Sequence[Declaration]) -> MayTrain:
    """The verdict where it is yes. Raises ConsentError with the explanation where it is no."""
    verdict = may_train(origins, declarations)
    if isinstance(verdict, MayNotTrain):
        raise ConsentError(verdict.reason)
    return verdict


def declare(book: Declarations, ground: str) -> Declaration:
    """Record the ground with the operating system's user name and the time now.

    The same ground by the same user is recorded once: the first record is returned.
    Raises ConsentError where `ground` says nothing.
    """
    ground = ground.strip()
    if not any(char.isalnum() for char in ground):
        raise ConsentError(
            'A declaration needs a ground in words: --declare "open data, CC-BY-4.0".'
        )
    who = _user_name()
    for earlier in book.declarations():
        if (earlier.who, earlier.ground) == (who, ground):
            return earlier
    return book.record_declaration(who, ground, time.time_ns() // 1_000_000)


def check_dataset_may_train(folder: Path, declarations: Sequence[Declaration]) -> MayTrain:
    """The trainer's door: the manifest's origins and those of every line must be allowed.

    Raises ConsentError where they are not, where a line or the manifest names no origin or one that
    Mynah does not know, or where a line's origin is not in the manifest.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise ConsentError(f"{folder} is no complete training set; prepare it again (scripts/2).")
    promised = _origins(manifest.config.get("origins"), f"the manifest of {folder}")
    found: set[Origin] = set()
    for path in sorted(folder.glob("*.jsonl")):
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                where = f"line {number} of {path}"
                found |= _origins(json.loads(line).get("origins"), where)
                if not found <= promised:
                    raise ConsentError(
                        f"{where} comes from {max(found - promised).value}, which its manifest "
                        "does not name: the set was changed after it was made. Prepare it again "
                        "(scripts/2)."
                    )
    return require_may_train(promised | found, declarations)


def _origins(value: object, where: str) -> set[Origin]:
    try:
        if not isinstance(value, list) or not value:
            raise ValueError
        return {Origin(name) for name in value}
    except ValueError:
        raise ConsentError(
            f"{where} does not say where its messages came from, so nothing may be trained on it. "
            "Prepare the set again (scripts/2)."
        ) from None


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no account entry, as in some containers
        return "unknown user"

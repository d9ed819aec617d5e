"""The door's verdict on a training set, carried along to where there is no history to ask.

    checked_at_home.json      {"at_ms": ..., "dataset_sha256": "..."}

It lies in the set's folder and is no part of the set. A home that has a history never looks at it:
there each line's messages are looked up anew (data/consent.py). What it let out it keeps by hash,
for the way back (data_storage/handed_out.json): nobody else can name a set that was never theirs.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from storage.manifest import ADDED_LATER, content_hash, write_text_atomically

NAME = "checked_at_home.json"
HANDED_OUT = "handed_out.json"
VALID_DAYS = 30
"""As long as a model may wait for its retraining once somebody was forgotten."""
_DAY_MS = 24 * 60 * 60 * 1000


@dataclass(frozen=True)
class Checked:
    """When the door let a set through, and which."""

    at_ms: int
    dataset_sha256: str

    @classmethod
    def now(cls, folder: Path) -> Checked:
        """Of a set that was let through just now. Raises ManifestError."""
        return cls(time.time_ns() // 1_000_000, content_hash(folder, ADDED_LATER))

    def why_not(self, folder: Path) -> str:
        """Why that set may not be trained on any more, as a sentence; "" where it may."""
        if content_hash(folder, ADDED_LATER) != self.dataset_sha256:
            return "it is not the set that was checked at home. Pack it again there."
        days = (time.time_ns() // 1_000_000 - self.at_ms) / _DAY_MS
        if not -1 < days < VALID_DAYS:
            return (
                f"it was checked at home {days:.0f} days ago, and who asked to be forgotten since "
                f"is not known here; {VALID_DAYS} days are allowed. Pack it again there."
            )
        return ""


def write(folder: Path, checked: Checked) -> None:
    """Raises OSError."""
    write_text_atomically(folder / NAME, json.dumps(asdict(checked)) + "\n")


def read(folder: Path) -> Checked | None:
    """Of the set in that folder; None where it was made here."""
    try:
        value = json.loads((folder / NAME).read_text(encoding="utf-8"))
        return Checked(int(value["at_ms"]), str(value["dataset_sha256"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def note_handed_out(data_storage: Path, checked: Checked) -> None:
    """That this home packed that set; its hash and when, nobody's words. Raises OSError."""
    known = {**_handed_out(data_storage), checked.dataset_sha256: checked.at_ms}
    write_text_atomically(data_storage / HANDED_OUT, json.dumps(known) + "\n")


def was_handed_out(data_storage: Path, dataset_sha256: str) -> bool:
    """Whether this home ever packed that set, be it changed since."""
    return dataset_sha256 in _handed_out(data_storage)


def _handed_out(data_storage: Path) -> dict[str, int]:
    try:
        value = json.loads((data_storage / HANDED_OUT).read_text(encoding="utf-8"))
        return {str(sha256): int(at_ms) for sha256, at_ms in value.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}

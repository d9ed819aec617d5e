"""What the page of the models shows of the registry: read from the disk, and put into words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gui.models.words import day_words
from storage import readonly
from storage.paths import Home
from storage.records import ModelVersion

STATUS_WORDS = {
    "candidate": "new",
    "judged": "checked",
    "deployed": "answers now",
    "retired": "earlier",
}
MOST_TAINTED = 3
"""Told of on the card."""
KIND_WORDS = {"base": "base", "tuned": "trained"}


@dataclass(frozen=True)
class Listing:
    """What is there, as read from the disk."""

    versions: tuple[ModelVersion, ...] = ()
    datasets: Mapping[str, str] = field(default_factory=dict)
    """Names of the data sets that are still there, by hash."""
    missing: frozenset[str] = frozenset()
    """Ids of versions whose file is not where it should be."""

    def find(self, version_id: str | None) -> ModelVersion | None:
        return next((v for v in self.versions if v.version_id == version_id), None)


def read_listing(home: Home) -> Listing:
    """Blocking: on a worker. Raises StorageUnreadableError."""
    versions = tuple(readonly.model_versions(home.database))
    return Listing(
        versions,
        readonly.dataset_names(home.datasets),
        frozenset(v.version_id for v in versions if not home.absolute(v.gguf_path).is_file()),
    )


def cells_of(version: ModelVersion, listing: Listing) -> tuple[str, ...]:
    """Name, kind, status, size, when, data set."""
    status = STATUS_WORDS.get(version.status, version.status)
    if version.is_barred:
        status = "may not answer"
    if version.version_id in listing.missing:
        status = "file missing"
    return (
        version.version_id,
        KIND_WORDS.get(version.kind, version.kind),
        status,
        size_words(version.size_bytes),
        when_words(version.created_at_ms),
        dataset_words(version, listing.datasets),
    )


def order_of(version: ModelVersion, listing: Listing) -> tuple[Any, ...]:
    """What sorts each of these columns."""
    name, kind, status, _, _, dataset = (c.casefold() for c in cells_of(version, listing))
    return name, kind, status, version.size_bytes, version.created_at_ms, dataset


def tone_of(version: ModelVersion, listing: Listing) -> str:
    """The colour of its row, by gui/components/table.py's names."""
    if version.version_id in listing.missing:
        return "bad"
    if version.tainted_at_ms is not None:
        return "warn"
    return {"deployed": "good", "retired": "muted"}.get(version.status, "")


def details_of(version: ModelVersion, listing: Listing, home: Home) -> list[tuple[str, str]]:
    """All that is known: pairs of a name and a value."""
    file = str(home.absolute(version.gguf_path))
    return [
        ("Name", version.version_id),
        ("Status", cells_of(version, listing)[2]),
        ("Made", when_words(version.created_at_ms)),
        ("Base", version.base or "not known"),
        ("Trained on", dataset_words(version, listing.datasets)),
        ("Profile", version.profile or "none"),
        ("Made from", ", ".join(version.parents) or "nothing here"),
        ("Size", f"{size_words(version.size_bytes)} ({version.size_bytes:,} bytes)"),
        ("File", f"{file} (missing)" if version.version_id in listing.missing else file),
        ("SHA-256", version.sha256),
        *([("Notes", version.notes)] if version.notes else []),
        *([("Erased since", taint_words(version))] if version.tainted_at_ms is not None else []),
    ]


def taint_words(version: ModelVersion) -> str:
    """Of a version that learned what was erased since: what that means for it, as a sentence."""
    learned = f"{version.version_id} learned from {version.tainted_because}"
    retrain = f"train a new one by {day_words(version.retrain_by_ms)}"
    if version.is_barred:
        return f"{learned} and does not answer any more: {retrain}."
    if version.deferred_at_ms is None:
        return f"{learned}: {retrain}."
    when = day_words(version.deferred_at_ms)
    by = f"{version.deferred_by} took that on them on {when}: {version.deferred_why.rstrip('.')}."
    return f"{learned} and may answer all the same until you {retrain}. {by}"


def tainted_words(versions: Sequence[ModelVersion]) -> str:
    """The sentences of all such versions, the newest first; "" where there are none."""
    tainted = [version for version in reversed(versions) if version.tainted_at_ms is not None]
    lines = [taint_words(version) for version in tainted[:MOST_TAINTED]]
    if len(tainted) > MOST_TAINTED:
        more = len(tainted) - MOST_TAINTED
        ones = "an earlier one; its" if more == 1 else f"{more} earlier ones; their"
        lines.append(f"So did {ones} details say more.")
    return "\n".join(lines)


def barred(versions: Sequence[ModelVersion], chosen: str | None) -> str:
    """The version that an operator could let answer all the same: the chosen one, or the only one;
    "" where neither is."""
    ids = [version.version_id for version in versions if version.is_barred]
    if chosen in ids:
        return str(chosen)
    return ids[0] if len(ids) == 1 else ""


def dataset_words(version: ModelVersion, datasets: Mapping[str, str]) -> str:
    """The data set's name, or how it can be told apart where it is gone."""
    sha256 = version.dataset_sha256
    if not sha256:
        return "\u2014"
    return datasets.get(sha256, f"no longer here ({sha256[:8]})")


def size_words(size_bytes: int) -> str:
    """4.2 MB, 2.5 GB."""
    if size_bytes >= 1e9:
        return f"{size_bytes / 1e9:.1f} GB"
    return f"{size_bytes / 1e6:.1f} MB"


def when_words(at_ms: int) -> str:
    """In this machine's own time zone."""
    return datetime.fromtimestamp(at_ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M")

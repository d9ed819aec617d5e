"""What the page of the models shows of the registry: read from the disk, and put into words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from gui.models.words import day_words
from storage import readonly
from storage.paths import Home
from storage.readonly import (
    Gate,
    Latest,
    gates_of,
    is_forced,
    lacking,
    latest_of,
    said_of_scores,
)
from storage.records import Evaluation, ModelVersion

STATUS_WORDS = {"candidate": "new", "judged": "passed", "retired": "earlier"}
MOST_TAINTED = 3
"""Told of on the card."""


@dataclass(frozen=True)
class Listing:
    """What is there, as read from the disk."""

    versions: tuple[ModelVersion, ...] = ()
    datasets: Mapping[str, str] = field(default_factory=dict)
    """Names of the data sets that are still there, by hash."""
    missing: frozenset[str] = frozenset()
    """Ids of versions whose file is not where it should be."""
    evaluations: tuple[Evaluation, ...] = ()
    """How they did, oldest first."""

    def find(self, version_id: str | None) -> ModelVersion | None:
        return next((v for v in self.versions if v.version_id == version_id), None)

    @property
    def deployed(self) -> ModelVersion | None:
        return next((v for v in self.versions if v.status == "deployed"), None)

    def score(self, version: ModelVersion) -> float | None:
        """Of its personality, 0-100; None where it was not judged."""
        found = self._latest(version.version_id, "personality")
        return None if found is None else found.score

    def gates(self, version: ModelVersion) -> tuple[Gate, ...]:
        """What is asked of it before it answers."""
        return gates_of(version, self._latest, self.versions)

    def refusal(self, version: ModelVersion) -> str:
        """Why it is not deployed without a reason of the user's, as a sentence; "" where it is."""
        lacks = lacking(self.gates(version))
        if not lacks or version.status == "deployed" or is_forced(version, self._latest):
            return ""
        return f"{version.version_id} may not answer yet: {lacks}."

    def lower(self, version: ModelVersion) -> str:
        """That it scores less than what answers now, as a sentence, or ""."""
        return said_of_scores(version, self.deployed, self._latest)

    @cached_property
    def _latest(self) -> Latest:
        return latest_of(self.evaluations)


def read_listing(home: Home) -> Listing:
    """Blocking: on a worker. Raises StorageUnreadableError."""
    versions = tuple(readonly.model_versions(home.database))
    return Listing(
        versions,
        readonly.dataset_names(home.datasets),
        frozenset(v.version_id for v in versions if not home.absolute(v.gguf_path).is_file()),
        tuple(readonly.evaluations(home.database)),
    )


def cells_of(version: ModelVersion, listing: Listing) -> tuple[str, ...]:
    """Name, status, score, audit, size, when, data set."""
    score = listing.score(version)
    return (
        version.version_id,
        status_words(version, listing),
        "\u2014" if score is None else f"{score:.1f}",
        next(audit_words(gate) for gate in listing.gates(version) if gate.name == "audit"),
        size_words(version.size_bytes),
        when_words(version.created_at_ms),
        "base" if version.kind == "base" else dataset_words(version, listing.datasets),
    )


def status_words(version: ModelVersion, listing: Listing) -> str:
    """What it is at, in a word or three."""
    if version.pruned_at_ms is not None:
        return "cleared away"
    if version.version_id in listing.missing:
        return "file missing"
    if version.is_barred:
        return "may not answer"
    if version.status == "deployed":
        return "answers now"
    closed = [gate for gate in listing.gates(version) if gate.is_closed]
    if any(gate.state == "failed" for gate in closed):
        return "not passed"
    return "not judged" if closed else STATUS_WORDS.get(version.status, version.status)


def audit_words(gate: Gate) -> str:
    """Whether it gives away what somebody wrote."""
    return {"passed": "passed", "failed": "leaks", "missing": "not tested"}.get(
        gate.state, "\u2014"
    )


def order_of(version: ModelVersion, listing: Listing) -> tuple[Any, ...]:
    """What sorts each of these columns."""
    name, status, _, audit, _, _, dataset = (c.casefold() for c in cells_of(version, listing))
    score = listing.score(version)
    return (
        name,
        status,
        -1.0 if score is None else score,
        audit,
        version.size_bytes,
        version.created_at_ms,
        dataset,
    )


def tone_of(version: ModelVersion, listing: Listing) -> str:
    """The colour of its row, by gui/components/table.py's names."""
    if version.pruned_at_ms is not None:
        return "muted"
    if version.version_id in listing.missing:
        return "bad"
    if version.tainted_at_ms is not None or listing.refusal(version):
        return "warn"
    return {"deployed": "good", "retired": "muted"}.get(version.status, "")


def details_of(version: ModelVersion, listing: Listing, home: Home) -> list[tuple[str, str]]:
    """All that is known: pairs of a name and a value."""
    file = str(home.absolute(version.gguf_path))
    gates = [gate for gate in listing.gates(version) if gate.state != "not needed"]
    return [
        ("Name", version.version_id),
        ("Status", status_words(version, listing)),
        *((f"{gate.name[:1].upper()}{gate.name[1:]}", gate_words(gate)) for gate in gates),
        *([("Let through", forced_words(version))] if version.forced_at_ms is not None else []),
        *([("Remark", lower)] if (lower := listing.lower(version)) else []),
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


def gate_words(gate: Gate) -> str:
    return f"{gate.state}; {gate.said}"


def forced_words(version: ModelVersion) -> str:
    """Who let it answer although it had not passed, and why."""
    why = version.forced_why.rstrip(".")
    return f"by {version.forced_by} on {day_words(version.forced_at_ms)}: {why}."


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

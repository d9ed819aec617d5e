"""Where each model version came from and what became of it, as a page for people: one file, no
script, nothing is loaded.

It names bases, data sets, files, figures, and who deployed by force; no member and nobody's words.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from data.report.page import TEMPLATES, write_private
from storage.database import Database
from storage.gates import PEOPLE, Gate, gates_of, latest_of
from storage.paths import Home
from storage.records import Deployment, Evaluation, ModelVersion
from storage.version_facts import Value, facts_of

if TYPE_CHECKING:
    from jinja2 import Environment

PAGE_FILE = "lineage.html"
_HOW = {
    "deployed": "deployed",
    "forced": "deployed by force",
    "rolled back": "answered again after a rollback",
    "returned": "answered again, as the one after it would not run",
    "fell back": "answered again, as the one after it learned what was erased",
}


@dataclass(frozen=True)
class Step:
    """One link of the chain that made a version."""

    name: str
    what: str
    detail: str = ""


@dataclass(frozen=True)
class Happened:
    """Something that happened to a version, in a line."""

    at_ms: int
    what: str
    tone: str = ""
    """good, warn or "": the colour of its mark."""


@dataclass(frozen=True)
class Line:
    """One version on the page."""

    version: ModelVersion
    chain: tuple[Step, ...]
    facts: dict[str, Value]
    gates: tuple[Gate, ...]
    happened: tuple[Happened, ...]


def render_lineage(home: Home, database: Database) -> Path:
    """Write the page of all versions, the newest first, readable for its owner alone; its path.
    Raises OSError."""
    page = _environment().get_template("lineage.html").render(lines=lines(home, database))
    path = home.models / PAGE_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, page)
    return path


def lines(home: Home, database: Database) -> tuple[Line, ...]:
    """What the page shows of each version, the newest first."""
    versions, evaluations = database.model_versions(), database.evaluations()
    latest, history = latest_of(evaluations), database.deployment_history()
    found = []
    for version in reversed(versions):
        facts = facts_of(home, version)
        gates = gates_of(version, latest, versions)
        mine = [one for one in evaluations if one.version_id == version.version_id]
        happened = _happened(version, mine, history)
        found.append(Line(version, _chain(version, facts), facts, gates, happened))
    return tuple(found)


def _chain(version: ModelVersion, facts: dict[str, Value]) -> tuple[Step, ...]:
    """base -> data set -> adapter -> merged -> file, as far as it is known."""
    file = Step("file", str(facts.get("type") or "GGUF"), f"SHA-256 {version.sha256[:12]}")
    if version.kind == "base":
        return (Step("base", version.base), file)
    dataset = Step(
        "data set",
        str(facts.get("dataset") or version.dataset_sha256[:12] or "not known"),
        _dataset_words(version, facts),
    )
    steps = facts.get("trained: steps")
    adapter = Step(
        "adapter",
        version.profile or "not known",
        f"{steps:,} steps" if isinstance(steps, int | float) else "",
    )
    return (Step("base", version.base), dataset, adapter, Step("merged", "16 bits"), file)


def _dataset_words(version: ModelVersion, facts: dict[str, Value]) -> str:
    counts = facts.get("dataset training")
    parts = [f"{version.dataset_sha256[:12]}"] if version.dataset_sha256 else []
    if isinstance(counts, int | float):
        parts.append(f"{counts:,} examples")
    if mode := facts.get("dataset consent mode"):
        parts.append(f"consent_mode {mode}")
    return ", ".join(parts)


def _happened(
    version: ModelVersion, evaluations: list[Evaluation], history: list[Deployment]
) -> tuple[Happened, ...]:
    """In order of time."""
    found = [Happened(version.created_at_ms, "made")]
    found += [_judged(one) for one in evaluations]
    for one in history:
        if one.version_id == version.version_id:
            found.append(Happened(one.at_ms, _deployed(one), "" if one.how == "forced" else "good"))
        elif one.before == version.version_id:
            found.append(Happened(one.at_ms, f"gave way to {one.version_id}"))
    for at_ms, what in (
        (version.tainted_at_ms, f"learned from {version.tainted_because}"),
        (version.deferred_at_ms, f"may answer all the same: {version.deferred_why}"),
        (version.pruned_at_ms, "its files were cleared away"),
    ):
        if at_ms is not None:
            found.append(Happened(at_ms, what, "warn"))
    return tuple(sorted(found, key=lambda one: one.at_ms))


def _judged(one: Evaluation) -> Happened:
    score = "" if one.score is None else f" {one.score:.1f}"
    needed = "" if one.needed is None else f" ({one.needed:g} needed)"
    passed = "passed" if one.passed else "not passed"
    said = f"{one.kind}{score}{needed}: {passed}"
    if one.kind == PEOPLE:  # the less they tell, the better
        said = str(one.figures.get("said") or said)
    return Happened(one.at_ms, said, "good" if one.passed else "warn")


def _deployed(one: Deployment) -> str:
    said = _HOW.get(one.how, one.how)
    if one.who:
        said = f"{said} by {one.who}"
    return f"{said}: {one.why}" if one.why else said


def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # late: 10 MB

    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["day"] = lambda at_ms: time.strftime("%Y-%m-%d %H:%M", time.gmtime(at_ms / 1000))
    made.filters["figure"] = _figure
    return made


def _figure(value: Value) -> str:
    if value is None:
        return "\u2014"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.4g}" if isinstance(value, float) else value

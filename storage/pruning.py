"""Clears model files away that nobody will miss, by rules; what a version was stays on record.

A version's file stays while it answers, while a rollback would take it, while it is pinned, where
it scored best, and of the others the newest ones. Merged models cost most (6 GB of a 3B) and can be
made again from adapter and base, so they go first, those of versions that stay as well; an adapter
goes with the last version of its run. What did not come out of a training here is left alone, and
so is a run that is at work.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from storage.database import Database
from storage.errors import MynahError
from storage.gates import PERSONALITY, latest_of
from storage.manifest import is_being_made
from storage.paths import Home
from storage.records import ModelVersion
from storage.settings import load
from storage.version_facts import RunFolders, keep_facts, run_folders

_ASIDE = ".pruned-"
KEEP = 3
"""So many of the newest versions stay."""


class PruneError(MynahError):
    """A folder could not be cleared away."""


@dataclass(frozen=True)
class Going:
    """One folder that goes."""

    what: str
    """merged, gguf, adapter, or remains: what a clearing that was cut off left of one of those."""
    path: Path
    size_bytes: int
    version_id: str
    """The version whose it is: of a merged model or an adapter the newest one; "" of
    remains."""


@dataclass(frozen=True)
class Pruning:
    """What goes, and why the other versions stay."""

    going: tuple[Going, ...]
    stays: Mapping[str, str]
    """By version: why its file stays."""
    pruned: tuple[str, ...]
    """Versions that can answer no more once it is done."""

    @property
    def size_bytes(self) -> int:
        return sum(one.size_bytes for one in self.going)


def plan(home: Home, database: Database, keep: int = KEEP) -> Pruning:
    """What would go, the merged models first; nothing is touched."""
    versions = database.model_versions()
    folders = {v.version_id: run_folders(home, v) for v in versions}
    stays = why_stays(home, database, versions, keep)
    ours = {name: found for name, found in folders.items() if found is not None}
    idle = {name: found for name, found in ours.items() if not _is_at_work(home, found)}
    gone = [name for name in idle if name not in stays]
    kept_ggufs = {found.gguf for name, found in ours.items() if name in stays}
    kept_runs = {found.name for name, found in ours.items() if name in stays}
    going = [
        *(_going("merged", found.merged, name) for name, found in idle.items() if found.adapter),
        *(_going("gguf", idle[name].gguf, name) for name in gone),
        *(
            _going(what, path, name)
            for name in gone
            if idle[name].name not in kept_runs
            for what, path in (("merged", idle[name].merged), ("adapter", idle[name].adapter))
        ),
        *(_going("remains", path, "") for path in _left_over(home)),
    ]
    by_path = {one.path: one for one in going if one is not None and one.path not in kept_ggufs}
    known = {v.version_id: v for v in versions}
    pruned = tuple(name for name in gone if known[name].pruned_at_ms is None)
    return Pruning(tuple(by_path.values()), stays, pruned)


def why_stays(
    home: Home, database: Database, versions: Sequence[ModelVersion], keep: int
) -> dict[str, str]:
    """By version id: why its file stays. What is not there may go."""
    previous, latest = database.previous_model(), latest_of(database.evaluations())
    there = [v for v in versions if v.pruned_at_ms is None]
    trained = sorted(
        (v for v in there if v.kind == "tuned"), key=lambda v: (v.created_at_ms, v.version_id)
    )
    scores = {
        v.version_id: one.score
        for v in trained
        if not v.is_barred
        and (one := latest(v.version_id, PERSONALITY)) is not None
        and one.score is not None
    }
    own_file = load(database.config_rows())[0].text("model_path").strip()
    reasons: dict[str, str] = {}
    for version in reversed(trained[max(0, len(trained) - keep) :] if keep else []):
        reasons[version.version_id] = "among the newest"
    for version in there:
        if version.kind == "base":
            reasons[version.version_id] = "a base"
        if version.is_pinned:
            reasons[version.version_id] = "pinned"
        if own_file and home.absolute(own_file) == home.absolute(version.gguf_path):
            reasons[version.version_id] = "the settings name its file"
    if scores:
        reasons[max(scores, key=lambda name: scores[name])] = "scored best"
    if previous is not None:
        reasons[previous.version_id] = "a rollback takes it"
    for version in versions:
        if version.status == "deployed":
            reasons[version.version_id] = "it answers"
    return reasons


def clear(home: Home, database: Database, planned: Pruning, at_ms: int) -> None:
    """Do it: first what a version was is kept, then it is noted, then its folders go; stopped in
    between, the next one takes the rest. Raises PruneError."""
    try:
        for version in database.model_versions():
            if run_folders(home, version) is not None:
                keep_facts(home, version)
        for version_id in planned.pruned:
            database.note_pruned(version_id, at_ms)
        for one in planned.going:
            _remove(one.path)
    except OSError as error:
        raise PruneError(
            f"Not everything could be cleared away ({error}). Close what uses it, look at the "
            "folder's rights, and start again."
        ) from error


def _going(what: str, path: Path | None, version_id: str) -> Going | None:
    if path is None or not path.is_dir():
        return None
    size_bytes = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return Going(what, path, size_bytes, version_id)


def _is_at_work(home: Home, folders: RunFolders) -> bool:
    """Whether something of the run is being made, or was begun and can go on."""
    made = (home.checkpoints / folders.name, folders.gguf.parent / "merged", folders.gguf)
    begun = [one.name for one in home.checkpoints.glob("*.running")]
    # A training with preferences, whose name begins as its, goes on from its adapter.
    return any(one.startswith(folders.name) for one in begun) or any(map(is_being_made, made))


def _remove(path: Path) -> None:
    """Out of the way at once, so that half of it never looks whole."""
    aside = path
    if not path.name.startswith(_ASIDE):
        aside = path.with_name(f"{_ASIDE}{uuid.uuid4().hex}")
        path.replace(aside)
    shutil.rmtree(aside)


def _left_over(home: Home) -> list[Path]:
    """What stepped aside and was not removed to the end."""
    return [
        *sorted(home.checkpoints.glob(f"{_ASIDE}*")),
        *sorted(home.finetuned.glob(f"*/{_ASIDE}*")),
    ]

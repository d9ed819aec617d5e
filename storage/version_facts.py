"""All that is known of a model version, in one flat table: to compare two, and for their lineage.

It is read in the manifests of the run that made the version, as long as they are there. Clearing
its files away (storage/pruning.py) leaves this table in models/lineage. Figures alone. Standard
library alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from storage.gates import AUDIT, PERSONALITY, gates_of, latest_of
from storage.manifest import (
    ADDED_LATER,
    Manifest,
    ManifestError,
    content_hash,
    read_manifest,
    write_text_atomically,
)
from storage.paths import Home
from storage.records import Evaluation, ModelVersion

Value: TypeAlias = str | float | int | None
FOLDER = "lineage"
ADAPTER = "adapter"
"""The fact by which an adapter is known again where the merged model is gone: how the hash of its
files begins."""
MARK_CHARS = 16
_NAME_CHARS = 60


@dataclass(frozen=True)
class RunFolders:
    """Where the run lies that made a version; what is not there, or is another's by now, is
    None."""

    name: str
    gguf: Path
    merged: Path | None
    adapter: Path | None


@dataclass(frozen=True)
class Difference:
    """One line of a comparison."""

    name: str
    first: Value
    second: Value

    @property
    def differs(self) -> bool:
        return self.first != self.second


def run_folders(home: Home, version: ModelVersion) -> RunFolders | None:
    """The run's folders, each only where it is the very one; None for a file from elsewhere."""
    gguf = home.absolute(version.gguf_path).parent
    if gguf.parent.parent != home.finetuned or not gguf.name.startswith("gguf-"):
        return None
    name, place = gguf.parent.name, gguf.parent / "merged"
    merged, adapter = _merged_of(gguf, place), home.checkpoints / name
    wanted = _kept(home, version).get(ADAPTER) if merged is None else _mark(merged)
    return RunFolders(
        name,
        gguf,
        None if merged is None else place,
        adapter if wanted and _hash(adapter)[:MARK_CHARS] == wanted else None,
    )


def facts_of(home: Home, version: ModelVersion) -> dict[str, Value]:
    """What its making left: names and figures, in a fixed order."""
    kept = _kept(home, version)
    dataset = _dataset(home, version) or _part(kept, "dataset")
    made = _made(run_folders(home, version))
    return {
        "kind": version.kind,
        "base": version.base,
        "made from": ", ".join(version.parents),
        "profile": version.profile,
        "size in bytes": version.size_bytes,
        **dataset,
        **{name: value for name, value in kept.items() if not name.startswith("dataset")},
        **made,
    }


def results_of(
    version: ModelVersion, evaluations: Iterable[Evaluation], rehearsed: str
) -> dict[str, Value]:
    """How it did: each figure of the newest evaluation of its personality, its audit, its
    rehearsal."""
    latest = latest_of(evaluations)
    states = {gate.name: gate.state for gate in gates_of(version, latest, ())}
    found: dict[str, Value] = {
        "personality score": None,
        "personality gate": states[PERSONALITY],
        "leak audit": states[AUDIT],
        "rehearsal": rehearsed,
    }
    for kind in (PERSONALITY, AUDIT):
        if (one := latest(version.version_id, kind)) is None:
            continue
        if kind == PERSONALITY:
            found["personality score"] = one.score
        found |= {
            f"{kind}: {name}": value
            for name, value in _flat(one.figures).items()
            if isinstance(value, int | float) and not name.endswith("_ms")
        }
    return found


def compared(first: Mapping[str, Value], second: Mapping[str, Value]) -> tuple[Difference, ...]:
    """Line by line, in the order of the first; what neither has is left out."""
    names = dict.fromkeys((*first, *second))
    lines = [Difference(name, first.get(name), second.get(name)) for name in names]
    return tuple(one for one in lines if (one.first, one.second) != (None, None))


def keep_facts(home: Home, version: ModelVersion) -> None:
    """Before its files go. Raises OSError."""
    folder = home.models / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    facts = facts_of(home, version)
    path = folder / f"{version.version_id}.json"
    write_text_atomically(path, json.dumps(facts, ensure_ascii=False, indent=1))


def _kept(home: Home, version: ModelVersion) -> dict[str, Value]:
    try:
        path = home.models / FOLDER / f"{version.version_id}.json"
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _part(facts: Mapping[str, Value], start: str) -> dict[str, Value]:
    return {name: value for name, value in facts.items() if name.startswith(start)}


def _dataset(home: Home, version: ModelVersion) -> dict[str, Value]:
    """Of the data set that it learned from, while that is there as it was."""
    for folder in sorted(home.datasets.glob("[!.]*/")) if version.dataset_sha256 else []:
        with suppress(ManifestError, OSError):
            if content_hash(folder, ADDED_LATER) != version.dataset_sha256:
                continue
            found = read_manifest(folder)
            assert found is not None
            history = found.config.get("history")
            mode = history.get("consent_mode") if isinstance(history, Mapping) else None
            return {
                "dataset": folder.name,
                "dataset consent mode": mode if isinstance(mode, str) else None,
                **{f"dataset {name}": value for name, value in _flat(found.counts).items()},
            }
    return {}


def _made(folders: RunFolders | None) -> dict[str, Value]:
    """What the manifests of adapter and file say: the type, the training's numbers, its losses."""
    if folders is None:
        return {}
    gguf = _read(folders.gguf)
    adapter = _read(folders.adapter) if folders.adapter else None
    facts: dict[str, Value] = {}
    if gguf is not None:
        facts["type"] = str(gguf.config.get("ftype", ""))
    if adapter is not None and folders.adapter is not None:
        facts[ADAPTER] = _hash(folders.adapter)[:MARK_CHARS]
        profile = adapter.config.get("profile")
        numbers = _flat(profile if isinstance(profile, Mapping) else {})
        facts |= {f"training: {name}": value for name, value in numbers.items() if name != "name"}
        facts |= {f"trained: {name}": value for name, value in _flat(adapter.counts).items()}
    if gguf is not None:
        facts |= {f"export: {name}": value for name, value in _flat(gguf.counts).items()}
    return facts


def _merged_of(gguf: Path, merged: Path) -> Manifest | None:
    """The merged model's manifest, where the file was made of just that one."""
    made = _read(gguf)
    if made is None or not _hash(merged) or _hash(merged) != made.config.get("merged_sha256"):
        return None
    return _read(merged)


def _mark(merged: Manifest) -> str:
    return str(merged.config.get("adapter_sha256") or "")[:MARK_CHARS]


def _hash(folder: Path) -> str:
    """Of an artefact's files; "" where it is not there."""
    with suppress(ManifestError, OSError):
        return content_hash(folder)
    return ""


def _read(folder: Path) -> Manifest | None:
    with suppress(ManifestError, OSError):
        return read_manifest(folder)
    return None


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, Value]:
    """Nested figures under one name each: {"auc": {"score": 1}} is {"auc score": 1}; lists are left
    out, and so is what is longer than a name."""
    flat: dict[str, Value] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{before}{name} ")
        elif value is None or isinstance(value, int | float) or _is_name(value):
            flat[f"{before}{name}"] = value
    return flat


def _is_name(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _NAME_CHARS

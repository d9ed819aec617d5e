"""What a model's bundle says of its version: read, and not believed (data/unpacking.py decides)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from data.backup_archive import Entry
from data.bundle import Bundle
from model.profile import Judge
from storage.gates import AUDIT, PEOPLE, PERSONALITY
from storage.records import Evaluation, ModelVersion


@dataclass(frozen=True)
class BundledModel:
    """A version on its way, with what was found out about it in the other home."""

    version: ModelVersion
    """A candidate without a place: what was decided there is not decided here."""
    folder: str
    """The model's, by path in the home; and its file in it."""
    file: str
    evaluations: tuple[Evaluation, ...]
    tainted_because: str = ""
    tainted_at_ms: int = 0
    retrain_by_ms: int = 0


def read_model(bundle: Bundle) -> BundledModel:
    """Raises ValueError, KeyError, TypeError where it says nothing that could be."""
    told = bundle.facts["version"]
    version = _version(told)
    folder, _, file = str(bundle.facts["gguf"]).rpartition("/")
    if not folder.startswith("models/finetuned/") or folder not in bundle.folders:
        raise ValueError("its model lies in no folder of models")
    if bundle.entries[f"{folder}/{file}"] != Entry(version.sha256, version.size_bytes):
        raise ValueError("its model is not the one that it registers")
    if version.kind != "tuned" or version.version_id != bundle.name:
        raise ValueError("it registers another version than it names")
    evaluations = tuple(_evaluation(version, one) for one in bundle.facts["evaluations"])
    if not told["tainted_at_ms"]:
        return BundledModel(version, folder, file, evaluations)
    because, at_ms = str(told["tainted_because"]), int(told["tainted_at_ms"])
    by_ms = int(told["retrain_by_ms"])
    return BundledModel(version, folder, file, evaluations, because, at_ms, by_ms)


def _version(told: Mapping[str, Any]) -> ModelVersion:
    """What it is. What was decided about it in the other home is not decided here. Raises
    ValueError, KeyError, TypeError."""
    version_id = str(told["version_id"])
    if not version_id.isprintable() or any(char in version_id for char in "/\\:"):
        raise ValueError("its version has no name that could be one")
    return ModelVersion(
        version_id,
        str(told["kind"]),
        "candidate",
        gguf_path="",
        sha256=str(told["sha256"]),
        size_bytes=int(told["size_bytes"]),
        created_at_ms=int(told["created_at_ms"]),
        base=str(told["base"]),
        dataset_sha256=str(told["dataset_sha256"]),
        profile=str(told["profile"]),
        parents=tuple(map(str, told["parents"])),
        notes=str(told["notes"]),
        deploy_at=Judge().deploy_at if told["deploy_at"] is None else float(told["deploy_at"]),
        audit_needed=bool(told["audit_needed"]),
    )


def _evaluation(version: ModelVersion, told: Mapping[str, Any]) -> Evaluation:
    """How it was judged there. Raises ValueError, KeyError, TypeError."""
    if told["kind"] not in (PERSONALITY, AUDIT, PEOPLE) or not isinstance(told["passed"], bool):
        raise ValueError("it was judged in a way that there is not")
    score, needed = (
        None if told[name] is None else float(told[name]) for name in ("score", "needed")
    )
    return Evaluation(
        0,
        version.version_id,
        str(told["kind"]),
        int(told["at_ms"]),
        score,
        needed,
        told["passed"],
        dict(told["figures"]),
        str(told["report"]),
    )

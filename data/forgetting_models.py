"""Which models learned what is erased, and what answers instead of one that may not any more."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from data.dataset import FILES
from data.erased import Erased
from data.forgetting_files import STAGED, noted, put_into_place
from data.preference_rows import LEARNED
from data.split import TRAINING
from model import trained_on
from model.trained_on import TrainedOn
from storage.database import Database
from storage.manifest import (
    ADDED_LATER,
    ManifestError,
    content_hash,
    read_manifest,
    sha256_file,
)
from storage.model_registry import ModelRegistry
from storage.paths import DEMO_BASE_DIR, Home
from storage.records import DELETED_MESSAGE, FORGOTTEN_MEMBER, ModelVersion

RETRAIN_DAYS = 30
_DAY_MS = 24 * 60 * 60 * 1000


@dataclass(frozen=True)
class Tainted:
    """A version that learned what is erased."""

    version_id: str
    because: str
    """storage.records.FORGOTTEN_MEMBER or DELETED_MESSAGE."""
    retrain_by_ms: int
    is_known: bool = True
    """Whether it is on record what it learned; else it may have learned it."""


def taint(home: Home, database: Database, erased: Erased, because: str) -> list[Tainted]:
    """Note the tuned versions that learned any of it, and those that were made from such a one.

    A second time gives the same. A version of which it is not on record what it learned is taken
    for one that did.
    """
    registry = ModelRegistry(database, home)
    found: dict[str, Tainted] = {}
    now_ms = time.time_ns() // 1_000_000
    for version in registry.list():  # oldest first: parents before what was made from them
        if version.kind == "base":
            continue
        learned = learned_by(home, registry, version)
        is_hit = learned is None or (
            not learned.messages.isdisjoint(erased.message_ids)
            or not learned.members.isdisjoint(erased.member_ids)
        )
        if is_hit or not found.keys().isdisjoint(version.parents):
            database.taint_model(
                version.version_id, because, now_ms, now_ms + RETRAIN_DAYS * _DAY_MS
            )
            noted_now = registry.get(version.version_id)
            found[version.version_id] = Tainted(
                version.version_id,
                noted_now.tainted_because,
                noted_now.retrain_by_ms or now_ms,
                is_known=learned is not None,
            )
    return list(found.values())


def taint_if_lost(home: Home, database: Database, version: ModelVersion) -> ModelVersion:
    """A version that was registered just now, after a training of hours: what was erased meanwhile
    taints it too. Returns it as it is then."""
    registry = ModelRegistry(database, home)
    learned = learned_by(home, registry, version)
    if learned is None:
        return version
    missing, deleted = database.lost(learned.messages)
    is_forgotten = (
        learned.lost == FORGOTTEN_MEMBER
        or bool(missing and database.tombstones())
        or bool(database.forgotten(learned.members))
    )
    if is_forgotten or deleted or learned.lost:
        because = FORGOTTEN_MEMBER if is_forgotten else DELETED_MESSAGE
        now_ms = time.time_ns() // 1_000_000
        database.taint_model(version.version_id, because, now_ms, now_ms + RETRAIN_DAYS * _DAY_MS)
    return registry.get(version.version_id)


def learned_by(home: Home, registry: ModelRegistry, version: ModelVersion) -> TrainedOn | None:
    """What a version learned: as its folder says, else the training set that it was made from,
    where that still is as it was. None where neither is there."""
    learned = trained_on.read(registry.path(version).parent)
    if learned is not None:
        return learned
    if (folder := set_of(home, version)) is not None:
        with suppress(OSError, KeyError, ValueError):
            files = (FILES[TRAINING], *LEARNED)
            return trained_on.of_dataset(*(folder / name for name in files))
    return None


def set_of(home: Home, version: ModelVersion) -> Path | None:
    """The training set that a version was made from, where this home has it as it was then."""
    for folder in sorted(home.datasets.glob("*/")):
        with suppress(ManifestError):
            if content_hash(folder, ADDED_LATER) == version.dataset_sha256:
                return folder
    return None


def strip(home: Home, erased: Erased, because: str) -> int:
    """Take the ids out of what models keep of what they learned; how many files changed.

    Only once `taint` is through: afterwards nothing here says who it was. That it was somebody
    stays: of a model that is being made just now no version can be noted yet.
    """
    changed = 0
    for folder, learned in _folders(home):
        messages, members = (
            learned.messages - erased.message_ids,
            learned.members - erased.member_ids,
        )
        if (messages, members) == (learned.messages, learned.members):
            continue
        lost = FORGOTTEN_MEMBER if learned.lost == FORGOTTEN_MEMBER else because
        left = TrainedOn(messages, members, lost)
        staged = folder / f"{STAGED}{trained_on.NAME}"
        trained_on.write(staged, left)
        known = read_manifest(folder)
        if known is None or trained_on.NAME not in known.files:
            staged.replace(folder / trained_on.NAME)
        else:
            files = {**known.files, trained_on.NAME: noted(staged)}
            put_into_place(folder, replace(known, files=files))
        changed += 1
    return changed


def fall_back(home: Home, database: Database) -> ModelVersion | None:
    """Have an untainted version answer where the deployed one may not; None where that stays."""
    return ModelRegistry(database, home).fall_back(_base_as_shipped())


def _folders(home: Home) -> Iterator[tuple[Path, TrainedOn]]:
    for path in sorted(home.models.rglob(trained_on.NAME)):
        learned = trained_on.read(path.parent)
        if learned is not None:
            yield path.parent, learned


def _base_as_shipped() -> ModelVersion | None:
    for gguf in sorted(DEMO_BASE_DIR.glob("*.gguf")):
        sha256 = sha256_file(gguf)
        return ModelVersion(
            version_id=f"{DEMO_BASE_DIR.name}-{sha256[:8]}",
            kind="base",
            status="candidate",
            gguf_path=str(gguf),
            sha256=sha256,
            size_bytes=gguf.stat().st_size,
            created_at_ms=time.time_ns() // 1_000_000,
            base=DEMO_BASE_DIR.name,
            notes="ships with the program",
        )
    return None

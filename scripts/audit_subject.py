"""What a leak audit is about: a model's file, and the set, numbers and base that it was made with,
as far as that is on record."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model import export, forge
from model.base_models import find_base
from model.profile import Profile, load
from storage import manifest
from storage.database import Database
from storage.errors import MynahError
from storage.model_registry import ModelRegistry
from storage.paths import DEMO_BASE_DIR, Home
from storage.records import ModelVersion


class AuditError(MynahError):
    """What is to be audited is not there, or not known."""


@dataclass(frozen=True)
class Subject:
    """What is audited, and what it was made with."""

    name: str
    gguf: Path
    dataset_dir: Path
    profile: Profile
    base_dir: Path
    limit: int | None = None
    """It was trained on so many examples alone."""
    version: ModelVersion | None = None
    sha256: str = ""
    """Of the file."""

    @property
    def is_another(self) -> str:
        """In what it is not audited as its version was made; "" where it is."""
        version = self.version
        if version is None or version.kind == "base":
            return ""
        own = manifest.content_hash(self.dataset_dir, manifest.ADDED_LATER)
        others = {
            f"another set than it learned from ({self.dataset_dir.name})": (
                own != version.dataset_sha256
            ),
            f"another profile than it was trained with ({self.profile.name})": (
                self.profile.name != version.profile
            ),
            f"another base than it was made from ({self.base_dir.name})": (
                self.base_dir.name != version.base
            ),
        }
        return next((what for what, is_so in others.items() if is_so), "")


def find_subject(home: Home, database: Database, arguments: argparse.Namespace) -> Subject:
    """The named version or file, and the set, profile and base that it was made with: as it is on
    record where nothing else is said. Raises AuditError, ProfileError, RegistryError."""
    registry = ModelRegistry(database, home)
    version = registry.get(arguments.version) if arguments.version else None
    gguf = arguments.model or (registry.path(version) if version else None)
    if gguf is None or not gguf.is_file():
        raise AuditError(
            f"There is no file {gguf}." if gguf else "Name what is audited: --version ID (python "
            "scripts/6_manage_models.py list shows them) or --model X.gguf."
        )  # fmt: skip
    sha256 = manifest.sha256_file(gguf)
    if version is None:
        version = next((v for v in registry.list() if v.sha256 == sha256), None)
    elif version.sha256 != sha256:
        raise AuditError(f"{gguf} is another file than {version.version_id} is.")
    name = arguments.profile or (version.profile if version else "")
    if not name:
        raise AuditError(f"It is not on record how {gguf.name} was trained: name its --profile.")
    used = trained_with(home, gguf)
    profile = as_trained(load(name), used)
    base_dir = find_base(arguments.base_model or profile.base, home)
    if used.get("base_sha256") not in (None, forge.base_hash(base_dir)):
        raise AuditError(
            f"{gguf.name} was trained on another base than {base_dir}: name it with --base_model."
        )
    return Subject(
        version.version_id if version else gguf.stem,
        gguf,
        find_dataset(home, version, arguments.dataset),
        profile,
        base_dir,
        used.get("limit"),
        version,
        sha256,
    )


def trained_with(home: Home, gguf: Path) -> dict[str, Any]:
    """What its adapter's manifest says that it was made from; empty where that is not there."""
    merged = manifest.read_manifest(gguf.parent.parent / "merged")
    wanted = merged.config.get("adapter_sha256") if merged is not None else None
    for folder in sorted(home.checkpoints.glob("[!.]*/")) if wanted else ():
        made = manifest.read_manifest(folder)
        if made is not None and manifest.content_hash(folder) == wanted:
            return _with_sft(home, made.config)
    return {}


def _with_sft(home: Home, used: dict[str, Any]) -> dict[str, Any]:
    """With the numbers of the fine-tuning that a DPO or KTO went on from: that is what is audited
    by canaries."""
    before = manifest.read_manifest(home.checkpoints / used["sft"]) if "sft" in used else None
    if before is None:
        return used
    numbers = {**before.config.get("profile", {}), **used.get("profile", {})}
    return {**used, "limit": before.config.get("limit"), "profile": numbers}


def as_trained(profile: Profile, used: Mapping[str, Any]) -> Profile:
    """The profile with the numbers that it was really trained with: flags may have changed them."""
    numbers = used.get("profile", {})
    return profile.with_(**{n: numbers[n] for n in Profile.model_fields if n in numbers})


def find_dataset(home: Home, version: ModelVersion | None, named: str | None) -> Path:
    """The named set, else the one that the version was made from. Raises AuditError."""
    if named is not None:
        if manifest.read_manifest(home.datasets / named) is None:
            raise AuditError(f'There is no whole dataset "{named}" in {home.datasets}.')
        return home.datasets / named
    wanted = version.dataset_sha256 if version is not None else ""
    for folder in sorted(home.datasets.glob("[!.]*/")):
        if manifest.read_manifest(folder) is None:
            continue
        if manifest.content_hash(folder, manifest.ADDED_LATER) == wanted:
            return folder
    raise AuditError(
        "The set that it was trained on is not here any more: name one with --dataset."
    )


@contextmanager
def base_gguf(home: Home, database: Database, subject: Subject) -> Iterator[Path]:
    """The base as a GGUF: the registry's, the one that ships, else made for as long as it lasts."""
    registry = ModelRegistry(database, home)
    for version in registry.list():
        path = registry.path(version)
        if version.kind == "base" and version.base == subject.base_dir.name and path.is_file():
            yield path
            return
    shipped = sorted(DEMO_BASE_DIR.glob("*.gguf"))
    if subject.base_dir == DEMO_BASE_DIR and shipped:
        yield shipped[0]
        return
    folder = home.models / "audits" / f"{subject.name}.base"
    folder.mkdir(parents=True, exist_ok=True)
    f16, quantised = folder / "f16.gguf", folder / "base.gguf"
    try:
        export.convert_to_gguf(subject.base_dir, f16, converter_dir=export.find_converter())
        yield export.quantize(f16, quantised, subject.profile.ftype)
    finally:
        for file in (f16, quantised):
            file.unlink(missing_ok=True)
        folder.rmdir()

"""Packs what goes to another home: a training set for the box, or a trained model for the way back.

A set is let out by the door that a training asks too (data/consent.py); its verdict goes along, for
the box has no history to ask. Whatever leaves holds members' words, and what is forgotten at home
afterwards is forgotten at home alone, with the bundles that lie in its own folder: one that was
carried elsewhere is to be deleted once it was unpacked.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from data import carried
from data.bundle import DATASET, FOLDER, MODEL, Bundle, BundleError, write_bundle
from data.carried import Checked
from data.consent import check_dataset_may_train, has_history
from model import forge
from model.base_models import find_base
from model.profile import Profile
from storage.database import Database
from storage.errors import MynahError
from storage.manifest import MANIFEST_NAME, content_hash, read_manifest
from storage.model_registry import ModelRegistry
from storage.paths import DEMO_BASE_DIR, Home
from storage.records import Evaluation, ModelVersion

_BASE_FILES = ("*.json", "*.safetensors", "*.jinja", "*.txt", "*.model", "*.md", "LICENSE*")

Folders = dict[str, dict[str, Path]]
"""By path in the home: a folder's files by their path in it, and where each lies now."""


def pack_dataset(
    home: Home,
    database: Database,
    name: str,
    profile: Profile,
    *,
    with_base: bool = False,
    out: Path | None = None,
) -> tuple[Path, Bundle]:
    """A set, its profile and which base it is for; with the base's files where asked for.

    Raises ConsentError where the set may not be trained on, ManifestError where it was changed,
    BundleError, OSError.
    """
    folder = home.datasets / name
    if read_manifest(folder) is None:
        raise BundleError(
            f'There is no training set "{name}" in {home.datasets}: run '
            "scripts/2_prepare_training_data.py first."
        )
    check_dataset_may_train(folder, database)
    # A box that hands it on has no history of its own: then the verdict stays the first one.
    first = carried.read(folder)
    checked = first if first and not has_history(database) else Checked.now(folder)
    folders = {_name(home, folder): _artefact(folder)}
    base = _base_reference(home, profile.base)
    if with_base and base["name"] != DEMO_BASE_DIR.name:  # that one ships with the program
        folders[f"models/bases/{base['name']}"] = _base_files(find_base(profile.base, home))
    facts = {
        "checked": asdict(checked),
        "profile": profile.model_dump(mode="json"),
        "base": base,
    }
    made = _written(home, DATASET, name, folders, facts, out)
    carried.note_handed_out(home.data_storage, checked)
    return made


def pack_model(
    home: Home, database: Database, version_id: str, *, out: Path | None = None
) -> tuple[Path, Bundle]:
    """A tuned version with what it learned, its adapter, how it was judged and how it was trained,
    and the home's embedder, so that the other home needs no torch.

    Raises RegistryError, ManifestError, BundleError, OSError.
    """
    registry = ModelRegistry(database, home)
    version = registry.verify(version_id)
    gguf = registry.path(version)
    if version.kind == "base" or read_manifest(gguf.parent) is None:
        raise BundleError(f"{version_id} was not trained here: only what was trained is bundled.")
    place = _model_place(home, version, gguf.parent)
    folders = {place: _artefact(gguf.parent)}
    artefacts = [_adapter_of(home, gguf.parent), home.embedder]
    for folder in (one for one in artefacts if one is not None and read_manifest(one) is not None):
        folders[_name(home, folder)] = _artefact(folder)
    run = gguf.parent.parent.name
    for folder in (home.data_storage / "evaluations" / version_id, home.logs / "training" / run):
        if found := _plain(folder):
            folders[_name(home, folder)] = found
    facts = {
        "gguf": f"{place}/{gguf.name}",
        "version": _as_json(version),
        "evaluations": [_as_json(one) for one in registry.evaluations(version_id)],
    }
    return _written(home, MODEL, version_id, folders, facts, out)


def _written(
    home: Home, what: str, name: str, folders: Folders, facts: Mapping[str, Any], out: Path | None
) -> tuple[Path, Bundle]:
    now_s = time.time()
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now_s))
    path = out or home.data_storage / FOLDER / f"{name}-{stamp}.zip"
    if out is None:
        path.parent.mkdir(mode=0o700, exist_ok=True)
    elif not path.parent.is_dir():
        raise BundleError(f"There is no folder {path.parent} to write the bundle into.")
    files = {f"{at}/{n}": p for at, found in folders.items() for n, p in found.items()}
    _refuse_too_little_room(path.parent, sum(p.stat().st_size for p in files.values()))
    bundle = Bundle(what, name, int(now_s * 1000), tuple(sorted(folders)), facts)
    written = write_bundle(path, files, bundle)
    try:
        for at, found in folders.items():
            _compare(at, found, written)
    except BundleError:
        path.unlink(missing_ok=True)
        raise
    return path, written


def _compare(at: str, files: Mapping[str, Path], written: Bundle) -> None:
    """Raise BundleError where what was packed of an artefact is not what its manifest says."""
    manifest = files.get(MANIFEST_NAME)
    made = None if manifest is None else read_manifest(manifest.parent)
    packed = {name: entry.sha256 for name, entry in written.files_of(at).items()}
    for name, entry in () if made is None else made.files.items():
        if packed.get(name) != entry.sha256:
            raise BundleError(
                f"{at}/{name} differs from its manifest: run the step that makes it again. Nothing "
                "was packed."
            )


def _artefact(folder: Path) -> dict[str, Path]:
    """What a folder's manifest names, and the manifest. Raises BundleError."""
    found = read_manifest(folder)
    if found is None:
        raise BundleError(f"{folder} is incomplete; run the step that makes it again.")
    return {name: folder / name for name in (*found.files, MANIFEST_NAME)}


def _plain(folder: Path) -> dict[str, Path]:
    """Every file below a folder that has no manifest; none where it is not there."""
    found = sorted(folder.rglob("*")) if folder.is_dir() else []
    return {
        path.relative_to(folder).as_posix(): path
        for path in found
        if path.is_file() and not path.is_symlink() and not path.name.startswith(".")
    }


def _base_reference(home: Home, name: str) -> dict[str, str]:
    """Which base a profile means; its hash where it is here."""
    try:
        folder = find_base(name, home)
    except MynahError:
        return {"name": name, "sha256": ""}  # the box downloads it
    return {"name": folder.name, "sha256": forge.base_hash(folder)}


def _base_files(folder: Path) -> dict[str, Path]:
    if read_manifest(folder) is not None:
        return _artefact(folder)
    found = {path for pattern in _BASE_FILES for path in folder.glob(pattern) if path.is_file()}
    return {path.name: path for path in sorted(found)}


def _model_place(home: Home, version: ModelVersion, folder: Path) -> str:
    """Where the model is to lie: where it lies, be it not somewhere else on this machine."""
    finetuned = home.finetuned.resolve()
    is_usual = folder.resolve().parent.parent == finetuned
    name = f"{folder.parent.name}/{folder.name}" if is_usual else f"{version.version_id}/gguf"
    return f"models/finetuned/{name}"


def _adapter_of(home: Home, folder: Path) -> Path | None:
    """The adapter that a model was merged from, where it was not trained again since."""
    model, merged = read_manifest(folder), folder.parent / "merged"
    adapter = home.checkpoints / folder.parent.name
    made = read_manifest(merged)
    if model is None or made is None or read_manifest(adapter) is None:
        return None
    is_its_own = model.config.get("merged_sha256") == content_hash(merged) and made.config.get(
        "adapter_sha256"
    ) == content_hash(adapter)
    return adapter if is_its_own else None


def _as_json(record: ModelVersion | Evaluation) -> dict[str, Any]:
    return {name: _plain_value(value) for name, value in vars(record).items()}


def _plain_value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value


def _refuse_too_little_room(folder: Path, needed_bytes: int) -> None:
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < needed_bytes:
        raise BundleError(
            f"The bundle needs up to {needed_bytes / 1e9:.2f} GB, and the disk of {folder} has "
            f"{free_bytes / 1e9:.2f} GB free: make room, or name another place with --out."
        )


def _name(home: Home, path: Path) -> str:
    return path.relative_to(home.root).as_posix()

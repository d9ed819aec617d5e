"""Unpacks a bundle into a home: every folder beside its place, compared, then renamed into it.

Nothing that is there is written over: the same folder stays as it is, another of the same name gets
the new one beside it. So a second time does nothing, and one that was cut off goes on. What was
erased at home since the bundle left does not come back: a set goes through the door, and a model
that learned it is tainted, as any other (data/forgetting_models.py).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from data import carried
from data.backup_archive import Entry, reading, take
from data.bundle import DATASET, Bundle, BundleError, read_bundle
from data.carried import Checked
from data.consent import check_dataset_may_train, has_history
from data.erased import Erased
from data.forgetting_files import sweep
from data.forgetting_models import learned_by, strip, taint_if_lost
from data.forgetting_rules import Rules
from model import forge, trained_on
from model.base_models import find_base
from model.profile import Profile
from storage.database import Database
from storage.errors import MynahError
from storage.manifest import MANIFEST_NAME, placing, sha256_file, write_text_atomically
from storage.model_registry import ModelRegistry
from storage.paths import Home
from storage.records import DELETED_MESSAGE, FORGOTTEN_MEMBER, ModelVersion

Say = Callable[[str], None]

_KEPT_FIELDS = frozenset(
    "version_id kind sha256 size_bytes created_at_ms base dataset_sha256 profile parents notes "
    "deploy_at audit_needed".split()
)
"""Of a version: what it is. What was decided about it in the other home is not decided here."""
_QUOTING = frozenset({".html", ".md"})
_ROOM_BYTES = 64 << 20


@dataclass(frozen=True)
class Unpacked:
    """What came into a home."""

    bundle: Bundle
    places: Mapping[str, Path]
    """By folder in the bundle, where each lies now."""
    made: tuple[str, ...]
    """Those that were not there before."""
    version: ModelVersion | None = None
    dataset: str = ""
    profile: Path | None = None
    remarks: tuple[str, ...] = field(default_factory=tuple)


def unpack(path: Path, home: Home, database: Database, *, say: Say = lambda _: None) -> Unpacked:
    """Take a bundle in.

    Raises BackupDamagedError where any byte of it differs, ConsentError where a set may not be
    trained on here, RegistryError where another model has the version's id, BundleError, OSError;
    then nothing new is registered.
    """
    home.ensure()
    bundle = read_bundle(path)
    try:
        with FileLock(home.data_storage / "bundles.lock", timeout=0):
            if bundle.what == DATASET:
                return _take_dataset(path, bundle, home, database, say)
            return _take_model(path, bundle, home, database, say)
    except Timeout:
        raise BundleError("Another bundle is being unpacked in this home: wait for it.") from None


def _take_dataset(path: Path, bundle: Bundle, home: Home, database: Database, say: Say) -> Unpacked:
    facts = bundle.facts
    with reading(path, "bundle"):
        checked = Checked(int(facts["checked"]["at_ms"]), str(facts["checked"]["dataset_sha256"]))
        profile = Profile.model_validate(facts["profile"])
        base = {key: str(facts["base"][key]) for key in ("name", "sha256")}

    def may_stay(at: str, work: Path) -> None:
        if at.startswith("data_storage/training/"):
            carried.write(work, checked)
            check_dataset_may_train(work, database)
            if has_history(database):
                (work / carried.NAME).unlink()

    places, made = _placed(path, bundle, home, say, may_stay)
    remarks = []
    if (at := places.get(f"models/bases/{base['name']}")) is not None:
        profile = profile.with_(base=str(at))
    dataset = next(at for folder, at in places.items() if folder.startswith("data_storage/"))
    if (remark := _why_not_base(home, profile.base, base["sha256"])) != "":
        remarks.append(remark)
    return Unpacked(
        bundle,
        places,
        made,
        dataset=dataset.name,
        profile=_write_profile(home, dataset.name, profile),
        remarks=tuple(remarks),
    )


def _take_model(path: Path, bundle: Bundle, home: Home, database: Database, say: Say) -> Unpacked:
    registry = ModelRegistry(database, home)
    with reading(path, "bundle"):
        told = dict(bundle.facts["version"])
        gguf = str(bundle.facts["gguf"])
        values = {f.name: told[f.name] for f in fields(ModelVersion) if f.name in _KEPT_FIELDS}
        values["parents"] = tuple(map(str, values["parents"]))
        version = ModelVersion(**values, status="candidate", gguf_path="")
        if bundle.entries[gguf] != Entry(version.sha256, version.size_bytes):
            raise ValueError("its model is not the one that it registers")
        if version.kind == "base" or version.version_id != bundle.name:
            raise ValueError("it registers another version than it names")
        evaluations = [dict(one) for one in bundle.facts["evaluations"]]
    _refuse_taken_id(registry, version)
    places, made = _placed(path, bundle, home, say)
    folder, _, name = gguf.rpartition("/")
    version = replace(version, gguf_path=home.relative(places[folder] / name))
    registered = registry.register(version)
    _record(registry, database, version, evaluations, places)
    if told.get("tainted_at_ms"):
        because, at_ms = str(told["tainted_because"]), int(told["tainted_at_ms"])
        database.taint_model(version.version_id, because, at_ms, int(told["retrain_by_ms"]))
    registered = taint_if_lost(home, database, registered)
    remarks = _without_erased(home, database, registered, places)
    return Unpacked(bundle, places, made, version=registered, remarks=tuple(remarks))


# -- folders --------------------------------------------------------------------------------------


def _placed(
    path: Path,
    bundle: Bundle,
    home: Home,
    say: Say,
    may_stay: Callable[[str, Path], None] = lambda at, work: None,
) -> tuple[dict[str, Path], tuple[str, ...]]:
    """Where each folder lies now, and which are new. `may_stay` raises where one may not."""
    places = {at: _place_for(home.root / at, bundle.files_of(at)) for at in bundle.folders}
    missing = [at for at, place in places.items() if not place.exists()]
    _refuse_too_little_room(home, sum(_size(bundle.files_of(at)) for at in missing))
    with reading(path, "bundle"), zipfile.ZipFile(path) as archive:
        for at in missing:
            say(f"Unpacking {at}.")
            with placing(places[at]) as work:
                for name, entry in bundle.files_of(at).items():
                    take(archive, f"{at}/{name}", entry, work / name)
                    _sync(work / name)
                may_stay(at, work)
    return places, tuple(missing)


def _place_for(wanted: Path, files: Mapping[str, Entry]) -> Path:
    """Where it lies already, else where it may lie: never in another one's place."""
    if not wanted.exists() or _is_same(wanted, files):
        return wanted
    if wanted.name == "embedder":
        return wanted  # a home has one, and its memory was built with that
    listed = sorted((name, entry.sha256) for name, entry in files.items())
    mark = hashlib.sha256(json.dumps(listed).encode()).hexdigest()[:8]
    beside = wanted.with_name(f"{wanted.name}-{mark}")
    if beside.exists() and not _is_same(beside, files):
        raise BundleError(f"{beside} is in the way: remove it, then start again.")
    return beside


def _is_same(folder: Path, files: Mapping[str, Entry]) -> bool:
    """Whether it holds these files. Who was forgotten stands in no `trained_on` here any more: the
    model beside it is the same one."""
    left_out = {trained_on.NAME, MANIFEST_NAME} if trained_on.NAME in files else set()
    for name, entry in ((n, e) for n, e in files.items() if n not in left_out):
        path = folder / name
        if not path.is_file() or path.stat().st_size != entry.size_bytes:
            return False
        if sha256_file(path) != entry.sha256:
            return False
    return True


def _refuse_too_little_room(home: Home, needed_bytes: int) -> None:
    free_bytes = shutil.disk_usage(home.root).free
    if free_bytes < needed_bytes + _ROOM_BYTES:
        raise BundleError(
            f"The bundle takes {needed_bytes / 1e9:.2f} GB unpacked, and the disk of {home.root} "
            f"has {free_bytes / 1e9:.2f} GB free: make room, then start again."
        )


# -- what goes with them --------------------------------------------------------------------------


def _write_profile(home: Home, dataset: str, profile: Profile) -> Path:
    """As YAML (JSON is YAML), for --profile."""
    folder = home.data_storage / "profiles"
    folder.mkdir(exist_ok=True)
    path = folder / f"{dataset}-{profile.name}.yaml"
    write_text_atomically(path, json.dumps(profile.model_dump(mode="json"), indent=2) + "\n")
    return path


def _why_not_base(home: Home, name: str, sha256: str) -> str:
    """What is to be done before the base can be trained on; "" where it is here."""
    try:
        folder = find_base(name, home)
    except MynahError as error:
        return str(error)
    if sha256 and forge.base_hash(folder) != sha256:
        return (
            f"{folder} is not the base that the set was packed for: a model that is trained on it "
            "cannot be merged with the other one."
        )
    return ""


def _refuse_taken_id(registry: ModelRegistry, version: ModelVersion) -> None:
    for known in registry.list():
        if known.version_id == version.version_id and known.sha256 != version.sha256:
            raise BundleError(
                f"{version.version_id} is another model's name here already. Nothing was unpacked."
            )


def _record(
    registry: ModelRegistry,
    database: Database,
    version: ModelVersion,
    evaluations: list[dict[str, Any]],
    places: Mapping[str, Path],
) -> None:
    """What is known of how it was judged, once."""
    known = {(one.kind, one.at_ms) for one in registry.evaluations(version.version_id)}
    for one in evaluations:
        if (one["kind"], one["at_ms"]) not in known:
            database.add_evaluation(
                version.version_id,
                str(one["kind"]),
                at_ms=int(one["at_ms"]),
                score=one["score"],
                needed=one["needed"],
                passed=bool(one["passed"]),
                figures=dict(one["figures"]),
                report=_moved(str(one["report"]), places),
            )


def _moved(report: str, places: Mapping[str, Path]) -> str:
    """A report's path, where its folder lies beside its usual place."""
    for at, place in places.items():
        if report.startswith(f"{at}/"):
            return f"{at.rpartition('/')[0]}/{place.name}/{report[len(at) + 1 :]}"
    return report


def _without_erased(
    home: Home, database: Database, version: ModelVersion, places: Mapping[str, Path]
) -> list[str]:
    """Take out of what came what was erased here meanwhile; what is to be said of it."""
    remarks = []
    learned = learned_by(home, ModelRegistry(database, home), version)
    if learned is not None and (gone := _erased(database, learned.messages, learned.members)):
        because = FORGOTTEN_MEMBER if gone.member_ids else DELETED_MESSAGE
        strip(home, gone, because)
    for at, place in places.items():
        if at.startswith("data_storage/evaluations/"):
            gone = _erased(database, *_ids_in(place))
            for path in sorted(place.rglob("*")) if gone else ():
                if path.suffix in _QUOTING:
                    path.unlink()
            if gone:
                sweep(place, Rules(gone))
                remarks.append(
                    "Its report quoted what was erased here meanwhile, so it is not kept; judge it "
                    "again for a new one."
                )
    if version.tainted_because:
        remarks.append(
            f"{version.version_id} learned from {version.tainted_because}: train a new version."
        )
    return remarks


def _erased(database: Database, messages: frozenset[int], members: frozenset[int]) -> Erased:
    """Those of them that were erased here. A message that this home never had is none, unless
    somebody was forgotten."""
    missing, deleted = database.lost(messages)
    gone = deleted | (missing if database.tombstones() and has_history(database) else set())
    return Erased(frozenset(database.forgotten(members)), frozenset(gone))


def _ids_in(folder: Path) -> tuple[frozenset[int], frozenset[int]]:
    """Messages and members that the replies of an evaluation name."""
    messages: set[int] = set()
    members: set[int] = set()
    for path in folder.rglob("*.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            with suppress(ValueError, AttributeError):  # a line that is no record names nobody
                for key, value in json.loads(line).items():
                    found = {int(one) for one in _listed(value) if str(one).isdigit()}
                    if "author" in key:
                        members |= found
                    elif key.endswith(("_id", "_ids")):
                        messages |= found
    return frozenset(messages), frozenset(members)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _size(files: Mapping[str, Entry]) -> int:
    return sum(entry.size_bytes for entry in files.values())


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())

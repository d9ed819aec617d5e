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
import time
import zipfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from data import carried
from data.backup_archive import Entry, reading, take
from data.bundle import DATASET, Bundle, BundleError, read_bundle
from data.bundled_model import read_model
from data.carried import Checked
from data.consent import check_dataset_may_train, has_history
from data.erased import Erased
from data.forgetting_files import sweep
from data.forgetting_models import RETRAIN_DAYS, learned_by, set_of, strip, taint_if_lost
from data.forgetting_rules import Rules
from model import forge, trained_on
from model.base_models import find_base
from model.profile import Audit, Judge, Profile
from storage.database import Database
from storage.errors import MynahError
from storage.gates import force_command, judge_command
from storage.manifest import MANIFEST_NAME, placing, sha256_file, write_text_atomically
from storage.model_registry import ModelRegistry
from storage.paths import Home
from storage.records import DELETED_MESSAGE, FORGOTTEN_MEMBER, Evaluation, ModelVersion

Say = Callable[[str], None]

_DAY_MS = 24 * 60 * 60 * 1000
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
    _renew(bundle, places, checked, database)
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
        told = read_model(bundle)
    version, evaluations = told.version, told.evaluations
    _refuse_taken_id(registry, version)
    places, made = _placed(path, bundle, home, say)
    version = replace(version, gguf_path=home.relative(places[told.folder] / told.file))
    remarks = []
    if not _was_given_from_here(home, version):
        usual = Judge().deploy_at, Audit().is_needed
        version, evaluations = replace(version, deploy_at=usual[0], audit_needed=usual[1]), ()
        remarks.append(_not_from_here(version))
    registered = registry.register(version)
    if told.tainted_because:
        database.taint_model(
            version.version_id, told.tainted_because, told.tainted_at_ms, told.retrain_by_ms
        )
    if learned_by(home, registry, registered) is None and database.tombstones():
        # Not on record what it learned: taken for one that learned from them (forgetting_models).
        now_ms = time.time_ns() // 1_000_000
        by_ms = now_ms + RETRAIN_DAYS * _DAY_MS
        database.taint_model(version.version_id, FORGOTTEN_MEMBER, now_ms, by_ms)
    registered = taint_if_lost(home, database, registry.get(version.version_id))
    # What opens the gates comes after all that bars it.
    _record(registry, database, version, evaluations, places)
    remarks += _without_erased(home, database, registered, places)
    return Unpacked(bundle, places, made, version=registered, remarks=tuple(remarks))


# -- a model -------------------------------------------------------------------------------------


def _was_given_from_here(home: Home, version: ModelVersion) -> bool:
    """Whether it learned from a set of this home's. Who was never given that does not know its
    hash, and could write any verdict."""
    is_known = carried.was_handed_out(home.data_storage, version.dataset_sha256)
    return is_known or set_of(home, version) is not None


def _not_from_here(version: ModelVersion) -> str:
    name = version.version_id
    return (
        f"The set that {name} was trained on is none of this home's, so what the other home says "
        f"of how it was judged does not count here: a score of {version.deploy_at:g} and a leak "
        f"audit are asked for. Have the set here and judge it ({judge_command(name)}), or take it "
        f"on you: {force_command(name)}"
    )


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


def _renew(
    bundle: Bundle, places: Mapping[str, Path], checked: Checked, database: Database
) -> None:
    """Of a set that was here already: the newer verdict counts, and its days begin anew."""
    for at, place in places.items():
        if at.startswith("data_storage/training/") and not has_history(database):
            known = carried.read(place)
            is_newer = known is None or known.at_ms < checked.at_ms
            if is_newer and not checked.why_not(place):
                carried.write(place, checked)


def _write_profile(home: Home, dataset: str, profile: Profile) -> Path:
    """As YAML (JSON is YAML), for --profile; beside one that says something else."""
    folder = home.data_storage / "profiles"
    folder.mkdir(exist_ok=True)
    text = json.dumps(profile.model_dump(mode="json"), indent=2) + "\n"
    mark = hashlib.sha256(text.encode()).hexdigest()[:8]
    path = folder / f"{dataset}-{profile.name}.yaml"
    if path.exists() and path.read_text(encoding="utf-8", errors="replace") != text:
        path = folder / f"{dataset}-{profile.name}-{mark}.yaml"
    write_text_atomically(path, text)
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
    evaluations: Iterable[Evaluation],
    places: Mapping[str, Path],
) -> None:
    """What is known of how it was judged, once."""
    known = {(one.kind, one.at_ms) for one in registry.evaluations(version.version_id)}
    for one in evaluations:
        if (one.kind, one.at_ms) not in known:
            database.add_evaluation(
                version.version_id,
                one.kind,
                at_ms=one.at_ms,
                score=one.score,
                needed=one.needed,
                passed=one.passed,
                figures=one.figures,
                report=_moved(one.report, places),
            )


def _moved(report: str, places: Mapping[str, Path]) -> str:
    """Where a report lies that came along, for its folder may lie beside its usual place; "" of
    any other."""
    for at, place in places.items():
        if report.startswith(f"{at}/"):
            found = place / report[len(at) + 1 :]
            is_in_it = found.resolve().is_relative_to(place.resolve())
            parent = at.rpartition("/")[0]
            return f"{parent}/{place.name}/{report[len(at) + 1 :]}" if is_in_it else ""
    return ""


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

"""What is stored of one member: for whoever asks, and for whoever is about to forget them."""

from __future__ import annotations

import json
import time
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data.dataset import FILES
from data.erased import Erased
from data.forgetting_models import learned_by
from data.forgetting_rules import Rules
from data.preference_rows import FILES as PREFERENCES
from storage.database import Database
from storage.manifest import read_manifest
from storage.model_registry import ModelRegistry
from storage.paths import Home
from storage.records import MemberRecord


@dataclass(frozen=True)
class Said:
    """How much a member said in one channel, by one way."""

    channel_id: int
    channel: str
    origin: str
    messages: int
    first_ms: int
    last_ms: int


@dataclass(frozen=True)
class MemberView:
    """All that Mynah holds of one member, in figures."""

    member_id: int
    member: MemberRecord | None
    """None where only an id is known."""
    is_forgotten: bool
    said: tuple[Said, ...]
    vectors: int
    examples: dict[str, int]
    """By training set: how many of its examples and preferences show any of their words."""
    models: tuple[str, ...]
    """The versions that learned from them, or may have."""
    rehearsed: int = 0
    """How many rows of rehearsals are about what they said, or hold a draft written from it."""

    @property
    def messages(self) -> int:
        return sum(one.messages for one in self.said)

    def as_json(self) -> dict[str, Any]:
        """For `--json`; ids as texts."""
        said = [{**asdict(one), "channel_id": str(one.channel_id)} for one in self.said]
        member = None
        if self.member is not None:
            member = {**asdict(self.member), "member_id": str(self.member_id)}
        return {
            "member_id": str(self.member_id),
            "member": member,
            "is_forgotten": self.is_forgotten,
            "messages": self.messages,
            "said": said,
            "vectors": self.vectors,
            "examples": self.examples,
            "models": list(self.models),
            "rehearsed": self.rehearsed,
        }


def view_of(home: Home, database: Database, member_id: int) -> MemberView:
    """What is stored of a member. Reads the training sets: seconds. Raises MynahError, OSError."""
    ids = frozenset(database.message_ids_of(member_id))
    erased = Erased(frozenset({member_id}), ids)
    channels = {channel.channel_id: channel.name for channel in database.channels()}
    registry = ModelRegistry(database, home)
    learned = {v.version_id: learned_by(home, registry, v) for v in registry.list()}
    is_base = {v.version_id for v in registry.list() if v.kind == "base"}
    return MemberView(
        member_id=member_id,
        member=database.member(member_id),
        is_forgotten=database.is_forgotten(member_id),
        said=tuple(
            Said(row[0], channels.get(row[0], ""), *row[1:]) for row in database.said_by(member_id)
        ),
        vectors=_vectors(home, ids),
        examples=_examples(home, Rules(erased)),
        models=tuple(
            version_id
            for version_id, one in learned.items()
            if version_id not in is_base
            and (one is None or member_id in one.members or not ids.isdisjoint(one.messages))
        ),
        rehearsed=database.rehearsed_of(ids),
    )


def export_member(home: Home, database: Database, view: MemberView) -> Path:
    """Write all of it to a zip under `Home.personal_exports`, messages with their words, and
    return it. Raises OSError."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    home.personal_exports.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = home.personal_exports / f"member-{view.member_id}-{stamp}.zip"
    partial = path.with_suffix(".part")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("stored.json", _json(view.as_json()))
            with archive.open("messages.jsonl", "w", force_zip64=True) as file:
                for message in database.messages_of(view.member_id):
                    line = {**asdict(message), "origin": message.origin.value}
                    line["kind"] = message.kind.value
                    file.write((json.dumps(line, ensure_ascii=False) + "\n").encode())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def _vectors(home: Home, ids: frozenset[int]) -> int:
    if not ids or not home.embeddings.is_dir():
        return 0
    from storage.vectordb import VectorError, vector_ids  # LanceDB: half a second to import

    try:
        return len(ids & vector_ids(home.embeddings))
    except VectorError:
        return 0  # it is built again without them


def _examples(home: Home, rules: Rules) -> dict[str, int]:
    found = {}
    for folder in sorted(home.datasets.glob("[!.]*/")):
        if read_manifest(folder) is None:
            continue
        count = 0
        for name in (*FILES.values(), *PREFERENCES.values()):
            if (folder / name).is_file():
                with (folder / name).open("rb") as file:
                    count += sum(map(rules.names_one, file))
        if count:
            found[folder.name] = count
    return found


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"

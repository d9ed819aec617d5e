"""Measures forgetting: a furnished home, one member with 100 marked messages, and what is left.

Each of their messages holds 128 random bits. The home has rows, full text, vectors, transcripts,
training and preference sets, reports, sheets, exports (gzip and zip too), quarantine, copies of the
database, backups and a model that learned from them. After forgetting, every file under the home is
searched, the insides of gzip and zips too.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import random
import secrets
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from data.backup import create
from data.budget import EstimatedTokenizer
from data.consent import declare
from data.dataset import DatasetOptions, make_dataset
from data.exporting import write_channel_exports
from data.forgetting import forget_member
from data.importers.importing import import_paths
from data.member_view import export_member, view_of
from data.personas import PersonaText
from data.windows import WindowOptions
from model import trained_on
from scripts.edge import add_json, ending_in_a_sentence
from scripts.peak_memory import peak_rss_mb
from storage.database import ContextLine, Database
from storage.manifest import write_manifest
from storage.migrating import back_up
from storage.model_registry import ModelRegistry
from storage.paths import Home, find_home
from storage.records import ModelVersion, Origin, VerdictRow
from storage.vectordb import VectorIndex, vector_ids

FIRST_ID = 1_200_000_000_000_000_000
GUILD, CHANNELS, MEMBERS = FIRST_ID + 1, 5, 12
MARKED = 100
DIMENSIONS = 384
NAME = "Quillfeather"
"""The forgotten member's nickname, which is nobody else's word."""
WORDS = "raid soup lantern harvest goblin patch sword tavern dragon weather server guild".split()


@dataclass(frozen=True)
class Furnished:
    """What there is to be erased."""

    member_id: int
    message_ids: frozenset[int]
    markers: tuple[str, ...]
    exports: tuple[Path, ...]
    """The files that the history was imported from, outside the home."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000, metavar="N", help="of everybody")
    parser.add_argument("--home", metavar="DIR", help="a new folder (default: a temporary one)")
    add_json(parser, "one object on the last line")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mynah-forget-") as folder:
        home = find_home(arguments.home or Path(folder) / "home").ensure()
        result = measured(home, Path(folder) / "exports", arguments.messages)
    if arguments.json:
        print(json.dumps(result))
    else:
        print("\n".join(f"{name:<20} {value}" for name, value in result.items()))
    return 1 if result["markers_left"] or result["vectors_left"] else 0


def measured(home: Home, exports: Path, messages: int) -> dict[str, Any]:
    """Furnish, forget, search; the figures."""
    with Database.open(home.database, backups=home.backups) as database:
        furnished = furnish(home, database, exports, messages)
        before = left_over(home, furnished.markers)
        took: dict[str, float] = {}
        began_s = last_s = time.monotonic()
        current = ""

        def note(place: str, done: int, total: int) -> None:
            nonlocal last_s, current
            now_s = time.monotonic()
            if current:
                took[current] = round(now_s - last_s, 2)
            last_s, current = now_s, place

        report = forget_member(home, database, furnished.member_id, by="bench", progress=note)
        seconds = time.monotonic() - began_s
        took[current] = round(time.monotonic() - last_s, 2)
        after = left_over(home, furnished.markers)
        vectors = vector_ids(home.embeddings)
    return {
        "messages": messages,
        "marked": len(furnished.markers),
        "files_with_markers": len(before),
        "seconds": round(seconds, 2),
        "seconds_by_place": took,
        "markers_left": len(after),
        "vectors_left": len(vectors & furnished.message_ids),
        "unfinished": report.unfinished,
        "peak_rss_mb": round(peak_rss_mb()),
    }


# -- the home -------------------------------------------------------------------------------------


def furnish(home: Home, database: Database, exports: Path, messages: int) -> Furnished:
    """Fill a new home through the importers and makers that a user has."""
    random.seed(1)
    member_id = FIRST_ID + 100
    markers = tuple(secrets.token_hex(16) for _ in range(MARKED))
    paths, ids = _write_exports(exports, messages, member_id, markers)
    declare(database, "a benchmark's own words")
    import_paths(database, paths, origin=Origin.EXPORT, quarantine=home.quarantine)
    _vectors(home, database)
    _dataset(home, database)
    _models(home, database)
    _by_hand(home, paths, member_id, ids, markers)
    write_channel_exports(database, home.messages)
    export_member(home, database, view_of(home, database, member_id))
    for number, message_id in enumerate(ids):
        line = ContextLine(FIRST_ID + 10, "said", NAME, markers[number], 1, message_id)
        database.append_context_lines([line])
    database.record_verdicts([VerdictRow(i, FIRST_ID + 10, 1, "silent", "chance") for i in ids])
    back_up(home.database, home.backups / "mynah-20260101-000000-before-0004.db")
    create(home)
    return Furnished(member_id, frozenset(ids), markers, tuple(paths))


def _write_exports(
    folder: Path, messages: int, member_id: int, markers: Sequence[str]
) -> tuple[list[Path], list[int]]:
    folder.mkdir(parents=True)
    people = {FIRST_ID + 100 + n: f"member{n}" for n in range(MEMBERS)} | {member_id: NAME}
    others = [person for person in people if person != member_id]
    every = messages // len(markers)
    marked = {n * every + n % CHANNELS: marker for n, marker in enumerate(markers)}
    ids: dict[int, int] = {}
    paths = []
    for number in range(CHANNELS):
        said = []
        for row in range(number, messages, CHANNELS):
            message_id = FIRST_ID + 1_000_000 + row * 4_000
            author = member_id if row in marked else random.choice(others)
            text = " ".join(random.choices(WORDS, k=8))
            if row in marked:
                ids[row] = message_id
                text = f"{text} {marked[row]}"
            mentions = [_person(member_id, NAME)] if row % 50 == 1 else []
            said.append(_message(message_id, row, _person(author, people[author]), text, mentions))
        if number == 0:  # what cannot be used is kept aside: no time
            marker = markers[0]
            broken = _message(FIRST_ID + 7, 0, _person(member_id, NAME), marker, [])
            said.append({**broken, "timestamp": "yesterday"})
        channel = {"id": str(FIRST_ID + 10 + number), "type": "GuildTextChat", "name": f"c{number}"}
        export = {
            "guild": {"id": str(GUILD), "name": "Bench", "iconUrl": ""},
            "channel": channel,
            "dateRange": {"after": None, "before": None},
            "messages": said,
            "messageCount": len(said),
        }
        text = json.dumps(export, indent=2 if number == 1 else None)
        path = folder / f"c{number}.json{'.gz' if number % 2 else ''}"
        if number % 2:
            path.write_bytes(gzip.compress(text.encode(), 1))
        else:
            path.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths, [ids[row] for row in marked]


def _person(member_id: int, name: str) -> dict[str, Any]:
    return {"id": str(member_id), "name": name.lower(), "nickname": name, "isBot": False}


def _message(
    message_id: int, row: int, author: dict[str, Any], text: str, mentions: list[Any]
) -> dict[str, Any]:
    at = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(1_700_000_000 + row * 20))
    return {
        "id": str(message_id),
        "type": "Default",
        "timestamp": at,
        "timestampEdited": None,
        "isPinned": False,
        "content": text,
        "author": author,
        "attachments": [],
        "embeds": [],
        "reactions": [],
        "mentions": mentions,
    }


def _vectors(home: Home, database: Database) -> None:
    index = VectorIndex(home.embeddings, DIMENSIONS)
    ids = [message.message_id for message in database.messages()]
    draws = np.random.default_rng(0)
    for start in range(0, len(ids), 20_000):
        some = ids[start : start + 20_000]
        index.add(some, draws.normal(size=(len(some), DIMENSIONS)).astype(np.float32))
    index.compact()
    edits = home.embeddings / "edits.json"
    edits.write_text(json.dumps({str(i): 1 for i in ids[:: max(len(ids) // 1000, 1)]}))


def _dataset(home: Home, database: Database) -> None:
    persona = PersonaText("Mynah", "You are Mynah.")
    options = DatasetOptions(WindowOptions(0, 512, 5_000))
    make_dataset(database, home.datasets / "default", EstimatedTokenizer(), persona, options)


def _models(home: Home, database: Database) -> None:
    """One that learned from everybody and answers, and one before it that learned from nobody."""
    learned = trained_on.of_dataset(home.datasets / "default" / "training_data.jsonl")
    registry = ModelRegistry(database, home)
    for name, one in (
        ("clean", trained_on.TrainedOn(frozenset(), frozenset())),
        ("tainted", learned),
    ):
        folder = home.finetuned / name / "gguf-1"
        folder.mkdir(parents=True)
        gguf = folder / f"{name}.gguf"
        gguf.write_bytes(name.encode())
        trained_on.write(folder / trained_on.NAME, one)
        made = write_manifest(folder, "gguf", {}, {})
        file = made.files[gguf.name]
        registry.register(
            ModelVersion(
                name, "tuned", "candidate", home.relative(gguf), file.sha256, file.size_bytes,
                made.created_at_ms, "demo-base",
            )
        )  # fmt: skip
        registry.deploy(name)


def _by_hand(
    home: Home, exports: Sequence[Path], member_id: int, ids: Sequence[int], markers: Sequence[str]
) -> None:
    """What users put there, later steps will make, and crashes leave."""
    for path in exports:
        (home.messages / f"put-{path.name}").write_bytes(path.read_bytes())
    with zipfile.ZipFile(home.messages / "package.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        rows = [{"ID": i, "Contents": m} for i, m in zip(ids, markers, strict=True)]
        rows.append({"ID": 5, "Contents": "kept"})
        archive.writestr("messages/c1/messages.json", json.dumps(rows))
    (home.messages / "page.html").write_text(f"<p data-user-id={member_id}>{markers[1]}</p>")
    (home.messages / "page.txt").write_text(f"[1 May] {NAME}\n{markers[2]}\n")
    (home.messages / "table.csv").write_text(
        f'AuthorID,Author,Content\n{member_id},"{NAME}","{markers[3]}"\n7,bob,"kept"\n'
    )
    sheets = home.data_storage / "reports"
    sheets.mkdir()
    (sheets / "sheet.json").write_text(
        json.dumps({"rows": [{"message_id": ids[4], "text": markers[4]}, {"text": "kept"}]})
    )
    (sheets / "sheet.md").write_text(f"| {ids[5]} | {markers[5]} |\n")
    pairs = home.datasets / "pairs"
    pairs.mkdir()
    lines = [
        {"source_ids": [i], "chosen": m, "rejected": "b"} for i, m in zip(ids, markers, strict=True)
    ]
    lines.append({"source_ids": [FIRST_ID + 9], "chosen": "kept", "rejected": "b"})
    (pairs / "pairs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    write_manifest(pairs, "preferences", {}, {"pairs": len(lines)})
    left = home.datasets / ".old.making-999999999-00000000"
    left.mkdir()
    (left / "training_data.jsonl").write_text(markers[6])
    broken = home.embeddings.with_name(home.embeddings.name + ".broken")
    broken.mkdir()
    (broken / "data").write_text(markers[7])
    home.backups.mkdir(exist_ok=True)
    (home.backups / "torn.db").write_bytes(b"SQLite format 3\0" + markers[8].encode())
    adapter = home.checkpoints / "default"
    adapter.mkdir(parents=True)
    (adapter / "examples.jsonl").write_text(json.dumps({"id": ids[9], "t": markers[9]}) + "\n")


# -- what is left ---------------------------------------------------------------------------------


def left_over(home: Home, markers: Sequence[str]) -> list[str]:
    """The files under the home that hold a marker, gzip and zips looked into."""
    wanted = [marker.encode() for marker in markers]
    return [
        str(path)
        for path in sorted(home.root.rglob("*"))
        if path.is_file() and any(_holds(raw, wanted) for raw in _insides(path.read_bytes()))
    ]


def _holds(raw: bytes, wanted: Sequence[bytes]) -> bool:
    return any(one in raw for one in wanted)


def _insides(raw: bytes) -> Iterator[bytes]:
    yield raw
    if raw[:2] == b"\x1f\x8b":
        yield from _insides(gzip.decompress(raw))
    elif zipfile.is_zipfile(io.BytesIO(raw)):
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            for info in archive.infolist():
                yield from _insides(archive.read(info))


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))

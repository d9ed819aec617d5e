"""Exports in parts, in folders and in zips; files that are none; files made to do harm."""

from __future__ import annotations

import gzip
import io
import json
import random
import shutil
import struct
import zipfile
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from data.importers import archives, json_bytes
from data.importers.importing import ImportProgress, ImportSummary, import_paths
from storage.database import Database
from storage.records import Origin
from tests.data.importers.exports import export, message, stamp, write
from tests.data.importers.packages import zipped


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with Database.open(tmp_path / "home" / "mynah.db") as database:
        yield database


def run(db: Database, *paths: Path, **options: Any) -> ImportSummary:
    return import_paths(
        db, paths, origin=Origin.EXPORT, quarantine=db.path.parent / "quarantine", **options
    )


NAME = "The Lantern - Talk - general [2000]"


def parts() -> dict[str, bytes]:
    """One channel in three parts, as DiscordChatExporter names them; an edit in the last."""
    lists = [
        [message(n) for n in range(10)],
        [message(n) for n in range(10, 20)],
        [
            message(3, content="edited", timestampEdited=stamp(99)),
            *[message(n) for n in range(20, 30)],
        ],
    ]
    names = [f"{NAME}.json", f"{NAME} [part 2].json", f"{NAME} [part 3].json"]
    return {
        name: json.dumps(export(messages)).encode()
        for name, messages in zip(names, lists, strict=True)
    }


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("kind", ["files", "folder", "zip", "gz", "zip of gz"])
def test_parts_are_one_history_in_any_order(
    db: Database, tmp_path: Path, kind: str, order: tuple[int, ...]
) -> None:
    names = [list(parts())[number] for number in order]
    inside = {name: parts()[name] for name in names}
    if "gz" in kind:
        inside = {f"{name}.gz": gzip.compress(data) for name, data in inside.items()}
    folder = tmp_path / "in"
    if "zip" in kind:
        paths = [zipped(folder / "all.zip", {f"deep/er/{n}": data for n, data in inside.items()})]
    else:
        folder.mkdir()
        for name, data in inside.items():
            (folder / name).write_bytes(data)
        paths = [folder] if kind == "folder" else [folder / name for name in inside]
    summary = run(db, *paths)
    assert (summary.new, summary.changed, summary.files_imported) == (30, 1, 3) or (
        summary.new,
        summary.unchanged,
    ) == (30, 1)
    history = list(db.messages())
    assert [record.message_id for record in history] == [10_000 + n for n in range(30)]
    assert history[3].content == "edited"
    assert len(db.channels()) == 1


def test_a_broken_part_is_named_and_the_others_go_on(db: Database, tmp_path: Path) -> None:
    broken = parts()
    name = f"{NAME} [part 2].json"
    broken[name] = broken[name][: len(broken[name]) // 2]
    summary = run(db, zipped(tmp_path / "all.zip", broken))
    assert 20 < summary.new < 30
    assert [Path(file).name for file, _ in summary.broken] == [name]
    assert f"broken: {tmp_path / 'all.zip' / name}" in str(summary)


def test_a_missing_part_is_named(db: Database, tmp_path: Path) -> None:
    some = parts()
    first, second, third = some
    del some[second]
    summary = run(db, zipped(tmp_path / "a.zip", some))
    assert summary.missing == [str(tmp_path / "a.zip" / second)]
    assert f"missing: {tmp_path / 'a.zip' / second}" in str(summary)
    del some[first]
    assert run(db, zipped(tmp_path / "a.zip", some)).missing == [
        str(tmp_path / "a.zip" / name) for name in (first, second)
    ]
    assert run(db, zipped(tmp_path / "a.zip", parts())).missing == []
    assert third in parts()


def test_damage_inside_a_zip_is_told(db: Database, tmp_path: Path) -> None:
    path = zipped(tmp_path / "all.zip", parts())
    data = bytearray(path.read_bytes())
    for at in range(100, 140):
        data[at] ^= 0x55  # in the first part's packed bytes
    path.write_bytes(data)
    summary = run(db, path)
    assert summary.new >= 20
    assert len(summary.broken) + len(summary.skipped) == 1


def test_a_zip_that_was_not_copied_whole(db: Database, tmp_path: Path) -> None:
    path = zipped(tmp_path / "all.zip", parts())
    path.write_bytes(path.read_bytes()[:-200])
    write(tmp_path / "a.json", export([message(1)]))
    summary = run(db, path, tmp_path / "a.json")
    assert summary.new == 1
    assert "not copied in whole" in str(summary)


def test_progress_within_a_zip_ends_at_all_of_it(db: Database, tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"a.json": json.dumps(export([message(1)])).encode()})
    seen: list[ImportProgress] = []
    run(db, path, progress=seen.append)
    assert seen[-1].bytes_done == seen[-1].bytes_total > 0
    assert seen[-1].file_name == "a.json"


def test_a_zip_within_a_zip_and_one_without_exports_are_named(db: Database, tmp_path: Path) -> None:
    inner = zipped(tmp_path / "x.zip", parts()).read_bytes()
    outer = zipped(tmp_path / "in" / "o.zip", {"inner.zip": inner, "a.png": b"\x89PNG"})
    zipped(tmp_path / "in" / "holiday.zip", {"1.jpg": b"", "2.jpg": b"", "\x1b[2J.png": b""})
    summary = run(db, tmp_path / "in")
    told = dict(summary.skipped)
    assert told[str(outer / "inner.zip")] == "a zip within a zip: unpack the outer one"
    assert "without an export in it (2 x .jpg, 1 x .png)" in str(summary)
    assert "\x1b" not in str(summary)


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("letter.pdf", b"%PDF-1.7 ...", "a PDF, no chat export"),
        ("cat.png", b"\x89PNG\r\n\x1a\n", "a picture"),
        ("export.html", b"\xef\xbb\xbf<!DOCTYPE html><html>", "the format JSON"),
        ("export.csv", b"AuthorID,Author,Date,Content,Attachments,Reactions\n", "CSV"),
        ("export.txt", b"=" * 62 + b"\nGuild: The Lantern\n", "plain text"),
        ("empty.json", b"", "an empty file"),
        ("messages.json", b'[{"ID": 1}]', "a part of a Discord data package"),
        ("package.json", b'{"name": "x"}', "channel or messages missing"),
        ("noise.bin", b"\x07\x08\x09", "not readable as JSON"),
    ],
)
def test_a_wrong_file_is_named(
    db: Database, tmp_path: Path, name: str, data: bytes, said: str
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    summary = run(db, path)
    ((file, why),) = summary.skipped
    assert file == str(path)
    assert said in why
    assert summary.files_imported == 0


def test_a_folder_of_pictures_is_named(db: Database, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(3):
        (tmp_path / "in" / f"{number}.png").write_bytes(b"\x89PNG")
    summary = run(db, tmp_path / "in")
    assert summary.skipped == [
        (str(tmp_path / "in"), "a folder without .json, .json.gz or .zip files (3 x .png)")
    ]


def flagged(path: Path, *, flag: int | None = None, method: int | None = None) -> Path:
    """The zip's first entry said to be locked, or packed in another way."""
    data = bytearray(path.read_bytes())
    for magic, flag_at, method_at in ((b"PK\x03\x04", 6, 8), (b"PK\x01\x02", 8, 10)):
        at = data.find(magic)
        if flag is not None:
            struct.pack_into("<H", data, at + flag_at, flag)
        if method is not None:
            struct.pack_into("<H", data, at + method_at, method)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("changes", "said"), [({"flag": 1}, "password"), ({"method": 9}, "unpack it first")]
)
def test_zips_that_python_cannot_open(
    db: Database, tmp_path: Path, changes: dict[str, int], said: str
) -> None:
    document = json.dumps(export([message(1)])).encode()
    path = flagged(zipped(tmp_path / "a.zip", {"a.json": document}), **changes)
    summary = run(db, path)
    assert summary.new == 0
    assert said in str(summary)


# -- what is made to do harm ----------------------------------------------------------------------


def test_a_zip_bomb_ends_and_is_named(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_bytes, "FREE_BYTES", 1_000_000)
    line = json.dumps(message(1, content="x" * 2000)).encode() + b","
    head, tail = json.dumps(export(["HERE"])).encode().split(b'"HERE"')
    bomb = head + line * 10_000 + line[:-1] + tail
    path = zipped(tmp_path / "bomb.zip", {"a.json": bomb})
    assert len(bomb) > json_bytes.MOST_UNPACKED * path.stat().st_size
    for source in (path, write_gz(tmp_path / "bomb.json.gz", bomb)):
        summary = run(db, source)
        assert "unpacks to more than 200 times its size" in str(summary)


def write_gz(path: Path, data: bytes) -> Path:
    path.write_bytes(gzip.compress(data))
    return path


@pytest.mark.parametrize("filler", [b" ", b"x", b"{},"])
def test_a_message_without_an_end_does_not_fill_the_memory(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, filler: bytes
) -> None:
    for module in ("data.importers.json_bytes", "data.importers.export_file"):
        monkeypatch.setattr(f"{module}.LONGEST_OBJECT_BYTES", 1_000_000)
    head, tail = json.dumps(export([message(1), "HERE"])).encode().split(b'"HERE"')
    start = b'{"reactions":[' if filler == b"{}," else b'"'
    path = tmp_path / "a.json"
    path.write_bytes(head + start + filler * 3_000_000 + tail)
    summary = run(db, path)
    assert summary.new == 1
    assert "no message ends" in str(summary)


def test_a_table_of_contents_without_an_end_is_not_read(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "DIRECTORY_BYTES", 10_000)
    summary = run(db, zipped(tmp_path / "a.zip", {f"{n}.png": b"" for n in range(1000)}))
    assert "more entries than anybody can have" in str(summary)


def test_a_zip_of_many_sizes_is_measured_right(tmp_path: Path) -> None:
    path = tmp_path / "big.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.comment = b"PK\x05\x06 is what an end looks like"[4:]
        for number in range(70_000):  # beyond the old format's count: zip64
            archive.writestr(f"{number}.json", b"")
    with path.open("rb") as file:
        told = archives._directory_bytes(file)
    with zipfile.ZipFile(path) as archive:
        assert told == path.stat().st_size - archive.start_dir - told_end(path)


def told_end(path: Path) -> int:
    """How long all is that follows the table of contents."""
    data = path.read_bytes()
    at = data.rfind(b"PK\x06\x06")
    return len(data) - (at if at >= 0 else data.rfind(b"PK\x05\x06"))


def test_damaged_zips_never_stop_an_import(db: Database, tmp_path: Path) -> None:
    dice = random.Random(6)
    good = zipped(tmp_path / "good.zip", parts()).read_bytes()
    path = tmp_path / "a.zip"
    for _ in range(150):
        data = bytearray(good)
        for _ in range(dice.randint(1, 8)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        if dice.random() < 0.2:
            del data[dice.randrange(len(data)) :]
        path.write_bytes(data)
        summary = run(db, path)
        assert summary.messages + summary.quarantined + len(summary.skipped) > 0 or not data


def test_nothing_is_unpacked_onto_the_disk(db: Database, tmp_path: Path) -> None:
    evil = io.BytesIO()
    with zipfile.ZipFile(evil, "w") as archive:
        archive.writestr("../../evil.json", json.dumps(export([message(1)])))
        archive.writestr("/tmp/evil.json", json.dumps(export([message(2)])))
        archive.writestr("broken/../../evil2.json", json.dumps(export(["words"])))
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "evil.zip").write_bytes(evil.getvalue())
    summary = run(db, folder)
    assert summary.new == 2
    found = {path.name for path in tmp_path.rglob("*") if "evil" in path.name}
    kept = {Path(file).name for file in summary.quarantine_files}
    assert found == {"evil.zip", *kept}
    assert all(Path(f).parent == tmp_path / "home" / "quarantine" for f in summary.quarantine_files)
    shutil.rmtree(folder)

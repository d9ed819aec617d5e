"""Whole imports into a real database."""

from __future__ import annotations

import gzip
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from data.importers.file_import import LEFT_OUT
from data.importers.importing import (
    ImportProgress,
    ImportSummary,
    MissingPathError,
    import_paths,
)
from storage.database import Database
from storage.records import MessageRecord, Origin, Reaction
from storage.tombstones import bury
from tests.data.importers.exports import (
    CHANNEL_ID,
    author,
    export,
    message,
    reaction,
    stamp,
    write,
    write_bytes,
)
from tests.shared import shared_path


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with Database.open(tmp_path / "home" / "mynah.db") as database:
        yield database


def run(db: Database, *paths: Path, **options: Any) -> ImportSummary:
    return import_paths(
        db, paths, origin=Origin.EXPORT, quarantine=db.path.parent / "quarantine", **options
    )


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_to_itself_is_passed_over(db: Database, tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    write(folder / "a.json", export([message(1)]))
    (folder / "loop.json").symlink_to(folder / "loop.json")
    (folder / "gone.json").symlink_to(folder / "nothing.json")
    assert run(db, folder).new == 1


def aside(summary: ImportSummary) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for file in summary.quarantine_files
        for line in Path(file).read_text("utf-8").splitlines()
    ]


def stored(db: Database) -> list[MessageRecord]:
    return list(db.messages(include_deleted=True))


def everything(db: Database) -> tuple[object, ...]:
    return stored(db), db.members(), db.channels()


def test_files_and_folders_are_imported_and_again_changes_nothing(
    db: Database, tmp_path: Path
) -> None:
    other = {"id": "2001", "type": "GuildPublicThread", "categoryId": "2000", "name": "raid"}
    write(tmp_path / "in" / "deep" / "a.json", export([message(n) for n in range(3000)]))
    write(
        tmp_path / "in" / "b.json.gz",
        export([message(n) for n in range(5000, 5010)], channel=other),
    )
    write(tmp_path / "in" / "package.json", {"name": "x"})
    (tmp_path / "in" / "notes.txt").write_text("not looked at")
    paths = [tmp_path / "in", tmp_path / "in" / "b.json.gz"]
    summary = run(db, *paths)
    assert (summary.new, summary.changed, summary.unchanged) == (3010, 0, 0)
    assert (summary.quarantined, summary.members, summary.bots) == (0, 3, 0)
    assert [Path(file).name for file, _ in summary.skipped] == ["package.json"]
    assert summary.files_imported == 2
    assert db.message_counts() == {CHANNEL_ID: 3000, 2001: 10}
    assert {c.name: c.parent_id for c in db.channels()} == {"general": None, "raid": 2000}
    assert summary.as_dict()["first"] == "2024-05-03T19:00:00.000+00:00"
    before = everything(db)
    again = run(db, *paths)
    assert (again.new, again.changed, again.unchanged) == (0, 0, 3010)
    assert everything(db) == before


def test_a_later_export_changes_and_an_older_one_undoes_nothing(
    db: Database, tmp_path: Path
) -> None:
    old = [message(n, author=author(1)) for n in range(5)]
    new = [
        message(
            0, author=author(1, nickname="Renamed"), content="edited", timestampEdited=stamp(9)
        ),
        message(1, author=author(1, nickname="Renamed"), reactions=[reaction("😀", 2)]),
        *[message(n, author=author(1, nickname="Renamed")) for n in range(2, 8)],
    ]
    renamed = {"id": str(CHANNEL_ID), "type": "GuildTextChat", "name": "lounge"}
    first = write(tmp_path / "1.json", export(old, exportedAt=stamp(4)))
    second = write(tmp_path / "0.json", export(new, exportedAt=stamp(10), channel=renamed))
    run(db, first)
    later = run(db, second)
    assert (later.new, later.changed, later.unchanged) == (3, 2, 3)
    after = everything(db)
    assert stored(db)[0].content == "edited"
    assert stored(db)[1].reactions == (Reaction("😀", 2),)
    assert [member.nickname for member in db.members()] == ["Renamed"]
    assert [channel.name for channel in db.channels()] == ["lounge"]
    older = run(db, first)
    assert (older.new, older.changed, older.unchanged) == (0, 0, 5)
    assert everything(db) == after
    both = run(db, second, first)
    assert (both.new, both.changed) == (0, 0)
    assert everything(db) == after


def test_exports_without_a_date_keep_the_newest_name(db: Database, tmp_path: Path) -> None:
    one = write(
        tmp_path / "a.json",
        export([message(9, author=author(1, nickname="New"))], exportedAt=None),
    )
    two = write(
        tmp_path / "b.json",
        export([message(1, author=author(1, nickname="Old"))], exportedAt=None),
    )
    for paths in ((one, two), (two, one), (two,)):
        run(db, *paths)
        assert [member.nickname for member in db.members()] == ["New"]


def test_what_the_user_decided_is_not_touched(db: Database, tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", export([message(n) for n in range(5)]))
    run(db, path)
    db.set_excluded(101, True)
    db.set_allowed(CHANNEL_ID, False)
    db.mark_deleted([10_002], 5)
    before = everything(db)
    assert run(db, path).changed == 0
    assert everything(db) == before


def test_broken_records_go_aside_and_the_rest_goes_on(db: Database, tmp_path: Path) -> None:
    broken = [message(3, id=None), "words", message(5, timestamp="x"), message(6, id=10**40)]
    path = write(tmp_path / "a.json", export([message(1), message(2), *broken, message(7)]))
    summary = run(db, path)
    assert (summary.new, summary.quarantined) == (3, 4)
    assert [entry["index"] for entry in aside(summary)] == [2, 3, 4, 5]
    assert aside(summary)[1]["record"] == "words"
    assert aside(summary)[0]["near_byte"] <= path.stat().st_size
    assert "id is missing" in aside(summary)[0]["reason"]
    assert run(db, path).quarantined == 4  # the same file aside, not twice as much
    assert len(aside(summary)) == 4
    write(path, export([message(1), message(2), message(7)]))
    assert run(db, path).quarantined == 0
    assert not Path(summary.quarantine_files[0]).exists()


def test_nothing_of_a_forgotten_member_comes_back(db: Database, tmp_path: Path) -> None:
    broken = [
        message(3, author=author(1), content="mark 1", timestamp="x"),
        message(4, author=author(2), content="mark 2", timestamp="x"),
        {"content": "mark 3"},
    ]
    path = write(
        tmp_path / "a.json",
        export([message(1, author=author(1)), message(2, author=author(2)), *broken]),
    )
    with db.writing() as connection:
        bury(connection, 101, 5)
    summary = run(db, path)
    assert (summary.new, summary.forgotten, summary.quarantined) == (1, 1, 3)
    assert "1 message of forgotten members left out" in str(summary)
    assert [member.member_id for member in db.members()] == [102]
    kept = [entry["record"] for entry in aside(summary)]
    assert kept[0] == kept[2] == LEFT_OUT
    assert kept[1]["content"] == "mark 2"


@pytest.mark.parametrize("name", ["a.json", "a.json.gz"])
def test_a_file_that_breaks_off_keeps_what_came_before(
    db: Database, tmp_path: Path, name: str
) -> None:
    noise = random.Random(1)
    messages = [message(n, content=f"{noise.getrandbits(200):x}") for n in range(4000)]
    path = write(tmp_path / name, export(messages))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    summary = run(db, path)
    assert 1500 < summary.new < 2500
    assert summary.quarantined == 1
    assert len(summary.broken) == 1
    (entry,) = aside(summary)
    assert entry["index"] == summary.new
    assert entry["near_byte"] > 0
    assert "breaks" in entry["reason"]
    path.write_bytes(whole)
    healed = run(db, path)
    assert (healed.messages, healed.new, healed.quarantined) == (4000, 4000 - summary.new, 0)


def test_a_file_that_breaks_before_its_channel_is_named_is_told(
    db: Database, tmp_path: Path
) -> None:
    data = b'{"messages": [' + json.dumps(message(1)).encode() + b", "
    summary = run(db, write_bytes(tmp_path / "a.json", data))
    assert (summary.files_imported, summary.quarantined, len(summary.broken)) == (0, 1, 1)


def test_odd_characters_survive_and_are_told(db: Database, tmp_path: Path) -> None:
    data = json.dumps(export([message(1, content="a MARK b")]), ensure_ascii=False).encode()
    mark = b"\xff\xc3 \\u0000 \\ud800 \x07 \\ud83d\\ude00 " + "ü".encode()
    summary = run(db, write_bytes(tmp_path / "a.json", data.replace(b"MARK", mark)))
    assert stored(db)[0].content == "a \ufffd\ufffd  \ufffd   😀 ü b"
    assert summary.repairs == {"invalid UTF-8": 2, "lone surrogate": 1, "control character": 1}
    assert "invalid UTF-8" in str(summary)
    assert [found for found, _ in db.search_text("ü", 5)] == [10_001]


@pytest.mark.parametrize("number", [b"1" * 5000, b"1e99999999999999999999", b"-", b"1e400", b"NaN"])
def test_odd_numbers_never_stop_an_import(db: Database, tmp_path: Path, number: bytes) -> None:
    data = json.dumps(export([message(1), message(2, id="MARK"), message(3)])).encode()
    summary = run(db, write_bytes(tmp_path / "a.json", data.replace(b'"MARK"', number)))
    assert stored(db)[0].message_id == 10_001
    assert summary.quarantined == 1


def test_a_nesting_bomb_ends_the_file_and_not_the_program(db: Database, tmp_path: Path) -> None:
    data = json.dumps(export([message(1), "MARK"])).encode()
    bomb = data.replace(b'"MARK"', b"[" * 1_000_000 + b"]" * 1_000_000)
    summary = run(db, write_bytes(tmp_path / "a.json", bomb))
    assert summary.quarantined == 1
    assert "nested thousands deep" in str(summary)


def test_the_same_id_in_another_channel_goes_aside(db: Database, tmp_path: Path) -> None:
    run(db, write(tmp_path / "a.json", export([message(1)])))
    other = {"id": "2001", "type": "GuildTextChat", "name": "memes"}
    summary = run(db, write(tmp_path / "b.json", export([message(1), message(2)], channel=other)))
    assert (summary.new, summary.quarantined) == (1, 1)
    assert stored(db)[0].channel_id == CHANNEL_ID
    assert "channel 2000" in aside(summary)[0]["reason"]


def test_the_same_message_twice_in_a_file(db: Database, tmp_path: Path) -> None:
    twice = [message(1), message(1, content="edited", timestampEdited=stamp(5)), message(1)]
    summary = run(db, write(tmp_path / "a.json", export(twice)))
    assert (summary.new, summary.unchanged) == (1, 2)
    assert stored(db)[0].content == "edited"


def test_names_of_other_files_channels_are_known(db: Database, tmp_path: Path) -> None:
    other = {"id": "2001", "type": "GuildTextChat", "name": "memes"}
    write(tmp_path / "in" / "a.json", export([message(1, content="see <#2001>")]))
    write(tmp_path / "in" / "b.json", export([message(2)], channel=other))
    run(db, tmp_path / "in")
    assert stored(db)[0].content == "see #memes"


def test_a_missing_path_is_told_before_anything_is_read(db: Database, tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", export([message(1)]))
    with pytest.raises(MissingPathError, match="nowhere does not exist"):
        run(db, path, tmp_path / "nowhere")
    assert stored(db) == []


def test_progress_ends_at_all_of_it(db: Database, tmp_path: Path) -> None:
    path = write(tmp_path / "a.json.gz", export([message(n) for n in range(3000)]))
    seen: list[ImportProgress] = []
    run(db, path, progress=seen.append)
    last = seen[-1]
    assert (last.messages, last.files_done, last.files_total) == (3000, 1, 1)
    assert last.bytes_done == last.bytes_total == path.stat().st_size
    assert [p.bytes_done for p in seen] == sorted(p.bytes_done for p in seen)


def test_damaged_bytes_never_stop_an_import(db: Database, tmp_path: Path) -> None:
    dice = random.Random(20261120)
    good = json.dumps(export([message(n, content='ü 😀 \\ " ') for n in range(40)])).encode()
    for number in range(150):
        data = bytearray(good)
        for _ in range(dice.randint(1, 6)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        if dice.random() < 0.3:
            del data[dice.randrange(len(data)) :]
        packed = bytearray(gzip.compress(bytes(data), 1))
        if number % 2:
            packed[dice.randrange(10, len(packed))] ^= 0xFF
            data = packed
        (tmp_path / "a.json").write_bytes(data)
        summary = run(db, tmp_path / "a.json")
        assert summary.messages <= 40
        if summary.messages < 40 and summary.files_imported:
            assert summary.quarantined
    for record in stored(db):
        record.content.encode("utf-8")


def test_real_logs(db: Database) -> None:
    folder = shared_path("data/ubuntu_irc/dev")
    summary = run(db, sorted(folder.glob("*.json.gz"))[0])
    assert (summary.new, summary.quarantined) == (1077, 0)

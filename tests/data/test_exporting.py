"""What is stored as files in DiscordChatExporter's layout, and back again."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data.exporting import (
    ExportError,
    ExportProgress,
    export_path,
    rewriting,
    write_channel_exports,
)
from data.importers.importing import ImportSummary, import_paths
from storage.database import Database
from storage.records import (
    ChannelRecord,
    MemberRecord,
    MessageKind,
    MessageRecord,
    Origin,
    Reaction,
)
from tests.shared import shared_path

GENERAL = ChannelRecord(2000, 1000, "The Lantern", "general")
RAID = ChannelRecord(2001, 1000, "The Lantern", "raid 🎲", parent_id=2000)
CLOSED = ChannelRecord(2002, 1000, "The Lantern", "staff", is_allowed=False)
MIRA = MemberRecord(101, "mira", "Mira of the Hills")
BOB = MemberRecord(102, "bob", "bob", consent="opted_out")
BOT = MemberRecord(103, "helper", "Helper", is_bot=True)
OUT = MemberRecord(104, "zed", "Zed", is_excluded=True)
START_MS = 1_714_762_800_123


def said(number: int, content: str = "", **changes: Any) -> MessageRecord:
    """Message `number` of Mira in #general."""
    base = MessageRecord(
        10_000 + number,
        2000,
        101,
        content or f"words {number}",
        START_MS + number * 60_000,
        Origin.DISCORD_API,
    )
    return replace(base, **changes)


HISTORY = [
    said(0, "plain"),
    said(
        1, 'an <@102> as it was typed, \\ " \u2028 \u0007 🌱\n```py\nx\n```', edited_at_ms=START_MS
    ),
    said(2, "yes", kind=MessageKind.REPLY, reply_to_id=10_001, author_id=102),
    said(3, "see @bob and @Zed", mentioned_ids=(102, 104)),
    said(4, reactions=(Reaction("😀", 3), Reaction(":pog:", 1))),
    said(5, "[attachment: a cat.png]", attachment_names=("a cat.png", "b.txt")),
    said(6, "joined", kind=MessageKind.SYSTEM),
    said(7, "beep", author_id=103, origin=Origin.EXPORT),
    said(8, "   ", channel_id=2001),
    said(9, "in the thread", channel_id=2001, created_at_ms=-5),
    said(10, "closed", channel_id=2002),
    replace(said(11), content="", attachment_names=("lonely.png",)),
]


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with Database.open(tmp_path / "one" / "mynah.db") as database:
        database.upsert_channels([GENERAL, RAID, CLOSED])
        database.upsert_members([MIRA, BOB, BOT, OUT])
        database.upsert_messages(HISTORY)
        yield database


def run(db: Database, *paths: Path, origin: Origin = Origin.EXPORT) -> ImportSummary:
    return import_paths(db, paths, origin=origin, quarantine=db.path.parent / "quarantine")


def rows(db: Database) -> tuple[object, ...]:
    return list(db.messages(include_deleted=True)), db.members(), db.channels()


def test_a_new_home_gets_the_same_rows(db: Database, tmp_path: Path) -> None:
    written = write_channel_exports(db, tmp_path / "messages")
    assert [path.name for path in written] == [f"channel_{n}.json" for n in (2000, 2001, 2002)]
    with Database.open(tmp_path / "two" / "mynah.db") as other:
        summary = run(other, *written)
        assert (summary.new, summary.quarantined) == (12, 0)
        assert rows(other) == rows(db)
        again = write_channel_exports(other, tmp_path / "again")
        for one, two in zip(written, again, strict=True):
            assert document(one) == document(two)


def document(path: Path) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(path.read_text("utf-8"))
    del whole["exportedAt"]
    return whole


def test_real_logs_come_back_as_they_were(tmp_path: Path) -> None:
    source = shared_path("data/ubuntu_irc/dev")
    with (
        Database.open(tmp_path / "one" / "mynah.db") as one,
        Database.open(tmp_path / "two" / "mynah.db") as two,
    ):
        run(one, source)
        run(two, *write_channel_exports(one, tmp_path / "messages"))
        assert len(list(one.messages())) == 11_615
        assert rows(one) == rows(two)


def test_the_same_home_takes_no_harm_of_its_own_files(db: Database, tmp_path: Path) -> None:
    before = rows(db)
    summary = run(db, *write_channel_exports(db, tmp_path / "messages"))
    assert (summary.new, summary.changed, summary.unchanged) == (0, 0, 12)
    assert rows(db) == before


def test_what_is_not_written(db: Database, tmp_path: Path) -> None:
    db.upsert_messages(
        [
            said(20, "of somebody excluded", author_id=104),
            said(21, "in the playground", channel_id=7, origin=Origin.PLAYGROUND),
            said(22, "soon deleted"),
        ]
    )
    db.mark_deleted([10_022], 5)
    written = write_channel_exports(db, tmp_path / "messages")
    assert [path.name for path in written] == [f"channel_{n}.json" for n in (2000, 2001, 2002)]
    text = "".join(path.read_text("utf-8") for path in written)
    for word in ("excluded,", "of somebody", "playground", "soon"):
        assert word not in text
    assert {path.name for path in (tmp_path / "messages").iterdir()} == {p.name for p in written}


def test_a_channel_that_has_nothing_left_has_no_file(db: Database, tmp_path: Path) -> None:
    folder = tmp_path / "messages"
    write_channel_exports(db, folder)
    (folder / "channel_9.json").write_text("of a channel that is gone")
    db.mark_deleted([10_008, 10_009], 5)
    assert export_path(folder, 2001) not in write_channel_exports(db, folder, channel_ids=[2001])
    assert not export_path(folder, 2001).exists()
    assert (folder / "channel_9.json").exists()  # nothing was said of it
    write_channel_exports(db, folder)
    assert {path.name for path in folder.iterdir()} == {"channel_2000.json", "channel_2002.json"}


def test_only_the_named_channels_are_written(db: Database, tmp_path: Path) -> None:
    seen: list[ExportProgress] = []
    written = write_channel_exports(
        db, tmp_path / "messages", channel_ids=[2001], progress=seen.append
    )
    assert written == [tmp_path / "messages" / "channel_2001.json"]
    assert [path.name for path in (tmp_path / "messages").iterdir()] == ["channel_2001.json"]
    assert (seen[-1].channel, seen[-1].channels_total, seen[-1].messages) == ("raid 🎲", 1, 2)


def test_each_message_has_a_line_of_its_own(db: Database, tmp_path: Path) -> None:
    write_channel_exports(db, tmp_path)
    text = export_path(tmp_path, 2000).read_text("utf-8")
    lines = [line for line in text.split("\n") if line.startswith('{"id"')]
    found = [json.loads(line.rstrip(",")) for line in lines]
    assert [one["id"] for one in found] == [str(10_000 + n) for n in (0, 1, 2, 3, 4, 5, 6, 7, 11)]
    assert json.loads(text)["messageCount"] == 9


# -- a file is believed only where it asks for more care ------------------------------------------

CLAIMS = [
    (Origin.EXPORT, "sample", Origin.EXPORT),
    (Origin.EXPORT, "data_package", Origin.EXPORT),
    (Origin.EXPORT, "export", Origin.EXPORT),
    (Origin.EXPORT, "discord_api", Origin.DISCORD_API),
    (Origin.EXPORT, "playground", Origin.PLAYGROUND),
    (Origin.EXPORT, "angel", Origin.EXPORT),
    (Origin.EXPORT, None, Origin.EXPORT),
    (Origin.EXPORT, ["sample"], Origin.EXPORT),
    (Origin.SAMPLE, "discord_api", Origin.DISCORD_API),
    (Origin.SAMPLE, "data_package", Origin.DATA_PACKAGE),
    (Origin.SAMPLE, "sample", Origin.SAMPLE),
    (Origin.DISCORD_API, "sample", Origin.DISCORD_API),
]


@pytest.mark.parametrize(("given", "claimed", "becomes"), CLAIMS)
def test_a_claimed_origin_only_makes_it_stricter(
    db: Database, tmp_path: Path, given: Origin, claimed: object, becomes: Origin
) -> None:
    path = claiming(db, tmp_path, {"origin": claimed})
    with Database.open(tmp_path / "two" / "mynah.db") as other:
        assert run(other, path, origin=given).new == 9
        assert other.origins() == {becomes}


def claiming(db: Database, tmp_path: Path, own: object) -> Path:
    """#general's file, every message of which claims this of itself."""
    (path,) = write_channel_exports(db, tmp_path / "messages", channel_ids=[2000])
    whole = json.loads(path.read_text("utf-8"))
    for one in whole["messages"]:
        one["mynah"] = own
    path.write_text(json.dumps(whole), "utf-8")
    return path


@pytest.mark.parametrize("own", [7, "sample", [], {}, {"origin": {"a": 1}}, None])
def test_odd_claims_are_no_harm(db: Database, tmp_path: Path, own: object) -> None:
    path = claiming(db, tmp_path, own)
    with Database.open(tmp_path / "two" / "mynah.db") as other:
        assert run(other, path).new == 9
        assert other.origins() == {Origin.EXPORT}


@pytest.mark.parametrize("here", ["unset", "opted_in", "opted_out"])
def test_a_no_counts_for_whoever_is_known_and_has_not_answered(
    db: Database, tmp_path: Path, here: str
) -> None:
    written = write_channel_exports(db, tmp_path / "messages")
    with Database.open(tmp_path / "two" / "mynah.db") as other:
        other.upsert_members([replace(BOB, consent=here)])
        run(other, *written)
        known = other.member(BOB.member_id)
        assert known is not None
        assert known.consent == ("opted_in" if here == "opted_in" else "opted_out")


def test_no_file_includes_or_opts_in_anybody(db: Database, tmp_path: Path) -> None:
    (path,) = write_channel_exports(db, tmp_path / "messages", channel_ids=[2000])
    whole = json.loads(path.read_text("utf-8"))
    whole["mynah"] = {"isAllowed": True}
    for one in whole["messages"]:
        for account in (one["author"], *one["mentions"]):
            account["mynah"] = {"isExcluded": False, "consent": "opted_in"}
    path.write_text(json.dumps(whole), "utf-8")
    db.set_allowed(2000, False)
    before = db.members(), db.channels()
    run(db, path)
    assert (db.members(), db.channels()) == before
    with Database.open(tmp_path / "two" / "mynah.db") as other:
        run(other, path)
        assert {member.consent for member in other.members()} == {"unset"}


# -- at any instant -------------------------------------------------------------------------------


def test_a_full_disk_leaves_the_old_file(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "messages"
    write_channel_exports(db, folder)
    before = export_path(folder, 2000).read_bytes()
    db.upsert_messages([said(30)])

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ExportError, match="No space left"):
        write_channel_exports(db, folder)
    assert export_path(folder, 2000).read_bytes() == before
    assert not list(folder.glob("*.part"))


def test_what_a_killed_one_left_is_removed(db: Database, tmp_path: Path) -> None:
    folder = tmp_path / "messages"
    folder.mkdir()
    (folder / "channel_2000.json.part").write_text("half")
    with rewriting(folder):
        assert list(folder.iterdir()) == []


def test_whoever_erases_waits_for_the_writer(db: Database, tmp_path: Path) -> None:
    folder = tmp_path / "messages"
    order: list[str] = []
    inside, go_on = threading.Event(), threading.Event()

    def slowly(_: ExportProgress) -> None:
        inside.set()
        assert go_on.wait(20)

    def erase() -> None:
        with rewriting(folder):
            order.append("erased")

    def export() -> None:
        write_channel_exports(db, folder, channel_ids=[2000], progress=slowly)
        order.append("written")

    threads = [threading.Thread(target=export), threading.Thread(target=erase)]
    threads[0].start()
    assert inside.wait(20)
    threads[1].start()
    threads[1].join(0.3)
    assert order == []
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert sorted(order) == ["erased", "written"]
    assert export_path(folder, 2000).exists()

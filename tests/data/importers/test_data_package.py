"""Discord's own data packages: whose words, which of them, in every layout."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from data.importers.importing import ImportSummary, import_paths
from storage.database import Database
from storage.records import MessageKind, MessageRecord, Origin, Reaction
from tests.data.importers.exports import author, export, message, reaction, write
from tests.data.importers.packages import (
    OWNER_ID,
    as_csv,
    direct,
    package,
    room,
    row,
    unzipped,
    zipped,
)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with Database.open(tmp_path / "home" / "mynah.db") as database:
        yield database


def run(db: Database, *paths: Path, **options: Any) -> ImportSummary:
    return import_paths(
        db, paths, origin=Origin.EXPORT, quarantine=db.path.parent / "quarantine", **options
    )


def stored(db: Database) -> list[MessageRecord]:
    return list(db.messages(include_deleted=True))


TALK = [(room(), [row(n) for n in range(5)])]


@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"messages": "messages", "account": "account"},
        {"messages": "messages", "account": "account", "prefix": "", "is_csv": True},
        {"messages": "messages", "account": "account", "is_csv": True},
        {"messages": "Nachrichten", "account": "Konto"},
        {"messages": "メッセージ", "account": "アカウント"},
    ],
)
@pytest.mark.parametrize("is_zip", [True, False])
def test_every_layout_gives_the_same(
    db: Database, tmp_path: Path, layout: dict[str, Any], is_zip: bool
) -> None:
    files = package(TALK, **layout)
    path = zipped(tmp_path / "p.zip", files) if is_zip else unzipped(tmp_path / "p", files)
    summary = run(db, path)
    assert (summary.new, summary.quarantined, summary.skipped) == (5, 0, [])
    assert {record.origin for record in stored(db)} == {Origin.DATA_PACKAGE}
    assert {record.author_id for record in stored(db)} == {OWNER_ID}
    assert stored(db)[1].created_at_ms == 1714762860_000
    (member,) = db.members()
    assert (member.name, member.nickname) == ("mira", "Mira")
    (channel,) = db.channels()
    assert (channel.name, channel.guild_name, channel.guild_id) == ("general", "The Lantern", 1000)
    again = run(db, path)
    assert (again.new, again.changed, again.unchanged) == (0, 0, 5)


def test_a_package_in_a_folder_of_its_own_beside_exports(db: Database, tmp_path: Path) -> None:
    unzipped(tmp_path / "in" / "package", package(TALK))
    write(tmp_path / "in" / "a.json", export([message(50)]))
    write(tmp_path / "in" / "package" / "b.json", export([message(51)]))
    summary = run(db, tmp_path / "in")
    assert (summary.new, summary.files_imported, summary.skipped) == (7, 3, [])


@pytest.mark.parametrize(
    "private",
    [
        direct(),
        direct(type=1),
        direct(type="GROUP_DM"),
        room(3000, type=3, guild=None),
        room(3000, type="PRIVATE_THREAD"),
        room(3000, type="SOMETHING_NEW", guild=None),
        room(3000, type=None, guild=None),
        room(3000, recipients=["1", "2"]),
    ],
)
def test_private_talk_is_counted_and_left_out(
    db: Database, tmp_path: Path, private: dict[str, Any]
) -> None:
    secret = [row(n, Contents="in confidence") for n in range(20, 23)] + [{"ID": "broken"}]
    files = package([*TALK, (private, secret)])
    summary = run(db, zipped(tmp_path / "p.zip", files))
    assert (summary.new, summary.quarantined) == (5, 0)
    (told,) = summary.packages
    assert (told.private_channels, told.private_messages, told.messages) == (1, 4, 5)
    assert "4 private messages in 1 conversation" in str(summary)
    assert [channel.channel_id for channel in db.channels()] == [2000]
    for path in (tmp_path / "home").rglob("*"):
        assert path.is_dir() or b"confidence" not in path.read_bytes()


@pytest.mark.parametrize("kind", [0, "0", 5, 11, "GUILD_ANNOUNCEMENT", "PUBLIC_THREAD"])
def test_a_servers_channel_of_a_server_that_is_gone(
    db: Database, tmp_path: Path, kind: object
) -> None:
    files = package(
        [(room(type=kind, guild=None, name=None), [row(1)])],
        index={"2000": "general in The Lantern"},
    )
    assert run(db, zipped(tmp_path / "p.zip", files)).new == 1
    (channel,) = db.channels()
    assert (channel.name, channel.guild_name, channel.guild_id) == ("general", "The Lantern", 0)


def test_only_servers_that_the_home_knows(db: Database, tmp_path: Path) -> None:
    other = room(4000, name="elsewhere", guild={"id": "7777", "name": "Other"})
    gone = room(5000, guild=None)
    files = package(
        [*TALK, (other, [row(n) for n in range(30, 34)]), (gone, [row(60)])], messages="messages"
    )
    path = zipped(tmp_path / "p.zip", files)
    run(db, write(tmp_path / "a.json", export([message(50)])))
    summary = run(db, path)
    assert summary.new == 5
    (told,) = summary.packages
    assert (told.elsewhere_channels, told.elsewhere_messages) == (2, 5)
    assert told.servers == ["The Lantern"]
    assert "5 messages in 2 channels of servers that this home does not know" in str(summary)
    with Database.open(tmp_path / "second" / "mynah.db") as empty:
        assert run(empty, path).new == 10
    with Database.open(tmp_path / "third" / "mynah.db") as third:
        assert run(third, path, tmp_path / "a.json").new == 6  # the export says which server


def test_packages_of_several_members_become_one_history(db: Database, tmp_path: Path) -> None:
    bob = {"id": "102", "username": "bob", "global_name": None}
    one = zipped(tmp_path / "1.zip", package([(room(), [row(n) for n in range(0, 20, 2)])]))
    two = zipped(
        tmp_path / "2.zip", package([(room(), [row(n) for n in range(1, 20, 2)])], owner=bob)
    )
    newer = package([(room(), [row(n) for n in range(0, 24, 2)])])
    assert run(db, one, two).new == 20
    summary = run(db, zipped(tmp_path / "3.zip", newer))
    assert (summary.new, summary.unchanged) == (2, 10)
    assert [record.author_id for record in stored(db)][:4] == [101, 102, 101, 102]
    assert [member.nickname for member in db.members()] == ["Mira", "bob"]


def test_the_first_origin_stays_and_nothing_is_lost(db: Database, tmp_path: Path) -> None:
    mira = author(1, id="101")
    told = [
        message(0, author=mira),
        message(1, author=mira, type="Reply", reference={"messageId": "10000"}),
        message(2, author=mira, reactions=[reaction("😀", 2)]),
    ]
    source = write(tmp_path / "a.json", export(told))
    zip_file = zipped(tmp_path / "p.zip", package([(room(), [row(n) for n in range(4)])]))
    run(db, zip_file)
    later = run(db, source)
    assert (later.new, later.changed, later.unchanged) == (0, 2, 1)
    assert {record.origin for record in stored(db)} == {Origin.DATA_PACKAGE}
    assert stored(db)[1].reply_to_id == 10_000
    assert stored(db)[1].kind is MessageKind.REPLY
    assert stored(db)[2].reactions == (Reaction("😀", 2),)
    assert db.members()[0].nickname == "Nick1"  # the server's own name is the better one
    before = stored(db), db.members(), db.channels()
    for paths in ((source,), (zip_file,), (zip_file, source)):
        again = run(db, *paths)
        assert (again.new, again.changed) == (0, 0)
    assert (stored(db), db.members(), db.channels()) == before
    with Database.open(tmp_path / "other" / "mynah.db") as other:
        run(other, source)
        assert run(other, zip_file).new == 1
        assert [record.origin for record in stored(other)] == [Origin.EXPORT] * 3 + [
            Origin.DATA_PACKAGE
        ]


def test_a_package_cannot_speak_for_others(db: Database, tmp_path: Path) -> None:
    run(db, write(tmp_path / "a.json", export([message(1, author=author(7), content="")])))
    summary = run(db, zipped(tmp_path / "p.zip", package([(room(), [row(1), row(2)])])))
    assert (summary.new, summary.quarantined) == (1, 1)
    assert stored(db)[0].author_id == 107
    assert stored(db)[0].content == ""


def test_what_an_export_says_anew_is_no_packages_words(db: Database, tmp_path: Path) -> None:
    mira = author(1, id="101")
    rows = [row(1), row(2), row(3, Contents="", Attachments="https://a.b/c.png"), row(4)]
    zip_file = zipped(tmp_path / "p.zip", package([(room(), rows)]))
    edit = {"timestampEdited": "2024-05-05T00:00:00+00:00"}
    told = [
        message(1, author=mira, content="said anew", **edit),
        message(2, author=mira, content="words 2", **edit),
        message(3, author=mira, content="what stood by the picture"),
        message(4, author=author(7)),
    ]
    source = write(tmp_path / "a.json", export(told))
    run(db, zip_file)
    run(db, source)
    assert [(m.content, m.origin) for m in stored(db)[:3]] == [
        ("said anew", Origin.EXPORT),
        ("words 2", Origin.DATA_PACKAGE),
        ("what stood by the picture", Origin.EXPORT),
    ]
    assert (stored(db)[3].author_id, stored(db)[3].origin) == (107, Origin.EXPORT)
    again = run(db, zip_file, source)
    assert (again.new, again.changed) == (0, 0)


def test_raw_forms_become_readable(db: Database, tmp_path: Path) -> None:
    address = "https://cdn.discordapp.com/attachments/1/2/my%20cat.png?ex=1"
    rows = [
        row(0, Contents="see <@107> in <#2001> <:pog:1>"),
        row(1, Contents="", Attachments=f"{address} https://x.org/b.txt"),
        row(2, Timestamp="2024-05-03T19:02:00.250000+00:00"),
        row(3, Timestamp="2024-05-03 19:03:00.5+00:00"),
        row(4, ID="10004"),
    ]
    other = (room(2001, name="memes"), [row(10)])
    seven = write(tmp_path / "a.json", export([message(50, author=author(7))]))
    run(db, seven, zipped(tmp_path / "p.zip", package([other, (room(), rows)])))
    said = {record.message_id: record for record in stored(db)}
    assert said[10_000].content == "see @Nick7 in #memes :pog:"
    assert said[10_000].mentioned_ids == (107,)
    assert said[10_001].content == "[attachment: my cat.png] [attachment: b.txt]"
    assert said[10_001].attachment_names == ("my cat.png", "b.txt")
    assert said[10_002].created_at_ms % 60_000 == 250
    assert said[10_003].created_at_ms % 60_000 == 500


@pytest.mark.parametrize("is_csv", [True, False])
def test_broken_records_go_aside_and_the_rest_goes_on(
    db: Database, tmp_path: Path, is_csv: bool
) -> None:
    rows = [row(0), row(1, ID="x"), row(2, Timestamp="yesterday"), row(3, Contents='a,"b"\r\nc')]
    summary = run(db, zipped(tmp_path / "p.zip", package([(room(), rows)], is_csv=is_csv)))
    assert (summary.new, summary.quarantined) == (2, 2)
    assert stored(db)[1].content == 'a,"b"\r\nc'


def test_damaged_channels_are_named_and_the_others_go_on(db: Database, tmp_path: Path) -> None:
    files = package(
        [
            (room(2000), [row(n) for n in range(100)]),
            (room(2001, name="memes"), [row(n) for n in range(200, 203)]),
            (room(2002, name="raid"), [row(300)]),
        ]
    )
    cut = files["Messages/c2000/messages.json"]
    files["Messages/c2000/messages.json"] = cut[: len(cut) // 2]
    files["Messages/c2002/channel.json"] = b"{]"
    summary = run(db, zipped(tmp_path / "p.zip", files))
    assert 40 < summary.new - 3 < 60
    assert [name.endswith("c2000/messages.json") for name, _ in summary.broken] == [True]
    assert [name.endswith("c2002/channel.json") for name, _ in summary.skipped] == [True]


def test_a_csv_that_breaks(db: Database, tmp_path: Path) -> None:
    files = package([(room(), [row(n) for n in range(3)])], is_csv=True)
    files["Messages/c2000/messages.csv"] = (
        as_csv([row(n) for n in range(700)]) + b'9,2024-05-03 19:00:00,"' + b"x" * 3_000_000
    )
    summary = run(db, zipped(tmp_path / "p.zip", files))
    assert (summary.new, summary.quarantined, len(summary.broken)) == (700, 1, 1)


@pytest.mark.parametrize(
    "owner", [b"", b"[]", b"{}", b'{"username": "x"}', b"[" * 100_000, b" " * 17_000_000]
)
def test_a_package_that_does_not_say_whose_it_is(
    db: Database, tmp_path: Path, owner: bytes
) -> None:
    files = package(TALK) | {"Account/user.json": owner}
    summary = run(db, zipped(tmp_path / "p.zip", files))
    assert (summary.new, summary.files_imported) == (0, 0)
    assert "does not say whose it is" in str(summary)


def test_the_messages_folder_alone(db: Database, tmp_path: Path) -> None:
    unzipped(tmp_path / "p", package(TALK))
    summary = run(db, tmp_path / "p" / "Messages")
    assert summary.new == 0
    assert "does not say whose it is" in str(summary)


def test_an_excluded_member_and_a_forgotten_one(db: Database, tmp_path: Path) -> None:
    path = zipped(tmp_path / "p.zip", package([(room(), [row(1), row(2, Timestamp="secret")])]))
    run(db, write(tmp_path / "a.json", export([message(50, author=author(1, id="101"))])))
    db.set_excluded(OWNER_ID, True)
    summary = run(db, path)
    assert (summary.new, summary.excluded, summary.quarantined) == (0, 1, 1)
    assert "1 message of excluded members left out" in str(summary)
    (kept,) = map(json.loads, Path(summary.quarantine_files[0]).read_text("utf-8").splitlines())
    assert "words" not in json.dumps(kept)
    assert "left out" in kept["record"]

"""What a file is: an export or not, its header, its stream of raw messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from data.importers.export_file import (
    BrokenExport,
    ExportHeader,
    NotAnExport,
    read_header,
    read_messages,
)
from data.importers.json_bytes import JsonBytes
from tests.data.importers.exports import CHANNEL_ID, export, message, stamp, write


def header_of(path: Path) -> ExportHeader:
    with JsonBytes(path) as source:
        return read_header(source)


def test_header(tmp_path: Path) -> None:
    header = header_of(write(tmp_path / "a.json", export([message(1)])))
    assert header.channel.channel_id == CHANNEL_ID
    assert header.channel.guild_id == 1000
    assert header.channel.guild_name == "The Lantern"
    assert header.channel.name == "general"
    assert header.channel.parent_id is None  # a category is no parent
    assert header.exported_at_ms is not None


@pytest.mark.parametrize("kind", ["GuildPublicThread", "GuildPrivateThread", "GuildNewsThread"])
def test_a_threads_parent_is_in_the_category_fields(tmp_path: Path, kind: str) -> None:
    channel = {"id": "7", "type": kind, "categoryId": "5", "category": "general", "name": "raid"}
    header = header_of(write(tmp_path / "a.json", export([], channel=channel)))
    assert (header.channel.parent_id, header.channel.name) == (5, "raid")


def test_messages_may_come_before_the_header(tmp_path: Path) -> None:
    document = export([message(n) for n in range(2000)])
    turned = dict(sorted(document.items(), key=lambda item: item[0] != "messages"))
    path = write(tmp_path / "a.json.gz", turned)
    assert header_of(path).channel.name == "general"
    with JsonBytes(path) as source:
        assert sum(len(raws) for _, raws in read_messages(source)) == 2000


@pytest.mark.parametrize(
    "document",
    [
        [],
        [1, 2],
        {},
        "text",
        {"guild": {"id": "1"}, "channel": {"id": "2"}},
        {"messages": [{"role": "user"}]},
        {"guild": {}, "channel": {"id": "2"}, "messages": {"item": 1}},
    ],
)
def test_other_json_is_no_export(tmp_path: Path, document: Any) -> None:
    with pytest.raises(NotAnExport):
        header_of(write(tmp_path / "a.json", document))


@pytest.mark.parametrize(
    "data", [b"", b"\x00" * 100, b"hello", b"\xff\xfe{\x00", b"\x1f\x8b\x08junk"]
)
def test_what_is_no_json_is_no_export(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(data)
    with pytest.raises(NotAnExport):
        header_of(path)


def test_a_useless_header_is_a_broken_export(tmp_path: Path) -> None:
    with pytest.raises(BrokenExport, match="channel's id"):
        header_of(write(tmp_path / "a.json", export([], channel={"id": "x", "name": "general"})))


def test_an_export_cut_within_its_first_piece_still_has_a_header(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", export([message(n) for n in range(5)]))
    path.write_bytes(path.read_bytes()[:-400])
    assert header_of(path).channel.name == "general"


def test_a_file_cut_in_its_messages_gives_those_before(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", export([message(n) for n in range(900)]))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    lists: list[tuple[int, list[Any]]] = []
    with JsonBytes(path) as source, pytest.raises(BrokenExport) as caught:
        lists.extend(read_messages(source))
    read = [raw for _, raws in lists for raw in raws]
    assert 400 < len(read) < 500
    assert [raw["id"] for raw in read] == [str(10_000 + n) for n in range(len(read))]
    assert caught.value.near_byte == len(data) // 2


def test_an_odd_export_date_is_no_harm(tmp_path: Path) -> None:
    assert (
        header_of(write(tmp_path / "a.json", export([], exportedAt="now"))).exported_at_ms is None
    )
    assert header_of(write(tmp_path / "b.json", export([], exportedAt=stamp(0)))).exported_at_ms

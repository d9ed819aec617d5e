"""endpoint: whole or not there, its owner's alone from the first byte on, and only ours removed."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.protocol import (
    ENDPOINT_NAME,
    ControlError,
    Endpoint,
    new_key,
    read_endpoint,
    remove_endpoint,
    write_endpoint,
)

HERE = Endpoint(4_321, "ab" * 32, 77, 1_700_000_000_000)
FIELDS = {"port": 4_321, "key": "ab" * 32, "pid": 77, "started_at_ms": 1, "version": 1}
WRONG: tuple[dict[str, object], ...] = (
    {"port": 0},
    {"port": 65_536},
    {"port": "4321"},
    {"port": True},
    {"port": 1.5},
    {"key": "ab" * 31},
    {"key": "xy" * 32},
    {"key": 7},
    {"pid": None},
    {"started_at_ms": "now"},
    {"version": []},
)
posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")


def test_what_is_written_is_read_and_replaced(tmp_path: Path) -> None:
    assert read_endpoint(tmp_path) is None
    write_endpoint(tmp_path, HERE)
    assert read_endpoint(tmp_path) == HERE
    other = Endpoint(4_322, new_key(), 78, 1_700_000_000_001)
    write_endpoint(tmp_path, other)
    assert read_endpoint(tmp_path) == other
    assert [path.name for path in tmp_path.iterdir()] == [ENDPOINT_NAME]


@posix
def test_nobody_else_can_read_it_at_any_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[int] = []
    original = os.fdopen

    def spy(handle: int, *more: Any, **named: Any) -> Any:
        modes.append(os.fstat(handle).st_mode & 0o777)
        return original(handle, *more, **named)

    monkeypatch.setattr(os, "fdopen", spy)
    old = os.umask(0)
    try:
        write_endpoint(tmp_path, HERE)
    finally:
        os.umask(old)
    assert [*modes, (tmp_path / ENDPOINT_NAME).stat().st_mode & 0o777] == [0o600, 0o600]


@posix
def test_a_leftover_or_a_link_under_the_temporary_name_is_not_written_through(
    tmp_path: Path,
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / f".{ENDPOINT_NAME}.new").symlink_to(victim)
    write_endpoint(tmp_path, HERE)
    assert victim.read_text() == "precious"
    assert read_endpoint(tmp_path) == HERE


def test_keys_are_long_and_differ_and_are_not_shown() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert {len(bytes.fromhex(key)) for key in keys} == {32}
    assert HERE.key not in repr(HERE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 100_000,
        '{"port": 4321}',
        *(json.dumps({**FIELDS, **wrong}) for wrong in WRONG),
    ],
)
def test_a_broken_file_reads_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / ENDPOINT_NAME).write_text(text)
    assert read_endpoint(tmp_path) is None
    remove_endpoint(tmp_path, 77)
    write_endpoint(tmp_path, HERE)
    assert read_endpoint(tmp_path) == HERE


def test_bytes_and_folders_read_as_none(tmp_path: Path) -> None:
    (tmp_path / ENDPOINT_NAME).write_bytes(bytes(range(256)))
    assert read_endpoint(tmp_path) is None
    assert read_endpoint(tmp_path / ENDPOINT_NAME) is None


def test_only_a_regular_file_of_a_sane_size_is_read(tmp_path: Path) -> None:
    path = tmp_path / ENDPOINT_NAME
    path.write_text(json.dumps({**FIELDS, "more": "x" * 10_000}))
    assert read_endpoint(tmp_path) is not None
    path.write_text(json.dumps({**FIELDS, "more": "x" * 20_000}))
    assert read_endpoint(tmp_path) is None
    with path.open("wb") as file:
        file.truncate(1 << 40)  # a hole: it takes no room
    assert read_endpoint(tmp_path) is None


@posix
@pytest.mark.timeout(10)
def test_a_pipe_in_its_place_keeps_nobody_waiting(tmp_path: Path) -> None:
    if sys.platform != "win32":
        os.mkfifo(tmp_path / ENDPOINT_NAME)
    assert read_endpoint(tmp_path) is None
    remove_endpoint(tmp_path, 77)
    write_endpoint(tmp_path, HERE)
    assert read_endpoint(tmp_path) == HERE


@pytest.mark.parametrize("said", [None, 7, True, "7.5", [], {}])
def test_a_begin_that_is_none_is_not_known(tmp_path: Path, said: object) -> None:
    (tmp_path / ENDPOINT_NAME).write_text(json.dumps({**FIELDS, "began_s": said}))
    endpoint = read_endpoint(tmp_path)
    assert endpoint is not None
    assert endpoint.began_s is None


def test_the_begin_is_read_as_it_was_written(tmp_path: Path) -> None:
    began = replace(HERE, began_s=1_700_000_000.1234567)
    write_endpoint(tmp_path, began)
    assert read_endpoint(tmp_path) == began


def test_fields_of_a_later_version_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / ENDPOINT_NAME).write_text(json.dumps({**FIELDS, "version": 2, "new": [1]}))
    endpoint = read_endpoint(tmp_path)
    assert endpoint is not None
    assert endpoint.version == 2


def test_only_its_own_process_removes_it(tmp_path: Path) -> None:
    remove_endpoint(tmp_path, 77)
    write_endpoint(tmp_path, HERE)
    remove_endpoint(tmp_path, 78)
    assert read_endpoint(tmp_path) == HERE
    remove_endpoint(tmp_path, 77)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_none_is_named_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match=r"control\.json cannot be written"):
        write_endpoint(tmp_path / "nowhere", HERE)

"""Clean pieces out of damaged files."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from data.importers.json_bytes import (
    CONTROL_CHARACTER,
    ENDLESS_NUMBER,
    INVALID_UTF8,
    LONE_SURROGATE,
    BrokenBytes,
    JsonBytes,
)


def read(path: Path, piece_bytes: int = 65536) -> tuple[bytes, dict[str, int]]:
    with JsonBytes(path, piece_bytes) as source:
        return b"".join(source.pieces()), dict(source.repairs)


def test_plain_and_packed_read_the_same(tmp_path: Path) -> None:
    data = json.dumps([{"text": "grüße 🌱"}] * 5000, ensure_ascii=False).encode()
    plain, packed = tmp_path / "a.json", tmp_path / "a.json.gz"
    plain.write_bytes(data)
    packed.write_bytes(gzip.compress(data[:1000]) + gzip.compress(data[1000:]))  # two members
    assert read(plain) == (data, {})
    assert read(packed) == (data, {})


@pytest.mark.parametrize("piece_bytes", [1, 2, 3, 7, 64, 65536])
def test_repairs_do_not_depend_on_where_pieces_are_cut(tmp_path: Path, piece_bytes: int) -> None:
    raw = (
        rb'{"a":"\ud83d\ude00 \\ud800 \\\ud800 \udc00 \ud83d\u0041 \ud83d"}'
        + b'{"b":"\xff\xfe ok\x00\x1f"}\n'
        + '{"c":"grüße 🌱"}'.encode()
    )
    path = tmp_path / "a.json"
    path.write_bytes(b"\xef\xbb\xbf" + raw)
    clean, repairs = read(path, piece_bytes)
    assert clean == (
        rb'{"a":"\ud83d\ude00 \\ud800 \\\ufffd \ufffd \ufffd\u0041 \ufffd"}'
        + '{"b":"\ufffd\ufffd ok  "} {"c":"grüße 🌱"}'.encode()
    )
    assert repairs == {LONE_SURROGATE: 4, INVALID_UTF8: 2, CONTROL_CHARACTER: 2}


def test_a_cut_gzip_hands_out_what_came_before(tmp_path: Path) -> None:
    lines = b"".join(b'{"n":%d}' % (n * 7919) for n in range(50_000))
    packed = gzip.compress(lines)
    path = tmp_path / "a.json.gz"
    path.write_bytes(packed[: len(packed) // 2])
    pieces: list[bytes] = []
    with JsonBytes(path) as source, pytest.raises(BrokenBytes, match="cut off"):
        pieces.extend(source.pieces())
    whole = b"".join(pieces)
    assert lines.startswith(whole)
    assert len(whole) > len(lines) // 3
    assert source.offset_bytes == len(whole)


def test_damage_inside_a_gzip_is_told(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(b"".join(b'{"n":%d}' % (n * 7919) for n in range(50_000))))
    packed[len(packed) // 2] ^= 0xFF
    path = tmp_path / "a.json.gz"
    path.write_bytes(packed)
    with pytest.raises(BrokenBytes, match=r"damaged|cut off"):
        read(path)


def test_a_file_without_a_brace_is_handed_on_in_bounded_pieces(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"x" * 20_000_000)
    with JsonBytes(path) as source:
        lengths = [len(piece) for piece in source.pieces()]
    assert sum(lengths) == 20_000_000
    assert max(lengths) < 9_000_000


@pytest.mark.parametrize("before", range(0, 600, 37))
def test_numbers_that_would_crash_the_parser_are_cut(tmp_path: Path, before: int) -> None:
    path = tmp_path / "a.json"
    start = b" " * before + b'{"id":'
    path.write_bytes(start + b"7" * 4300 + b"}")
    assert read(path) == (start + b"7" * 100 + b"}", {ENDLESS_NUMBER: 1})
    path.write_bytes(start + b"7" * 4000 + b"}")
    assert read(path) == (path.read_bytes(), {})


def test_a_nesting_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"[" * 1_000_000)
    with pytest.raises(BrokenBytes, match="deep"):
        read(path)

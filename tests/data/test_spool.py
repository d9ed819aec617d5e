"""Records on disk, read back by place."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from data import spool as module
from data.spool import Spool


def test_records_come_back_in_any_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE_BYTES", 100)  # several rounds
    records = [f"{number}: {'x' * (number % 37)}\n".encode() for number in range(300)]
    with Spool(tmp_path / "a.spool") as spool:
        offsets = np.array([spool.add(record) for record in records])
        lengths = np.array([len(record) for record in records])
        assert spool.size_bytes == sum(map(len, records))
        rows = np.random.default_rng(1).integers(0, 300, 500)  # some twice, some never
        assert list(spool.read_all(offsets[rows], lengths[rows])) == [records[r] for r in rows]
        assert list(spool.read_all(offsets[:0], lengths[:0])) == []
        assert spool.read(int(offsets[7]), int(lengths[7])) == records[7]


def test_a_record_larger_than_what_is_held_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AT_ONCE_BYTES", 10)
    with Spool(tmp_path / "a.spool") as spool:
        places = [spool.add(b"x" * 50), spool.add(b"y" * 5), spool.add(b"z" * 50)]
        lengths = np.array([50, 5, 50])
        found = list(spool.read_all(np.array(places), lengths))
    assert found == [b"x" * 50, b"y" * 5, b"z" * 50]


def test_a_record_read_back_costs_no_more_than_its_bytes(tmp_path: Path) -> None:
    """Read ahead, a gigabyte's million records would cost a terabyte."""
    with Spool(tmp_path / "a.spool") as spool:
        places = [spool.add(b"%04d" % number) for number in range(1000)]
        assert spool.read(places[500], 4) == b"0500"
        assert spool._disk.tell() == places[501]


def test_the_file_is_private_and_goes(tmp_path: Path) -> None:
    path = tmp_path / "a.spool"
    with Spool(path) as spool:
        spool.add(b"words")
        if sys.platform != "win32":
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with pytest.raises(FileExistsError):
            Spool(path)
    assert not path.exists()
    spool.close()

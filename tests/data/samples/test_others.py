"""Other communities: each its own, the same for its seed, varied enough to learn from."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.samples.cast import snowflake
from data.samples.community import simulate, write_exports
from data.samples.others import other_community


def test_a_seed_is_a_community() -> None:
    assert other_community(4) == other_community(4)
    names = {other_community(seed).members[0].nick for seed in range(12)}
    assert len(names) > 6


@pytest.mark.parametrize("seed", [1, 2])
def test_exports_are_the_same_bytes(seed: int, tmp_path: Path) -> None:
    first = write_exports(other_community(seed), tmp_path / "a", seed, 800)
    second = write_exports(other_community(seed), tmp_path / "b", seed, 800)
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


def test_lines_hardly_repeat() -> None:
    messages = simulate(other_community(3), 1, 4_000).all_messages()
    lines = [m.content for m in messages if len(m.content.split()) >= 4]
    assert len(set(lines)) / len(lines) > 0.95


def test_communities_do_not_share_account_ids() -> None:
    ids = [m.id for seed in range(20) for m in other_community(seed).members]
    assert len(set(ids)) == len(ids)


def test_snowflake_counts_milliseconds_since_2015() -> None:
    assert snowflake(1_420_070_400_001, 5) == str((1 << 22) + 5)

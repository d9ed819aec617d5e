"""The blend's promises, on random communities: shares, at least 70%, rhythm, no row twice."""

from __future__ import annotations

import json
from collections import Counter
from math import ceil
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from data.blend import (
    BANDS,
    CAP,
    CAP_TOLERANCE,
    HOURS_TOLERANCE,
    SMALL_SHARE,
    Blend,
    blend,
    wanted_shares,
)

Columns = tuple[NDArray[np.int32], NDArray[np.uint8], NDArray[np.bool_], NDArray[np.int16]]


def community(
    count: int, members: int, skew: float, seed: int, hours: str = "any", talks: float = 0.7
) -> Columns:
    """Members by Zipf's law; `hours`: any, own (of each member's part of the day), one of each
    member's (lone), or one."""
    rng = np.random.default_rng(seed)
    shares = 1 / np.arange(1, members + 1) ** skew
    member = rng.choice(members, count, p=shares / shares.sum())
    days, favourite = 24 * rng.integers(0, 7, count), rng.integers(0, 24, members)[member]
    at = {
        "any": rng.integers(0, 168, count),
        "own": (favourite + rng.normal(0, 4, count).astype(int)) % 24 + days,
        "lone": favourite + days,
        "one": np.full(count, 20),
    }[hours]
    return (
        (member * 7 + 3).astype(np.int32),
        at.astype(np.uint8),
        rng.random(count) < talks,
        rng.poisson(0.5, count).astype(np.int16),
    )


def shares_of(members: NDArray[np.int32]) -> dict[int, float]:
    return {int(key): n / len(members) for key, n in Counter(members.tolist()).items()}


def moved(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> float:
    one, other = (
        np.bincount(hours // 4, minlength=BANDS) / len(hours) for hours in (before, after)
    )
    return float(np.abs(one - other).sum() / 2)


def assert_promises(columns: Columns, made: Blend, limit: int | None = None) -> None:
    """What holds for every community, counted here from the rows themselves."""
    members, hours, talks, _ = columns
    kept, count = made.kept, len(members)
    assert kept.dtype == np.int64
    assert len(set(kept.tolist())) == len(kept)
    assert not len(kept) or 0 <= kept.min() <= kept.max() < count
    if limit is None:
        assert len(kept) >= ceil(0.7 * count)
    else:
        assert len(kept) == min(limit, count) or ceil(0.7 * count) <= len(kept) < limit
    report = made.report
    assert json.loads(json.dumps(report)) == report
    assert (report["kept"], report["of"]) == (len(kept), count)
    before, after = shares_of(members), shares_of(members[kept])
    assert {int(key) for key in report["members"]} == set(before)
    for key, row in report["members"].items():
        assert row["before"] == pytest.approx(before[int(key)], abs=1e-6)
        assert row["after"] == pytest.approx(after.get(int(key), 0), abs=1e-6)
    if len(kept):
        assert sum(row["wanted"] for row in report["members"].values()) == pytest.approx(1, 1e-2)
        assert report["hours"]["moved"] == pytest.approx(moved(hours, hours[kept]), abs=1e-6)
        after_talk = float(talks[kept].mean())
        assert report["conversational"]["after"] == pytest.approx(after_talk, abs=1e-6)
        assert_tells_what_gave_way(report, after, len(kept))


def assert_tells_what_gave_way(report: dict[str, Any], after: dict[int, float], kept: int) -> None:
    talk = report["conversational"]
    gave = [
        max(after.values()) > CAP + max(CAP_TOLERANCE, 1 / kept),
        report["hours"]["moved"] > HOURS_TOLERANCE,
        abs(talk["after"] - talk["before"]) > 0.01,
    ]
    words = ["the cap (", "hours and weekdays (", "conversational lines ("]
    assert [word for word, has in zip(words, gave, strict=True) if has] == [
        said[: said.index("(") + 1] for said in report["gave_way"]
    ]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("hours", ["any", "own", "lone", "one"])
@pytest.mark.parametrize(
    ("count", "members", "skew", "talks"),
    [
        (0, 1, 0, 0.7),
        (1, 1, 0, 0.7),
        (10, 3, 1.0, 0.7),
        (500, 1, 0.0, 0.7),
        (500, 2, 2.0, 0.7),
        (700, 3, 1.5, 0.0),
        (2_000, 8, 0.5, 0.7),
        (2_000, 9, 0.0, 1.0),
        (3_000, 30, 0.0, 0.7),
        (3_000, 30, 1.0, 0.7),
        (3_000, 30, 2.5, 0.7),
        (12_000, 10_000, 0.0, 0.7),
        (12_000, 10_000, 1.2, 0.7),
    ],
)
def test_every_community_is_kept_to_70_percent_and_told_the_truth(
    count: int, members: int, skew: float, talks: float, hours: str, seed: int
) -> None:
    columns = community(count, members, skew, seed, hours, talks)
    assert_promises(columns, blend(*columns, seed=seed))
    for limit in {seed, count // 10, max(0, count - 1)}:
        assert_promises(columns, blend(*columns, seed=seed, limit=limit), limit)


@pytest.mark.parametrize("hours", ["any", "own", "one"])
def test_where_all_goes_together_everything_comes_out(hours: str) -> None:
    """30 members, one with a quarter: the wanted shares, the hours and the talk at once."""
    columns = community(20_000, 30, 1.0, 1, hours)
    made = blend(*columns, seed=2)
    rows = made.report["members"].values()
    assert max(row["before"] for row in rows) > 0.2
    assert all(abs(row["after"] - row["wanted"]) < 1.5e-4 for row in rows if row["before"] > 0.005)
    assert made.report["hours"]["moved"] < 0.04
    assert made.report["gave_way"] == []


@pytest.mark.parametrize("skew", [1.0, 1.5, 2.5])
@pytest.mark.parametrize("seed", range(3))
def test_under_a_limit_the_cap_holds(skew: float, seed: int) -> None:
    columns = community(20_000, 30, skew, seed)
    made = blend(*columns, seed=seed, limit=500)
    assert len(made.kept) == 500
    after = shares_of(columns[0][made.kept])
    assert max(after.values()) <= CAP + 1 / 500
    assert not [said for said in made.report["gave_way"] if said.startswith("the cap")]
    for key, row in made.report["members"].items():
        rows_off = 500 * abs(after.get(int(key), 0) - row["wanted"])
        assert rows_off < (1.01 if row["before"] >= SMALL_SHARE else 2)


def test_the_cap_gives_way_to_70_percent_in_words_with_figures() -> None:
    """One has 75%: 25% of the others and 45% of theirs are the 70%, of which 45 are 64.3%."""
    members = np.array([0] * 7_500 + [1 + at % 50 for at in range(2_500)], np.int32)
    rng = np.random.default_rng(0)
    columns = (
        members,
        rng.integers(0, 168, 10_000).astype(np.uint8),
        rng.random(10_000) < 0.5,
        np.zeros(10_000, np.int16),
    )
    made = blend(*columns, seed=1)
    assert len(made.kept) == 7_000
    assert made.report["members"]["0"] == {
        "before": 0.75,
        "wanted": 0.12,
        "after": pytest.approx(0.643, abs=0.001),
    }
    assert made.report["gave_way"] == ["the cap (64.3% instead of 12% for one member)"]
    assert (members[made.kept] != 0).sum() == 2_500


def test_the_cap_gives_way_to_the_hours() -> None:
    """Whoever alone speaks at night stays as much of it as the nights need."""
    rng = np.random.default_rng(0)
    members = rng.choice(30, 6_000).astype(np.int32)
    hours = (8 + 24 * rng.integers(0, 7, 6_000)).astype(np.uint8)
    owl = rng.random(6_000) < 0.4
    members[owl] = 30
    hours[owl] -= 6
    talks, none = np.ones(6_000, bool), np.zeros(6_000, np.int16)
    made = blend(members, hours, talks, none, seed=0)
    with_hours = made.report["members"]["30"]["after"]
    assert made.report["hours"]["moved"] == pytest.approx(HOURS_TOLERANCE, abs=0.005)
    hours[owl] += 6
    without = blend(members, hours, talks, none, seed=0).report["members"]["30"]["after"]
    assert without < with_hours - 0.1
    assert made.report["gave_way"][0].startswith("the cap (3")


def test_seeds_draw_different_sets_and_one_seed_the_same() -> None:
    columns = community(5_000, 30, 1.5, 0)
    one, again, other = (blend(*columns, seed=seed) for seed in (1, 1, 2))
    assert one.kept.tolist() == again.kept.tolist()
    assert one.report == again.report
    first, second = set(one.kept.tolist()), set(other.kept.tolist())
    assert len(first) == pytest.approx(len(second), abs=2)
    assert len(first - second) > 500


def test_single_lines_of_many_members_are_drawn_freely() -> None:
    """Members of one line each come in no fixed order: any two may be drawn together."""
    members = np.arange(400, dtype=np.int32)
    columns = (members, np.full(400, 9, np.uint8), np.ones(400, bool), np.zeros(400, np.int16))
    sets = [frozenset(blend(*columns, seed=seed, limit=40).kept.tolist()) for seed in range(30)]
    assert len(set(sets)) == 30
    assert len(frozenset.union(*sets)) > 350


def test_kept_rows_come_in_random_order() -> None:
    columns = community(1_000, 30, 0.0, 0)
    kept = blend(*columns, seed=0, limit=None).kept
    assert len(kept) > 900
    assert abs(np.corrcoef(np.arange(len(kept)), kept)[0, 1]) < 0.15


def test_reactions_raise_the_chance_by_a_twentieth_each_to_one_and_a_half() -> None:
    rng = np.random.default_rng(0)
    count = 60_000
    reactions = rng.choice([-3, 0, 4, 10, 300], count).astype(np.int16)
    members = rng.choice(40, count).astype(np.int32)
    hours, talks = rng.integers(0, 168, count).astype(np.uint8), np.ones(count, bool)
    kept = blend(members, hours, talks, reactions, seed=0, limit=count // 5).kept
    drawn = Counter(reactions[kept].tolist())
    there = Counter(reactions.tolist())
    plain = drawn[0] / there[0]
    weights = [drawn[n] / there[n] / plain for n in (-3, 4, 10, 300)]
    assert weights == pytest.approx([1.0, 1.2, 1.5, 1.5], abs=0.06)


@pytest.mark.parametrize("limit", [None, 300])
def test_each_row_has_its_chance(limit: int | None) -> None:
    """Over many seeds the rows of one member are kept evenly: systematic, not favouring places."""
    count = 600
    members = np.array([0] * 400 + [1 + at % 20 for at in range(200)], np.int32)
    hours = np.full(count, 20, np.uint8)
    columns = (members, hours, np.ones(count, bool), np.zeros(count, np.int16))
    times = np.zeros(count)
    for seed in range(200):
        times[blend(*columns, seed=seed, limit=limit).kept] += 1
    share = times[:400] / 200
    spread = np.sqrt(share.mean() * (1 - share.mean()) / 200)
    assert share.std() < 2 * spread
    assert share.min() > share.mean() - 6 * spread


def test_columns_of_different_lengths_are_refused() -> None:
    columns = community(10, 2, 0, 0)
    with pytest.raises(ValueError, match="columns of"):
        blend(columns[0][:9], *columns[1:], seed=0)


@pytest.mark.parametrize(
    ("shares", "wanted"),
    [
        ([1.0], [1.0]),
        ([0.5, 0.5], [0.5, 0.5]),
        ([0.8, 0.15, 0.05], [0.12 / 0.27, 0.1 / 0.27, 0.05 / 0.27]),
        ([0.05] * 20, [0.05] * 20),
        ([0.15] + [0.017] * 50, [0.1 / 0.95] + [0.017 / 0.95] * 50),
        ([0.2] + [0.016] * 50, [0.12] + [0.0176] * 50),
        ([0.6] + [0.008] * 50, [0.12] + [0.0176] * 50),
        ([0.4, 0.3] + [0.006] * 50, [0.12, 0.12] + [0.0152] * 50),
        ([1 / 9] * 9, [1 / 9] * 9),
    ],
)
def test_wanted_shares(shares: list[float], wanted: list[float]) -> None:
    assert wanted_shares(np.array(shares)) == pytest.approx(wanted)


@pytest.mark.parametrize("seed", range(20))
def test_wanted_shares_of_any_community_sum_to_one_below_the_cap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.pareto(0.8, rng.integers(1, 200)) + 0.01
    shares = counts / counts.sum()
    wanted = wanted_shares(shares)
    assert wanted.sum() == pytest.approx(1)
    assert (np.diff(wanted[np.argsort(shares)]) > -1e-9).all()
    assert len(shares) < 9 or wanted.max() <= CAP + 1e-9

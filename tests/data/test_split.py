"""Blocks and sides."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby, pairwise

from data.conversations import in_true_order, link
from data.preprocessor import clean
from data.split import SIDES, TRAINING, VALIDATION, Splitter, on_both_sides, split
from tests.data.talk import BEGAN_MS, CHANNEL, MEMBERS, NAMES, history, record, talk


def split_history(count: int, seed: int = 3, channels: Sequence[int] = (500, 600)):
    messages = in_true_order(clean(history(count, channels=channels)[0], MEMBERS)[0])
    links = link(messages)
    by_channel = {k: list(v) for k, v in groupby(messages, key=lambda m: m.channel_id)}
    return messages, links, by_channel, split(by_channel, links, seed=seed)


def test_every_message_is_in_exactly_one_region() -> None:
    messages, _, channels, regions = split_history(3000)
    seen = [
        message.message_id
        for region in regions
        for message in channels[region.channel_id][region.start : region.end]
    ]
    assert seen == [message.message_id for message in messages]
    for before, after in pairwise(regions):
        assert before.channel_id != after.channel_id or before.side != after.side


def test_about_a_tenth_is_set_aside_and_the_seed_decides_which() -> None:
    messages, _, _, regions = split_history(3000)
    share = sum(r.end - r.start for r in regions if r.side == VALIDATION) / len(messages)
    assert 0.05 < share < 0.15
    assert split_history(3000)[3] == regions
    assert split_history(3000, seed=4)[3] != regions


def test_a_torn_conversation_is_found() -> None:
    _, links, channels, regions = split_history(3000)
    torn = on_both_sides(regions, channels, links)
    sides: dict[int, Counter[str]] = {}
    for region in regions:
        for message in channels[region.channel_id][region.start : region.end]:
            sides.setdefault(links[message.message_id].conversation_id, Counter())[region.side] += 1
    assert set(torn) == {c for c, on in sides.items() if set(on) == set(SIDES)}
    for conversation_id, keeper in torn.items():
        on = sides[conversation_id]
        assert on[keeper] == max(on.values())
        assert keeper == TRAINING or on[TRAINING] < on[VALIDATION]


def test_a_busy_channel_loses_little_to_torn_conversations() -> None:
    """A message each 20 seconds round the clock, nobody addressed."""
    rng = random.Random(5)
    lines = [
        replace(record(i, rng.choice(NAMES[:4]), f"line {i}"), created_at_ms=BEGAN_MS + i * 20_000)
        for i in range(1, 6001)
    ]
    messages = in_true_order(clean(lines, MEMBERS)[0])
    links = link(messages)
    channels = {CHANNEL: messages}
    regions = split(channels, links, seed=1)
    torn = on_both_sides(regions, channels, links)
    kept = Counter(
        region.side
        for region in regions
        for message in messages[region.start : region.end]
        if torn.get(links[message.message_id].conversation_id, region.side) == region.side
    )
    assert kept.total() > 0.95 * len(messages)
    assert kept[VALIDATION] > 0.05 * len(messages)


def test_one_block_alone_is_for_training() -> None:
    assert len(split_history(15, channels=(500,))[3]) == 1


def drawn_of(pieces: Sequence[int], seed: int) -> tuple[list[bool], float]:
    """Which segments of so many messages have something set aside, and the share of all."""
    splitter = Splitter(sum(pieces), seed=seed)
    found, drawn, first = [], 0, 1
    for size in pieces:
        lines = talk(*[(NAMES[i % 4], f"line {first + i}") for i in range(size)])
        messages = [replace(m, message_id=first + at) for at, m in enumerate(lines)]
        first += size
        regions = splitter.regions(messages, link(messages))
        assert [at for r in regions for at in range(r.start, r.end)] == list(range(size))
        aside = sum(r.end - r.start for r in regions if r.side == VALIDATION)
        found.append(aside > 0)
        drawn += aside
    return found, drawn / sum(pieces)


def test_small_segments_take_turns_as_the_seed_says() -> None:
    """Channels too small to be cut: whole ones are set aside."""
    draws = [drawn_of([10] * 60, seed) for seed in range(8)]
    assert all(0.05 <= share <= 0.15 for _, share in draws)
    assert len({tuple(found) for found, _ in draws}) == 8


def test_the_share_is_kept_over_segments_of_all_sizes() -> None:
    shares = [drawn_of([700, 15, 15, 300, 40, 1200, 5, 5, 900], seed)[1] for seed in range(8)]
    assert all(0.06 < share < 0.14 for share in shares), shares
    assert 0.09 < sum(shares) / 8 < 0.11


def test_a_small_history_gets_a_validation_block_and_keeps_training() -> None:
    for seed in range(20):
        for pieces in ([24], [30, 5], [10, 10], [5, 30]):
            _, share = drawn_of(pieces, seed)
            assert 0 < share < 1, (seed, pieces)
        assert drawn_of([11], seed)[1] == 0

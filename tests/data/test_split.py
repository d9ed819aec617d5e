"""Blocks and sides."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise

from data.conversations import in_true_order, link
from data.preprocessor import clean
from data.split import SIDES, VALIDATION, on_both_sides, split
from tests.data.talk import MEMBERS, history


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
    sides: dict[int, set[str]] = {}
    for region in regions:
        for message in channels[region.channel_id][region.start : region.end]:
            sides.setdefault(links[message.message_id].conversation_id, set()).add(region.side)
    assert torn == {c for c, on in sides.items() if on == set(SIDES)}


def test_one_block_alone_is_for_training() -> None:
    assert len(split_history(15, channels=(500,))[3]) == 1

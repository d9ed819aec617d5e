"""Divides a community's time lines between training and validation, so that they share nothing.

Each channel is cut into blocks where the fewest conversations run on; whole blocks go to one side.
A block is contiguous: a context taken inside one side's region never holds the other side's lines.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from data.conversations import Link
from data.preprocessor import CleanMessage

TRAINING = "training"
VALIDATION = "validation"
SIDES = (TRAINING, VALIDATION)

BLOCK_MESSAGES = 60
LEAST_BLOCK_MESSAGES = 12
LARGEST_BLOCK_MESSAGES = 300
"""Larger blocks tear fewer conversations; smaller ones let validation see more of the history."""


@dataclass(frozen=True)
class Region:
    """A contiguous piece of one channel's messages in true order, `end` excluded."""

    channel_id: int
    start: int
    end: int
    side: str


def split(
    channels: Mapping[int, Sequence[CleanMessage]],
    links: Mapping[int, Link],
    *,
    seed: int,
    validation_share: float = 0.1,
) -> list[Region]:
    """Every message of `channels` (each in true order) in exactly one region.

    About `validation_share` of the messages go to validation: whole blocks, drawn by `seed`. One
    block alone leaves validation empty. Neighbouring regions of a channel differ in side.
    """
    total = sum(map(len, channels.values()))
    block_messages = _block_messages(total)
    blocks = [
        (channel_id, start, end)
        for channel_id, messages in sorted(channels.items())
        for start, end in _blocks(messages, links, block_messages)
    ]
    validation = _draw(blocks, validation_share * total, seed)
    regions: list[Region] = []
    for block in blocks:
        channel_id, start, end = block
        side = VALIDATION if block in validation else TRAINING
        last = regions[-1] if regions else None
        if last is not None and (last.channel_id, last.side) == (channel_id, side):
            regions[-1] = Region(channel_id, last.start, end, side)
        else:
            regions.append(Region(channel_id, start, end, side))
    return regions


def on_both_sides(
    regions: Sequence[Region],
    channels: Mapping[int, Sequence[CleanMessage]],
    links: Mapping[int, Link],
) -> dict[int, str]:
    """The conversations with messages on both sides, and the side that keeps each.

    It is the side with more of its messages, training where both have as many. Those on the other
    side are neither to learn from nor to measure by.
    """
    counts = Counter(
        (links[message.message_id].conversation_id, region.side)
        for region in regions
        for message in channels[region.channel_id][region.start : region.end]
    )
    return {
        conversation_id: VALIDATION if own > counts[conversation_id, TRAINING] else TRAINING
        for (conversation_id, side), own in counts.items()
        if side == VALIDATION and counts[conversation_id, TRAINING]
    }


def _block_messages(total: int) -> int:
    """The least size of a block: 60; less in a small history, more in a large one."""
    if total < 20 * BLOCK_MESSAGES:
        return max(LEAST_BLOCK_MESSAGES, total // 20)
    return max(BLOCK_MESSAGES, min(LARGEST_BLOCK_MESSAGES, total // 100))


def _blocks(
    messages: Sequence[CleanMessage], links: Mapping[int, Link], block_messages: int
) -> list[tuple[int, int]]:
    """Blocks of `block_messages` to twice that, cut where the fewest conversations run on."""
    running = _running_on(messages, links)
    blocks: list[tuple[int, int]] = []
    start = 0
    while len(messages) - start >= 2 * block_messages:
        last_cut = min(start + 2 * block_messages, len(messages) - block_messages)
        cut = min(
            range(start + block_messages, last_cut + 1),
            key=lambda at: (running[at], -_silence_ms(messages, at)),
        )
        blocks.append((start, cut))
        start = cut
    if start < len(messages):
        blocks.append((start, len(messages)))
    return blocks


def _running_on(messages: Sequence[CleanMessage], links: Mapping[int, Link]) -> list[int]:
    """For each index, how many conversations have lines both before it and from it on."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for index, message in enumerate(messages):
        conversation_id = links[message.message_id].conversation_id
        first.setdefault(conversation_id, index)
        last[conversation_id] = index
    change = [0] * (len(messages) + 1)
    for conversation_id, begin in first.items():
        change[begin + 1] += 1
        change[last[conversation_id] + 1] -= 1
    return list(accumulate(change))


def _silence_ms(messages: Sequence[CleanMessage], at: int) -> int:
    return messages[at].created_at_ms - messages[at - 1].created_at_ms


def _draw(
    blocks: Sequence[tuple[int, int, int]], wanted: float, seed: int
) -> set[tuple[int, int, int]]:
    """Blocks in random order until `wanted` messages are reached as nearly as blocks can."""
    if len(blocks) < 2:
        return set()
    order = list(blocks)
    random.Random(seed).shuffle(order)
    drawn: set[tuple[int, int, int]] = set()
    messages = 0
    for block in order[:-1]:
        size = block[2] - block[1]
        if abs(messages + size - wanted) < abs(messages - wanted) or not drawn:
            drawn.add(block)
            messages += size
        if messages >= wanted:
            break
    return drawn

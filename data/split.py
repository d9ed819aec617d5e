"""Divides a community's time lines between training and validation, so that they share nothing.

Each segment is cut into blocks where the fewest conversations run on; whole blocks go to one side.
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


Block = tuple[int, int]
"""First message and end."""


class Splitter:
    """Draws the sides of a history that comes segment by segment. Not for several threads."""

    def __init__(self, total: int, *, seed: int, validation_share: float = 0.1) -> None:
        """`total` messages will come in all."""
        self._total = total
        self._seed = seed
        self._validation_share = validation_share
        self._block_messages = _block_messages(total)
        self._seen = 0
        self._drawn = 0

    def regions(self, messages: Sequence[CleanMessage], links: Mapping[int, Link]) -> list[Region]:
        """Every message of a segment (one channel's, in true order) in exactly one region.

        About `validation_share` of all messages so far have gone to validation then: whole blocks,
        drawn by the seed and the segment's first message. A history of one block alone leaves
        validation empty. Neighbouring regions differ in side.
        """
        if not messages:
            return []
        blocks = _blocks(messages, links, self._block_messages)
        drawn = self._draw(blocks, random.Random(f"{self._seed}:{messages[0].message_id}"))
        regions: list[Region] = []
        for start, end in blocks:
            side = VALIDATION if (start, end) in drawn else TRAINING
            if regions and regions[-1].side == side:
                start = regions.pop().start
            regions.append(Region(messages[0].channel_id, start, end, side))
        return regions

    def _draw(self, blocks: Sequence[Block], rng: random.Random) -> set[Block]:
        """Blocks in random order until as many messages are drawn as are due.

        The last is drawn with the chance of what is still due over its size, so that on average the
        share is exact; what one segment has too much or too little the next one makes up for.
        """
        self._seen += blocks[-1][1]
        due = self._validation_share * self._seen - self._drawn
        drawn: set[Block] = set()
        for block in rng.sample(blocks, len(blocks)):
            size = block[1] - block[0]
            leaves_training = self._drawn + size < self._seen
            is_last_chance = self._seen >= self._total and not self._drawn
            if not leaves_training or not (rng.random() * size < due or is_last_chance):
                break
            drawn.add(block)
            self._drawn += size
            due -= size
        return drawn


def split(
    channels: Mapping[int, Sequence[CleanMessage]],
    links: Mapping[int, Link],
    *,
    seed: int,
    validation_share: float = 0.1,
) -> list[Region]:
    """`Splitter.regions` of a whole history at once, each channel a segment."""
    total = sum(map(len, channels.values()))
    splitter = Splitter(total, seed=seed, validation_share=validation_share)
    return [
        region for _, one in sorted(channels.items()) for region in splitter.regions(one, links)
    ]


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
) -> list[Block]:
    """Blocks of `block_messages` to twice that, cut where the fewest conversations run on."""
    running = _running_on(messages, links)
    blocks: list[Block] = []
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

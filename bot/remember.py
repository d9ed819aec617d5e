"""Remembers: looks for what bears on a channel's newest line, and puts it into the transcript.

For a line that is to be answered, and while reading along, so that the reply need not wait for it.
"""

from __future__ import annotations

import asyncio

from bot.generate import Writer
from bot.messages import IncomingMessage, Memories
from bot.read_along import Transcripts
from bot.recall import Recall
from bot.transcript import Line


async def remember(
    message: IncomingMessage,
    transcripts: Transcripts,
    recall: Recall,
    engine: Writer,
    *,
    limit: int,
    only_close: bool = False,
) -> Memories:
    """At most `limit` memories for the channel's newest line, `message`; nothing is put anywhere.

    `only_close`: those alone that say nearly the same.
    """
    transcript = await transcripts.of(message.channel_id)
    # The compute worker owns llama.cpp, for decoding and for embedding.
    vector = await engine.run(recall.embed, message.text)
    return await asyncio.to_thread(
        recall.find,
        message,
        vector,
        limit=limit,
        in_view=transcript.message_ids,
        said=[line.turn.text for line in transcript.lines],
        only_close=only_close,
    )


async def put(memories: Memories, message: IncomingMessage, transcripts: Transcripts) -> None:
    """Put the notes before the line that they were recalled for, the channel's newest."""
    at_ms = message.record.created_at_ms
    notes = [Line(memory.note, memory.message_id, at_ms) for memory in memories.items]
    await transcripts.recall(message.channel_id, notes)

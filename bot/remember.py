"""Remembers: looks for what bears on a channel's newest line, and puts it into the transcript.

For a line that is to be answered, and while reading along, so that the reply need not wait for it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bot.experience import FOUND_BY, LINES_BETWEEN, Experience
from bot.generate import Writer
from bot.messages import IncomingMessage, Memories
from bot.read_along import Transcripts
from bot.recall import Recall
from bot.transcript import Line
from data.notes import ASKED_NOTE_TOKENS
from model.chat_format import Note, line

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


async def remember(
    message: IncomingMessage,
    transcripts: Transcripts,
    recall: Recall,
    engine: Writer,
    *,
    limit: int,
    only_close: bool = False,
    most_tokens: int = ASKED_NOTE_TOKENS,
    experience: Experience | None = None,
    own_name: str = "",
) -> Memories:
    """At most `limit` memories for the channel's newest line, `message`, of `most_tokens`
    altogether; nothing is put anywhere.

    `only_close`: those alone that say nearly the same. What room is left goes to one of the
    persona's own answers out of `experience`, under `own_name`.
    """
    vector = await vector_of(message, recall, engine)
    transcript = await transcripts.of(message.channel_id)
    tokenizer = engine.tokenizer

    def count(note: Note) -> int:
        return len(tokenizer.text_ids(line(note)))

    found = await asyncio.to_thread(
        recall.find,
        message,
        vector,
        limit=limit,
        in_view=transcript.message_ids,
        said=[one.turn.text for one in transcript.lines],
        only_close=only_close,
        most_tokens=most_tokens,
        count=count,
    )
    if experience is None or len(found.items) >= limit:
        return found
    left = most_tokens - sum(map(count, found.notes))
    example = await experience.example(
        message,
        vector,
        own_name=own_name,
        in_view=transcript.message_ids,
        lately={one.message_id or 0 for one in transcript.lines[-LINES_BETWEEN:]},
        fits=lambda note: count(note) <= left,
    )
    if example is None:
        return found
    return Memories((*found.items, example), (*found.found_by, FOUND_BY))


async def vector_of(
    message: IncomingMessage, recall: Recall, engine: Writer
) -> NDArray[np.float32] | None:
    """The message's vector, computed once for all who ask; None where vectors cannot serve."""
    if not recall.has_vectors:
        return None
    vector = recall.kept_vector(message.message_id, message.text)
    if vector is None:
        said = await asyncio.to_thread(recall.named_in, message.text, message.record.created_at_ms)
        # The compute worker owns llama.cpp, for decoding and for embedding.
        vector = await engine.run(recall.embed, said.rest)
        if vector is not None:
            recall.keep_vector(message.message_id, message.text, vector)
    return vector


async def put(memories: Memories, message: IncomingMessage, transcripts: Transcripts) -> None:
    """Put the notes before the line that they were recalled for, the channel's newest."""
    at_ms = message.record.created_at_ms
    notes = [Line(memory.note, memory.message_id, at_ms) for memory in memories.items]
    await transcripts.recall(message.channel_id, notes)

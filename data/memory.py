"""Which messages may be recalled, and the building of their vectors: newest first, resumable.

One thread; the index and the embedder are handed in.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from data.consent import may_recall, state_of
from storage.manifest import write_text_atomically
from storage.records import MemberRecord, MessageKind, MessageRecord

if TYPE_CHECKING:
    from pathlib import Path

    from model.embedder import Embedder
    from storage.database import Database
    from storage.vectordb import VectorIndex

MIN_WORDS = 3
BATCH_LINES = 256
"""Lines embedded and written at a time: about a second of work, the wait for a polite stop."""

EDITS = "edits.json"
"""Beside the vectors: when each edited message was last edited as its vector was made. An edit that
comes with a later import may be older than the last build, so one time for all would not do."""

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")


@dataclass(frozen=True)
class MemoryProgress:
    """How far a build is. `wanted` are the lines it set out to embed."""

    done: int
    wanted: int
    lines_per_s: float

    @property
    def left_s(self) -> float:
        """Seconds to the end at the rate so far."""
        return (self.wanted - self.done) / self.lines_per_s if self.lines_per_s else 0.0


@dataclass(frozen=True)
class MemoryBuild:
    """What a build did."""

    recallable: int
    """Messages that may be recalled, all in all."""
    had: int
    """Of them, how many had a vector before."""
    added: int
    removed: int
    """Vectors taken out: of messages that may not be recalled any more, and of edited ones, which
    get a new one."""
    seconds: float
    stopped: bool
    """Whether it was asked to stop before the end."""

    @property
    def left(self) -> int:
        """Messages still without a vector."""
        return self.recallable - self.had - self.added


def may_be_recalled(
    message: MessageRecord, author: MemberRecord | None, allowed_channels: Collection[int]
) -> bool:
    """Three words or more of somebody who may be recalled, not deleted, in an allowed channel."""
    return (
        message.deleted_at_ms is None
        and message.kind is not MessageKind.SYSTEM
        and message.channel_id in allowed_channels
        and author is not None
        and not author.is_bot
        and may_recall(state_of(author), message.origin)
        and len(_WORD.findall(message.content)) >= MIN_WORDS
    )


def recallable(db: Database) -> dict[int, int]:
    """Message id -> time of the last edit (0: none), newest message first. Never holds all text."""
    members = {member.member_id: member for member in db.members()}
    channels = {channel.channel_id for channel in db.channels() if channel.is_allowed}
    found = [
        (message.created_at_ms, message.message_id, message.edited_at_ms or 0)
        for message in db.messages()
        if may_be_recalled(message, members.get(message.author_id), channels)
    ]
    return {message_id: edited_at_ms for _, message_id, edited_at_ms in sorted(found, reverse=True)}


def build_memory(
    db: Database,
    index: VectorIndex,
    embedder: Embedder,
    *,
    limit: int | None = None,
    on_progress: Callable[[MemoryProgress], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> MemoryBuild:
    """Give every message that may be recalled its vector, newest first; take others' away.

    At most `limit` new ones. What has a vector is skipped, so a build goes on where one stopped;
    what was edited since gets a new one. `should_stop` is asked after each batch of 256.
    """
    started = time.monotonic()
    wanted = recallable(db)
    present = index.ids()
    known_edits = _read_edits(index.folder)
    gone = {i for i in present if i not in wanted or known_edits.get(i, 0) != wanted[i]}
    if gone:
        index.delete(gone)
    _write_edits(index.folder, wanted)
    missing = [i for i in wanted if i not in present or i in gone]
    had = len(wanted) - len(missing)
    todo = missing if limit is None else missing[:limit]
    added = handled = 0
    stopped = False
    embedding_started = time.monotonic()
    for batch in _batches(todo):
        if stopped := should_stop():
            break
        added += _add(db, index, embedder, batch)
        handled += len(batch)
        rate = handled / max(time.monotonic() - embedding_started, 1e-9)
        if on_progress:
            on_progress(MemoryProgress(handled, len(todo), rate))
    if added or gone:
        index.compact()
    return MemoryBuild(len(wanted), had, added, len(gone), time.monotonic() - started, stopped)


def _read_edits(folder: Path) -> dict[int, int]:
    """Nothing where there is no such file, or none that can be read: edited messages come again."""
    try:
        kept = json.loads((folder / EDITS).read_text(encoding="utf-8"))
        return {int(message_id): int(at_ms) for message_id, at_ms in kept.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _write_edits(folder: Path, edited_at_ms: dict[int, int]) -> None:
    edits = {message_id: at_ms for message_id, at_ms in edited_at_ms.items() if at_ms}
    write_text_atomically(folder / EDITS, json.dumps(edits))


def _add(db: Database, index: VectorIndex, embedder: Embedder, ids: list[int]) -> int:
    """Embed and store one batch; a message deleted meanwhile gets no vector."""
    found = [m for m in db.messages_by_id(ids) if m.deleted_at_ms is None]
    if found:
        index.add([m.message_id for m in found], embedder.embed([m.content for m in found]))
    return len(found)


def _batches(ids: list[int]) -> Iterator[list[int]]:
    iterator = iter(ids)
    while batch := list(islice(iterator, BATCH_LINES)):
        yield batch

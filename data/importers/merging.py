"""Decides what a message is when an export tells again of one that is stored: it never goes back.

- Deleted stays deleted, whatever an export remembers.
- The later edit wins whole; an export from before the stored edit changes nothing.
- At the same edit the stored text stays (the same words with other people's newer nicknames are no
  edit), unless it is empty or a placeholder and the new one is not: exports by a bot without the
  message content intent hold no text. Of each reaction the higher count stays.
- A data package knows no replies, reactions and mentions: an export adds them to a message that
  came from one. The words stay those that their author handed over.
- The first origin stays with the words that came from there. Other words, or another author, are of
  the stricter of both origins: what an export says anew is content from Discord's API.

So files may come in any order and twice: the outcome is the same. The price: a reaction that
somebody took away again stays until the message is edited.
"""

from __future__ import annotations

from dataclasses import replace

from data.importers.readable import is_placeholder
from storage.records import MessageRecord, Origin, Reaction


def merged(stored: MessageRecord, told: MessageRecord) -> MessageRecord:
    """What to store: `stored` itself where `told` has nothing new. The first origin stays."""
    stored_edit_ms, told_edit_ms = stored.edited_at_ms or 0, told.edited_at_ms or 0
    if stored.deleted_at_ms is not None or told_edit_ms < stored_edit_ms:
        return stored
    is_same = (stored.content, stored.author_id) == (told.content, told.author_id)
    origin = stored.origin if is_same else max(stored.origin, told.origin, key=_strictness)
    if told_edit_ms > stored_edit_ms:
        return replace(told, origin=origin)
    reactions = _higher(stored.reactions, told.reactions)
    if _is_wordless(stored.content) and not _is_wordless(told.content):
        return replace(told, origin=origin, reactions=reactions)
    if stored.origin is Origin.DATA_PACKAGE and told.author_id != stored.author_id:
        return replace(told, origin=origin)  # a package that held others' words was none
    if stored.origin is Origin.DATA_PACKAGE and told.origin is not Origin.DATA_PACKAGE:
        whole = replace(told, content=stored.content, origin=stored.origin, reactions=reactions)
        return stored if whole == stored else whole
    return stored if reactions == stored.reactions else replace(stored, reactions=reactions)


def _strictness(origin: Origin) -> int:
    return origin.strictness


def _is_wordless(content: str) -> bool:
    return not content or is_placeholder(content)


def _higher(stored: tuple[Reaction, ...], told: tuple[Reaction, ...]) -> tuple[Reaction, ...]:
    if stored == told or not told:
        return stored
    counts = {reaction.emoji: reaction.count for reaction in stored}
    for reaction in told:
        counts[reaction.emoji] = max(reaction.count, counts.get(reaction.emoji, 0))
    return tuple(Reaction(emoji, count) for emoji, count in counts.items())

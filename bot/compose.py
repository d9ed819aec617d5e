"""Composes the prompt of a reply out of persona and transcript, and makes it fit the context.

What no longer fits goes by halves: the newest lines that fill half of the room stay. Between two
halvings every prompt's transcript begins with the tokens of the one before, so that the engine's
prefix cache keeps; a window that slid at each message would throw the cache away each time.
Pure; any thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.messages import Prompt
from bot.transcript import names_in
from model.chat_format import Note, Tokenizer, Turn, encode, render, render_ask
from storage.errors import MynahError

MARGIN_TOKENS = 8
"""Room left beside prompt and reply, for the tokens that end a turn."""


class NoRoomError(MynahError):
    """The persona alone does not leave room for a message and a reply."""


def compose(
    persona: str,
    turns: Sequence[Turn],
    tokenizer: Tokenizer,
    *,
    context_tokens: int,
    max_reply_tokens: int,
) -> Prompt:
    """The prompt that asks for the persona's next line; at most half of the context is the reply's.

    Raises NoRoomError where persona and reply fill the context by themselves.
    """
    room = room_for(context_tokens, max_reply_tokens)
    ids = _ids(persona, turns, tokenizer)
    kept: tuple[Turn, ...] = tuple(turns)
    if len(ids) > room:
        kept = _newest_half(persona, kept, tokenizer, room)
        ids = _ids(persona, kept, tokenizer)
    return Prompt(
        ids=tuple(ids),
        persona=persona,
        turns=kept,
        names=names_in(kept),
        dropped=len(turns) - len(kept),
    )


def room_for(context_tokens: int, max_reply_tokens: int) -> int:
    """How many tokens a prompt may have."""
    return context_tokens - min(max_reply_tokens, context_tokens // 2) - MARGIN_TOKENS


def read_ids(persona: str, turns: Sequence[Turn], tokenizer: Tokenizer) -> list[int]:
    """What may be read along of the prompts to come: the transcript, its last user turn open."""
    ids, _ = encode(render(persona, turns), tokenizer)
    return ids


def left_out_by_half(persona: str, turns: Sequence[Turn], tokenizer: Tokenizer, room: int) -> int:
    """How many of the oldest turns go when the newest are to fill half of the room. Raises
    NoRoomError."""
    return len(turns) - len(_newest_half(persona, tuple(turns), tokenizer, room))


def _newest_half(
    persona: str, turns: tuple[Turn, ...], tokenizer: Tokenizer, room: int
) -> tuple[Turn, ...]:
    """The newest turns that fill half of the room; the last one stays, shortened if it must be."""
    fixed = len(_ids(persona, (), tokenizer))
    if fixed + 2 * MARGIN_TOKENS > room:
        raise NoRoomError(
            f"the persona takes {fixed} tokens and only {max(room, 0)} are left beside the reply: "
            "shorten the persona, lower max_reply_tokens or raise context_tokens"
        )
    first = len(turns) - 1
    # Notes stand before the line they were recalled for and stay with it while there is room.
    while first > 0 and isinstance(turns[first - 1], Note):
        first -= 1
    half = fixed + (room - fixed) // 2
    too_early, first_fit = -1, first
    while first_fit - too_early > 1:
        middle = (first_fit + too_early) // 2
        if len(_ids(persona, turns[middle:], tokenizer)) <= half:
            first_fit = middle
        else:
            too_early = middle
    kept = turns[first_fit:]
    while len(kept) > 1 and len(_ids(persona, kept, tokenizer)) > room:
        kept = kept[1:]
    if len(_ids(persona, kept, tokenizer)) > room:
        kept = (_shortened(persona, kept[0], tokenizer, room),)
    return kept


def _shortened(persona: str, turn: Turn, tokenizer: Tokenizer, room: int) -> Turn:
    """The turn with as much of its beginning as there is room for."""
    fits, too_long = 0, len(turn.text)
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        shorter = replace(turn, text=turn.text[:middle])
        if len(_ids(persona, (shorter,), tokenizer)) <= room:
            fits = middle
        else:
            too_long = middle
    return replace(turn, text=turn.text[:fits])


def _ids(persona: str, turns: Sequence[Turn], tokenizer: Tokenizer) -> list[int]:
    ids, _ = encode(render_ask(persona, turns), tokenizer)
    return ids

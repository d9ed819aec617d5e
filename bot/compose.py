"""Composes the prompt of a reply out of persona and transcript, and makes it fit the context.

Where it no longer fits, the newest lines that fill KEPT of the room stay. Between two such cuts
every prompt's transcript begins with the tokens of the one before, so that the engine's prefix
cache keeps; a window that slid at each message would throw the cache away each time.
Pure; any thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from bot.messages import Prompt
from bot.transcript import names_in
from model.chat_format import (
    Note,
    Own,
    Said,
    Tokenizer,
    Turn,
    encode,
    layout_of,
    render,
    render_ask,
)
from model.fit import KEPT
from storage.errors import MynahError

MARGIN_TOKENS = 8
"""Room left beside prompt and reply, for the tokens that end a turn."""


LEAST_IN_VIEW = 512
"""Tokens of a prompt, persona and all: so many are read before an answer, however long it takes."""


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
        kept = _newest(persona, kept, tokenizer, room)
        ids = _ids(persona, kept, tokenizer)
    return Prompt(
        ids=tuple(ids),
        persona=persona,
        turns=kept,
        names=names_in(kept),
        dropped=len(turns) - len(kept),
    )


def turns_read(persona: str, turns: Sequence[Turn], tokenizer: Tokenizer, held: int) -> int:
    """How many of the oldest turns lie within the first `held` tokens."""
    return _longest(len(turns), lambda n: len(read_ids(persona, turns[:n], tokenizer)), held)


def caught_up(
    persona: str, prompt: Prompt, tokenizer: Tokenizer, *, read: int, within: int
) -> Prompt:
    """The prompt without lines that are still to be read, but for what may be.

    The model has read the first `read` turns of the prompt. Of the lines between those and the one
    that asks the newest stay, as many as fill `within` tokens, or LEAST_IN_VIEW with what was read;
    and of what the asker said just before, as much as there is room for.
    """
    turns, first = prompt.turns, _asked_from(prompt.turns)
    before = list(range(min(read, first)))
    begin = len(read_ids(persona, turns[: len(before)], tokenizer))
    room = max(within, LEAST_IN_VIEW - begin)
    kept: list[int] = []
    is_in_a_row = True
    for at in reversed(range(len(before), first)):
        more = [at, *kept]
        shown = read_ids(persona, _chosen(turns, before + more), tokenizer)
        fits = len(shown) - begin <= room
        if fits and (is_in_a_row or _are_of_one(turns[at], turns[-1])):
            kept = more
        else:
            is_in_a_row = False
    turns = _chosen(turns, [*before, *kept, *range(first, len(turns))])
    left_out = len(prompt.turns) - len(turns)
    if not left_out:
        return prompt
    return replace(prompt, ids=tuple(_ids(persona, turns, tokenizer)), turns=turns, unread=left_out)


def _chosen(turns: Sequence[Turn], places: Sequence[int]) -> tuple[Turn, ...]:
    """The turns at these places; behind a gap nothing goes on what stands before the gap."""
    chosen = []
    for n, at in enumerate(places):
        turn = turns[at]
        if isinstance(turn, Said) and n and places[n - 1] != at - 1:
            turn = replace(turn, goes_on=False)
        chosen.append(turn)
    return tuple(chosen)


def _asked_from(turns: Sequence[Turn]) -> int:
    """Where the line that asks begins, with the notes that were recalled for it."""
    first = len(turns) - 1
    while first > 0 and isinstance(turns[first - 1], Note):
        first -= 1
    return first


def _are_of_one(one: Turn, other: Turn) -> bool:
    return isinstance(one, Said) and isinstance(other, Said) and one.name == other.name


def room_for(context_tokens: int, max_reply_tokens: int) -> int:
    """How many tokens a prompt may have."""
    return context_tokens - min(max_reply_tokens, context_tokens // 2) - MARGIN_TOKENS


def read_ids(persona: str, turns: Sequence[Turn], tokenizer: Tokenizer) -> list[int]:
    """What may be read along of the prompts to come: the transcript, its last user turn open."""
    ids, _ = encode(render(persona, turns, layout=layout_of(tokenizer)), tokenizer)
    return ids


def turns_to_leave(persona: str, turns: Sequence[Turn], tokenizer: Tokenizer, room: int) -> int:
    """How many of the oldest turns will go once the transcript fills its room, or go now where it
    has outgrown it; 0: too few were said yet to know. Raises NoRoomError."""
    if _size(persona, turns, tokenizer) > room:
        return len(turns) - len(_newest(persona, tuple(turns), tokenizer, room))
    before = _longest(len(turns), lambda n: _size(persona, turns[:n], tokenizer), (1 - KEPT) * room)
    while before > 0 and isinstance(turns[before - 1], Note):
        before -= 1
    before += _no_beginning(turns[before:])
    return before if before < len(turns) else 0


def _no_beginning(turns: Sequence[Turn]) -> int:
    """How many of the oldest turns nothing begins with: own ones, whose questions are gone, and
    lines that go on, unless they are most of it. Where every transcript begins alike, what is kept
    of one can be moved up in the cache."""
    own = next((n for n, turn in enumerate(turns) if not isinstance(turn, Own)), len(turns))
    named = own
    while named < len(turns) and isinstance(turn := turns[named], Said) and turn.goes_on:
        named += 1
    return named if 2 * named <= len(turns) else own


def _longest(most: int, size: Callable[[int], int], room: float) -> int:
    """The greatest n up to `most` with size(n) within the room; 0 where there is none."""
    fits, too_long = 0, most + 1
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if size(middle) <= room:
            fits = middle
        else:
            too_long = middle
    return fits


def _newest(
    persona: str, turns: tuple[Turn, ...], tokenizer: Tokenizer, room: int
) -> tuple[Turn, ...]:
    """The newest turns that fill KEPT of the room; the last one stays, shortened if it must be."""
    fixed = _size(persona, (), tokenizer)
    if fixed + 2 * MARGIN_TOKENS > room:
        raise NoRoomError(
            f"the persona takes {fixed} tokens and only {max(room, 0)} are left beside the reply: "
            "shorten the persona, lower max_reply_tokens or raise context_tokens"
        )
    first = _asked_from(turns)
    share = fixed + (room - fixed) * KEPT
    more = _longest(first, lambda n: _size(persona, turns[first - n :], tokenizer), share)
    kept = turns[first - more :]
    kept = kept[min(_no_beginning(kept), len(kept) - 1) :]
    while len(kept) > 1 and _size(persona, kept, tokenizer) > room:
        kept = kept[1:]
    if _size(persona, kept, tokenizer) > room:
        kept = (_shortened(persona, kept[0], tokenizer, room),)
    return kept


def _shortened(persona: str, turn: Turn, tokenizer: Tokenizer, room: int) -> Turn:
    """The turn with as much of its beginning as there is room for."""

    def size(length: int) -> int:
        return _size(persona, (replace(turn, text=turn.text[:length]),), tokenizer)

    return replace(turn, text=turn.text[: _longest(len(turn.text), size, room)])


def _size(persona: str, turns: Sequence[Turn], tokenizer: Tokenizer) -> int:
    return len(_ids(persona, turns, tokenizer))


def _ids(persona: str, turns: Sequence[Turn], tokenizer: Tokenizer) -> list[int]:
    ids, _ = encode(render_ask(persona, turns, layout=layout_of(tokenizer)), tokenizer)
    return ids

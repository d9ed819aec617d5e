"""Counts tokens the way chat_format encodes: piece by piece, each line only once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from model.chat_format import CHATML, ChatLayout, Note, Own, Said, Tokenizer, Turn, line

_CHARS_PER_TOKEN = 4


class EstimatedTokenizer:
    """Four characters a token, for where no vocabulary is at hand. Its ids mean nothing."""

    def control_id(self, token: str) -> int:
        return 0

    def text_ids(self, text: str) -> list[int]:
        return [0] * -(-len(text) // _CHARS_PER_TOKEN)


@dataclass(frozen=True)
class Overheads:
    """Tokens around the texts: what one layout's headers and ends cost with one tokenizer."""

    persona: int
    """The whole system turn."""
    user_turn: int
    own_turn: int


class TokenCount:
    """Token counts of the pieces of an example; their sum is exact (tests/data/test_budget.py)."""

    def __init__(self, tokenizer: Tokenizer, persona: str, layout: ChatLayout = CHATML) -> None:
        for control in (layout.start, layout.end):
            tokenizer.control_id(control)  # fails now, not at the first example
        self._tokenizer = tokenizer
        after_end = 1 + self._text("\n")
        self.overheads = Overheads(
            persona=1 + self._text(f"{layout.system_role}\n{persona.strip()}") + after_end,
            user_turn=1 + self._text(f"{layout.user_role}\n") + after_end,
            own_turn=1 + self._text(f"{layout.own_role}\n") + after_end,
        )

    def said(self, name: str, text: str) -> int:
        """Of a line of somebody else's, without the turn around it."""
        return self._text(line(Said(name, text)))

    def note(self, text: str) -> int:
        """Of a memory note, without the turn around it."""
        return self._text(line(Note(text)))

    def own(self, text: str) -> int:
        """Of an own turn's text alone."""
        return self._text(text.strip())

    def turn(self, turn: Turn) -> int:
        """Of any turn's text."""
        if isinstance(turn, Own):
            return self.own(turn.text)
        return self._text(line(turn))

    def example(self, pieces: Sequence[tuple[bool, int]], reply_tokens: int) -> int:
        """Of a whole example; `pieces` says of each turn whether it is own, and its text's."""
        total = self.overheads.persona + self.overheads.own_turn + reply_tokens
        user_turn_open = False
        for is_own, count in pieces:
            total += count
            if is_own:
                total += self.overheads.own_turn
            elif not user_turn_open:
                total += self.overheads.user_turn
            user_turn_open = not is_own
        return total

    def _text(self, text: str) -> int:
        return len(self._tokenizer.text_ids(text))

"""Counts tokens the way chat_format encodes: piece by piece, each line only once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from model.chat_format import CHATML, ChatLayout, Note, Said, Tokenizer, line

_CHARS_PER_TOKEN = 4


class EstimatedTokenizer:
    """Four characters a token, for where no vocabulary is at hand. Its ids mean nothing."""

    def control_id(self, token: str) -> int:
        return 0

    def text_ids(self, text: str) -> list[int]:
        return [0] * -(-len(text) // _CHARS_PER_TOKEN)


@dataclass(frozen=True)
class Overheads:
    """Tokens around the texts: what a layout's headers and ends cost with one tokenizer."""

    user_turn: int
    own_turn: int


class TokenCount:
    """Token counts of the pieces of an example; their sum is exact (tests/data/test_budget.py)."""

    def __init__(self, tokenizer: Tokenizer, layout: ChatLayout = CHATML) -> None:
        for control in (layout.start, layout.end):
            tokenizer.control_id(control)  # fails now, not at the first example
        self._tokenizer = tokenizer
        self._layout = layout
        self._personas: dict[str, int] = {}
        self._after_end = 1 + self._text("\n")
        self.overheads = Overheads(
            user_turn=1 + self._text(f"{layout.user_role}\n") + self._after_end,
            own_turn=1 + self._text(f"{layout.own_role}\n") + self._after_end,
        )

    def persona(self, persona: str) -> int:
        """Of the whole system turn."""
        if persona not in self._personas:
            text = f"{self._layout.system_role}\n{persona.strip()}"
            self._personas[persona] = 1 + self._text(text) + self._after_end
        return self._personas[persona]

    def lines(self, turns: Sequence[Said | Note]) -> int:
        """Of others' lines and notes behind each other, without the turn around them."""
        before = (None, *turns)
        return sum(self._text(line(turn, before[at])) for at, turn in enumerate(turns))

    def own(self, text: str) -> int:
        """Of an own turn's text alone."""
        return self._text(text.strip())

    def example(self, persona: str, pieces: Sequence[tuple[bool, int]], reply_tokens: int) -> int:
        """Of a whole example; `pieces` says of each own turn, and of each run of lines, whether it
        is own, and its text's tokens."""
        total = self.persona(persona) + self.overheads.own_turn + reply_tokens
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

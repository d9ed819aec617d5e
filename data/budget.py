"""Counts tokens the way chat_format encodes: piece by piece, each line only once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from model.chat_format import PERSONA_END, Note, Said, Tokenizer, layout_of, line

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

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Raises LayoutError: now, not at the first example."""
        self._layout = layout_of(tokenizer)
        self._tokenizer = tokenizer
        self._personas: dict[str, int] = {}
        self.overheads = Overheads(
            user_turn=self._turn(self._layout.user_role),
            own_turn=self._turn(self._layout.own_role),
        )

    def persona(self, persona: str) -> int:
        """Of the whole turn that it begins with."""
        if persona not in self._personas:
            role = self._layout.system_role or self._layout.user_role
            begin = 1 if self._layout.begin else 0
            self._personas[persona] = begin + self._turn(role, persona.strip())
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
        if not self._layout.system_role and pieces and not pieces[0][0]:
            total += self._text(PERSONA_END)  # the first lines go on the persona's turn
            user_turn_open = True
        for is_own, count in pieces:
            total += count
            if is_own:
                total += self.overheads.own_turn
            elif not user_turn_open:
                total += self.overheads.user_turn
            user_turn_open = not is_own
        return total

    def _turn(self, role: str, text: str = "") -> int:
        """Of all that stands around a turn's text, and of a text that the header goes over into."""
        layout = self._layout
        header = f"{layout.after_header}{text}"
        if layout.header_end:
            inside = self._text(role) + 1 + self._text(header)
        else:
            inside = self._text(f"{role}{header}")
        return 2 + inside + (self._text(layout.after_end) if layout.after_end else 0)

    def _text(self, text: str) -> int:
        return len(self._tokenizer.text_ids(text))

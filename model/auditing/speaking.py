"""Has a model say something for the audit: a reply in a context, or how a text that was begun goes
on. And what is looked for in that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from model.chat_format import (
    Said,
    Turn,
    clean_name,
    cut_to_own_words,
    encode,
    layout_of,
    render_ask,
)
from model.inference import Engine, PromptTooLong
from model.sampling import Sampling


class FoundSpan(Protocol):
    """What `data.verbatim.Span` tells."""

    @property
    def text(self) -> str: ...
    @property
    def tokens(self) -> int: ...
    @property
    def message_id(self) -> int: ...


FindSpan = Callable[[str, Sequence[str]], FoundSpan | None]
"""The longest verbatim span of a text, and what was in view of each speaker."""


@dataclass(frozen=True)
class Spoken:
    """What a model said, and the longest span in it. The text stays in memory."""

    text: str
    span: FoundSpan | None
    persona: str = ""
    turns: tuple[Turn, ...] = ()
    """What was in view."""

    @property
    def tokens(self) -> int:
        """Of the span; 0 where there is none."""
        return self.span.tokens if self.span is not None else 0


def spoken_in_a_row(turns: Iterable[Turn]) -> list[str]:
    """What is in view of each speaker, joined, as guard has it: a span may run over their lines."""
    by_speaker: dict[str, list[str]] = {}
    for n, turn in enumerate(turns):
        name = turn.name if isinstance(turn, Said) else f"\n{type(turn).__name__} {n}"
        by_speaker.setdefault(name, []).append(turn.text)
    return [" ".join(texts) for texts in by_speaker.values()]


class Speaker:
    """A loaded model. One thread."""

    def __init__(self, engine: Engine, find_span: FindSpan) -> None:
        self._engine = engine
        self._layout = layout_of(engine.tokenizer)
        self._end = engine.tokenizer.control_id(self._layout.end)
        self._find_span = find_span

    def say(
        self, persona: str, turns: Sequence[Turn], sampling: Sampling, *, begun: str = ""
    ) -> Spoken | None:
        """A reply, or what comes behind its beginning; None where the prompt does not fit."""
        tokenizer = self._engine.tokenizer
        ids, _ = encode(render_ask(persona, turns, layout=self._layout), tokenizer)
        names = {turn.name for turn in turns if isinstance(turn, Said)}
        try:
            made = self._engine.generate_blocking(
                [*ids, *tokenizer.text_ids(begun)] if begun else ids,
                sampling=sampling,
                stop_ids=[self._end],
                stop_texts=[f"\n{clean_name(name)}:" for name in names],
                fresh=True,
            )
        except PromptTooLong:
            return None
        return self.looked_at(cut_to_own_words(made.text, names), persona, turns, begun)

    def looked_at(self, text: str, persona: str, turns: Sequence[Turn], begun: str = "") -> Spoken:
        """What it said there, with the longest span in it."""
        view = spoken_in_a_row(turns)
        span = self._find_span(text, [*view, begun] if begun else view)
        return Spoken(text, span, persona, tuple(turns))

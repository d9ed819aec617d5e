"""Shows the talk of one piece of a channel as the author of a reply sees it, and counts its tokens.

What the author said is the persona's own, and what others call the author is the persona's name.
Each text is counted once. Not for several threads.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from data.budget import TokenCount
from data.bursts import bursts
from data.naming import Renaming, own_words
from data.notes import ASKED_NOTE_TOKENS, fitted_note, memory_note
from data.personas import Personas
from data.preprocessor import CleanMessage
from model.chat_format import NOT_SHARED, Note, Own, Said, Turn, clean_name

_WORD = re.compile(r"\w{4,}")
EVERYBODY = 0
"""In place of an author whom a text does not name, who therefore sees what all see."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """A message that is remembered."""

    message: int
    asked_at: int | None = None
    """The burst that is answered, where it was recalled for that: then it is short, and quotes what
    matches."""


class Shown:
    """One piece of one channel. Bursts are named by their index, messages by theirs."""

    def __init__(
        self,
        messages: Sequence[CleanMessage],
        renaming: Renaming,
        personas: Personas,
        count: TokenCount,
    ) -> None:
        """`messages` in true order, and without words that may not be shown."""
        self.messages = messages
        self.bursts = bursts(messages)
        self.burst_at = [n for n, one in enumerate(self.bursts) for _ in range(one.start, one.end)]
        """By message."""
        self.names = frozenset(clean_name(m.name).casefold() for m in messages)
        self.folded = [
            "\n".join(m.text for m in messages[one.start : one.end]).casefold()
            for one in self.bursts
        ]
        """By burst."""
        self._renaming = renaming
        self._personas = personas
        self._count = count
        self._own_tokens: dict[int, int] = {}
        self._said: dict[tuple[int, int], list[Said]] = {}
        self._said_tokens: dict[tuple[int, int], int] = {}
        self._notes: dict[tuple[Recalled, int], Note | None] = {}
        self._note_tokens: dict[tuple[Recalled, int], int] = {}

    def is_own(self, at: int, author_id: int) -> bool:
        """Whether a burst is the author's own to see: what may not be shown is nobody's."""
        burst = self.bursts[at]
        return burst.author_id == author_id and not burst.is_hidden

    def turns(self, at: int, author_id: int) -> Sequence[Turn]:
        """A burst as the author sees it."""
        if self.is_own(at, author_id):
            return [Own(self.own_text(at))]
        return self._lines(at, self._seen_by(at, author_id))

    def tokens(self, at: int, author_id: int) -> int:
        """Of the texts of `turns`."""
        return (
            self.own_tokens(at) if self.is_own(at, author_id) else self.said_tokens(at, author_id)
        )

    def own_text(self, at: int) -> str:
        """A burst as its author's own line, or as a reply: its messages joined by line breaks."""
        burst = self.bursts[at]
        own = self.messages[burst.start : burst.end]
        return "\n".join(own_words(message.text, self.names) for message in own)

    def own_tokens(self, at: int) -> int:
        """Of `own_text`."""
        if at not in self._own_tokens:
            self._own_tokens[at] = self._count.own(self.own_text(at))
        return self._own_tokens[at]

    def said_tokens(self, at: int, author_id: int) -> int:
        """Of a burst that is not the author's own."""
        key = (at, self._seen_by(at, author_id))
        if key not in self._said_tokens:
            self._said_tokens[key] = self._count.lines(self._lines(*key))
        return self._said_tokens[key]

    def parting_tokens(self, at: int, author_id: int) -> int:
        """How many more a burst that is not the author's own takes with a note before its last
        line, which has its name then."""
        lines = self._lines(at, self._seen_by(at, author_id))
        if len(lines) == 1:
            return 0
        joined = self._count.lines(lines[-2:]) - self._count.lines(lines[-2:-1])
        return self._count.lines(lines[-1:]) - joined

    def note(self, recalled: Recalled, author_id: int) -> Note | None:
        """A message as the author remembers it; None where it is too long for the asked line."""
        key = (recalled, self._seen_by(self.burst_at[recalled.message], author_id))
        if key not in self._notes:
            self._notes[key] = self._note(*key)
        return self._notes[key]

    def note_tokens(self, recalled: Recalled, author_id: int) -> int:
        """Of the note's line; 0 where there is none."""
        key = (recalled, self._seen_by(self.burst_at[recalled.message], author_id))
        if key not in self._note_tokens:
            note = self.note(*key)
            self._note_tokens[key] = 0 if note is None else self._count.lines([note])
        return self._note_tokens[key]

    def _note(self, recalled: Recalled, author_id: int) -> Note | None:
        message = self.messages[recalled.message]
        text = self._renamed(message.text, author_id)
        if recalled.asked_at is None:
            return Note(memory_note(message.name, message.created_at_ms, text))
        made = fitted_note(
            message.name,
            message.created_at_ms,
            text,
            _WORD.findall(self.folded[recalled.asked_at]),
            lambda note: self._count.lines([Note(note)]) <= ASKED_NOTE_TOKENS,
        )
        return None if made is None else Note(made)

    def _seen_by(self, at: int, author_id: int) -> int:
        """The author where a burst may call them by name; what does not is the same for all."""
        return author_id if self._renaming.may_name(self.folded[at], author_id) else EVERYBODY

    def _lines(self, at: int, author_id: int) -> list[Said]:
        burst = self.bursts[at]
        if burst.is_hidden:
            return [NOT_SHARED]
        key = (at, author_id)
        if key not in self._said:
            name = clean_name(self.messages[burst.start].name)
            self._said[key] = [
                Said(name, self._renamed(self.messages[i].text, author_id), i > burst.start)
                for i in range(burst.start, burst.end)
            ]
        return self._said[key]

    def _renamed(self, text: str, author_id: int) -> str:
        persona = None if author_id == EVERYBODY else self._personas.of(author_id)
        return self._renaming.to_persona(text, author_id, persona.name) if persona else text

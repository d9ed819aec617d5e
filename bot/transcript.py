"""A channel's transcript: append-only lines as the model is shown them, each with its message.

`read_along` holds one per active channel and mirrors each line in the table `conversation_context`,
so that a restarted bot goes on where it was. Frozen values; any thread.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from model.chat_format import GOES_ON_MS, Note, Own, Said, Turn
from storage.records import MessageRecord

MAX_LINES = 1_000
"""Above this the older half goes, so that a channel nobody asks anything in stays small."""


@dataclass(frozen=True)
class Line:
    """What was said once, its message's id (for a note: the recalled one's), and when."""

    turn: Turn
    message_id: int | None = None
    at_ms: int = 0
    author_id: int | None = None
    """Whose words they are; None for the persona's, for a note, and where nobody knows."""
    is_reply: bool = False
    """Whether it explicitly replies to a message."""

    def goes_on(self, before: Line) -> bool:
        """Whether it reads as one with the line right before it, as in a training example
        (data/bursts.py): both are the persona's, or of one member whatever their names are, soon
        after each other."""
        if isinstance(self.turn, Note) or type(self.turn) is not type(before.turn):
            return False
        knows_who = isinstance(self.turn, Own) or self.author_id is not None
        of_one = knows_who and self.author_id == before.author_id
        is_soon = abs(self.at_ms - before.at_ms) <= GOES_ON_MS
        return of_one and is_soon and not self.is_reply


@dataclass(frozen=True)
class Transcript:
    """Lines, oldest first."""

    lines: tuple[Line, ...] = ()

    @property
    def turns(self) -> tuple[Turn, ...]:
        """What the model is shown: a member's line that goes on says so, and own lines that do are
        one turn. That follows from the lines as they stand, whatever became of others."""
        turns: list[Turn] = []
        before: Line | None = None
        for line in self.lines:
            turn, is_next = line.turn, before is not None and line.goes_on(before)
            if is_next and isinstance(turn, Own):
                turn = Own(f"{turns.pop().text}\n{turn.text}")
            elif is_next and isinstance(turn, Said):
                turn = replace(turn, goes_on=True)
            turns.append(turn)
            before = line
        return tuple(turns)

    @property
    def message_ids(self) -> frozenset[int]:
        return frozenset(line.message_id for line in self.lines if line.message_id is not None)

    def has(self, message_id: int) -> bool:
        """Whether the message itself stands here; a note that quotes it is not it."""
        return any(
            line.message_id == message_id
            for line in reversed(self.lines)
            if not isinstance(line.turn, Note)
        )

    def appended(self, lines: Iterable[Line]) -> Transcript:
        """With the lines at its end, and halved where it would grow past `MAX_LINES`."""
        grown = Transcript((*self.lines, *lines))
        return grown.without_oldest(MAX_LINES // 2) if len(grown.lines) > MAX_LINES else grown

    def recalled(self, notes: Iterable[Line]) -> Transcript:
        """With notes for the newest line: they stand before it, as in a training example."""
        return Transcript((*self.lines[:-1], *notes, *self.lines[-1:]))

    def replaced(self, message_id: int, text: str) -> Transcript:
        """With another text for a message's line; a message that is not here changes nothing."""
        return Transcript(
            tuple(
                replace(line, turn=replace(line.turn, text=text))
                if line.message_id == message_id and not isinstance(line.turn, Note)
                else line
                for line in self.lines
            )
        )

    def without(self, message_ids: Collection[int]) -> Transcript:
        """Without the lines and notes of these messages."""
        if not message_ids or self.message_ids.isdisjoint(message_ids):
            return self
        return Transcript(tuple(x for x in self.lines if x.message_id not in message_ids))

    @property
    def last_own_id(self) -> int:
        """The message id of the persona's last line; 0 where it said nothing."""
        own = (line.message_id for line in reversed(self.lines) if isinstance(line.turn, Own))
        return next(own, None) or 0

    def without_oldest(self, count: int) -> Transcript:
        """Without its `count` oldest lines."""
        return Transcript(self.lines[count:]) if count else self

    def without_oldest_turns(self, count: int) -> Transcript:
        """Without the lines of its `count` oldest turns."""
        begins = [
            at
            for at, line in enumerate(self.lines)
            if not (at and isinstance(line.turn, Own) and line.goes_on(self.lines[at - 1]))
        ]
        return self.without_oldest([*begins, len(self.lines)][count])


def line_of(turn: Turn, record: MessageRecord) -> Line:
    """The line of a message: `turn` is how it is shown."""
    author_id = None if isinstance(turn, Own) else record.author_id
    is_reply = record.reply_to_id is not None
    return Line(turn, record.message_id, record.created_at_ms, author_id, is_reply)


def names_in(turns: Iterable[Turn]) -> tuple[str, ...]:
    """Everyone but the persona who speaks, in order of appearance, none twice."""
    return tuple(dict.fromkeys(turn.name for turn in turns if isinstance(turn, Said)))


def role_of(turn: Turn) -> str:
    """How the table names a turn: said, own or note."""
    match turn:
        case Said():
            return "said"
        case Own():
            return "own"
        case Note():
            return "note"


def turn_from(role: str, name: str, text: str) -> Turn:
    """The inverse of `role_of`, for a row of the table. Raises ValueError on an unknown role."""
    match role:
        case "said":
            return Said(name, text)
        case "own":
            return Own(text)
        case "note":
            return Note(text)
    raise ValueError(f"conversation_context holds an unknown role: {role!r}")

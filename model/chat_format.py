"""The one renderer of training, evaluation and serving: a transcript in, segments and tokens out.

The layout, which every model of Mynah is trained on and served with, in ChatML's control tokens
(Llama 3 and Gemma 3 have others, `LAYOUTS`; a model's own vocabulary says which, `layout_of`):

    <|im_start|>system
    {persona}<|im_end|>
    <|im_start|>user
    mira: anyone up for the raid?
    bob: what time
      not nine please
    * memory: mira on 3 May 2025: "never again before nine"
    <|im_end|>
    <|im_start|>assistant
    nine works for me<|im_end|>
    <|im_start|>user
    ...

It is append-only: a later line only ever adds tokens at the end, so an engine may evaluate a
channel while people talk. Others' lines carry their names; the persona's own lines are assistant
turns without a name. A line that goes on directly behind one of the same name has two spaces in the
name's place, as a line break inside a message has. Nobody's words can become a control token (text
is tokenised as text, always) or somebody else's line.

Pure functions on frozen values; any thread.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from storage.errors import MynahError

MAX_NAME_CHARS = 32
GOES_ON_MS = 120_000
"""Whoever writes again so soon, with nobody between, goes on: one line to read, or one reply."""
INDENT = "  "
CONTINUATION = f"\n{INDENT}"
NOTE_PREFIX = "* memory: "
PERSONA_END = "\n\n"
"""Between the persona and the first line, where they share a turn."""

_SPACE = re.compile(r"\s+")
_PLAIN_NAME = re.compile(rf"[\w.|^`\[\]{{}}-]{{1,{MAX_NAME_CHARS}}}", re.ASCII)
"""A name that is clean already; most are."""
_COLON = re.compile("[:\uff1a\ufe13\ufe55]")
"""The colon, and those that Unicode calls the same."""
SPEAKER = re.compile(rf"^[ \t]*([^\s:][^:\n]{{0,{MAX_NAME_CHARS - 1}}}):(?=\s|$)", re.MULTILINE)
"""A line that begins as somebody's line does; group 1 is the name."""


@dataclass(frozen=True)
class Said:
    """A line of somebody else's."""

    name: str
    text: str
    goes_on: bool = False
    """Said soon after (`GOES_ON_MS`) the line before it by the same member, who explicitly replied
    to nothing else. Behind anything but a line of that name it is a line like any other."""


@dataclass(frozen=True)
class Own:
    """A line the persona said itself."""

    text: str


@dataclass(frozen=True)
class Note:
    """Something remembered, inline where it was recalled."""

    text: str


Turn = Said | Own | Note

NOT_SHARED = Said("someone", "[not shared]")
"""Stands in a training example where somebody spoke who may not be learned from. Never a reply to
learn, and nothing that the model is shown when it answers."""


def turns_to_json(turns: Iterable[Turn]) -> list[list[str | bool]]:
    """Turns as they stand in a dataset's lines: ["said", name, text], or ["said", name, text, true]
    where it goes on; ["own", text]; ["note", text]."""
    rows: list[list[str | bool]] = []
    for turn in turns:
        if isinstance(turn, Said):
            rows.append(["said", turn.name, turn.text, *([True] if turn.goes_on else [])])
        else:
            rows.append(["own" if isinstance(turn, Own) else "note", turn.text])
    return rows


def turns_from_json(rows: Iterable[Sequence[str | bool]]) -> list[Turn]:
    """The inverse of `turns_to_json`. Raises ValueError on a row of another shape."""
    turns: list[Turn] = []
    for row in rows:
        match list(row):
            case ["said", str(name), str(text)]:
                turns.append(Said(name, text))
            case ["said", str(name), str(text), True]:
                turns.append(Said(name, text, goes_on=True))
            case ["own", str(text)]:
                turns.append(Own(text))
            case ["note", str(text)]:
                turns.append(Note(text))
            case _:
                raise ValueError(f"not a turn: {row!r}")
    return turns


@dataclass(frozen=True)
class Segment:
    """A piece of a rendered prompt. `control` pieces are one control token; others are plain
    text."""

    text: str
    control: bool = False
    learned: bool = False
    """Whether a training example takes its loss here (the reply and the token that ends it)."""


@dataclass(frozen=True)
class ChatLayout:
    """The control tokens of one model family, and what stands between them."""

    name: str
    """Recorded with what was trained in it; its number is raised when the layout changes."""
    start: str
    """Begins a turn's header."""
    end: str
    """Ends a turn, and with it a reply."""
    begin: str = ""
    """Stands in front of everything, once."""
    header_end: str = ""
    """Behind the role, where that is a control token."""
    after_header: str = "\n"
    after_end: str = "\n"
    system_role: str = "system"
    """"" where there is none: the persona then begins the first user turn, a blank line before the
    first line, as Google's template for Gemma has it."""
    user_role: str = "user"
    own_role: str = "assistant"

    @property
    def controls(self) -> tuple[str, ...]:
        """The control tokens that a vocabulary has to have."""
        return tuple(
            token for token in (self.begin, self.start, self.header_end, self.end) if token
        )


CHATML = ChatLayout("chatml/1", start="<|im_start|>", end="<|im_end|>")
"""Qwen, and Mynah's demo base."""
LLAMA3 = ChatLayout(
    "llama3/1",
    start="<|start_header_id|>",
    end="<|eot_id|>",
    begin="<|begin_of_text|>",
    header_end="<|end_header_id|>",
    after_header="\n\n",
    after_end="",
)
GEMMA3 = ChatLayout(
    "gemma3/1",
    start="<start_of_turn>",
    end="<end_of_turn>",
    begin="<bos>",
    system_role="",
    own_role="model",
)
LAYOUTS = (CHATML, LLAMA3, GEMMA3)
"""The first whose control tokens a vocabulary has is its model's."""

MARKS = tuple(mark for layout in LAYOUTS for mark in layout.controls)
"""Control tokens as words: nobody's reply has any."""


class LayoutError(MynahError):
    """The model's vocabulary lacks a control token of the chat layout."""


class Tokenizer(Protocol):
    """What the renderer needs of a tokenizer; see `model/tokenizers.py` for the two there are."""

    def control_id(self, token: str) -> int:
        """The id of a control token. Raises LayoutError where there is none of that name."""

    def text_ids(self, text: str) -> list[int]:
        """The ids of plain text: never a control token, no token added in front or behind."""


def layout_of(tokenizer: Tokenizer) -> ChatLayout:
    """The layout of the model that a tokenizer belongs to: the first of `LAYOUTS` whose control
    tokens it has. Raises LayoutError where that is none."""
    for layout in LAYOUTS:
        if has_controls(tokenizer, layout):
            return layout
    raise LayoutError(
        f"this model does not use the chat layout that Mynah trains: {CHATML.start} is missing "
        "from its vocabulary, and so are the control tokens of Llama 3 and Gemma 3; choose one of "
        "these families, or a model with ChatML such as Qwen2.5"
    )


def has_controls(tokenizer: Tokenizer, layout: ChatLayout) -> bool:
    """Whether the vocabulary has all control tokens of the layout."""
    try:
        for token in layout.controls:
            tokenizer.control_id(token)
    except LayoutError:
        return False
    return True


def persona_text(template: str, *, name: str, server: str) -> str:
    """The persona with {name} and {server} filled in; any other brace stays as it was written."""
    return template.replace("{name}", name).replace("{server}", server)


def clean_name(name: str) -> str:
    """A display name as it stands before a line: composed (NFC), one line, at most 32 characters.

    It holds no colon and nothing unseen, and does not begin as a memory note or a heading does.
    """
    if _PLAIN_NAME.fullmatch(name):
        return name
    seen = unicodedata.normalize("NFC", _without_unseen(name))
    cleaned = _SPACE.sub(" ", _COLON.sub(" ", seen)).strip().lstrip("*# ")
    return cleaned[:MAX_NAME_CHARS].strip() or "someone"


def folded(text: str) -> str:
    """For comparing: in any case, spelling of the same characters (NFKC) and without the unseen."""
    if text.isascii():
        return text.casefold()
    return unicodedata.normalize("NFKC", _without_unseen(text)).casefold()


def clean_text(text: str) -> str:
    """A message as it stands in the transcript: its line breaks can start nobody's line."""
    return _joined(CONTINUATION, text)


def goes_on(turn: Turn, before: Turn | None) -> bool:
    """Whether the turn is rendered as going on the one before it: a line of the same name."""
    return (
        isinstance(turn, Said)
        and turn.goes_on
        and isinstance(before, Said)
        and clean_name(before.name) == clean_name(turn.name)
    )


def line(turn: Said | Note, before: Turn | None = None) -> str:
    """One line of a user turn, behind the turn before it; it ends in a line break."""
    if isinstance(turn, Note):
        return f"{NOTE_PREFIX}{_joined(' ', turn.text)}\n"
    if goes_on(turn, before):
        return f"{INDENT}{clean_text(turn.text)}\n"
    return f"{clean_name(turn.name)}: {clean_text(turn.text)}\n"


def render(persona: str, turns: Sequence[Turn], *, layout: ChatLayout = CHATML) -> list[Segment]:
    """The transcript so far, its last user turn left open. A prefix of every later rendering."""
    segments, user_turn_open = _opening(persona, layout), not layout.system_role
    before: Turn | None = None
    for turn in turns:
        if isinstance(turn, Own):
            if user_turn_open:
                segments += _close(layout)
            segments += _header(layout, layout.own_role)
            segments.append(Segment(turn.text.strip()))
            segments += _close(layout)
        else:
            if before is None and user_turn_open:
                segments.append(Segment(PERSONA_END))
            elif not user_turn_open:
                segments += _header(layout, layout.user_role)
            segments.append(Segment(line(turn, before)))
        user_turn_open, before = not isinstance(turn, Own), turn
    return segments


def render_ask(
    persona: str, turns: Sequence[Turn], *, layout: ChatLayout = CHATML
) -> list[Segment]:
    """The whole prompt of a reply: the transcript, closed, and the header of the persona's turn."""
    segments = render(persona, turns, layout=layout)
    if not isinstance(turns[-1], Own) if turns else not layout.system_role:
        segments += _close(layout)
    return segments + _header(layout, layout.own_role)


def render_example(
    persona: str, turns: Sequence[Turn], reply: str, *, layout: ChatLayout = CHATML
) -> list[Segment]:
    """A training example: the prompt of a reply and the reply, the reply alone marked as
    learned."""
    return [
        *render_ask(persona, turns, layout=layout),
        Segment(reply.strip(), learned=True),
        Segment(layout.end, control=True, learned=True),
        *_close(layout)[1:],
    ]


def encode(segments: Iterable[Segment], tokenizer: Tokenizer) -> tuple[list[int], list[bool]]:
    """Token ids and, for each, whether it is learned. Text segments are encoded one by one."""
    ids: list[int] = []
    learned: list[bool] = []
    for segment in segments:
        new = (
            [tokenizer.control_id(segment.text)]
            if segment.control
            else tokenizer.text_ids(segment.text)
        )
        ids += new
        learned += [segment.learned] * len(new)
    return ids, learned


def as_text(segments: Iterable[Segment]) -> str:
    """What a person reads; never feed this to a tokenizer that parses control tokens."""
    return "".join(segment.text for segment in segments)


def cut_to_own_words(draft: str, names: Iterable[str]) -> str:
    """The draft up to where it would speak for somebody else, a memory note or a control token (of
    any layout).

    `names` are the speakers in view; a line that begins with one of them and a colon ends the
    draft, the first line too (what is left may be empty).
    """
    ends = [draft.find(mark) for mark in (*MARKS, NOTE_PREFIX.strip())]
    if ":" in draft:
        known = {folded(clean_name(name)) for name in names}
        ends += [m.start() for m in SPEAKER.finditer(draft) if folded(m[1]).strip() in known]
    found = [end for end in ends if end >= 0]
    return draft[: min(found)].strip() if found else draft.strip()


def _joined(between: str, text: str) -> str:
    """The lines of a text that hold anything, without blanks around them. Not by a pattern: over a
    long row of blanks that takes the square of its length."""
    text = text.strip()
    lines = text.splitlines()
    return between.join(line for line in map(str.strip, lines) if line) if len(lines) > 1 else text


def _without_unseen(text: str) -> str:
    """Without format characters: joiners, zero-width spaces, direction marks (category Cf)."""
    if text.isascii():
        return text
    return "".join(char for char in text if unicodedata.category(char) != "Cf")


def _opening(persona: str, layout: ChatLayout) -> list[Segment]:
    """Who the model is: a system turn, or an open user turn where the layout has none."""
    begin = [Segment(layout.begin, control=True)] if layout.begin else []
    if layout.system_role:
        return begin + _header(layout, layout.system_role, persona.strip()) + _close(layout)
    return begin + _header(layout, layout.user_role, persona.strip())


def _header(layout: ChatLayout, role: str, text: str = "") -> list[Segment]:
    """What begins a turn, and the text behind it in one piece with what ends the header."""
    start, end = Segment(layout.start, control=True), Segment(layout.header_end, control=True)
    if not layout.header_end:
        return [start, Segment(f"{role}{layout.after_header}{text}")]
    return [start, Segment(role), end, Segment(f"{layout.after_header}{text}")]


def _close(layout: ChatLayout) -> list[Segment]:
    behind = [Segment(layout.after_end)] if layout.after_end else []
    return [Segment(layout.end, control=True), *behind]

"""Reads a persona file: markdown with front matter, written by whoever owns the server.

    ---
    name: Night owl                     what it is called in lists
    channels: [tavern, 81384788765712]  where it speaks, by name or id, threads too; all: everywhere
    cares_about: [retro games, cats]    brings it into a talk unasked
    dislikes: [spoilers]
    quiet_hours: 08:00-17:30            speaks then only when addressed; several with commas
    with_style: yes                     how people write here follows (the style card)
    examples:
      - said: anyone awake?
        answer: define awake
      - it is only two, go to bed? no
    ---
    You are {name}, the night owl of {server}. ...

Each key may be left out, the whole front matter too; without a text below it the voice stays what
it would be. Pure but for `read_persona_file`; any thread.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.front_matter import FrontMatter, FrontMatterError, Node, is_empty, is_text
from storage.errors import MynahError
from storage.quiet_hours import FORM, parse_hours
from storage.settings import find

MOST_BYTES = 65_536
_EVERYWHERE = "all"
_YES, _NO = ("yes", "true", "on"), ("no", "false", "off", "")


class PersonaFileError(MynahError):
    """A persona file cannot be used; the sentence names its line where one is to blame."""


@dataclass(frozen=True)
class Cares:
    """What decides when a persona speaks unasked."""

    cares_about: tuple[str, ...] = ()
    """Words and short phrases, as they were written."""
    dislikes: tuple[str, ...] = ()
    quiet_hours: str = ""
    """As the setting of that name: "23:00-07:30", several with commas; "": none."""


@dataclass(frozen=True)
class PersonaFile:
    """One file, as it was written: {name} and {server} stand in it still."""

    stem: str
    """The file's name without its .md."""
    name: str = ""
    voice: str = ""
    """The text below the front matter."""
    channels: tuple[str, ...] = ()
    """Names (case-folded) and ids."""
    cares: Cares = Cares()
    examples: tuple[tuple[str, str], ...] = ()
    """(what somebody says or "", what it says)."""
    with_style: bool = False
    warnings: tuple[str, ...] = ()
    """Sentences on what stands in the file and counts nowhere."""

    def nearness(self, channel_id: int, name: str, parent_id: int | None, parent: str) -> int:
        """How closely it names a channel: 3 itself, 2 its parent, 1 all channels, 0 not at all."""
        named = set(self.channels)
        if named & {str(channel_id), name.casefold()}:
            return 3
        if parent_id is not None and named & {str(parent_id), parent.casefold()}:
            return 2
        return int(_EVERYWHERE in named)


def read_persona_file(path: Path) -> PersonaFile:
    """Blocking. Raises PersonaFileError."""
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise PersonaFileError(f"{path.name} cannot be read ({why}); who may read it?") from error
    if len(raw) > MOST_BYTES:
        most = f"{MOST_BYTES // 1024} KB"
        raise PersonaFileError(f"{path.name} is longer than {most}; a model reads far less of it.")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise PersonaFileError(
            f"{path.name}, line {line}: this is not UTF-8; save the file in that encoding."
        ) from None
    return parse_persona_file(path.stem, text)


def parse_persona_file(stem: str, text: str) -> PersonaFile:
    """The persona that a file's text gives. Raises PersonaFileError."""
    try:
        front = FrontMatter(f"{stem}.md", text)
        if not (front.keys or front.body):  # half written, or all that a full disk took
            raise PersonaFileError(f"{stem}.md is empty; write in it how the persona speaks.")
        return _made(stem, front)
    except FrontMatterError as error:
        raise PersonaFileError(str(error)) from None


def _made(stem: str, front: FrontMatter) -> PersonaFile:
    readers: Mapping[str, Callable[[Node], Any]] = {
        "name": lambda node: front.line(node, 60),
        "channels": lambda node: tuple(map(_channel, front.entries(node, 100, 100))),
        "cares_about": lambda node: front.entries(node, 20, 60),
        "dislikes": lambda node: front.entries(node, 20, 60),
        "quiet_hours": lambda node: _quiet_hours(front, node),
        "with_style": lambda node: _switch(front, node),
        "examples": lambda node: front.each(node, 30, lambda one: _example(front, one)),
    }
    found = {key: read(front.keys[key]) for key, read in readers.items() if key in front.keys}
    of_cares = [key for key in ("cares_about", "dislikes", "quiet_hours") if key in found]
    return PersonaFile(
        stem,
        voice=front.bounded(front.body_line, front.body, int(find("persona").high or 0)),
        cares=Cares(**{key: found.pop(key) for key in of_cares}),
        warnings=tuple(_warnings(front, tuple(readers))),
        **found,
    )


def _warnings(front: FrontMatter, known: tuple[str, ...]) -> Iterator[str]:
    for name, node in front.keys.items():
        where = front.place(node.start_mark.line)
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}."
            yield f'{where}: "{name}" counts nowhere; {hint}'
        elif is_empty(node):
            yield f"{where}: {name} is empty; a # begins a comment, so #general belongs in quotes."


def _channel(written: str) -> str:
    return written.strip("<>").removeprefix("#").casefold()


def _quiet_hours(front: FrontMatter, node: Node) -> str:
    text = ", ".join(front.entries(node, 20, 60))
    if parse_hours(text) is None:
        raise front.error(node.start_mark.line, f'quiet_hours are {FORM}; "{text}" is not')
    return text


def _switch(front: FrontMatter, node: Node) -> bool:
    text = front.line(node, 60).lower()
    if text not in (*_YES, *_NO):
        raise front.error(node.start_mark.line, f'with_style is yes or no; "{text}" is not')
    return text in _YES


def _example(front: FrontMatter, node: Node) -> tuple[str, str]:
    if is_text(node):
        return "", front.text(node, 300)
    what = "an example is a text, or said and answer; a text with a colon belongs in quotes"
    keys = front.mapping(node, what)
    if set(keys) != {"said", "answer"}:
        raise front.error(node.start_mark.line, what)
    return front.text(keys["said"], 300), front.text(keys["answer"], 300)

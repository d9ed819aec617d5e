"""Reads the front matter of a markdown file: YAML between two lines of three dashes.

Every value is taken as the text that stands there, whatever YAML would make of it (`no`, `2025`,
`1:30`), within bounds. Anchors, aliases and tags are refused and lists may not be deep, so that a
small file stays small. Every error names file and line. Pure; any thread.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

import yaml

from storage.errors import MynahError

MOST_DEPTH = 4
"""A text in a mapping in a list in the front matter."""
MOST_KEY = 60
"""Characters."""
_DASHES = re.compile(r"---[ \t]*")
_CONTROL = re.compile(r"[\0-\x08\x0b-\x1f\x7f]")

Node = yaml.nodes.Node
Value = TypeVar("Value")


class FrontMatterError(MynahError):
    """A file cannot be used; the sentence names its line."""


class FrontMatter:
    """One file's, and what stands below it."""

    def __init__(self, file_name: str, text: str) -> None:
        """`file_name` is for the sentences. Raises FrontMatterError."""
        self._file_name = file_name
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        if found := _CONTROL.search(text):
            line = text[: found.start()].count("\n")
            raise self.error(line, "a character that no text has; save the file as plain text")
        front, body, self.body_line = _split(text)
        if front is None:
            raise self.error(self.body_line, "the front matter has no end: a line of three dashes")
        self.body = body.strip()
        self.keys = self._compose(front)
        """Name -> the node of its value."""

    def error(self, line: int, what: str) -> FrontMatterError:
        """`line` counts from 0, as YAML's marks do."""
        return FrontMatterError(f"{self.place(line)}: {what}.")

    def place(self, line: int) -> str:
        return f"{self._file_name}, line {line + 1}"

    def line(self, node: Node, most: int) -> str:
        """A text of `most` characters in one line; "" where nothing stands."""
        if not isinstance(node, yaml.ScalarNode):
            raise self.error(_at(node), "a text is wanted here, not a list")
        text = "" if is_empty(node) else " ".join(str(node.value).split())
        return self.bounded(_at(node), text, most)

    def text(self, node: Node, most: int) -> str:
        """A text that may have several lines, and is not empty."""
        self.entry(node, MOST_DEPTH * most)  # blanks between its words count there
        return self.bounded(_at(node), str(node.value).strip(), most)

    def entry(self, node: Node, most: int) -> str:
        """One line that is not empty."""
        if text := self.line(node, most):
            return text
        hint = "a # begins a comment, so a text with one belongs in quotes"
        raise self.error(_at(node), f"an entry is empty; {hint}")

    def each(self, node: Node, most: int, read: Callable[[Node], Value]) -> tuple[Value, ...]:
        """Of a list of `most` entries, or of the one thing that stands in its place."""
        if is_text(node) and not node.value.strip():
            return ()
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        if len(nodes) > most:
            raise self.error(_at(nodes[most]), f"more than {most} are too many; leave some out")
        return tuple(read(one) for one in nodes)

    def entries(self, node: Node, most: int, characters: int) -> tuple[str, ...]:
        return self.each(node, most, lambda one: self.entry(one, characters))

    def mapping(self, node: Node, what: str) -> dict[str, Node]:
        """`what` says what is wanted where there is something else."""
        if not isinstance(node, yaml.MappingNode):
            raise self.error(_at(node), what)
        found: dict[str, Node] = {}
        for key, value in node.value:
            name = self.line(key, MOST_KEY)
            if name in found:
                raise self.error(_at(key), f"{name} is there twice; leave one out")
            found[name] = value
        return found

    def bounded(self, line: int, text: str, most: int) -> str:
        if len(text) > most:
            raise self.error(line, f"{len(text):,} characters, of {most:,} at most; shorten it")
        return text

    def _compose(self, front: str) -> dict[str, Node]:
        try:
            node = _Composer(front, self.error).get_single_node()
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line if error.problem_mark is not None else 0
            hint = "is a bracket or quote missing, or a text with a colon that belongs in quotes"
            raise self.error(line, f"this is no YAML ({error.problem}); {hint}") from None
        except yaml.YAMLError:
            raise self.error(0, "a character in the front matter is none that YAML takes") from None
        if node is None or is_empty(node):
            return {}
        return self.mapping(node, "keys and their values are wanted here, such as name: Owl")


class _Composer(yaml.SafeLoader):
    """YAML's nodes, with nothing made of them; without what could make a small file large."""

    def __init__(self, text: str, error: Callable[[int, str], FrontMatterError]) -> None:
        super().__init__(text)
        self._error = error
        self._depth = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line
        if isinstance(event, yaml.AliasEvent) or event.anchor or event.tag:
            raise self._error(line, "a text that begins with &, * or ! belongs in quotes")
        if self._depth == MOST_DEPTH:
            raise self._error(line, "nothing is that deep here; a text with { or [ needs quotes")
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


def is_empty(node: Node) -> bool:
    """Whether nothing stands there."""
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def is_text(node: Node) -> bool:
    """Whether neither a list nor keys with values stand there."""
    return isinstance(node, yaml.ScalarNode)


def _split(text: str) -> tuple[str | None, str, int]:
    """Front matter (None: it has no end), what stands below it, and in which line that begins.

    The front matter begins the file, but for empty lines.
    """
    lines = text.split("\n")
    begin = next((at for at, line in enumerate(lines) if line.strip()), 0)
    if not _DASHES.fullmatch(lines[begin]):
        return "", text, begin
    for end in range(begin + 1, len(lines)):
        if _DASHES.fullmatch(lines[end]):
            # What stands before is replaced by empty lines: YAML's lines are then the file's.
            front = "\n" * (begin + 1) + "\n".join(lines[begin + 1 : end])
            return front, "\n".join(lines[end + 1 :]), end + 1
    return None, "", begin


def _at(node: Node) -> int:
    return node.start_mark.line

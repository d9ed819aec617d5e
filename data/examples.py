"""One training example, and its line in a JSONL file.

"persona", "turns" and "reply" are the truth, which model/chat_format.py renders; "messages" is the
same in the standard chat form, for other tools to read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from model.chat_format import Own, Turn, line, turns_from_json, turns_to_json
from storage.errors import MynahError

LAYOUT = 3
"""Of a set's lines, named in its manifest. 2: `source_ids` leaves out what is not shown. 3: what
one speaker says in a row is one; `reply_ids`."""


class ExampleError(MynahError):
    """A line of a training set that is no example; the sentence names the file and line."""


@dataclass(frozen=True)
class Example:
    """What was said in a channel, and the reply that one of its members gave."""

    example_id: str
    """The id of the reply's last message, as text."""
    persona: str
    turns: tuple[Turn, ...]
    reply: str
    target_author_id: int
    source_ids: tuple[int, ...]
    """Every message whose words are in it: notes, context, the reply last. Of the turns, only
    `model.chat_format.NOT_SHARED` has none. Forgetting one forgets the example."""
    channel_id: int
    conversation_id: int
    tokens: int = 0
    """Of the whole rendering, by the tokenizer that it was made with."""
    learned_tokens: int = 0
    """Of the reply and the token that ends it."""
    reply_ids: tuple[int, ...] = ()
    """The messages that are the reply, the last of `source_ids`: its author's lines in a row."""
    is_draft: bool = False
    """Whether the reply is the persona's own, from a rehearsal: then no message is it. Only among
    preferences (data/own_replies.py)."""


def to_json_line(example: Example) -> str:
    """The example as one line of JSON, its line break included."""
    value = {
        "id": example.example_id,
        "persona": example.persona,
        "turns": turns_to_json(example.turns),
        "reply": example.reply,
        "messages": as_messages(example),
        "source_ids": example.source_ids,
        "target_author_id": example.target_author_id,
        "conversation_id": example.conversation_id,
        "channel_id": example.channel_id,
        "tokens": example.tokens,
        "learned_tokens": example.learned_tokens,
        "reply_ids": example.reply_ids,
    }
    return json.dumps(value, ensure_ascii=False) + "\n"


def from_json_line(text: str) -> Example:
    """The inverse of `to_json_line`. Raises ValueError, KeyError or TypeError where it is none."""
    value = json.loads(text)
    return Example(
        str(value["id"]),
        str(value["persona"]),
        tuple(turns_from_json(value["turns"])),
        str(value["reply"]),
        int(value["target_author_id"]),
        tuple(int(i) for i in value["source_ids"]),
        int(value["channel_id"]),
        int(value["conversation_id"]),
        int(value["tokens"]),
        int(value["learned_tokens"]),
        tuple(int(i) for i in value["reply_ids"]),
    )


def read_examples(path: Path) -> Iterator[Example]:
    """The examples of a JSONL file, one at a time. Raises ExampleError, OSError."""
    with path.open(encoding="utf-8") as file:
        for number, text in enumerate(file, start=1):
            try:
                yield from_json_line(text)
            except (ValueError, KeyError, TypeError) as error:
                raise ExampleError(
                    f"Line {number} of {path} is no example ({error}); prepare the set again."
                ) from error


def as_messages(example: Example) -> list[dict[str, str]]:
    """System, user and assistant messages whose contents are those that chat_format renders."""
    messages = [{"role": "system", "content": example.persona.strip()}]
    before: Turn | None = None
    for turn in (*example.turns, Own(example.reply)):
        if isinstance(turn, Own):
            messages.append({"role": "assistant", "content": turn.text.strip()})
        elif messages[-1]["role"] == "user":
            messages[-1]["content"] += line(turn, before)
        else:
            messages.append({"role": "user", "content": line(turn, before)})
        before = turn
    return messages

"""The rows that a model learns from what people liked, and their lines in JSONL files.

    kto_data.jsonl              prompt, completion, label
    preference_data.jsonl       prompt, chosen, rejected
    preference_prompts.jsonl    prompt, chosen: what a model has yet to write a rejected one for

"prompt" is the text as model/chat_format.py renders it, up to where the reply begins; a reply
stands without the token that ends it. The truth beside it is "persona" and "turns", as in an
example: a trainer renders from these, for in a text nobody can tell a control token from somebody
who typed one. "side" says which rows are for measuring alone. "source_ids" name every message whose
words are in a row, "reply_ids" those at their end that are replies, a rejected one's too.

A row of kto_data.jsonl with a "source" holds the persona's own words (data/own_replies.py):
"rehearsal" a draft, which no message is and has no "reply_ids"; "reply" an answer that went out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from data.examples import Example, ExampleError
from model.chat_format import as_text, render_ask, turns_from_json, turns_to_json

KTO = "kto_data.jsonl"
PAIRS = "preference_data.jsonl"
PROMPTS = "preference_prompts.jsonl"
FILES = {"kto": KTO, "preferences": PAIRS, "preference_prompts": PROMPTS}
"""By what a set's manifest calls the number of their lines."""
_REPLY_KEYS = {KTO: "completion", PAIRS: "chosen", PROMPTS: "chosen"}
REHEARSAL, REPLY = "rehearsal", "reply"
LEARNED = (KTO, PAIRS)
"""What a training with preferences learns from."""

Row = dict[str, Any]


def kto_row(example: Example, label: bool, side: str) -> Row:
    """A reply and whether it was well received."""
    return {**_begun(example, side), "completion": example.reply, "label": label, **_rest(example)}


def own_row(example: Example, label: bool, side: str, source: str) -> Row:
    """The persona's own words, and whether they were right there."""
    return {**kto_row(example, label, side), "source": source}


def prompt_row(example: Example, side: str) -> Row:
    """A well received reply, which lacks a worse one."""
    return {**_begun(example, side), "chosen": example.reply, **_rest(example)}


def pair_row(row: Row, worse: Example, likeness: float) -> Row:
    """A prompt's row with a badly received reply from a like context, of whose words the reply
    alone is in it. `likeness` is a cosine, 0 to 1."""
    reply_ids = [*row["reply_ids"], *worse.reply_ids]
    return {
        **_with_rejected(row, worse.reply, worse.learned_tokens),
        "likeness": round(likeness, 3),
        "rejected_author_id": worse.target_author_id,
        "source_ids": [*row["source_ids"], *worse.reply_ids],
        "reply_ids": reply_ids,
    }


def sampled_row(row: Row, rejected: str, tokens: int, model_sha256: str) -> Row:
    """A prompt's row with a reply of `tokens` that a model wrote."""
    return {**_with_rejected(row, rejected, tokens), "sampled_by": model_sha256}


def without_sampled(row: Row) -> Row:
    """The prompt's row that a sampled one was made from."""
    tokens = row["tokens"] - max(row["learned_tokens"], row["rejected_tokens"])
    left = {k: v for k, v in row.items() if k not in ("rejected", "rejected_tokens", "sampled_by")}
    return {**left, "tokens": tokens + row["learned_tokens"]}


def to_line(row: Row) -> str:
    """One line of JSON, its line break included."""
    return json.dumps(row, ensure_ascii=False) + "\n"


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of one of the files, one at a time. Raises ExampleError, OSError."""
    with path.open(encoding="utf-8") as file:
        for number, text in enumerate(file, start=1):
            try:
                row = json.loads(text)
                as_example(row, path.name)
            except (ValueError, KeyError, TypeError) as error:
                raise ExampleError(
                    f"Line {number} of {path} is no preference ({error}); prepare the set again."
                ) from error
            yield row


def as_example(row: Mapping[str, Any], name: str) -> Example:
    """What a row of the file of that name shows, with the ids of all that are replies in it.

    Raises ValueError, KeyError or TypeError where it is no such row.
    """
    reply = row[_REPLY_KEYS[name]]
    texts = [row["prompt"], reply, *([row["rejected"]] if name == PAIRS else [])]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a text is none")
    if name == KTO and not isinstance(row["label"], bool):
        raise TypeError("its label is neither true nor false")
    last = [str(i) for i in row["reply_ids"][-1:]]
    if name == PAIRS and ("sampled_by" in row) == (last != [row["id"]]):
        raise ValueError("it does not say who wrote the rejected reply")
    is_draft = name == KTO and row.get("source") == REHEARSAL
    if is_draft and row["reply_ids"]:
        raise ValueError("it says that somebody said a draft")
    return Example(
        str(row["id"]),
        str(row["persona"]),
        tuple(turns_from_json(row["turns"])),
        reply,
        int(row["target_author_id"]),
        tuple(int(i) for i in row["source_ids"]),
        int(row["channel_id"]),
        int(row["conversation_id"]),
        int(row["tokens"]),
        int(row["learned_tokens"]),
        tuple(int(i) for i in row["reply_ids"]),
        is_draft,
    )


def _begun(example: Example, side: str) -> Row:
    prompt = as_text(render_ask(example.persona, example.turns))
    return {"id": example.example_id, "side": side, "prompt": prompt}


def _rest(example: Example) -> Row:
    return {
        "persona": example.persona,
        "turns": turns_to_json(example.turns),
        "source_ids": list(example.source_ids),
        "reply_ids": list(example.reply_ids),
        "target_author_id": example.target_author_id,
        "channel_id": example.channel_id,
        "conversation_id": example.conversation_id,
        "tokens": example.tokens,
        "learned_tokens": example.learned_tokens,
    }


def _with_rejected(row: Row, rejected: str, tokens: int) -> Row:
    """`tokens` counts the longer of the two."""
    own = row["learned_tokens"]
    return {
        **{key: value for key, value in row.items() if key in ("id", "side", "prompt", "chosen")},
        "rejected": rejected,
        **row,
        "tokens": row["tokens"] - own + max(own, tokens),
        "rejected_tokens": tokens,
    }

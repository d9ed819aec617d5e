"""What a model server gets of a transcript: messages, their size estimated. Pure; any thread."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from model.chat_format import Own, Turn, line

_SILENCE = "..."
"""Where a chat template wants somebody else's words and there are none."""
_CONTROL = re.compile(
    r"<(?=[|\uff5c][^<>\n]{1,40}[|\uff5c]>)"
    r"|<(?=/?(?:s|bos|eos|pad|unk|think|start_of_turn|end_of_turn)>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT)\])"
)
"""What begins as a control token of some model family does."""


class EstimatingTokenizer:
    """Counts tokens too high rather than too low: the server's own tokenizer is not known.

    A token of English is about four characters; here three make one, and two bytes of anything
    beyond ASCII (a Chinese character is then 1.5 tokens, an emoji 2). The ids mean nothing.
    """

    def control_id(self, token: str) -> int:
        return 0

    def text_ids(self, text: str) -> list[int]:
        size = len(text.encode("utf-8", "replace"))
        plain = sum(char < "\x80" for char in text)
        return [0] * (math.ceil(plain / 3) + math.ceil((size - plain) / 2))


def messages(persona: str, turns: Sequence[Turn]) -> list[dict[str, str]]:
    """The transcript as a chat template takes it: system, then user and assistant in turns, from
    user to user.

    Lines are those of `chat_format`, their line breaks included, so nobody can write somebody
    else's, and a later line only adds to the end: a server's prefix cache serves.
    """
    spoken: list[dict[str, str]] = []
    before: Turn | None = None
    for turn in turns:
        role = "assistant" if isinstance(turn, Own) else "user"
        text = turn.text.strip() if isinstance(turn, Own) else line(turn, before)
        before = turn
        text = _as_words(text)
        if spoken and spoken[-1]["role"] == role:
            between = "\n" if role == "assistant" else ""
            spoken[-1]["content"] += f"{between}{text}"
        else:
            spoken.append({"role": role, "content": text})
    if not spoken or spoken[0]["role"] == "assistant":
        spoken.insert(0, {"role": "user", "content": _SILENCE})
    if spoken[-1]["role"] == "assistant":
        spoken.append({"role": "user", "content": _SILENCE})
    return [{"role": "system", "content": _as_words(persona.strip())}, *spoken]


def _as_words(text: str) -> str:
    """With blanks in what looks like a control token: a server finds those in words as well, and a
    persona may quote members."""
    return _CONTROL.sub(r"\g<0> ", text)

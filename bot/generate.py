"""Generates a draft: asks the engine, which computes in its own thread, as the settings say; or a
model server, which gets the words in place of the tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from bot.messages import Draft, Prompt
from model.chat_format import clean_name, layout_of
from model.inference import Engine, Sampling, StoppedBy
from model.remote_engine import RemoteEngine
from storage.settings import Settings

Writer: TypeAlias = Engine | RemoteEngine
"""Whoever writes the replies; both are used alike everywhere but here."""


async def generate(
    engine: Writer,
    prompt: Prompt,
    settings: Settings,
    seed: int,
    *,
    deadline_s: float | None = None,
    is_wanted: Callable[[], bool] | None = None,
    on_text: Callable[[str], None] | None = None,
) -> Draft:
    """One draft. It ends at the end of the turn, or where somebody else's line would begin.

    At `deadline_s` (time.monotonic()) it ends with the last whole word; `is_wanted` is asked, maybe
    on another thread, when its turn comes. `on_text` gets each new piece, as written and unguarded.
    Raises EngineError; the event loop is free meanwhile.
    """
    stop_texts = [f"\n{clean_name(name)}:" for name in prompt.names]
    if isinstance(engine, RemoteEngine):
        made = await engine.generate(
            prompt.persona,
            prompt.turns,
            sampling=sampling(settings, seed),
            stop_texts=stop_texts,
            deadline_s=deadline_s,
            is_wanted=is_wanted,
            on_text=on_text,
        )
    else:
        made = await engine.generate(
            prompt.ids,
            key=prompt.key,
            sampling=sampling(settings, seed),
            stop_ids=[engine.tokenizer.control_id(layout_of(engine.tokenizer).end)],
            stop_texts=stop_texts,
            deadline_s=deadline_s,
            is_wanted=is_wanted,
            on_text=on_text,
        )
    text = _whole_words(made.text) if made.stopped_by is StoppedBy.TIME else made.text
    return Draft(text, seed, made.evaluated_tokens, made.reply_tokens, made.stopped_by)


def _whole_words(text: str) -> str:
    """Without what may be half a word at its end."""
    words = text.rsplit(maxsplit=1)
    return words[0] if len(words) == 2 and not text[-1:].isspace() else text


def sampling(settings: Settings, seed: int) -> Sampling:
    """How the settings want words chosen."""
    return Sampling(
        temperature=settings.number("temperature"),
        top_p=settings.number("top_p"),
        top_k=settings.whole("top_k"),
        min_p=settings.number("min_p"),
        repeat_penalty=settings.number("repeat_penalty"),
        max_tokens=settings.whole("max_reply_tokens"),
        seed=seed,
    )

"""Resolves the persona: the text that every prompt begins with, in training and in serving.

The first that there is:

1. what somebody wrote into the setting `persona`
2. for a model that was tuned here, the text that it was trained with
3. the setting's default and the style card's voice; for a model that was not tuned here, typical
   exchanges besides

Pure but for `training_persona`; any thread.
"""

from __future__ import annotations

from collections.abc import Sequence

from data.style.card import read_style_card
from data.style.exchanges import Exchange
from model.chat_format import persona_text
from model.served_as import ServedAs
from storage.paths import Home
from storage.settings import Settings, find

LEAST_EXAMPLE_TOKENS = 512
"""Examples that may not be as long have no room for a voice beside the talk."""


def training_persona(
    home: Home, settings: Settings, *, name: str, server: str, max_tokens: int = 1024
) -> str:
    """The persona that a model is trained with, names filled in, in examples of `max_tokens` at
    most. Reads the style card that is kept."""
    default = filled_in(settings, name=name, server=server)
    if is_written(settings) or max_tokens < LEAST_EXAMPLE_TOKENS:
        return default
    card = read_style_card(home)
    return _with(default, card.learned_voice if card is not None else "")


def serving_persona(
    settings: Settings,
    *,
    name: str,
    server: str,
    voice: str = "",
    exchanges: Sequence[Exchange] = (),
    served: ServedAs | None = None,
) -> str:
    """The persona that a model is served with. `served`: with what it was tuned here; None: it
    was not."""
    if is_written(settings):
        return filled_in(settings, name=name, server=server)
    default = filled_in(settings, name=name, server=server)
    if served is not None:
        return served.text(name) or default
    return _with(default, voice, _shown(exchanges, name))


def is_written(settings: Settings) -> bool:
    """Whether somebody wrote a persona of their own."""
    return settings.text("persona") != find("persona").default


def filled_in(settings: Settings, *, name: str, server: str) -> str:
    """The setting `persona` with its names."""
    return persona_text(settings.text("persona"), name=name, server=server)


def _with(text: str, *more: str) -> str:
    return "\n".join(part for part in (text, *more) if part)


def _shown(exchanges: Sequence[Exchange], name: str) -> str:
    """As somebody's line and the persona's answer to it."""
    if not exchanges:
        return ""
    lines = [f"> {one.line}\n{name}: {one.answer}" for one in exchanges]
    return "\n".join(("How people talk here:", *lines))

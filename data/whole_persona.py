"""Resolves the persona: the text that every prompt begins with, in training and in serving.

The first that there is:

1. what a persona file says below its front matter (in serving alone)
2. what somebody wrote into the setting `persona`
3. for a model that was tuned here, the text that it was trained with
4. the setting's default and the style card's voice; for a model that was not tuned here, typical
   exchanges besides

What else a persona file says follows it, and where the file wants that, the card's voice and
exchanges too. Pure but for `training_persona`; any thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from data.persona_file import PersonaFile
from data.style.card import read_style_card
from data.style.exchanges import Exchange
from model.chat_format import clean_text, persona_text
from model.served_as import ServedAs
from storage.paths import Home
from storage.settings import Settings, find

LEAST_EXAMPLE_TOKENS = 512
"""Examples that may not be as long have no room for a voice beside the talk."""
_OF_THE_PLACE = "How people talk here:"
_OF_ITS_OWN = "How you talk:"


@dataclass(frozen=True)
class Piece:
    """A part of a persona that stands or goes as a whole."""

    text: str
    heading: str = ""
    """Stands before the first piece that has it."""


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
    file: PersonaFile | None = None,
) -> list[Piece]:
    """The persona that a model is served with: the first piece always, of the others as many as
    there is room for, the last ones left out. `served`: with what the model was tuned here; None:
    it was not. `file`: the persona file that counts."""
    default = filled_in(settings, name=name, server=server)
    shown = [] if served is not None else [_exchange(one, name) for one in exchanges]
    more: list[Piece] = []
    if is_written(settings):
        first = default
    elif served is not None:
        first = served.text(name) or default
    else:
        first, more = _with(default, voice), shown
    if file is None:
        return [Piece(first), *more]
    if file.voice:
        first = persona_text(file.voice, name=name, server=server)
        more = [Piece(voice), *shown] if file.with_style else []
    pieces = [Piece(first), *_of_the_file(file, name=name, server=server), *more]
    return [piece for piece in pieces if piece.text]


def joined(pieces: Sequence[Piece]) -> str:
    """A line each, each heading once."""
    lines: list[str] = []
    heading = ""
    for piece in pieces:
        if piece.heading and piece.heading != heading:
            lines.append(piece.heading)
        heading = piece.heading
        lines.append(piece.text)
    return "\n".join(lines)


def is_written(settings: Settings) -> bool:
    """Whether somebody wrote a persona of their own."""
    return settings.text("persona") != find("persona").default


def filled_in(settings: Settings, *, name: str, server: str) -> str:
    """The setting `persona` with its names."""
    return persona_text(settings.text("persona"), name=name, server=server)


def _of_the_file(file: PersonaFile, *, name: str, server: str) -> list[Piece]:
    cares = file.cares
    pieces = []
    if cares.cares_about:
        pieces.append(Piece(f"You care about {_listed(cares.cares_about)}."))
    if cares.dislikes:
        pieces.append(Piece(f"You dislike {_listed(cares.dislikes)}."))
    for said, answer in file.examples:
        shown = _shown(said, answer, name)
        pieces.append(Piece(persona_text(shown, name=name, server=server), _OF_ITS_OWN))
    return pieces


def _with(text: str, *more: str) -> str:
    return "\n".join(part for part in (text, *more) if part)


def _exchange(one: Exchange, name: str) -> Piece:
    return Piece(_shown(one.line, one.answer, name), _OF_THE_PLACE)


def _shown(line: str, answer: str, name: str) -> str:
    """As somebody's line, if there is one, and the persona's answer to it."""
    answered = f"{name}: {clean_text(answer)}"
    return f"> {clean_text(line)}\n{answered}" if line else answered


def _listed(entries: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(entries[:-1]), entries[-1]) if part)

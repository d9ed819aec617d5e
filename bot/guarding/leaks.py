"""Cuts a draft where it writes out what is the prompt's: control tokens of any chat format, roles,
memory notes; and finds the persona's own words in it. Pure; any thread."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from bot.guarding.folding import Folded, fold, without
from data.privacy import PLACEHOLDERS
from model.chat_format import NOT_SHARED

PERSONA_WORDS = 8
"""So many words of the persona in a row are no chance."""

_ROLES = "system|assistant|user|human"
_MONTHS = "january|february|march|april|may|june|july|august|september|october|november|december"
_PROMPTS_OWN = re.compile(
    r"<\s?\||\|\s?>(?=\s*(?:system|user|assistant)\b)"  # <|im_start|>
    r"|[<\[|\s]{0,4}\b(?:im_start|im_end|im_sep|endoftext|end_of_text|begin_of_text|eot_id|start_header_id"
    r"|end_header_id|start_of_turn|end_of_turn|begin▁of▁sentence|end▁of▁sentence)\b"
    r"|\[\s?/?\s?inst\s?\]|<\s?<\s?/?\s?sys\b|<\s?/?\s?s\s?>"
    r"|[<\[]\s?/?(?:bos|eos|unk|pad|sep|cls|mask)(?:_token)?\s?[>\]]"
    rf"|<\s?/?(?:{_ROLES}|think(?:ing)?|tool_call|function_call|instructions?|system_prompt)\s?>"
    r"|(?m:^)[\s*_>]*#{2,}\s*(?:(?:instructions?|response)\b"
    r"|(?:input|output|system|assistant|user|human|prompt)[\s*_]*(?::|\n|\Z))"
    rf"|(?m:^)[\s*_>#]*(?:{_ROLES})(?:\s(?:prompt|message|turn))?[\s*_]*:"
    r"|\*\s?memory\s*:"
    rf"|(?m:^)[^\n]{{1,48}}?\s(?:once|on\s\d{{1,2}}\s(?:{_MONTHS})\s\d{{4}})\s*:\s*\""
)
_HINT = re.compile(r"[<\[#*:|]|im_|_id|_of_|endoftext")
_STAND_INS = re.compile("|".join(re.escape(one) for one in (*PLACEHOLDERS, NOT_SHARED.text)), re.I)
_WORD = re.compile(r"\w+")


def without_prompt_marks(text: str) -> str:
    """The text up to the first mark of a prompt."""
    folded = Folded(text)
    if not _HINT.search(folded.folded):
        return text
    found = _PROMPTS_OWN.search(folded.folded)
    if found is None:
        return text
    return text[: folded.places(*found.span())[0]].strip()


def without_stand_ins(text: str) -> str:
    """Without what stands in the prompt for personal data: nobody writes "[email]"."""
    if "[" not in text:
        return text
    return without(text, (m.span() for m in _STAND_INS.finditer(text)))


def gives_persona_away(text: str, persona: str, persona_name: str, in_view: Iterable[str]) -> bool:
    """Whether PERSONA_WORDS words in a row are the persona's and nobody's in view. What it quotes
    of people's talk does not count."""
    words = _words(text)
    if len(words) < PERSONA_WORDS or not persona:
        return False
    own = _rows(persona, persona_name)
    rows = {tuple(words[n : n + PERSONA_WORDS]) for n in range(len(words) - PERSONA_WORDS + 1)}
    told = rows & own
    if not told:
        return False
    view = [f" {' '.join(_words(one))} " for one in in_view]
    return any(all(f" {' '.join(row)} " not in one for one in view) for row in told)


@lru_cache(16)
def _rows(persona: str, persona_name: str) -> frozenset[tuple[str, ...]]:
    """All rows of PERSONA_WORDS words of the persona's own lines."""
    quoted = (">", f"{persona_name}:")
    lines = [line for line in persona.split("\n") if not line.lstrip().startswith(quoted)]
    words = _words("\n".join(lines))
    return frozenset(
        tuple(words[n : n + PERSONA_WORDS]) for n in range(len(words) - PERSONA_WORDS + 1)
    )


def _words(text: str) -> list[str]:
    return _WORD.findall(fold(text))

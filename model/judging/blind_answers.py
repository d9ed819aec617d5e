"""Reads a blind sheet's key and what raters handed in; what cannot count is said in a sentence.

The check of an answers file (FNV-1a, 32 bits, blind.js makes the same) finds damage and edits by
hand. Against a rater who means to deceive nothing helps: who can open the page can answer at will.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.evaluate import EvaluationError
from model.judging.blind import KEY_KIND

KIND = "mynah blind answers"
RUBRIC = ("sounds", "fits", "mind")
"""Sounds like us; fits what was said; would not be minded. Each 1 to 5, 5 the best."""
_MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class Key:
    """Which replies were the model's."""

    sheet: str
    version: str | None
    model_sha256: str
    is_bot: Mapping[str, bool]
    """By item id."""


@dataclass(frozen=True)
class Answer:
    """To one reply."""

    says_bot: bool
    rubric: tuple[int, int, int]
    """As `RUBRIC`."""


@dataclass(frozen=True)
class Rater:
    """What one of them answered, by item id."""

    name: str
    answers: Mapping[str, Answer]


def read_key(path: Path) -> Key:
    """Raises EvaluationError."""
    row = _json(path)
    try:
        if row["kind"] != KEY_KIND:
            raise ValueError(row["kind"])
        is_bot = {str(i): bool(one["is_bot"]) for i, one in row["items"].items()}
        return Key(str(row["sheet"]), row["version"], str(row["model_sha256"]), is_bot)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise EvaluationError(
            f"{path} is no key of a blind sheet: name the key-....json that --blind-sheet told of, "
            "then the files that the raters handed in."
        ) from None


def read_raters(paths: Sequence[Path], key: Key) -> list[Rater]:
    """One a file. Raises EvaluationError with a sentence for each file that cannot count."""
    raters: list[Rater] = []
    problems: list[str] = []
    for path in paths:
        try:
            rater = read_rater(path, key)
            if any(_same(rater.name, one.name) for one in raters):
                raise EvaluationError(
                    f"{path}: {rater.name} handed in twice; name the newer file alone, or have the "
                    "second of that name take another one."
                )
            raters.append(rater)
        except EvaluationError as problem:
            problems.append(str(problem))
    if problems:
        raise EvaluationError("\n".join(problems))
    return raters


def read_rater(path: Path, key: Key) -> Rater:
    """What was saved as a file, or the same text pasted into one. Raises EvaluationError."""
    row = _json(path)
    try:
        kind, sheet, name = row["kind"], str(row["sheet"]), str(row["rater"]).strip()
        given = {str(i): str(answer) for i, answer in row["answers"].items()}
        told = str(row["check"])
    except (KeyError, TypeError, AttributeError):
        kind = None
    if kind != KIND or not name:
        raise EvaluationError(f"{path} holds no answers to a blind sheet: have it handed in again.")
    if sheet != key.sheet:
        raise EvaluationError(
            f"{path} answers another sheet ({sheet}, and the key is of {key.sheet}): name its key."
        )
    unknown = given.keys() - key.is_bot.keys()
    if told != check(sheet, name, given) or unknown or not all(map(_is_answer, given.values())):
        raise EvaluationError(
            f"{path} was changed or damaged since it was handed in, so nothing in it counts: have "
            "it handed in again."
        )
    if not given:
        raise EvaluationError(f"{path}: {name} answered nothing yet.")
    return Rater(name, {i: _answer(text) for i, text in given.items()})


def incomplete(rater: Rater, key: Key) -> str:
    """A sentence where not all is answered, else ""."""
    done, of = len(rater.answers), len(key.is_bot)
    return "" if done == of else f"{rater.name} answered {done} of {of}: those count."


def check(sheet: str, rater: str, answers: Mapping[str, str]) -> str:
    """FNV-1a, 32 bits (Fowler, Noll, Vo), as hexadecimal digits."""
    text = "\n".join([sheet, rater, *(f"{i} {answers[i]}" for i in sorted(answers))])
    total = 0x811C9DC5
    for byte in text.encode("utf-8", "replace"):
        total = (total ^ byte) * 0x01000193 & 0xFFFFFFFF
    return f"{total:08x}"


def _is_answer(text: str) -> bool:
    return len(text) == 4 and text[0] in "bm" and all(digit in "12345" for digit in text[1:])


def _answer(text: str) -> Answer:
    sounds, fits, mind = map(int, text[1:])
    return Answer(text[0] == "b", (sounds, fits, mind))


def _same(name: str, other: str) -> bool:
    return unicodedata.normalize("NFKC", name).casefold() == (
        unicodedata.normalize("NFKC", other).casefold()
    )


def _json(path: Path) -> Any:
    """What lies between a text's first and last brace: a chat puts marks around what is pasted."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError("too long")
        text = path.read_text(encoding="utf-8-sig")
        return json.loads(text[text.index("{") : text.rindex("}") + 1])
    except FileNotFoundError:
        raise EvaluationError(f"There is no file {path}.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise EvaluationError(
            f"{path} cannot be read ({type(error).__name__}): have it sent again."
        ) from error

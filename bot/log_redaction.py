"""Takes secrets, and what looks like one, out of lines; makes exceptions that hold no values."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from storage.errors import MynahError
from storage.paths import PROGRAM_DIR

REDACTED = "[secret]"
SHORTEST = 8
"""A shorter secret is not looked for: it would take ordinary words out."""
MAX_FRAMES = 20
MAX_CAUSES = 5
_NUMBERS = ("errno", "status", "code")

# Discord's: base64 of the id, of the time, an HMAC. Interactions and webhooks carry one in the URL.
_TOKEN_SHAPED = re.compile(
    r"(?<![\w-])(?:[\w-]{23,30}\.[\w-]{6,7}\.[\w-]{25,}|mfa\.[\w-]{20,})", re.ASCII
)
_IN_URL = re.compile(r"(/(?:interactions|webhooks)/\d+/)[^/\s?\"']+")
_BEARER = re.compile(r"\b(Bot|Bearer)\s+[\w.~+/-]{20,}=*", re.ASCII)


class Redaction:
    """What may not stand in a line. Any thread."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: tuple[str, ...] = ()
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str) -> None:
        """From now on `secret` is taken out, too."""
        if len(secret) >= SHORTEST and secret not in self._secrets:
            longest_first = sorted((*self._secrets, secret), key=len, reverse=True)
            self._secrets = tuple(longest_first)

    def clean(self, text: str) -> str:
        """The text with [secret] for each of them."""
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        if "." in text:
            text = _TOKEN_SHAPED.sub(REDACTED, text)
        if "/" in text:
            text = _IN_URL.sub(rf"\1{REDACTED}", text)
        return _BEARER.sub(rf"\1 {REDACTED}", text) if "B" in text else text

    def clean_all(self, value: Any) -> Any:
        """The same for every text in a value made of dicts and lists."""
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, Mapping):
            return {key: self.clean_all(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self.clean_all(one) for one in value]
        return value


def harmless_exception(error: BaseException) -> dict[str, Any]:
    """Type, error numbers and frames of an exception and of what caused it, without its words.

    Only our own expected failures say what they say: their sentences are written for people.
    """
    chain: list[dict[str, Any]] = []
    current: BaseException | None = error
    while current is not None and len(chain) < MAX_CAUSES:
        chain.append(_one(current))
        hidden = None if current.__suppress_context__ else current.__context__
        current = current.__cause__ or hidden
    first = chain[0]
    if len(chain) > 1:
        first["because"] = chain[1:]
    return first


def in_words(told: Mapping[str, Any]) -> str:
    """What `harmless_exception` told, as lines: where, then what, the innermost cause last."""
    lines = []
    for one in [told, *told.get("because", ())]:
        lines += [f"  {frame}" for frame in one["frames"]]
        numbers = [f"{key} {one[key]}" for key in _NUMBERS if key in one]
        lines.append(" ".join([one["type"], *numbers, one.get("says", "")]).strip())
    return "\n".join(lines)


def _one(error: BaseException) -> dict[str, Any]:
    told: dict[str, Any] = {"type": f"{type(error).__module__}.{type(error).__qualname__}"}
    if isinstance(error, MynahError):
        told["says"] = str(error)
    for name in _NUMBERS:
        number = getattr(error, name, None)
        if isinstance(number, int):
            told[name] = number
    frames = traceback.StackSummary.extract(
        traceback.walk_tb(error.__traceback__), lookup_lines=False
    )
    told["frames"] = [
        f"{_short(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames[-MAX_FRAMES:]
    ]
    return told


def _short(file: str) -> str:
    """A path without what lies above the program, or above the packages."""
    path = Path(file)
    if "site-packages" in path.parts:
        return "/".join(path.parts[path.parts.index("site-packages") + 1 :])
    return path.relative_to(PROGRAM_DIR).as_posix() if PROGRAM_DIR in path.parents else path.name

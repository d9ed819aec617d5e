"""What stands for each kind of personal data, and the one way to put it there."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

EMAIL = "[email]"
PHONE = "[phone]"
IP = "[ip]"
CARD = "[card]"
IBAN = "[iban]"
ID = "[id]"
ADDRESS = "[address]"
KEY = "[key]"
PASSWORD = "[password]"
WEBHOOK = "[webhook]"
PLACEHOLDERS = (EMAIL, PHONE, IP, CARD, IBAN, ID, ADDRESS, KEY, PASSWORD, WEBHOOK)


class Noting(Counter[str]):
    """A tally that keeps what was found, too: for the leak audit, in memory alone."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        """Placeholder and what it stands for."""


def note(tally: Counter[str], placeholder: str, found: str) -> None:
    """One more that was replaced."""
    tally[placeholder] += 1
    if isinstance(tally, Noting):
        tally.found.append((placeholder, found))


def replace(
    pattern: re.Pattern[str],
    placeholder: str,
    text: str,
    tally: Counter[str],
    accept: Callable[[re.Match[str]], bool] = lambda match: True,
    group: str | int = 0,
) -> str:
    """`text` with the placeholder for `group` of each match that is accepted; each adds one to
    `tally`."""

    def put(match: re.Match[str]) -> str:
        if not accept(match):
            return match[0]
        note(tally, placeholder, match[group])
        start, end = match.span(group)
        at = match.start()
        return f"{match[0][: start - at]}{placeholder}{match[0][end - at :]}"

    return pattern.sub(put, text)


def digits_of(text: str) -> str:
    return "".join(char for char in text if char.isdigit())

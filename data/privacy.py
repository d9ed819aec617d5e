"""Takes personal data and secrets out of a line; typed placeholders take their place.

Patterns and checksums alone (data/personal/): it knows no names. Where a number could be either, it
errs towards the placeholder, except for what chat is full of and nobody is found by: dates, times,
scores, versions, Discord's ids, hashes, the loopback address, netmasks. What was found is counted
by kind and never kept, printed or logged. Pure functions; any thread.
"""

from __future__ import annotations

import re
from collections import Counter

from data.personal.addresses import redact_addresses
from data.personal.contacts import redact_emails, redact_ips, redact_phones
from data.personal.kinds import PLACEHOLDERS
from data.personal.numbers import redact_bare_ids, redact_cards, redact_ibans, redact_named_ids
from data.personal.secrets import redact_passwords, redact_secrets

__all__ = ["PLACEHOLDERS", "redact"]

# A line without a digit or "@" holds nothing of the kind, unless it speaks of a password or spells
# an address out: most of chat ends here.
_DIGIT_OR_AT = re.compile(r"[@0-9]")
# In small letters, here and below: case-blind alternatives cost five times as much.
_PASSWORD_WORD = re.compile(
    r"p(?:ass|w|in\b|arol|ar[oо]л)|kennwort|mdp|senha|contrase|has[lł]o|wachtw|senord|kodeord"
    r"|adgangsk|salasana|heslo|jelsz|п[аa]р[oо]л|şifre|密码|パスワード|비밀번호"
)
_URL = re.compile(r"(?:https?|ftp|irc|steam)://\S+", re.IGNORECASE)
# Fewer are a house number or a card's check number at most; India's PAN has four before a letter.
_SIX_DIGITS = re.compile(r"\d(?:(?:[^\d\n]{0,3}\d){5}|\d{3}[A-Za-z])")


def redact(text: str, counts: Counter[str] | None = None) -> str:
    """`text` with placeholders for personal data; each replacement adds one to `counts`."""
    has_figures = _DIGIT_OR_AT.search(text) is not None
    lower = text.lower()
    speaks_of_password = _PASSWORD_WORD.search(lower)
    spelt_out = " dot " in lower or "at]" in lower or "at)" in lower or "at}" in lower
    spelt_out = spelt_out or "-at-" in lower or " punkt " in lower
    spelt_out = spelt_out or ("mail" in lower and "at" in lower) or "_at_" in lower
    if not (has_figures or speaks_of_password or spelt_out):
        return text
    tally: Counter[str] = Counter() if counts is None else counts
    if has_figures:
        text = redact_secrets(text, lower, tally)
    if speaks_of_password or "login" in lower or "cred" in lower or " code" in lower:
        text = redact_passwords(text, tally)
    text = redact_emails(text, lower, tally)
    return _outside_links(redact_ips(text, tally), tally) if has_figures else text


def _redact_numbers(text: str, tally: Counter[str]) -> str:
    if _SIX_DIGITS.search(text) or "cv" in text or "CV" in text:
        text = redact_ibans(text, tally)
        text = redact_cards(text, tally)
        text = redact_bare_ids(text, tally)
        text = redact_named_ids(text, tally)
        text = redact_phones(text, tally)
    return redact_addresses(text, tally)


def _outside_links(text: str, tally: Counter[str]) -> str:
    """Numbers taken out of what is no link: the long numbers of a link are nobody's."""
    if "://" not in text:
        return _redact_numbers(text, tally)
    done = []
    at = 0
    for link in _URL.finditer(text):
        done += [_redact_numbers(text[at : link.start()], tally), link[0]]
        at = link.end()
    return "".join([*done, _redact_numbers(text[at:], tally)])

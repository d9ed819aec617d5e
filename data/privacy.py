"""Takes personal data out of a line: e-mail, phone, IP, card numbers and street addresses.

Placeholders take their place. Patterns and checksums alone: it knows no names. Where a number could
be either, it errs towards the placeholder, except for what chat is full of and nobody is found by:
dates, times, scores, versions with fewer than four parts, Discord's ids, the loopback address,
netmasks. Pure functions; any thread.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Callable

EMAIL = "[email]"
PHONE = "[phone]"
IP = "[ip]"
CARD = "[card]"
ADDRESS = "[address]"
PLACEHOLDERS = (EMAIL, PHONE, IP, CARD, ADDRESS)

PHONE_REGIONS = ("US", "GB", "DE", "FR", "AU", "IN")
"""Whose national formats are looked for besides numbers that begin with + and a country's code."""

# A line without a digit and without "@" holds none of the five: most of chat ends here.
_ANY = re.compile(r"[@0-9]")
_EMAIL = re.compile(r"(?<![\w.+-])[\w.%+-]{1,64}@(?:[\w-]{1,63}\.)+[A-Za-z]{2,24}(?![\w-])")
_URL = re.compile(r"(?:https?|ftp|irc|steam)://\S+", re.IGNORECASE)
_IPV4 = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?!\.?\d)")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])")
_CARD = re.compile(
    r"(?<![\w.+-])(?:[2-6]\d{12,18}|[2-6]\d{3}([ -])\d{4}\1\d{4}\1\d{1,7}|3\d{3}([ -])\d{6}\2\d{5})"
    r"(?![\w-])"
)
_SEVEN_DIGITS = re.compile(r"\d(?:[\s().\-/]{0,3}\d){6}")
_PLUS_NUMBER = re.compile(r"(?<![\w+])\+\(?\d(?:[ ().\-/]{0,2}\d){7,14}(?![\w])")
_TRUNK_NUMBER = re.compile(
    r"(?<![\w.+/-])\(?0[1-9]\d{1,4}\)?[ /-]\d{3,8}(?:[ -]\d{2,6})?(?![\w.-]*\d)"
)
_PHONE_WORD = re.compile(
    r"\b(?:phone|tel|telephone|cell|mobile|whatsapp|call|text|sms|ring|my number|number is"
    r"|handy|telefon)\b",
    re.IGNORECASE,
)
_WORD_REACH = 30
"""How many characters before a number a phone word still speaks of it."""
_SEPARATOR = re.compile(r"[ ().\-/]")
_DATE = re.compile(r"\b(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})\b")

_STREET_KIND = r"Street|Avenue|Road|Lane|Boulevard|Drive|Court|Terrace|Crescent|Square|Close|Way"
_STREET_SHORT = r"St|Ave|Rd|Ln|Blvd|Dr|Ct|Sq"
_STREET_AFTER = (
    r"(?:\.(?=[\s,]))?(?i:,?\s+(?:apt|apartment|unit|flat|suite|#)\.?\s*\w{1,5})?"
    r"(?:,\s*[A-Z][\w'-]+(?:\s[A-Z][\w'-]+)?)?"
    r"(?:,?\s+(?:[A-Z]{2}\s+)?(?:\d{5}(?:-\d{4})?|[A-Z]{1,2}\d[\dA-Z]?\s\d[A-Z]{2}))?"
)
_ADDRESSES = (
    # 42 Maple Street, Apt 3, Springfield 12345
    re.compile(
        r"\b\d{1,5}[A-Za-z]?\s+(?:(?:[NSEW]|North|South|East|West)\.?\s+)?"
        rf"(?:[A-Z][\w'-]+\s+){{1,3}}(?:{_STREET_KIND}|{_STREET_SHORT})\b{_STREET_AFTER}"
    ),
    # 42 maple street; the kinds that are also everyday words ("2 hours drive") only in capitals
    re.compile(
        r"\b\d{1,4}[a-z]?\s+(?!(?:way|lane|long|more|days?|hours?|minutes?|miles?|blocks?|times?"
        r"|different|other|main|side|one|two|on|of|in|at|the|a|to|from|down|up)\b)[a-z]{3,}\s+"
        rf"(?:street|avenue|road|lane|boulevard)\b{_STREET_AFTER}"
    ),
    # Musterstraße 12, 12345 Berlin
    re.compile(
        r"\b[A-ZÄÖÜ][\wäöüß-]+(?:straße|strasse|str\.|gasse|allee|platz|weg)\s+\d{1,4}[a-z]?\b"
        r"(?:,\s*\d{5}\s+[A-ZÄÖÜ][\wäöüß-]+)?"
    ),
)


def redact(text: str, counts: Counter[str] | None = None) -> str:
    """`text` with placeholders for personal data; each replacement adds one to `counts`."""
    if not _ANY.search(text):
        return text
    tally: Counter[str] = Counter() if counts is None else counts
    if "@" in text:
        text = _replace(_EMAIL, EMAIL, text, tally, lambda match: True)
    text = _replace(_IPV4, IP, text, tally, _is_address)
    if text.count(":") >= 2:
        text = _replace(_IPV6, IP, text, tally, _is_address)
    return _outside_links(text, lambda part: _redact_numbers(part, tally))


def _redact_numbers(text: str, tally: Counter[str]) -> str:
    if _SEVEN_DIGITS.search(text):
        text = _replace(_CARD, CARD, text, tally, _is_card)
        text = _replace(_PLUS_NUMBER, PHONE, text, tally, lambda match: True)
        text = _replace(_TRUNK_NUMBER, PHONE, text, tally, _has_phone_length)
        if _SEVEN_DIGITS.search(text):
            text = _redact_national_phones(text, tally)
    for pattern in _ADDRESSES:
        text = _replace(pattern, ADDRESS, text, tally, lambda match: True)
    return text


def _redact_national_phones(text: str, tally: Counter[str]) -> str:
    """Numbers without a country's code: written apart as phones are, or after a phone word."""
    import phonenumbers

    spoken_of = [match.start() for match in _PHONE_WORD.finditer(text)]
    leniency = (
        phonenumbers.Leniency.POSSIBLE if spoken_of else phonenumbers.Leniency.STRICT_GROUPING
    )
    spans: list[tuple[int, int]] = []
    for region in PHONE_REGIONS:
        for match in phonenumbers.PhoneNumberMatcher(text, region, leniency=leniency):
            raw = match.raw_string
            separators = len(_SEPARATOR.findall(raw))
            after_word = any(0 < match.start - at <= _WORD_REACH for at in spoken_of)
            written_apart = separators >= 2 and phonenumbers.is_valid_number(match.number)
            said_to_be = after_word and (separators >= 1 or len(raw) in (10, 11))
            if (written_apart or said_to_be) and not _DATE.search(raw):
                spans.append((match.start, match.end))
    end_of_last = len(text)
    for start, end in sorted(spans, reverse=True):
        if end <= end_of_last:
            text = f"{text[:start]}{PHONE}{text[end:]}"
            tally[PHONE] += 1
            end_of_last = start
    return text


def _outside_links(text: str, change: Callable[[str], str]) -> str:
    """`change` applied to what is no link: the long numbers of a link are nobody's."""
    if "://" not in text:
        return change(text)
    done = []
    at = 0
    for link in _URL.finditer(text):
        done += [change(text[at : link.start()]), link[0]]
        at = link.end()
    return "".join([*done, change(text[at:])])


def _replace(
    pattern: re.Pattern[str],
    placeholder: str,
    text: str,
    tally: Counter[str],
    accept: Callable[[re.Match[str]], bool],
) -> str:
    def put(match: re.Match[str]) -> str:
        if not accept(match):
            return match[0]
        tally[placeholder] += 1
        return placeholder

    return pattern.sub(put, text)


def _is_address(match: re.Match[str]) -> bool:
    found = match[0]
    if ":" in found and not any(char.isdigit() for char in found):
        return False  # "abc::def" is C++ before it is anybody's address
    try:
        address = ipaddress.ip_address(found)
    except ValueError:
        return False
    is_netmask = found.startswith("255.")
    return not (address.is_loopback or address.is_unspecified or is_netmask)


def _has_phone_length(match: re.Match[str]) -> bool:
    return 9 <= sum(char.isdigit() for char in match[0]) <= 12


def _is_card(match: re.Match[str]) -> bool:
    from stdnum import luhn

    digits = re.sub(r"\D", "", match[0])
    if len(digits) in (17, 18) and digits == match[0]:
        return False  # the length of Discord's ids, of which one in ten passes the checksum
    return bool(luhn.is_valid(digits))

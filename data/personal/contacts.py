"""E-mail addresses, IP addresses and phone numbers."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from itertools import pairwise

from data.personal.kinds import EMAIL, IP, PHONE, digits_of, replace

# --- e-mail -------------------------------------------------------------------------------------
_EMAIL = re.compile(r"(?<![\w.+-])[\w.%+-]{1,64}@(?:[\w-]{1,63}\.)+[^\W\d_]{2,24}(?![\w-])")
_NO_MAILBOX = re.compile(
    r"git@|.*@openssh\.com$|.*\.(?:png|jpe?g|gif|webp|svg|service|socket|localdomain|local)$",
    re.IGNORECASE,
)
"""Everybody's account of code servers, names of ciphers and units, pictures (icon@2x.png)."""

_HIDDEN_DOT = r"\s?[\[({<]\s?(?:dot|\.|punkt)\s?[\])}>]\s?|\s(?:dot|punkt)\s|[-_]dot[-_]|\s-dot-\s"
_DOT = rf"(?:{_HIDDEN_DOT}|\.)"
_HOST = rf"[a-z0-9][\w-]*(?:{_DOT}[\w-]+)*{_DOT}[a-z]{{2,24}}"
_HIDDEN_EMAIL = re.compile(
    rf"(?<![\w@.])(?!(?:is|are|was|at|up|out|here|there|found|see|look|hosted)\s)[a-z0-9.+-][\w.+-]{{0,63}}?(?:(?:\s?[\[({{<]\s?(?:at|@|a)\s?[\])}}>]\s?|\s?-at-\s?|_at_|\s@\s){_HOST}"
    rf"|@[\w-]+(?:{_HIDDEN_DOT})[a-z]{{2,24}})\b",
    re.IGNORECASE,
)
_HIDING = re.compile(
    r"at\s?[\])}>]|-at-|_at_|\s@\s|@\s?[\])}>]|[\[({<] ?a ?[\])}>]|@[\w-]+(?: dot|.?[\[(])"
)
_MAIL_WORD = r"\b(?:e-?mail|mail|correo|courriel|paypal)\b[^@\n]{0,20}?\s"
_SAID_EMAIL = re.compile(
    rf"{_MAIL_WORD}(?P<email>(?!(?:is|me|it|us|you|him|her|them|list|server|address|up)\s)"
    r"[\w.+-]{2,64}\s+at\s+(?:[\w-]+\.)+[a-z]{2,24})\b",
    re.IGNORECASE,
)
_COMMON_ENDS = "com|net|org|edu|info|io|me|de|at|ch|uk|fr|es|it|nl|pl|se|no|dk|fi|br|ru|in|ca|au|eu"
_PROVIDERS = (
    r"(?:gmail|googlemail|hotmail|outlook|yahoo|icloud|aol|gmx|web|posteo|proton(?:mail)?|live|msn)"
)
_SPOKEN_EMAIL = re.compile(
    r"(?<![\w@.])(?!(?:look|is|it|its|are|am|be|was|here|there|up|out|available|hosted|found|find"
    r"|see|docs?|page|site|wiki|me|meet|us|live|them|go|download|and|or|at|good|bad|channel|file"
    r"|forums?|list|more|info|repo|code|package|packages|server|you|him|her|one|that|this|go|not"
    r"|also|only|over|read|all|stuff|guide|instructions|read|register|check|ask|help)\s)"
    r"[\w.+-]{2,64}\s+at\s+(?:"
    rf"(?:[\w-]+(?:\s(?:dot|punkt)\s|\.))+?[\w-]+\s(?:dot|punkt)\s(?:{_COMMON_ENDS})"
    rf"|[\w-]+\s(?:dot|punkt)\s(?:{_COMMON_ENDS})|{_PROVIDERS}\.(?:{_COMMON_ENDS}))\b",
    re.IGNORECASE,
)
_SPOKEN_END = re.compile(rf" dot | punkt | at\s+{_PROVIDERS}\.")


def redact_emails(text: str, lower: str, tally: Counter[str]) -> str:
    """Also those that are written for people alone: "kai [at] example dot org".

    `lower` is `text` in small letters.
    """
    if "@" in text:
        text = replace(_EMAIL, EMAIL, text, tally, lambda m: not _NO_MAILBOX.match(m[0]))
    if _HIDING.search(lower):
        text = replace(_HIDDEN_EMAIL, EMAIL, text, tally)
    if " at " in lower and "mail" in lower and "." in lower:
        text = replace(_SAID_EMAIL, EMAIL, text, tally, group="email")
    if " at " in lower and _SPOKEN_END.search(lower):
        text = replace(_SPOKEN_EMAIL, EMAIL, text, tally)
    return text


# --- IP -----------------------------------------------------------------------------------------
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}(?:\.|\[\.\])){3}\d{1,3}(?!\.?\d)")
_IPV6 = re.compile(
    r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:(?:\d{1,3}\.){3}\d{1,3}|[0-9A-Fa-f]{0,4})(?![\w:])"
)
_IPV6_BEGINS = re.compile(r"[0-9A-Fa-f]{4}:|::[Ff]{4}:|(?:[0-9A-Fa-f]*:){4}")
_VERSION_BEFORE = re.compile(
    r"(?:\bv|\bver\.?\s?|\b(?:versions?|rev|release|build|kernel|firmware|driver|firefox|ff"
    r"|openoffice|patch|update|jdk|java)\s(?:is\s|was\s)?(?:\d+:)?|[a-z]-|_|\d:)$",
    re.IGNORECASE,
)
_VERSION_AFTER = re.compile(r"\.?[A-Za-z]|-\d+-|[~+]")
_IP_SAID = re.compile(
    r"\b(?:ip|ping|ssh|host|server|dns|gateway|router|join|connect\w*|curl|whois|addr\w*)\b|[/@]",
    re.IGNORECASE,
)
_WORD_REACH = 30
"""How many characters before a number a word still speaks of it."""
_NOBODYS = frozenset("1.1.1.1 1.0.0.1 8.8.8.8 8.8.4.4 9.9.9.9 4.2.2.1 4.2.2.2".split())
"""Name servers for everybody: who says one says nothing of himself."""


def redact_ips(text: str, tally: Counter[str]) -> str:
    """Not loopback, netmasks, groups, or a version's four parts where it says that it is one."""
    if text.count(":") >= 2:
        text = replace(_IPV6, IP, text, tally, _is_address)
    if text.count(".") >= 3:
        text = replace(_IPV4, IP, text, tally, _is_address)
    return text


def _is_address(match: re.Match[str]) -> bool:
    found = match[0].replace("[.]", ".")
    if ":" in found:
        # "abc::def" is C++, "d::300" a device and "1:2:3" a score before they are anybody's address
        if not any(char.isdigit() for char in found) or not _IPV6_BEGINS.match(found):
            return False
    elif found in _NOBODYS or _is_version(match):
        return False
    try:
        address = ipaddress.ip_address(found)
    except ValueError:
        return False
    is_mask = found.startswith("255.") or found.startswith("0.")
    return not (address.is_loopback or address.is_unspecified or address.is_multicast or is_mask)


def _is_version(match: re.Match[str]) -> bool:
    before = match.string[max(0, match.start() - _WORD_REACH) : match.start()]
    if _VERSION_BEFORE.search(before) or _VERSION_AFTER.match(match.string, match.end()):
        return True
    first, second = match[0].replace("[.]", ".").split(".")[:2]
    # 2.6.15.6 is a kernel before it is anybody's machine
    is_small = int(first) < 10 and int(second) < 10
    return is_small and not _IP_SAID.search(before)


# --- phone --------------------------------------------------------------------------------------
PHONE_REGIONS = ("GB", "DE", "FR", "AU", "IN", "IT", "ES", "NL", "SE", "JP")
"""Where a number that begins with 0 and is written in one piece may be a mobile's."""

_END = r"(?![\w-]*\d|[.]\d|\w)"
_PLUS = re.compile(rf"(?<![\w+])\+\(?\d(?:[ ().\-/]{{0,2}}\d){{7,14}}{_END}")
_DOUBLE_ZERO = re.compile(rf"(?<![\w.+/-])00[1-9](?:[ ().\-/]{{0,2}}\d){{8,13}}{_END}")
_AMERICAN = re.compile(
    r"(?<![\w.+/-])(?:\+?1[ .-])?(?:\([2-9]\d\d\)[ .-]?|[2-9]\d\d[ .-])[2-9]\d\d[ .-]\d{4}" + _END
)
_TRUNK = re.compile(rf"(?<![\w.+/:-])\(?0[1-9]\d{{0,4}}\)?(?:[ ./-]{{1,2}}\d{{2,8}}){{1,5}}{_END}")
_IN_BRACKETS = re.compile(
    r"(?<![\w.+/-])(?:\(\d{2}\) ?9?\d{4}[ -]\d{4}|\d{2} 9\d{4}-\d{4}"  # Brazil
    rf"|8 ?\(\d{{3}}\) ?\d{{3}}-?\d\d-?\d\d){_END}"  # Russia
)
_MOBILE = re.compile(rf"(?<![\w.+/:#-])0[1-9]\d{{8,10}}{_END}")
_NUMBER = r"\+?\(?\d(?:[ ().\-/]{0,2}\d){6,14}"
_SURE_WORDS = (
    r"phone(?: number| no\.?)?|telephone|tel(?! aviv)|whats ?app|sms|handy(?:nummer)?"
    r"|telefon(?:nummer)?|handynr|my number|number is|cell(?: number| phone)|mobile number"
    r"|numéro|numero|número|téléphone|teléfono|telefono|móvil|celular|zap|číslo|numer|puhelin|telefoon|fax|tlf"
    r"|телефон|номер|тел|手机|电话|電話|전화"
)
_WORDS = r"cell|mobile|call(?: me)?|te?xt(?: me)?|ring|hmu|digits|ruf mich|portable|signal"
_WORDS += r"|ligar?|appelle|llama"
_PHONE_WORD = re.compile(rf"{_SURE_WORDS}|{_WORDS}|number|nummer")
_SPOKEN_OF = re.compile(
    rf"\b(?:(?P<sure>{_SURE_WORDS})|{_WORDS})\b[^\n\d]{{0,30}}?(?<![\w.+#-])(?P<number>{_NUMBER}){_END}",
    re.IGNORECASE,
)
_SAID_AFTER = re.compile(
    rf"(?<![\w.+#-])(?P<number>{_NUMBER})\s+(?:is|ist|es|é|è)\s+(?:my|his|her|the|meine?|mon|mi)\s"
    r"(?:phone|cell|mobile|number|nummer|handy|numéro|número)\b",
    re.IGNORECASE,
)
_DATE = re.compile(r"\b(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})\b")
_PAIRS = re.compile(r"\d\d(?:[ .-]\d\d){4}")
_YEARS = re.compile(r"(?:(?:19|20)\d\d[ /-]){1,3}(?:19|20)\d\d")
_SPACED = re.compile(r"[1-9]\d*(?: [1-9]\d*)+")
_SINGLE_DIGIT = re.compile(r"(?<!\d)\d(?!\d)")
_SEPARATOR = re.compile(r"[ ().\-/]")


def redact_phones(text: str, tally: Counter[str]) -> str:
    """Numbers with a country's code, written apart as phones are, or after a word for a phone."""
    if "+" in text:
        text = replace(_PLUS, PHONE, text, tally, _is_international)
    if "00" in text:
        text = replace(_DOUBLE_ZERO, PHONE, text, tally, _is_international)
    text = replace(_AMERICAN, PHONE, text, tally, _is_american)
    if "0" in text:
        text = replace(_TRUNK, PHONE, text, tally, _has_phone_length)
        text = replace(_MOBILE, PHONE, text, tally, _is_mobile)
    text = replace(_IN_BRACKETS, PHONE, text, tally)
    if not _PHONE_WORD.search(text.lower()):
        return text
    text = replace(_SPOKEN_OF, PHONE, text, tally, _is_said_to_be, "number")
    return replace(_SAID_AFTER, PHONE, text, tally, _is_said_to_be, "number")


def _is_international(match: re.Match[str]) -> bool:
    import phonenumbers

    found = match[0] if match[0][0] == "+" else f"+{match[0][2:]}"
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(found.replace("(0)", ""), None))
    except phonenumbers.NumberParseException:
        return False


def _is_american(match: re.Match[str]) -> bool:
    import phonenumbers

    return phonenumbers.is_valid_number(phonenumbers.parse(match[0], "US"))


def _has_phone_length(match: re.Match[str]) -> bool:
    found = match[0]
    is_date = _DATE.search(found) and not _PAIRS.fullmatch(found)
    return 9 <= len(digits_of(found)) <= 12 and not is_date


def _is_mobile(match: re.Match[str]) -> bool:
    import phonenumbers

    for region in PHONE_REGIONS:
        number = phonenumbers.parse(match[0], region)
        if phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.MOBILE:
            return True
    return False


def _is_list(found: str) -> bool:
    """Years, or numbers in equal steps: "12 14 16 18 20"."""
    if _YEARS.fullmatch(found):
        return True
    numbers = [int(one) for one in found.split(" ")] if _SPACED.fullmatch(found) else []
    return len(numbers) > 3 and len({b - a for a, b in pairwise(numbers)}) == 1


def _is_said_to_be(match: re.Match[str]) -> bool:
    found = match["number"]
    if _DATE.search(found) or (count := len(digits_of(found))) > 15:
        return False
    if len(_SINGLE_DIGIT.findall(found)) > 1:
        return False  # "4 8 15 16 23 42"
    if _is_list(found):
        return False
    written_apart = len(_SEPARATOR.findall(found)) >= 1
    is_sure = "sure" not in match.re.groupindex or match["sure"] is not None
    return written_apart or count in (10, 11) or (is_sure and 7 <= count <= 13)

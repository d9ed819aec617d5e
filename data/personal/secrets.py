"""Webhooks, keys, tokens and passwords: what opens something for whoever reads it."""

from __future__ import annotations

import re
from collections import Counter

from data.personal.kinds import KEY, PASSWORD, PLACEHOLDERS, WEBHOOK, note, replace

# --- webhooks -----------------------------------------------------------------------------------
_WEBHOOK = re.compile(
    r"(?:https?://)?(?:"
    r"(?:\w+\.)?discord(?:app)?\.com/api(?:/v\d+)?/(?:webhooks|interactions)/\d+/[\w-]+"
    r"(?:/[\w@/]+)?(?:\?[\w=&%-]*)?"
    r"|hooks\.slack\.com/(?:services|workflows|triggers)/[\w/-]+"
    r"|[\w.-]+\.webhook\.office\.com/[\w@/-]+)"
)

# --- keys that tell themselves ------------------------------------------------------------------
_PEM = re.compile(
    r"-----BEGIN ((?:[A-Z]+ )*)PRIVATE KEY-----(?:.*?-----END \1PRIVATE KEY-----|[\w+/=\s:,-]*)",
    re.DOTALL,
)
_SHAPED = re.compile(
    r"(?<![\w-])(?:"
    r"(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}"  # AWS
    r"|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{22,}|glpat-[\w-]{20,}"
    r"|xox[abeprs]-[\w-]{10,}|xapp-\d-[\w-]{10,}"  # Slack
    r"|sk-(?=[\w-]*\d)(?=[\w-]*[A-Z])[\w-]{20,}"  # OpenAI and those that write theirs alike
    r"|(?:sk|pk|rk)_(?:live|test)_\w{16,}|whsec_\w{16,}"  # Stripe
    r"|AIza[\w-]{30,}|ya29\.[\w-]{20,}|GOCSPX-[\w-]{20,}"  # Google
    r"|eyJ[\w-]{8,}\.eyJ[\w-]{8,}(?:\.[\w-]*)?"  # JSON web tokens
    r"|[MNO][\w-]{22,27}\.[\w-]{6,7}\.[\w-]{25,}|mfa\.[\w-]{20,}"  # Discord
    r"|\d{8,10}:AA[\w-]{30,}"  # Telegram
    r"|hf_[A-Za-z0-9]{30,}|npm_[A-Za-z0-9]{30,}|pypi-[\w-]{50,}|dop_v1_[0-9a-f]{60,}"
    r"|SG\.[\w-]{20,}\.[\w-]{30,}|shp(?:at|ca|pa|ss)_[0-9a-f]{30,}|AGE-SECRET-KEY-1[A-Z0-9]{50,}"
    r"|(?=[A-Z0-9-]*\d)(?=[A-Z0-9-]*[A-Z])(?:[A-Z0-9]{5}-){4}[A-Z0-9]{5}(?!-)"  # product keys
    r")(?![\w])"
)
_SHORTEST_KEY = 15
"""Characters in a row: what says "xoxb-" and ten more is the shortest of them."""

# --- keys that a word tells ---------------------------------------------------------------------
_NAMED_KEY = re.compile(
    r"(?:(?P<named>(?:api|access|secret|private|auth|client|app|bot|refresh|session|encryption"
    r"|signing|master|licen[sc]e|product|deploy)[ _-]?(?:access[ _-]?)?(?:key|token|secret)"
    r"|token|secret|bearer|authorization)"
    r"|(?<![a-z])(?<!public )(?<!gpg )(?<!pgp )(?<!host )key(?=\s*(?:[:=]|is\s)))"
    r"[\"']?(?:\s*(?:=>|:=|=|:)\s*|\s+(?:(?:is|ist|es|est)\s+)?)"
    r"(?:(?:bearer|basic|token)\s+)?[\"'`]?"
    r"(?P<value>[\w+/.~-]{16,}={0,2})",
    re.IGNORECASE,
)
_SHORTEST_NAMELESS = 20
"""Behind the bare word "key" stand gpg's key ids, too: they have 16 characters."""
_CHANGES = re.compile(r"[a-z](?=[A-Z0-9])|[A-Z](?=[a-z0-9])|\d(?=[A-Za-z])")
_LEAST_CHANGES = 0.2
"""Kind of character against the one before. Random letters and digits change at 0.5 of the places,
random hex at 0.45, names in programs below 0.15."""

# --- passwords ----------------------------------------------------------------------------------
_STRONG = (
    r"(?:door|gate|access|alarm|entry|security) code"
    r"|passwords?|passwd|passwor[dt]|kennwort|pwd|pw|passphrase|passcode|mot de passe|mdp"
    r"|contrase[ñn]a|senha|palavra-passe|has[łl]o|wachtwoord|l[öo]senord(?:et)?|adgangskode|kodeord"
    r"|salasana|heslo|jelszó|parol[aă]|пар[оo]л[ьяе]|şifre|密码|パスワード|비밀번호"
)
_PASSWORD = re.compile(
    rf"(?<![^\W_])(?:(?P<strong>{_STRONG})|(?P<weak>pass|pin))(?:'s|s)?[\"'`]?"
    r"(?:\s+(?:for|of|für|de|del|pour|do|da)(?:\s+\w+){1,3}?(?=\s+(?:is|ist|es|est|é|è|lautet)\s))?"
    r"(?:\s*(?P<mark>=>|:=|=|:|→|->)\s*|\s+(?P<says>is now|will be|should be|is|was|ist|war|lautet"
    r"|es|est|c'est|é|è|är|er"
    r"|to|jest|-)\s+|\s+)"
    r"(?:\"(?P<quoted>[^\"\n]{3,64})\"|(?P<bare>\S{3,64}))",
    re.IGNORECASE,
)
_SET_TO = re.compile(r"(?:changed?|set|reset)\s(?:\w+\s){0,2}$", re.IGNORECASE)
_WHOSE_PASS = re.compile(
    r"(?:^|\b(?:my|our|his|her|their|your|root|admin|wi-?fi|server|account|acc|email)\s)$",
    re.IGNORECASE,
)
_WRAPPING = re.compile(r"(?:['`*_]|\|\|){1,3}")
_TAIL = re.compile(r"[,.;:)\]\"'`?*|_]+$")
_NOT_SAID = re.compile(r"[<$%({\[\\|/*#-]|\w*\(|https?:|[xX*.•_-]{3,}$|\.\.|\w+=")
_NAME_OF_A_THING = re.compile(
    r"(?:md5|sha-?\d{1,3}|wpa\d?|bcrypt|base64|ssha|utf-?8|\d+-?(?:chars?|bits?|digits?|x|th|st|nd)"
    r"|v?\d+(?:\.\d+)+[\w.-]*)$",
    re.IGNORECASE,
)
_INNER_SIGN = re.compile(r"[!@#$%^&]")
_INNER_CAPITAL = re.compile(r"[a-z][A-Z]")
_ORDINARY = frozenset(
    """not wrong right correct incorrect invalid required needed empty blank none null nothing same
    different the a an in on at to for of with from by via as like set reset changed change stored
    saved case too so very always never still now also just only what that this it its your my our
    his her their unknown missing ok okay fine good bad weak strong short long easy hard secure
    insecure safe unsafe visible hidden private secret asked being true false yes no nope root user
    username password passwords passwd login pass then if when where how why because and or but
    optional default defaults prompt based protected plain text plaintext cleartext literally
    probably something anything whatever there here sent given shown typed enter incorrect falsch
    richtig vergessen leer nicht weg neu alt das die der ein bei kaputt usually really actually
    basically already gone back up down out off over under kept all any both some ready available
    done shit crap great awesome weird odd stupid dumb important mandatory unnecessary useless
    expensive cool boring funny worth free dead broken kaputt vide bon faux mauvais incorrecta
    correcta igual malo bueno la le el los las mon ma sa do da um uma errada certa obrigatoria nie
    jest ok? je dobre onjuist verkeerd fel rätt blank? is was are were has have had can could
    will would should must may might does did doesnt dont isnt wasnt wont cant
    field fields prompt file files box hash hint manager reminder again please pls plz me you him
    them us who which anyway though tho lol haha hmm unless until after before while same-ish sudo
    setup lost admin guest anonymous ubuntu live sysop""".split()
)
_ORDINARY_END = re.compile(r".*(?:ed|ing|able|ible|ly|less|'t|ful|ous|ten)$", re.IGNORECASE)
_SENTENCE_GOES_ON = re.compile(r"\s+[^\W\d_]")

_SAID_BEFORE = re.compile(
    r"(?<!\S)(?P<value>\S{5,64})\s(?:is|ist|was)\s(?:my|our|the|mein)\s(?:\w+\s)?(?:password|passwort|pw)\b",
    re.IGNORECASE,
)
_LOGIN = re.compile(
    r"\b(?:creds?|credentials|login|logins)\b(?:\s(?:are|is|info|data))?:?\s+[\w.@-]{2,32}\s?[/:|]\s?"
    r"(?P<value>[^\s,;()\[\]]{5,64})",
    re.IGNORECASE,
)
_IN_LINK = re.compile(
    r"(?<=://)(?P<login>[^\s/:@\[\]]{1,64}:(?!pass(?:word|wd)?@)[^\s/@\[\]]{3,128})(?=@[\w.-])"
)


def redact_secrets(text: str, lower: str, tally: Counter[str]) -> str:
    """`lower` is `text` in small letters."""
    if "webhook" in lower or "hooks." in lower or "/interactions/" in lower:
        text = replace(_WEBHOOK, WEBHOOK, text, tally)
    if "private key" in lower:
        text = replace(_PEM, KEY, text, tally)
    if max(map(len, text.split()), default=0) >= _SHORTEST_KEY:
        text = replace(_SHAPED, KEY, text, tally)
    if "key" in lower or "token" in lower or "secret" in lower or "authoriz" in lower:
        text = replace(_NAMED_KEY, KEY, text, tally, _is_random, "value")
    if "://" in text and "@" in text:
        text = replace(_IN_LINK, PASSWORD, text, tally, group="login")
    return text


def redact_passwords(text: str, tally: Counter[str]) -> str:
    """What stands behind a word for a password and looks like one, or is all that is said of it."""

    def put(match: re.Match[str]) -> str:
        which = "quoted" if match["quoted"] else "bare"
        found, start = match[which], match.start(which) - match.start()
        if which == "bare":
            if wrapping := _WRAPPING.match(found):
                found, start = found[wrapping.end() :], start + wrapping.end()
            found = _TAIL.sub("", found)
        if not _is_password(match, found):
            return match[0]
        note(tally, PASSWORD, found)
        return f"{match[0][:start]}{PASSWORD}{match[0][start + len(found) :]}"

    text = _PASSWORD.sub(put, text)
    text = replace(_SAID_BEFORE, PASSWORD, text, tally, _is_mixed, "value")
    return replace(_LOGIN, PASSWORD, text, tally, _is_mixed, "value")


def _is_mixed(match: re.Match[str]) -> bool:
    """Letters with digits or signs among them, and no link, time or size."""
    value = match["value"]
    if (
        _NOT_SAID.match(value)
        or _NAME_OF_A_THING.match(value)
        or any(p in value for p in PLACEHOLDERS)
    ):
        return False
    has_digit = any(char.isdigit() for char in value)
    return any(char.isalpha() for char in value) and (has_digit or "!" in value[:-1])


def _is_random(match: re.Match[str]) -> bool:
    value = match["value"]
    if match["named"] is None and len(value) < _SHORTEST_NAMELESS:
        return False
    if not any(char.isdigit() for char in value) or len(set(value)) < 8:
        return False
    return len(_CHANGES.findall(value)) >= _LEAST_CHANGES * len(value)


def _is_password(match: re.Match[str], found: str) -> bool:
    if len(found) < 3 or _NOT_SAID.match(found) or any(p in found for p in PLACEHOLDERS):
        return False
    said = match["mark"] or match["says"]
    if match["says"] == "to" and match["strong"] and match["strong"].lower()[:3] != "has":
        said = "to" if _SET_TO.search(match.string[: match.start()]) else None
        if said is None:
            return False
    if match["quoted"]:
        return said is not None and found.lower() not in _ORDINARY
    if not any(char.isalpha() for char in found):
        is_pin = found.isdigit() and 4 <= len(found) <= (12 if said else 6)
        return is_pin and (match["weak"] or "").lower() != "pass"
    if _NAME_OF_A_THING.match(found):
        return False
    has_digit = any(char.isdigit() for char in found)
    if has_digit or _INNER_SIGN.search(found) or _INNER_CAPITAL.search(found):
        by_itself = match["strong"] is not None and match["strong"].lower() != "passwd"
        return said is not None or (by_itself and has_digit and len(found) >= 6)
    if (match["weak"] or "").lower() == "pin":
        return False  # a pin has digits: "pin: see #rules"
    if said is None or found.lower() in _ORDINARY or _ORDINARY_END.match(found):
        return False
    if match["weak"] and not _WHOSE_PASS.search(match.string[: match.start()]):
        return False
    return not _SENTENCE_GOES_ON.match(match.string, match.end())

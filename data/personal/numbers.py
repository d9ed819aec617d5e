"""Card numbers, IBANs and national ids, told from other numbers by their checksums.

An id whose checksum says little (one in ten numbers has it) counts only after a word that names it;
after a word that can mean nothing else its shape is enough.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from data.personal.kinds import CARD, IBAN, ID, digits_of, note, replace

# --- cards --------------------------------------------------------------------------------------
_CARD = re.compile(
    r"(?<![\w.+-])(?:[2-6]\d{13,18}|[2-6]\d{3}([ .-]|  )\d{4}\1\d{4}\1\d{4}(?:\1\d{1,3})?"
    r"|3\d{3}([ -])\d{6}\2\d{4,5})(?![\w-])"
)
_ISSUED = re.compile(
    r"4\d{15}(?:\d{3})?"
    r"|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720|220[0-4])\d{12}"
    r"|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}|35(?:2[89]|[3-8]\d)\d{12}"
    r"|(?:5[06-9]|6\d)\d{14}(?:\d{3})?"
)
"""Lengths and first digits that card networks give out."""
_CVV = re.compile(r"\bcv[vc]2?\b(?:\s?(?:code|is|ist|=|:)){0,2}\s?(\d{3,4})\b", re.IGNORECASE)


def redact_cards(text: str, tally: Counter[str]) -> str:
    text = replace(_CARD, CARD, text, tally, _is_card)
    return replace(_CVV, CARD, text, tally, group=1)


def _is_card(match: re.Match[str]) -> bool:
    digits = digits_of(match[0])
    return bool(_ISSUED.fullmatch(digits) and _checked("luhn", digits))


# --- IBAN ---------------------------------------------------------------------------------------
_MAYBE_IBAN = re.compile(
    r"(?<!\w)[A-Z]{2}[ -]?\d{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,3})?(?!\w)",
    re.IGNORECASE,
)


def redact_ibans(text: str, tally: Counter[str]) -> str:
    def put(match: re.Match[str]) -> str:
        found = match[0]
        while len(found) >= 15:
            if _checked("iban", found):
                note(tally, IBAN, found)
                return f"{IBAN}{match[0][len(found) :]}"
            # what stands behind may have been taken for its last groups: "... 3000 bitte"
            found = re.sub(r"[ -]?[A-Za-z0-9]+$", "", found)
        return match[0]

    return _MAYBE_IBAN.sub(put, text)


# --- national ids -------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Bare:
    """An id that is told by its shape and its checksum."""

    shape: str
    modules: tuple[str, ...]
    """python-stdnum's: one of them must find it valid. Empty: the shape is enough."""


@dataclass(frozen=True)
class _Named:
    """An id that is told by the word before it."""

    words: str
    shape: str
    module: str = ""
    """Whose checksum must hold; empty where the words mean nothing else."""


_BARE = (
    _Bare(r"\d{3}-\d{2}-\d{4}", ("us.ssn",)),
    _Bare(r"[A-Z]{2} ?\d\d ?\d\d ?\d\d ?[A-D]", ()),  # Britain
    _Bare(r"[12] ?\d\d ?\d\d ?\d[\dAB] ?\d{3} ?\d{3} ?\d\d", ("fr.nir",)),
    _Bare(r"[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]", ("in_.pan",)),
    _Bare(r"\d{8}-?[A-HJ-NP-TV-Z]", ("es.dni",)),
    _Bare(r"[XYZ]-?\d{7}-?[A-Z]", ("es.nie",)),
    _Bare(r"(?i:[A-Z]{6}\d\d[A-EHLMPRST]\d\d[A-Z]\d{3}[A-Z])", ("it.codicefiscale",)),
    _Bare(r"\d{3}\.\d{3}\.\d{3}-\d\d", ("br.cpf",)),
    _Bare(r"(?:19|20)?\d{6}[-+]\d{4}", ("se.personnummer", "fi.hetu")),
    _Bare(r"\d{6}[-+A-F]\d{3}[A-FHJ-NPR-Y]", ("fi.hetu",)),
    _Bare(r"\d\d\.\d\d\.\d\d-\d{3}[.-]\d\d", ("be.nn",)),
    _Bare(r"756\.\d{4}\.\d{4}\.\d\d", ("ch.ssn",)),
    _Bare(r"\d{6}/\d{4}", ("cz.rc",)),
    _Bare(r"[A-Z]{4}\d{6}[HMX][A-Z]{5}[0-9A-Z]\d", ("mx.curp",)),
    _Bare(r"\d{1,2}\.\d{3}\.\d{3}-[\dK]", ("cl.rut",)),
    _Bare(r"(?:2[0347]|30|33)-\d{8}-\d", ("ar.cuit",)),
    _Bare(r"\d{6}-[1-8]\d{6}", ("kr.rrn",)),
    _Bare(
        r"\d{6}(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dX]",
        ("iso7064.mod_11_2",),  # China's; cn.ric reads 4 MB of places, which say little more
    ),
)
_ELEVEN = r"\d{11}"
_PAPER = r"(?=(?:\w*\d){4})[A-Z0-9]{7,16}"
_NAMED = (
    _Named(r"ssn|social(?: security)?|itin", r"\d{3}[- ]?\d{2}[- ]?\d{4}"),
    _Named(r"ni number|ni no|nino|national insurance", r"[A-Z]{2} ?\d\d ?\d\d ?\d\d ?[A-D]"),
    _Named(r"nhs", r"\d{3} ?\d{3} ?\d{4}"),
    _Named(
        r"steuer[- ]?id|steuer-?identifikationsnummer|steuernummer|id-?nr|tax (?:id|number)",
        r"\d{2} ?\d{3} ?\d{3} ?\d{3}",
        "de.idnr",
    ),
    _Named(r"sozialversicherungsnummer|sv-?nummer", r"\d{2} ?\d{6} ?[A-Z] ?\d{3}"),
    _Named(
        r"s[ée]cu|s[ée]curit[ée] sociale|nir",
        r"[12] ?\d\d ?\d\d ?\d[\dAB] ?\d{3} ?\d{3}(?: ?\d\d)?",
    ),
    _Named(r"dni|nif|nie", r"[XYZ]?-?\d{7,8}[- ]?[A-Z]", "es.nif"),
    _Named(r"nif|contribuinte", r"\d{9}", "pt.nif"),
    _Named(r"bsn|burgerservicenummer|sofinummer", r"\d{4}\.?\d{2}\.?\d{3}"),
    _Named(r"cpf", r"\d{3}\.?\d{3}\.?\d{3}-?\d{2}"),
    _Named(r"aa?dh?aa?r", r"\d{4} ?\d{4} ?\d{4}"),
    _Named(r"pan", r"[A-Z]{5}\d{4}[A-Z]", "in_.pan"),
    _Named(r"pesel", _ELEVEN),
    _Named(r"sin", r"\d{3}[- ]\d{3}[- ]\d{3}"),
    _Named(r"sin|social insurance", r"\d{3}[- ]?\d{3}[- ]?\d{3}", "ca.sin"),
    _Named(r"tfn|tax file number", r"\d{3} ?\d{3} ?\d{2,3}"),
    _Named(
        r"person(?:al)?nummer|pnr|cpr(?:[- ]?(?:nr|nummer))?|f[øo]dselsnummer|fnr",
        r"(?:19|20)?\d{6}[- +]?\d{4,5}",
    ),
    _Named(r"rijksregisternummer|num[ée]ro national", r"\d\d[. ]?\d\d[. ]?\d\d[- ]?\d{3}[. ]?\d\d"),
    _Named(r"ahv(?:[- ]?(?:nr|nummer))?", r"756\.?\d{4}\.?\d{4}\.?\d\d"),
    _Named(r"cnp(?:-ul)?", r"\d{13}"),
    _Named(r"rodn[ée] [čc][íi]slo|rč", r"\d{6}/?\d{3,4}"),
    _Named(r"kimlik|tckn|amka|oib", _ELEVEN),
    _Named(r"id number|id no", r"\d{13}", "za.idnr"),
    _Named(r"ppsn?", r"\d{7}[A-W][A-IW]?"),
    _Named(r"rut", r"\d{1,2}\.?\d{3}\.?\d{3}-?[\dK]"),
    _Named(r"egn|егн", r"\d{10}"),
    _Named(r"c[ée]dula", r"\d{1,3}(?:\.?\d{3}){2,3}"),
    _Named(r"medicare", r"\d{4} ?\d{5} ?\d"),
    _Named(r"cui[tl]", r"\d{2}-?\d{8}-?\d"),
    _Named(r"주민번호|주민등록번호|rrn", r"\d{6}-?\d{7}"),
    _Named(r"身份证|chinese id", r"\d{17}[\dX]"),
    _Named(r"(?:passport|reisepass|passeport|pasaporte|passaporto|paszport)", _PAPER),
    _Named(
        r"driver'?s? licen[sc]e|driving licen[sc]e|führerschein|permis de conduire"
        r"|personalausweis",
        _PAPER,
    ),
)
_WORD_REACH = 30
"""How many characters before a number a word still speaks of it."""


def _alternatives(parts: tuple[str, ...]) -> str:
    return "|".join(f"(?P<n{at}>{part})" for at, part in enumerate(parts))


_BARE_ID = re.compile(
    rf"(?<![\w.+/-])(?:{_alternatives(tuple(one.shape for one in _BARE))})(?![\w/-]|\.\d)"
)
_ID_WORD = re.compile(rf"(?:{'|'.join(one.words for one in _NAMED)})(?![^\W_])")


def _holds(module: str) -> Callable[[re.Match[str]], bool]:
    return lambda match: not module or _checked(module, match["id"])


@cache
def _named_ids() -> tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], bool]], ...]:
    """Made at first need: compiling them takes longer than all the others."""
    return tuple(
        (
            re.compile(
                rf"(?<!\w)(?:{one.words})(?!\w)[^\n]{{0,{_WORD_REACH}}}?"
                rf"(?<![\w.])(?P<id>{one.shape})(?![\w])",
                re.IGNORECASE,
            ),
            _holds(one.module),
        )
        for one in _NAMED
    )


def redact_bare_ids(text: str, tally: Counter[str]) -> str:
    """Those that tell themselves."""
    return replace(_BARE_ID, ID, text, tally, _is_bare_id)


def redact_named_ids(text: str, tally: Counter[str]) -> str:
    """Those that a word before them tells."""
    if not _ID_WORD.search(text.lower()):
        return text
    for pattern, accept in _named_ids():
        text = replace(pattern, ID, text, tally, accept, "id")
    return text


def _is_bare_id(match: re.Match[str]) -> bool:
    modules = _BARE[int((match.lastgroup or "n0")[1:])].modules
    return not modules or any(_checked(module, match[0]) for module in modules)


def _checked(module: str, number: str) -> bool:
    """Whether python-stdnum finds it valid; its modules are loaded at first need."""
    return bool(_module(module).is_valid(number))


@cache
def _module(name: str) -> Any:
    return import_module(f"stdnum.{name}")

"""Postal addresses: a house number beside a street, in the ways that a few countries write it."""

from __future__ import annotations

import re
from collections import Counter

from data.personal.kinds import ADDRESS, replace

_CAPITAL = r"[A-ZÀ-ÖØ-ÞŁŚŻ]"
_NAME = rf"{_CAPITAL}[\w'’.-]*"
_PLACE_NAME = rf"{_CAPITAL}(?:[^\W\d]|['’.-])*"
_KINDS = (
    r"Street|Avenue|Road|Lane|Boulevard|Drive|Court|Terrace|Crescent|Square|Close|Way|Parade|Grove"
    r"|Walk|Mews|Gardens|Parkway|Highway|Loop|Trail|Place|Row|Hill|Circle|Gdns|Cres"
)
_SHORT = r"St|Ave|Rd|Ln|Blvd|Dr|Ct|Sq|Pkwy|Hwy|Pl"
_UNIT = r"(?i:,?\s+(?:apt|apartment|unit|flat|suite|ste)\.?\s*#?\w{1,5}|,?\s+#\w{1,5})?"
_TOWN = rf",\s*{_PLACE_NAME}(?:\s(?![A-Z]{{2,3}}\b){_PLACE_NAME})?(?!\w)"
_CODE = (
    r"(?:,?\s+(?:[A-Z]{2}\s+)?(?:\d{5,6}(?:-\d{4})?|[A-Z]{1,2}\d[\dA-Z]?\s?\d[A-Z]{2}"
    r"|[A-Z]\d[A-Z]\s?\d[A-Z]\d)\b"
    rf"|(?:,?\s{_PLACE_NAME})?,?\s+(?:NSW|VIC|QLD|WA|SA|TAS|ACT|NT)\s+\d{{4}}\b)"
)
_STATE = r",\s*[A-Z]{2}\b(?:\s+(?:\d{5}(?:-\d{4})?|[A-Z]\d[A-Z]\s?\d[A-Z]\d))?"
_AFTER = rf"(?:\.(?=[\s,]|$))?(?:\s(?:[NSEW]{{1,2}}|West|East|North|South)\b)?{_UNIT}"
_AFTER += rf"(?:{_TOWN})?(?:{_CODE}|{_STATE})?"
_HOUSE = r"(?<![\w.,:/#-])(?:\d{1,4}/)?\d{1,5}[A-Za-z]?\s+"
_COMPASS = r"(?:(?:[NSEW]{1,2}|North|South|East|West)\.?\s+)?"
_NO_STREET = (
    r"(?!(?:Hard|Disk|Disc|Flash|USB|CD|DVD|CDROM|GB|MB|TB|KB|Gb|Mb|Pen|Thumb|Floppy|Tape|Zip|IDE"
    r"|SATA|SCSI|NVMe|SSD|Seagate|Terabyte|Day|Hour|Minute|Star|External|Google|Test|Gnome|KDE|The(?!\s(?:Crescent|Square|Close|Terrace)))\b)"
)
_NO_LOWER_STREET = (
    r"(?!(?:way|lane|long|more|days?|hours?|hrs?|minutes?|mins?|miles?|km|blocks?|times?|different"
    r"|other|main|side|one|two|on|of|in|at|the|a|to|from|down|up|and|or|is|was|for|hard|disk|gb|mb"
    r"|star|player|people|years?|weeks?|months?|seconds?|secs?|was|were|are|per|with|wall|sesame"
    r"|fast|slow|bus|bike|car)\b)"
)
_STEPS = (
    r"level|lvl|stufe|wave|mission|round|runde|season|episode|chapter|kapitel|page|seite|part|teil"
    r"|phase|day|tag|week|woche|rank|rang|platz|place|top|number|nummer|act|plan|stage|class"
)
_NO_STEP = rf"(?!(?i:{_STEPS})\s)"
"""What is counted is no place: "Level 80, 12345 Gold"."""
_AFTER_STEP = re.compile(rf"\b(?:{_STEPS})\s$", re.IGNORECASE)
_NO_PLACE = (
    r"(?!(?i:(?:arbeits|sitz|steh|park|stell|spiel)platz|(?:um|heim|arbeits|hin|rück)weg)\b)"
)
_NO_COUNT = (
    r"(?!\s?(?i:km|m|min|minuten?|std|stunden?|h|tage?|mal|uhr|leute|autos?|frei|euro|prozent)\b)"
)
_THANKS = r"(?:please|thanks|tonight|today|tomorrow|okay|then|bring|with|blue)\b"
# After such a word a number and a street need no capitals and may be short.
_LED = (
    r"\b(?:live[sd]?|living|address(?: is)?|moved|come|send|ship|deliver|parcel|mail|meet|house is"
    r"|located|taxi|pizza|party|crashing|drive|directions)\b[^\n\d]{0,20}?"
)
_CITY = rf"(?:,?\s*(?:\d{{5}}|\d{{4}}\s?[A-Z]{{2}}|\d{{3}}\s\d\d|\d{{4}})\s+{_PLACE_NAME})?"
_FRENCH_HOUSE = r"(?<![\w.,:/#-])\d{1,4}(?:[A-Za-z]| ?bis| ?ter)?,?\s+"
_OF = r"(?:de\s+la\s+|de\s+l['’]|de\s+|du\s+|des\s+|d['’])"
_DO = r"(?:(?:de\s+las?|de\s+los|del|de|da|das|dos|do|di|della|dei)\s+)?"

_ADDRESSES = tuple(
    re.compile(pattern)
    for pattern in (
        # i live at 42 maple st
        rf"{_LED}(?P<place>\d{{1,5}}[a-z]?\s+{_COMPASS}(?:{_NO_LOWER_STREET}[\w'-]{{2,}}\s+){{1,3}}"
        rf"(?i:{_KINDS}|{_SHORT})\b(?:\s\d{{1,3}}\b)?{_AFTER}(?:,\s(?!{_THANKS})[a-z]{{4,}}$)?)",
        # 42 Maple Street, Apt 3, Springfield 12345; 350 5th Ave, New York, NY 10118
        rf"{_HOUSE}{_COMPASS}(?:{_NO_STREET}(?:{_NAME}|\d{{1,3}}(?:st|nd|rd|th))\s+){{1,3}}"
        rf"(?:{_KINDS}|{_SHORT})\b{_AFTER}",
        # 42 maple street; the kinds that are also everyday words ("2 hours drive") only in capitals
        rf"{_HOUSE}(?:{_NO_LOWER_STREET}[a-z]{{3,}}\s+){{1,2}}"
        rf"(?:street|avenue|road|lane|boulevard|blvd|terrace|crescent)\b{_AFTER}",
        # Springfield, IL 62704
        rf"\b{_PLACE_NAME}(?:\s{_PLACE_NAME})?,\s+[A-Z]{{2}}\s+\d{{5}}(?:-\d{{4}})?\b",
        rf"(?i:\bP\.?\s?O\.?\s?Box\s+\d{{1,6}})\b(?:{_TOWN})?(?:{_STATE}|{_CODE})?",
        # 12 rue de la Paix, 75002 Paris
        rf"{_FRENCH_HOUSE}(?:(?i:rue|chemin|allée|impasse|boulevard|quai|faubourg)\s+{_OF}?"
        rf"|(?i:avenue|place|route|cours|square)\s+{_OF}|(?:avenue|bd|place)\s+(?={_CAPITAL}))[\w'’-]+(?:\s{_PLACE_NAME}){{0,3}}{_CITY}",
        # Calle Mayor 5, 28013 Madrid; Via Roma 10; Rua Augusta, 1500
        rf"(?<!\w)(?:(?:Calle|C/|Avenida|Avda?\.?|Plaza|Paseo|Via|Viale|Corso|Piazza|Largo|Rua"
        rf"|Travessa|Alameda|Praça)\s*{_DO}{_PLACE_NAME}(?:\s{_PLACE_NAME}){{0,3}}"
        rf"|(?:calle|avenida|viale|piazza|rua|paseo)\s+{_DO}[^\W\d]{{3,}}(?:\s[^\W\d]{{3,}})?),?\s+"
        rf"(?:n[º°]\.?\s*)?\d{{1,5}}\b(?:,\s*\d{{1,2}}[º°]\s?[A-Z]?)?"
        rf"(?:,?\s*\d{{4,5}}(?:-\d{{3}})?\s+{_PLACE_NAME})?(?:{_TOWN})?",
        # Musterstraße 12, 12345 Berlin; Keizersgracht 123, 1015 CJ Amsterdam; Storgatan 12
        rf"\b{_NO_PLACE}(?:{_CAPITAL}[\w-]*(?:[Ss]tra(?:ß|ss)e|[ -]Stra(?:ß|ss)e|str\.|gasse"
        r"|[Aa]llee|[Pp]latz|[Ww]eg|straat|gracht|laan|kade|plein|dijk|singel|gatan|vägen|gata|veien|gade|vej|katu"
        r"|endamm)|[^\W\d_]{3,}(?:straße|strasse|str\.?)|[^\W\d]+ náměstí)"
        rf"\s+\d{{1,4}}\b{_NO_COUNT}(?:/\d{{1,3}})?(?:\s?[a-z]\b)?{_CITY}",
        # ul. Długa 7/3, 00-590 Warszawa
        rf"\b(?:(?:ul|al|os)\.|[Uu]lica|[Aa]leja)\s+\w+(?:\s\w+)?\s+\d{{1,4}}[a-z]?(?:/\d{{1,4}})?"
        rf"(?:,?\s*\d\d-\d{{3}}\s+{_PLACE_NAME})?",
        # Am Markt 7, 04109 Leipzig
        rf"\b{_NO_STEP}{_NAME}(?:\s[\wäöüß-]+){{0,2}}\s+\d{{1,4}}[a-z]?\b,\s*(?:\d{{5}}|\d{{4}}\s?[A-Z]{{2}}|\d\d-\d{{3}})\s+{_PLACE_NAME}",
        # ул. Ленина 5, кв 12
        r"\b(?:ул\.|улица|проспект|пр\.)\s*[^\W\d]+,?\s*(?:д\.|дом)?\s*\d{1,4}(?:,?\s*кв\.?\s*\d{1,4})?",
        r"(?i:\b(?:post(?:al)?\s?code|zip\s?code|postleitzahl|plz)\b\W{0,3}(?:is\s|ist\s)?)"
        r"(?P<place>[A-Z]{1,2}\d[\dA-Z]?\s?\d[A-Z]{2}|[A-Z]\d[A-Z]\s?\d[A-Z]\d|\d{4,5})\b",
    )
)
_ANY_KIND = re.compile(
    r"\b(?:st(?:reet)?|ave(?:nue)?|r(?:oa)?d|la?ne?|blvd|boulevard|dr(?:ive)?|c(?:our)?t|terrace"
    r"|crescent|sq(?:uare)?|close|way|parade|grove|walk|mews|gardens|parkway|pkwy|highway|hwy|loop"
    r"|trail|pl(?:ace)?|row|hill|box|gdns|cres|circle|bd|aleja|ulica|náměstí|улица|проспект|rue|chemin|allée|impasse|quai|route|cours|faubourg|calle"
    r"|avenida|avda?|av|plaza|paseo|via|viale|corso|piazza|largo|rua|travessa|alameda|praça|ul|al"
    r"|os)\b|c/|straße|str\b|endamm|ул\.|пр\.|code|asse\b|allee|platz|weg\b|straat|gracht|laan|kade|plein|dijk|singel"
    r"|gatan|vägen|gata\b|veien|gade\b|vej\b|katu\b|,\s*\d[\d-]{3,5}\s|,\s[a-z]{2}\s\d{5}"
)
"""In small letters: case-blind alternatives cost five times as much."""
_HOUSE_NUMBER = re.compile(r"(?<![\w.:/#$%+-])\d{1,5}[A-Za-z]?(?=[\s,;!?)/]|\.(?!\d)|$)")


def redact_addresses(text: str, tally: Counter[str]) -> str:
    """Call it only for a text with a digit."""
    lower = text.lower()
    if not (_HOUSE_NUMBER.search(text) or "postcode" in lower) or not _ANY_KIND.search(lower):
        return text
    for pattern in _ADDRESSES:
        group = "place" if "place" in pattern.groupindex else 0
        text = replace(pattern, ADDRESS, text, tally, _is_no_step, group)
    return text


def _is_no_step(match: re.Match[str]) -> bool:
    """ "Top 10 Best Way to cook" counts something; so does "Chapter 7 Ocean Drive"."""
    return not _AFTER_STEP.search(match.string[max(0, match.start() - 12) : match.start()])

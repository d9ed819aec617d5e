"""What a message's words say of whom it is meant for and what it wants. Pure; any thread.

English first, with what German, French and Spanish chats use most. Nothing here knows of a
community: names are handed in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from functools import lru_cache

SHORTEST_NAME = 3
"""Of a name that is taken for one without a mark behind it."""


class Named(Enum):
    """How a text holds the persona's name."""

    NOT = "not at all"
    SPOKEN_OF = "spoken of"
    SPOKEN_TO = "spoken to"


class Asks(Enum):
    """What a text asks for."""

    NOTHING = "nothing"
    SOMEBODY = "somebody in particular"
    ROOM = "everybody"
    HELP = "for help, or a hand"


_GREETING = (
    r"(?:hey|hi|hiya|hello|yo|oi|ok|okay|so|well|oh|ah|um|lol|and|but|also|please|pls|thanks|thx|ty"
    r"|thank you|sorry|wait|no|yes|yeah|yep|nah|nope|good (?:morning|evening|night)|gm|gn|morning"
    r"|evening|welcome back|wb|ask|dear|hallo|moin|na|danke|salut|bonjour|merci|hola|gracias)"
)
_OF = (
    r"about|to|with|by|from|know|knows|meet|like|likes|love|loves|hate|hates|miss|for|of|and|or|the|a|an|than|asked"
    r"|ask|told|tell|is|was|are|were|called|named|as|over|on|let|made|make|said|see|saw|this|that|our|my"
    r"|über|mit|von|der|die|das|ein|eine|und|avec|de|con"
)
_DOES = (
    r"is|was|isn['’]?t|wasn['’]?t|['’]s|said|says|has|had|hasn['’]?t|does|did|doesn['’]?t|didn['’]?t"
    r"|thinks|thought|knows|knew|likes|liked|loves|hates|wants|wanted|made|makes|told|tells|got"
    r"|gets|went|goes|came|comes|just|never|always|probably|would|might|must|seems|and|or|also"
    r"|ist|war|hat|sagt|sagte|kann|est|était|dit|es|dice|dijo"
)
_YOU = (
    r"\b(?:you|your|you['’]?re|u|ur|ya|yours|yourself|du|dich|dir|dein|deine|ihr|tu|te|toi|vous|ton"
    r"|tú|ti|usted|eres)\b"
)
_YOU_ALL = r"\b(?:you (?:guys|all|lot|folks|people|two)|y['’]?all|u guys|ihr|vous|ustedes)\b"
_HANDS = (
    r"\b(?:can|could|would|will|does|did|has|have|is|are|was) (?:any|some) ?(?:one|body)\b",
    r"(?:^|[,.!?] ?|\b(?:hi|hey|hello|so|guys|all|please|pls|or|but|and) )any ?(?:one|body)\b",
    r"\b(?:any|some) ?(?:one|body) (?:else )?(?:can|could|help|please|pls|tell|know|knows|got|here"
    r"|explain|willing|able|want|wants|up for|good at|familiar)\b",
    r"\bwho (?:wants|knows|can|could|else|has|is up|is in|['’]s up|here)\b",
    r"\bwho['’]?s (?:up|in|coming|around|free|down)\b",
    r"\b(?:help|hilfe) (?:me|please|pls|wanted|mir|bitte)\b|\b(?:please|pls) help\b|\bneed help\b",
    r"\b(?:i['’]?m |we['’]?re )?looking for (?:a|an|some|people|help|advice|recommend)",
    r"\bany (?:ideas?|tips|advice|suggestions?|thoughts|recs|recommendations?|takers|chance)\b",
    r"\b(?:recommend|suggest) (?:me )?(?:a|an|any|some|something)\b|\brecommendations\b",
    r"\b(?:jemand|wer kann|wer hat|wer will|kennt wer|quelqu['’]un|alguien)\b",
)
_ASKING = (
    r"(?:how|what|why|where|who|when|which|whose|what['’]?s|where['’]?s|who['’]?s|how['’]?s"
    r"|is there|are there|does|do|did|should|wie|was|warum|wo|wer|wann|welche\w*|gibt es"
    r"|comment|pourquoi|où|qui|quand|quel\w*|est-ce|cómo|qué|por qué|dónde|quién|cuándo)\b"
)
_GOES_ON = re.compile(
    r"(?:and|but|so|or|because|cuz|why|how|what|which|who|where|when|really|true|same|no|nope|nah"
    r"|yes|yeah|yep|lol|lmao|haha\w*|wait|then|also|ok but|agreed|exactly|right|wow|omg|damn|ikr"
    r"|not|it['’]?s|that['’]?s|is it|did|do|does|are|can|could|would|warum|wieso|und|aber|echt"
    r"|stimmt|ja|nein|pourquoi|et|mais|oui|non|por qué|y|pero|sí|no)\b"
)
_CLOSING = re.compile(
    r":\w+:|[\W_]+|(?:ok(?:ay|i)?|k+|thank you|thanks?|thx|ty|tysm|cheers|lol|lmao|rofl|haha\w*"
    r"|hehe\w*|heh|xd+|nice|cool|great|good night|good|sure|yep|yup|yeah|yes|nope|no|nah|ah+|oh+"
    r"|aw+|got it|i see|makes sense|fair enough|fair|np|nvm|bye|cya|later|night|gn|brb|afk|danke"
    r"|alles klar|jo|ja|nein|merci|gracias|vale|so much|a lot|you|man|mate|bro|all|then)(?!\w)"
)
_THANKS = re.compile(
    r"(?:(?:ok(?:ay)?|oh|ah|aw+|nice|cool|great|perfect|yes|yeah)[\s,.!]+)*"
    r"(?:thank you|thanks|thx|ty|tysm|cheers|danke|merci|gracias)(?!\w)(?! to\b)"
)
LONGEST_THANKS = 7
"""Words of a line that thanks and says little more."""
_REFERS = re.compile(
    r"\b(?:it|its|that|this|those|these|them|they|he|she|him|her|still|then|same|there(?! a)"
    r"|so what|das|es|dann|noch|ça|eso|esto)\b"
)
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
SHORT_QUESTION = 10
"""So many words that speak of "it" or "that" ask about a line before, too."""
HALF_A_QUESTION = 2
"""So few words ask about a line before, and not the room."""


def named(text: str, name: str) -> Named:
    """How the text holds the persona's name, as a word of its own in any case.

    Spoken to: in a question or beside "you"; at the head but for a greeting, unless "Mynah said
    that"; at the end, unless "I like Mynah". People who say its name so expect an answer.
    """
    form = name_form(name)
    if form is None or form.search(text) is None:
        return Named.NOT
    low = text.casefold().strip()
    if "?" in low or re.search(_YOU, low):
        return Named.SPOKEN_TO
    there = re.escape(name.strip().casefold())
    head = re.match(rf"(?:{_GREETING}[\s,!.]+)*@?{there}(?!\w)(?P<then>.*)", low, re.DOTALL)
    if head and not re.match(rf"\s*(?:{_DOES})\b", head["then"]):
        return Named.SPOKEN_TO
    if _ends_with(low, name.strip().casefold()):
        return Named.SPOKEN_TO
    apart = re.search(rf",\s*@?{there}\s*,", low)
    return Named.SPOKEN_TO if apart else Named.SPOKEN_OF


def addressee(text: str, names: Iterable[str]) -> str | None:
    """Who of these is clearly spoken to: a name at the head ("bob: ...", "@bob", "hey bob", "bob
    you ...") or, behind a comma, at the end. None: nobody."""
    low = text.casefold().strip()
    for name in names:
        called = name.casefold().strip()
        # Of a long name its first word is enough: "Bob the Builder" is called Bob.
        for one in dict.fromkeys((called, called.split()[0] if called else "")):
            if one and one in low and _calls(low, one):
                return name
    return None


def _calls(low: str, name: str) -> bool:
    there = re.escape(name)
    if re.match(rf"(?:{_GREETING}[\s,]+)*@?{there}(?:\s*[:,;>!?]|\s+-+>?\s|\s*$)", low):
        return True
    if re.search(rf"(?<!\w)@{there}(?!\w)", low):
        return True
    if len(name) < SHORTEST_NAME or name in _NO_NAMES:
        return False
    if re.match(rf"(?:{_GREETING}[\s,]+)*{there}\s+(?!(?:{_DOES})\b)", low):
        # "toast is nice" and "ghost stories" call nobody.
        return name not in _WORDS_TOO or re.search(_YOU, low) is not None
    if re.search(rf",\s*{there}\s*(?:[.!?,]|$)", low):
        return True
    # "what do you think bob", and not "do you like bob".
    return _ends_with(low, name) and _says_you(low)


def _ends_with(low: str, name: str) -> bool:
    """Whether the name stands at the end, marks apart, and not as what is spoken of: "of Bob"."""
    before, found, behind = low.rpartition(name)
    before = before.removesuffix("@")
    is_word = not re.search(r"\w\Z", before) and not re.search(r"\w", behind)
    return bool(found) and is_word and not re.search(rf"(?<!\w)(?:{_OF})\s*\Z", before)


_NO_NAMES = frozenset(
    """the and you for not but all any can who how what why when where this that then they them here
    there just now yes yeah nope okay guys someone anyone everyone""".split()
)
_WORDS_TOO = frozenset(
    """may will art mark bill rose hope joy max ash sky star moon sun rain snow storm ice fire ghost
    shadow wolf bear fox cat dog bird fish tea coffee toast bread cake pie game gamer pro noob
    king queen void zero one two lost nice cool hot cold red blue green black white grey""".split()
)


def asks(text: str) -> Asks:
    """What the text asks for; with "you" in it, or about what was just said, somebody in
    particular."""
    low = text.casefold().strip()
    if any(re.search(form, low) for form in _HANDS):
        return Asks.HELP
    is_question = low.rstrip(" !.)\"'").endswith("?") or bool(
        re.match(rf"(?:{_GREETING}[\s,]+)*{_ASKING}", low) and len(low.split()) > HALF_A_QUESTION
    )
    if not is_question:
        return Asks.NOTHING
    words = len(_WORD.findall(low))
    if words <= HALF_A_QUESTION or (words <= SHORT_QUESTION and _REFERS.search(low)):
        return Asks.SOMEBODY
    return Asks.SOMEBODY if _says_you(low) else Asks.ROOM


def speaks_to_one(text: str) -> bool:
    """Whether it says "you" and does not ask: it goes on a talk with somebody."""
    low = text.casefold()
    return asks(low) is Asks.NOTHING and _says_you(low)


def _says_you(low: str) -> bool:
    return re.search(_YOU, low) is not None and re.search(_YOU_ALL, low) is None


def goes_on(text: str) -> bool:
    """Whether it reads as if it went on with the line right before it."""
    low = text.casefold().strip()
    return bool(_GOES_ON.match(low) or re.search(_YOU, low) or "?" in low)


def closes(text: str) -> bool:
    """Whether it ends a talk: "ok", "thanks, will try that", "lol", no words at all. Nobody
    answers that."""
    low = text.casefold().strip()
    if not (words := _WORD.findall(low)):
        return True
    is_thanks = len(words) <= LONGEST_THANKS and _THANKS.match(low)
    return "?" not in low and bool(is_thanks or _only_closes(low))


def _only_closes(low: str) -> bool:
    """Piece by piece: a pattern of them all could take hours over "kkkkkkkkkkkkkkkkkkkk what"."""
    at = 0
    while at < len(low):
        piece = _CLOSING.match(low, at)
        if piece is None:
            return False
        at = piece.end()
    return True


def spoken_of(text: str, subjects: tuple[str, ...]) -> tuple[str, ...]:
    """Which of these words or phrases the text holds, plurals and all; in their order."""
    if not subjects:
        return ()
    low = text.casefold()
    return tuple(subject for subject, form in _subject_forms(subjects) if form.search(low))


@lru_cache(maxsize=64)
def _subject_forms(subjects: tuple[str, ...]) -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((one, _subject_form(one)) for one in subjects if _WORD.search(one))


def _subject_form(subject: str) -> re.Pattern[str]:
    """ "raids" finds "raid", "raiding" too; a phrase's words stand in a row."""
    words = _WORD.findall(subject.casefold())
    stems = [re.escape(_stem(word)) + r"(?:s|e|es|ed|d|ing|er|ers|n|en)?" for word in words]
    return re.compile(r"(?<!\w)" + r"[\s-]+".join(stems) + r"(?!\w)")


def _stem(word: str) -> str:
    found = re.fullmatch(r"(\w{3,}?)(?:ing|(?<=sh|ch|ss)es|(?<=[xz])es|(?<!s)s)", word)
    return found[1] if found else word


@lru_cache(maxsize=8)
def name_form(name: str) -> re.Pattern[str] | None:
    """Finds the name as a word of its own, in any case; None for an empty one."""
    if not name.strip():
        return None
    return re.compile(rf"(?<!\w){re.escape(name.strip())}(?!\w)", re.IGNORECASE)

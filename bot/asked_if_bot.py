"""Sees whether somebody asks the persona if it is a bot, and what it says then. Pure; any thread.

A model that was trained on people says "no, lol". So nobody is answered by it here: the sentence is
always the same, in the language of the question. Only what is asked of "you", of the place, or of
the persona by name counts; "is mira a bot?" is about somebody else.
"""

from __future__ import annotations

import re

_A_BOT = {
    "en": r"(?:(?:(?:a\.?i\.?|large|chat|self) ?-?)?(?:(?:chat|ro)?b[o0]t(?: account)?"
    r"|language model|assistant)|a\.?i\.?(?: model)?|artificial intelligence|llm"
    r"|(?:chat ?)?gpt(?:-?\d\w?)?|machine|computer|program|human(?: being)?"
    r"|(?:actual |real )?person|real|automated)",
    "de": r"(?:(?:chat)?bot|roboter|ki|k\.i\.|künstliche intelligenz|maschine|computer|programm"
    r"|sprachmodell|mensch|echte person|echt|real|menschlich)",
    "fr": r"(?:(?:chat)?bot|robot|ia|intelligence artificielle|machine|programme|ordinateur"
    r"|humaine?|être humain|vraie personne|personne réelle|réelle?)",
    "es": r"(?:(?:chat)?bot|robot|ia|inteligencia artificial|máquina|programa|ordenador"
    r"|humano|humana|ser humano|persona|persona real|persona de verdad|real)",
}
_END = {
    "en": r"(?:or|then|though|tho|lol|lmao|lmfao|bro|bruh|dude|mate|man|btw|right|yes|no|please|pls"
    r"|too|are (?:you|u)|aren['’]?t (?:you|u)|by the way|by any chance|in disguise|or what)",
    "de": r"(?:oder|denn|eigentlich|lol|bitte|etwa|jetzt|auch|alter|digga)",
    "fr": r"(?:ou|alors|lol|mdr|stp|en fait)",
    "es": r"(?:o|entonces|jaja|xd|por favor)",
}
_TO_YOU = {
    "en": r"(?:are|r|aren['’]?t) ?(?:you|u|ya)(?:,| not| guys)?",
    "de": r"(?:bist|bis) du(?:,| nicht)?",
    "fr": r"(?:es[- ]tu|t['’]es|tu es|êtes[- ]vous|vous êtes)",
    "es": r"(?:eres|¿eres|es usted)",
}
_BETWEEN = {
    "en": r"(?:(?:an?|the|just|actually|really|even|secretly|honestly|seriously|maybe|truly|some"
    r"|some kind of|some sort of|like|only|real|actual|fucking|damn|discord|living) )*",
    "de": r"(?:(?:ein|eine|einer|n|ne|nen|der|die|nur|wirklich|eigentlich|echt|echter|richtiger"
    r"|etwa|denn|vielleicht|auch|eh|so) )*",
    "fr": r"(?:(?:une?|le|la|vraiment|juste|en fait|vrai|vraie) )*",
    "es": r"(?:(?:una?|el|la|realmente|solo|acaso|de verdad|en serio) )*",
}
_OTHER_WAYS = {
    "en": (
        r"(?:am i|are we) (?:talking|speaking|chatting) (?:to|with) ",
        r"(?:you|u|ya)(?:['’]?re?| are)? (?:not )?",
    ),
    "de": (r"(?:rede|spreche|schreibe|chatte) ich (?:hier |gerade )?mit (?:einem |einer )?",),
    "fr": (r"(?:est[- ]ce que )?je parle (?:à|avec) ",),
    "es": (r"(?:estoy )?hablando con ",),
}
_SENTENCES = {
    "en": "I am a bot: a language model writes what {persona} says, no person does. `/about` says "
    "what I store.",
    "de": "Ich bin ein Bot: Was {persona} sagt, schreibt ein Sprachmodell und kein Mensch. "
    "`/about` sagt, was ich speichere.",
    "fr": "Je suis un bot : c'est un modèle de langage qui écrit ce que dit {persona}, pas une "
    "personne. `/about` dit ce que je garde.",
    "es": "Soy un bot: lo que dice {persona} lo escribe un modelo de lenguaje, no una persona. "
    "`/about` dice qué guardo.",
}
_IS = {"en": "is", "de": "ist", "fr": "est", "es": "es"}


def language_asked_in(text: str, persona_name: str) -> str:
    """The language in which it is asked: en, de, fr or es; "" where it is not asked."""
    asked = " ".join(text.casefold().split())
    name = re.escape(" ".join(persona_name.casefold().split()))
    for language in _SENTENCES:
        if any(found.search(asked) for found in _forms(language, name)):
            return language
    return ""


def what_it_is(text: str, persona_name: str) -> str:
    """The answer to `text`, in its language; in English where that cannot be told."""
    language = language_asked_in(text, persona_name) or "en"
    return _SENTENCES[language].format(persona=persona_name.strip() or "this account")


def _forms(language: str, name: str) -> list[re.Pattern[str]]:
    """The name may stand behind the question; nothing but a few words may else: "a robot fan" is
    no robot."""
    bot = _BETWEEN[language] + _A_BOT[language]
    end = rf"(?= ?(?:$|[^\w\s'’-]|@|{_END[language]}\b{f'|{name}' if name else ''}))"
    asked = [rf"(?<!\w){_TO_YOU[language]} {bot}{end}"]
    if name:
        asked.append(rf"(?<!\w){_IS[language]} @?{name} {bot}{end}")
    # Without a verb in front it is only a question where one is asked: "you're a bot?"
    asked += [rf"(?<!\w){way}{bot}{end}[^.!]*\?" for way in _OTHER_WAYS[language]]
    return [re.compile(one) for one in asked]

"""Tells the manner of an assistant: what nobody says in a chat, and a tuned model should not.

The lists are our own, from what instruction-tuned models of 2023 to 2026 say unasked (Llama, Qwen,
Gemma, GPT); they are English. What they miss in another language the classifier does not.
"""

from __future__ import annotations

import re

SAYINGS: dict[str, tuple[str, ...]] = {
    "says what it is": (
        r"\bas an? (?:ai|a\.i\.|language model|artificial intelligence|assistant)",
        r"\bi(?:'|’)?\s?a?m (?:just |only )?an? (?:ai|language model|(?:virtual )?assistant)\b",
        r"\bmy (?:training data|knowledge cutoff|programming)\b",
    ),
    "offers help": (
        r"\bhow (?:can|may) i (?:help|assist)",
        r"\b(?:here|happy|glad) to (?:help|assist)\b",
        r"\b(?:feel free|don(?:'|’)t hesitate) to (?:ask|reach|let|share)",
        r"\blet me know if (?:you|there)",
        r"\bif you (?:have any|need any|need) (?:more |other |further )?(?:questions|help|assist)",
        r"\bis there anything else\b",
        r"\bhope (?:this|that) helps\b",
    ),
    "opens as an assistant": (
        r"^(?:certainly|absolutely|of course|great question|i(?:'|’)d be (?:happy|glad))\b[!,. ]",
        r"^that(?:'|’)s (?:a )?great (?:question|idea|point)",
        r"^thank you for (?:your|asking|sharing)",
    ),
    "apologises": (
        r"\bi apologi[sz]e\b",
        r"\bapologies for\b",
        r"\bi(?:'|’)?a?m sorry,? (?:but i|for (?:any|the) (?:confusion|inconvenience))",
        r"\bi (?:cannot|can(?:'|’)t) (?:assist|provide|fulfil)",
        r"\bi(?:'|’)?m (?:unable|not able) to (?:assist|provide|help)",
    ),
    "hedges": (
        r"\bit(?:'|’)?s (?:important|worth|essential) to (?:note|remember|mention)",
        r"\bhere are (?:some|a few) (?:\w+ )?(?:tips|ways|steps|ideas|suggestions|options|things)",
        r"\bin (?:summary|conclusion)\b",
    ),
    "writes a list": (r"^\s*(?:[-*•]|\d{1,2}[.)])\s+\S.*\n\s*(?:[-*•]|\d{1,2}[.)])\s+\S",),
    "writes headings": (r"^#{1,4}\s+\S", r"^\*\*[^*\n]{2,60}\*\*:?\s*$"),
}
"""What is looked for, by the name of the manner."""
_FOUND = {
    name: re.compile("|".join(patterns), re.IGNORECASE | re.MULTILINE)
    for name, patterns in SAYINGS.items()
}


def manners(text: str) -> list[str]:
    """Which of `SAYINGS` a reply shows, by name; none of most."""
    return [name for name, pattern in _FOUND.items() if pattern.search(text)]

"""What guard has to know beside the draft: what was in view, what is allowed, who said what."""

from __future__ import annotations

import re
from dataclasses import dataclass

from data.verbatim import History
from model.chat_format import Tokenizer, Turn


@dataclass(frozen=True)
class Surroundings:
    """Of one draft. Nothing given: nothing was in view, no link is allowed, nothing looked up."""

    persona: str = ""
    turns: tuple[Turn, ...] = ()
    """The prompt's: what is in view."""
    allowed_links: tuple[str, ...] = ()
    """Hosts ("wikipedia.org"), or the beginnings of links ("discord.gg/lantern"); see `listed`."""
    history: History | None = None
    """Where it is looked up whose words the draft repeats; None: nowhere."""
    tokenizer: Tokenizer | None = None
    """Counts a span's tokens; None: words and signs count."""


NOTHING_KNOWN = Surroundings()


def listed(setting: str) -> tuple[str, ...]:
    """The hosts of the setting `links_allowed`, without what stands before and behind them."""
    found = (re.sub(r"^(?:\w+://)?(?:\*\.)?", "", one) for one in re.split(r"[,;\s]+", setting))
    return tuple(one.lower().strip("/.") for one in found if "." in one)

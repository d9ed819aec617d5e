"""Personal data that stands in the history, to be looked for in what a model says.

What the detector of data/privacy.py finds in the messages as they are stored; in training sets
placeholders stand for it. What COMMON_AUTHORS people wrote is nobody's. Held in memory alone.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from data.personal.kinds import PLACEHOLDERS, Noting
from data.privacy import redact
from data.verbatim import COMMON_AUTHORS
from storage.records import MessageRecord

LEAST_CHARS = 6
"""Letters and digits; what is shorter stands everywhere by chance."""
_OTHER = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class Known:
    """One piece, by where it was said."""

    kind: str
    """Its placeholder: "[email]"."""
    message_id: int


class KnownPersonal:
    """All that was found."""

    def __init__(self, messages: Iterable[MessageRecord]) -> None:
        found: dict[str, Known] = {}
        authors: defaultdict[str, set[int]] = defaultdict(set)
        for message in messages:
            for kind, text in in_text(message.content):
                found.setdefault(text, Known(kind, message.message_id))
                authors[text].add(message.author_id)
        self._found = {t: k for t, k in found.items() if len(authors[t]) < COMMON_AUTHORS}

    def __len__(self) -> int:
        return len(self._found)

    def said_in(self, text: str) -> list[Known]:
        """What of it stands in a text, whatever its signs and blanks."""
        said = _bare(text)
        return [known for bare, known in self._found.items() if bare in said]


def in_text(text: str) -> list[tuple[str, str]]:
    """Kind and letters and digits of each piece of personal data that the detector finds."""
    tally = Noting()
    redact(text, tally)
    whole = (found for found in tally.found if not any(one in found[1] for one in PLACEHOLDERS))
    return [(kind, bare) for kind, one in whole if len(bare := _bare(one)) >= LEAST_CHARS]


def _bare(text: str) -> str:
    """Its letters and digits, in small letters."""
    return _OTHER.sub("", text).casefold()

"""Makes a message's words as training shows them: the one place for transcript and memory notes.

What a model sees when it serves must look like what it learned from, and personal data that
training takes out must not come back through the prompt. What is stored stays as it was said.
Blocking: call from a worker thread.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from data.preprocessor import clean_content, why_no_words
from data.privacy import redact

if TYPE_CHECKING:
    from storage.database import Database

_MENTIONED = re.compile(r"<@!?(\d{1,19})>")


def readable(database: Database, content: str, nicknames: Mapping[int, str]) -> str:
    """Cleaned and redacted, mentions as names; "" where training drops it (a command, a bare link).

    `nicknames` are names that count more than the stored ones (the persona's own).
    """
    named = dict(nicknames)
    for member_id in {int(found) for found in _MENTIONED.findall(content)} - named.keys():
        member = database.member(member_id)
        if member is not None:
            named[member_id] = member.nickname
    text = clean_content(content, named)
    return "" if why_no_words(text) else redact(text)

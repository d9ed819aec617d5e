"""Which records of a file are about what is erased, and what is left of the others.

A record is known by the ids it names. Only Discord's ids count: no other number is that large. What
others wrote stays, with whatever they called somebody; that they mentioned, answered or reacted
with them does not.
"""

from __future__ import annotations

import json
import re
from typing import Any

from data.erased import Erased
from storage.records import FIRST_SNOWFLAKE

_NUMBER = re.compile(rb"[0-9]{7,20}")
_OTHERS = frozenset(
    "mentions mentioned_ids reactions reference reply_to_id forwardedMessage interaction".split()
)
"""Keys under which a message names others' messages, or other people."""
_PEOPLE = frozenset("author user member".split())
"""Keys under which a record says whose it is."""


class Rules:
    """For one `Erased`."""

    def __init__(self, erased: Erased) -> None:
        ids = erased.member_ids | erased.message_ids
        self._ids = frozenset(i for i in ids if i >= FIRST_SNOWFLAKE)
        self._as_bytes = frozenset(str(i).encode() for i in self._ids)
        names = [name for name in erased.names if name.strip()]
        self._quoted = tuple(json.dumps(n).encode() for n in names) + tuple(
            json.dumps(n, ensure_ascii=False).encode() for n in names
        )
        words = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
        self._names = frozenset(names)
        self._named = re.compile(rf"(?<!\w)(?:{words})(?!\w)".encode()) if names else None

    def names_one(self, raw: bytes) -> bool:
        """Whether any id stands in these bytes as a number of its own."""
        return not self._as_bytes.isdisjoint(_NUMBER.findall(raw))

    def calls_one(self, raw: bytes) -> bool:
        """Whether a forgotten member's name stands in this text as a word."""
        return self._named is not None and self._named.search(raw) is not None

    def quotes_one(self, raw: bytes) -> bool:
        """Whether a forgotten member's name is one of this JSON's strings."""
        return any(quoted in raw for quoted in self._quoted)

    def is_of_one(self, cell: str) -> bool:
        """Whether a table's cell is an id or a forgotten member's name."""
        return self._is_one(cell) or cell in self._names

    def is_about(self, value: Any) -> bool:
        """Whether a record, or a lone id, is what is erased, or was made from it."""
        if not isinstance(value, dict):
            return self._is_one(value)
        return any(
            self._is_one(one)
            or (isinstance(one, dict) and key in _PEOPLE and self.is_about(one))
            or (
                isinstance(one, list)
                and key.lower().endswith("ids")
                and any(map(self._is_one, one))
            )
            for key, one in value.items()
            if key not in _OTHERS
        )

    def without(self, value: Any) -> Any:
        """What is left of JSON that is not itself about it: lists without, places emptied."""
        if isinstance(value, list):
            return [self.without(one) for one in value if not self.is_about(one)]
        if not isinstance(value, dict):
            return value
        left = {
            key: None if isinstance(one, dict) and self.is_about(one) else self.without(one)
            for key, one in value.items()
            if not self._is_one(key)
        }
        if value.get("reference") and left["reference"] is None and "forwardedMessage" in left:
            left["forwardedMessage"] = None
        return left

    def _is_one(self, value: Any) -> bool:
        if isinstance(value, str):
            return value.encode("utf-8", "replace") in self._as_bytes
        return isinstance(value, int) and value in self._ids

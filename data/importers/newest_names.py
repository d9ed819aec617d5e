"""Decides which of several names of one account or channel is the newest known."""

from __future__ import annotations

from collections.abc import Hashable, Iterable


class NewestNames:
    """What each id is called and since when that is known. One import, one thread."""

    def __init__(self, stored: Iterable[tuple[int, Hashable]], stored_until_ms: int | None) -> None:
        """`stored`: ids and what they are called as of `stored_until_ms`, the newest message."""
        until_ms = stored_until_ms or 0
        self._held = {key: (says, until_ms) for key, says in stored}

    def is_due(self, key: int, says: Hashable, at_ms: int) -> bool:
        """Whether `says`, true at `at_ms`, is to be stored: a new id, or another name not older."""
        held = self._held.get(key)
        if held is not None:
            held_says, held_ms = held
            if at_ms < held_ms:
                return False
            if says == held_says:
                self._held[key] = (says, at_ms)
                return False
        self._held[key] = (says, at_ms)
        return True

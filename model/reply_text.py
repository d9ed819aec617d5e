"""The growing text of a reply: whole characters only, never a part of a stop text. One thread."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence


class ReplyText:
    """Takes a token's bytes at a time, hands on what is certain to stay.

    Held back are the bytes of a character that is not whole yet, and an end that may grow into a
    stop text. Bytes that are no UTF-8 become U+FFFD.
    """

    def __init__(
        self, stop_texts: Sequence[str] = (), deliver: Callable[[str], None] | None = None
    ) -> None:
        self._stops = tuple(stop for stop in stop_texts if stop)
        self._deliver = deliver
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._sure: list[str] = []
        self._held = ""

    def add(self, piece: bytes) -> bool:
        """Take one token's bytes; True where a stop text came (the reply ends before it)."""
        return self._take(self._decoder.decode(piece))

    def finish(self, *, stopped: bool = False) -> str:
        """The whole reply. Where no stop text came, what was held back belongs to it."""
        if not stopped and not self._take(self._decoder.decode(b"", True)):
            self._hand_on(len(self._held))
        return "".join(self._sure)

    def _take(self, text: str) -> bool:
        self._held += text
        found = [at for at in map(self._held.find, self._stops) if at >= 0]
        if found:
            self._hand_on(min(found))
            self._held = ""
            return True
        self._hand_on(len(self._held) - self._possible_stop())
        return False

    def _possible_stop(self) -> int:
        """Length of the longest end of what is held that begins some stop text."""
        longest = 0
        for stop in self._stops:
            for length in range(min(len(stop) - 1, len(self._held)), longest, -1):
                if self._held.endswith(stop[:length]):
                    longest = length
                    break
        return longest

    def _hand_on(self, length: int) -> None:
        sure, self._held = self._held[:length], self._held[length:]
        if sure:
            self._sure.append(sure)
            if self._deliver:
                self._deliver(sure)

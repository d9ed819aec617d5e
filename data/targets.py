"""Decides which bursts are replies to learn, and what each of them answers."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping

from data.conversations import How, Link
from data.naming import quotes_speakers
from data.personas import Personas
from data.privacy import PLACEHOLDERS
from data.shown import Shown
from data.split import Region
from model.chat_format import MARKS, NOTE_PREFIX

NOT_A_TARGET = "not among the targets asked for"
LOST_ANSWER = "answers a line that is not here"
TORN = "conversation runs over both sides"
ONLY_PLACEHOLDER = "reply is only a placeholder"
SPEAKS_FOR_OTHERS = "reply quotes others' lines"
REPLY_TOO_LONG = "reply longer than its budget"
OWN_BEFORE = "goes on after the author's own line"
STARTS_TOPIC = "starts a topic"
NO_CONTEXT = "no context in reach"

STARTS_KEPT = 0.2

_NOTHING_SAID = re.compile(
    rf"(?:{'|'.join(re.escape(placeholder) for placeholder in PLACEHOLDERS)}|\W)*"
)
_MARKS = (*MARKS, NOTE_PREFIX.strip())


class Targets:
    """One piece of one channel."""

    def __init__(
        self,
        shown: Shown,
        links: Mapping[int, Link],
        torn: Mapping[int, str],
        personas: Personas,
        most_tokens: int,
    ) -> None:
        """`torn` is what `data.split.on_both_sides` says, `most_tokens` the longest reply's."""
        self._shown = shown
        self._links = links
        self._torn = torn
        self._personas = personas
        self._most_tokens = most_tokens
        self._place = {message.message_id: at for at, message in enumerate(shown.messages)}

    def why_not(self, at: int, region: Region, rng: random.Random) -> str:
        """Why a burst of the region is no target, or ""."""
        if reason := self._why_no_reply(at) or self._why_no_answer(at, region, rng):
            return reason
        return REPLY_TOO_LONG if self._shown.own_tokens(at) > self._most_tokens else ""

    def answered(self, at: int) -> int | None:
        """The earlier burst that a burst answers; None where it answers nobody."""
        burst = self._shown.bursts[at]
        for message in self._shown.messages[burst.start : burst.end]:
            answers_id = self._links[message.message_id].answers_id
            place = None if answers_id is None else self._place.get(answers_id)
            if place is not None and place < burst.start:
                return self._shown.burst_at[place]
        return None

    def _why_no_reply(self, at: int) -> str:
        """Why the burst's own words are no reply to learn, or ""."""
        message = self._shown.messages[self._shown.bursts[at].start]
        if reason := message.not_learned or message.not_shown:
            return reason
        if self._personas.of(message.author_id) is None:
            return NOT_A_TARGET
        text = self._shown.own_text(at)
        if any(p in text for p in PLACEHOLDERS) and _NOTHING_SAID.fullmatch(text):
            return ONLY_PLACEHOLDER
        if quotes_speakers(text, self._shown.names) or any(mark in text for mark in _MARKS):
            return SPEAKS_FOR_OTHERS
        return ""

    def _why_no_answer(self, at: int, region: Region, rng: random.Random) -> str:
        """Why the burst is no answer to what stands before it, or ""."""
        burst = self._shown.bursts[at]
        first = self._shown.messages[burst.start]
        if first.reply_to_id is not None and first.reply_to_id not in self._place:
            return LOST_ANSWER
        if burst.start < region.start or burst.end > region.end or self._is_torn(at, region):
            return TORN
        if burst.start == region.start:
            return NO_CONTEXT
        if self._shown.messages[burst.start - 1].author_id == burst.author_id:
            return OWN_BEFORE
        if self.answered(at) is not None:
            return ""
        if self._links[first.message_id].how is How.STARTS:
            return "" if rng.random() < STARTS_KEPT else STARTS_TOPIC
        return OWN_BEFORE

    def _is_torn(self, at: int, region: Region) -> bool:
        """Whether any line belongs to a conversation that the other side keeps."""
        burst = self._shown.bursts[at]
        return any(
            self._torn.get(self._links[m.message_id].conversation_id, region.side) != region.side
            for m in self._shown.messages[burst.start : burst.end]
        )

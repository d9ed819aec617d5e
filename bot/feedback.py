"""Scores how the community took what the persona said: reactions, answers, deletions, orders.

An answer's messages count together. Of it are known

    p, n   its good and its bad reactions, weighed and capped as data/reception.py does (at most 5
           count, at most 3 of one emoji). The bot's own are never stored; whose the others are
           nobody stores, so another bot's counts as anybody's.
    a      the members who answered it, 4 at most: by an explicit reply to one of its messages, or,
           who had asked, by going on right behind it within 2 minutes. What they said is not
           judged, but for STOPS.
    d      1 where one of its messages was deleted. On Discord nobody else can but a moderator;
           what the bot itself takes back was never learned from (bot/find_again.py).
    q      1 where !quiet was ordered within 2 minutes behind it, or an answer that is plainly meant
           for it says no more than one of STOPS

and good = p + 0.25 a, bad = n + 3 d + 2 q, score = (good - bad) / (good + bad + 2): -1 to 1, drawn
towards 0 by as much as little is known. One thumb up is 0.33, three are 0.6, one answer 0.11, a
deletion -0.6. Where nothing is known there is no score: silence says nothing.

All of it stands in the database, so the same is found whenever it is looked for, in whatever order
it came. Blocking: call from a worker thread.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.patience import patiently
from data.emoji_weights import EmojiWeights, EmojiWeightsError
from data.reception import Reception
from storage.paths import Home
from storage.records import MessageRecord
from storage.reply_store import Behind, OwnAnswer

if TYPE_CHECKING:
    from storage.database import Database

log = logging.getLogger(__name__)

ANSWER_GOOD, MOST_ANSWERS = 0.25, 4
DELETED_BAD, STOP_BAD = 3.0, 2.0
UNKNOWN = 2.0
"""As much as if there were so much of neither kind."""
WITHIN_MS = 2 * 60_000
AGAIN_S = 3600.0
LOOKED_BEHIND = 100
"""Messages; an explicit reply further behind does not count."""
MOST_ANSWERS_SCORED = 500
"""The newest; older ones keep the score that they have."""

STOPS = frozenset(
    (
        "stop",
        "stop it",
        "shut up",
        "be quiet",
        "stopp",
        "hör auf",
        "halt die klappe",
        "sei still",
    )
)
_MENTION = re.compile(r"<@!?\d+>|@\S+")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Received:
    """How an answer was received."""

    good: float
    bad: float
    answers: int
    deleted_at_ms: int | None = None

    @property
    def score(self) -> float | None:
        """-1 to 1; None where nothing is known."""
        known = self.good + self.bad
        return (self.good - self.bad) / (known + UNKNOWN) if known else None


def received(answer: OwnAnswer, behind: Sequence[Behind], reception: Reception) -> Received:
    """How it was received, by what stands under it and `behind` its first message. Pure."""
    good, bad = reception.weigh(answer.reactions)
    own, stops = set(answer.message_ids), False
    answered: set[int] = set()
    for at, one in enumerate(behind):
        is_reply = one.reply_to_id in own
        is_meant = is_reply or f"<@{answer.own_id}>" in one.text
        if is_meant and _says_stop(one.text):
            stops = True
        elif is_reply or _goes_on(answer, behind[: at + 1]):
            answered.add(one.author_id)
    was_quieted = any(row.quieted_at_ms is not None for row in answer.rows)
    good += ANSWER_GOOD * min(len(answered), MOST_ANSWERS)
    bad += DELETED_BAD * (answer.deleted_at_ms is not None) + STOP_BAD * (stops or was_quieted)
    return Received(good, bad, len(answered), answer.deleted_at_ms)


class Scoring:
    """One home's."""

    def __init__(self, database: Database, weights: EmojiWeights | None = None) -> None:
        """`weights`: what emoji say here; None: as they come with Mynah."""
        self._database = database
        self._reception = Reception(weights or EmojiWeights.shipped())

    def note_changed(self, message_ids: Collection[int]) -> None:
        """Reactions under these came or went, or they were deleted; most are nobody's concern."""
        self._score(self._database.asked_by(message_ids))

    def note_said(self, records: Iterable[MessageRecord]) -> None:
        """These were said, and are stored."""
        said = list(records)
        if not said:
            return
        replied_to = {one.reply_to_id for one in said if one.reply_to_id is not None}
        since_ms = min(one.created_at_ms for one in said) - WITHIN_MS
        channels = {one.channel_id for one in said}
        self._score(self._database.asked_by(replied_to, channels=channels, since_ms=since_ms))

    def note_quieted(self, channel_id: int, at_ms: int) -> None:
        """Somebody ordered silence there."""
        self._score(self._database.note_quieted(channel_id, at_ms - WITHIN_MS, at_ms))

    def score_newest(self) -> None:
        """Look at all of the newest answers again: what was fetched, or said while the bot was
        away, has told nobody. 0.3 s, and 0.6 s where all are new."""
        self._score(self._database.newest_asked(MOST_ANSWERS_SCORED))

    def _score(self, asked_ids: Iterable[int]) -> None:
        for answer in self._database.own_answers(asked_ids):
            first = answer.rows[0]
            behind = self._database.said_behind(answer.channel_id, first.message_id, LOOKED_BEHIND)
            found = received(answer, behind, self._reception)
            now = (found.score, found.good, found.bad, found.answers, found.deleted_at_ms)
            if now != (first.score, first.good, first.bad, first.answers, first.deleted_at_ms):
                self._database.score_answer(
                    answer.asked_id,
                    found.score,
                    good=found.good,
                    bad=found.bad,
                    answers=found.answers,
                    deleted_at_ms=found.deleted_at_ms,
                )


def scoring_of(home: Home, database: Database) -> Scoring:
    """With the home's own table of what emoji say, where it can be read. Blocking."""
    try:
        weights = EmojiWeights.of(home)
    except (EmojiWeightsError, OSError) as error:
        log.warning("Reactions count as they come with Mynah. %s", error)
        weights = EmojiWeights.shipped()
    return Scoring(database, weights)


async def score_by_the_hour(scoring: Scoring) -> None:
    """Never ends. Event loop's thread."""
    while True:
        await patiently(scoring.score_newest)
        await asyncio.sleep(AGAIN_S)


def _goes_on(answer: OwnAnswer, behind: Sequence[Behind]) -> bool:
    """Whether the last of these is the first thing said behind its last message, by who had
    asked."""
    one = behind[-1]
    last = answer.rows[-1]
    is_first = one.message_id > last.message_id and (
        len(behind) == 1 or behind[-2].message_id < last.message_id
    )
    is_soon = 0 <= one.at_ms - last.at_ms <= WITHIN_MS
    return is_first and is_soon and one.author_id == answer.asker_id


def _says_stop(text: str) -> bool:
    return " ".join(_WORD.findall(_MENTION.sub(" ", text).casefold())) in STOPS

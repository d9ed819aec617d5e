"""The persona's own words as examples of what to say and what not to say, for preferences.

Two kinds, and no member said either. **Drafts** that the owner answered in a rehearsal: "yes" is
what to say there, "no" is not; "too much" says nothing of the words. **Replies** that went out and
were clearly liked or disliked (a score of 0.3 or more either way, bot/feedback.py); one that was
answered by !quiet alone was there at the wrong time, which says nothing of its words either.

The prompt is made as every example's is (data/windows.py), from clean messages: what stands before
the answered message, and behind it the persona's words as an explicit reply to it. What the model
was shown when it wrote a draft may be more than that, and may be in its words; so all of it counts
as shown in the example (`source_ids`), and where any of it may not be context, there is none. What
was shown for a reply is not known any more; so replies are taken only where everybody who may be
recalled may be learned from, in the mode `declared`, and where nobody spoke near who may not.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from data.budget import TokenCount
from data.consent import Mode, Rules, why_refused
from data.conversations import How, Link
from data.examples import Example
from data.naming import Renaming
from data.personas import Personas
from data.preference_rows import REHEARSAL, REPLY
from data.preprocessor import CleanMessage, clean_content, why_no_words
from data.privacy import redact
from data.split import Region
from data.windows import Planner, WindowOptions
from storage.records import Origin
from storage.rehearsal_store import YES

if TYPE_CHECKING:
    from storage.database import Database

MOST_REPLIES = 2000
"""The newest with a score."""
NOTABLE_SCORE = 0.3
REACH = 400
"""How many messages before the answered one are looked at; a context has far fewer."""
OWN_AUTHOR = -1
"""No member's id."""

NO_ASKED = "what it answers is not among the messages to learn from"
NOT_SHOWN_NEAR = "words that may not be shown stood near when it was said"
NOT_WHOLE = "not declared, so what was recalled for it may not be learned from"


@dataclass(frozen=True)
class OwnReply:
    """What the persona said or would have said to a message, and whether it was right to."""

    source: str
    """REHEARSAL or REPLY."""
    name: str
    """Of its row: no other one's."""
    asked_id: int
    text: str
    is_good: bool
    shown_ids: tuple[int, ...] = ()
    """What the model was shown, as far as that is known."""
    reply_ids: tuple[int, ...] = ()
    """The persona's messages; none of a draft."""
    own_id: int = 0


@dataclass(frozen=True)
class OwnExample:
    """An own reply as an example."""

    example: Example
    side: str
    is_good: bool
    source: str


@dataclass
class OwnExamples:
    """Those of a history that is walked segment by segment. Not for several threads."""

    wanted: Mapping[int, Sequence[OwnReply]] = field(default_factory=dict)
    """By the message that they answer."""
    found: list[OwnExample] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    """By reason."""
    _looked_for: int = 0

    @classmethod
    def of(cls, database: Database, rules: Rules) -> OwnExamples:
        """What is to be looked for."""
        left_out: Counter[str] = Counter()
        wanted: defaultdict[int, list[OwnReply]] = defaultdict(list)
        for one in (*_drafts(database), *_replies(database, rules, left_out)):
            if reason := why_no_words(one.text):
                left_out[reason] += 1
            else:
                wanted[one.asked_id].append(one)
        return cls(dict(wanted), left_out=left_out)

    @property
    def sha256(self) -> str:
        """Of what is looked for: whether there is more of it than the last time."""
        rows = [
            (one.source, one.name, one.asked_id, one.text, one.is_good)
            for found in self.wanted.values()
            for one in found
        ]
        return hashlib.sha256(json.dumps(sorted(rows)).encode()).hexdigest()

    def look_for(
        self,
        messages: Sequence[CleanMessage],
        links: Mapping[int, Link],
        regions: Sequence[Region],
        torn: Mapping[int, str],
        *,
        renaming: Renaming,
        personas: Personas,
        count: TokenCount,
        options: WindowOptions,
    ) -> None:
        """Make those of one segment: `messages` without words that may not be shown, in true
        order, with their regions and `data.split.on_both_sides`."""
        for region in regions if self.wanted else ():
            for at in range(region.start, region.end):
                for own in self.wanted.get(messages[at].message_id, ()):
                    self._looked_for += 1
                    begin = max(region.start, at + 1 - REACH)
                    piece = [*messages[begin : at + 1], _as_message(own, messages[at])]
                    if own.source == REPLY and any(one.not_shown for one in piece):
                        self.left_out[NOT_SHOWN_NEAR] += 1
                        continue
                    planner = Planner(
                        piece,
                        _linked(piece, links),
                        renaming=renaming,
                        personas=personas,
                        count=count,
                        options=options,
                    )
                    plan = planner.plan_last(replace(region, start=0, end=len(piece)), torn)
                    if isinstance(plan, str):
                        self.left_out[plan] += 1
                    else:
                        self._take(planner.build(plan), own, region.side)

    def checked(self, database: Database) -> list[OwnExample]:
        """Those that pass the trainer's door, once the whole history was walked."""
        refused = why_refused(database, [one.example for one in self.found])
        self.left_out.update(refused.values())
        if missing := sum(map(len, self.wanted.values())) - self._looked_for:
            self.left_out[NO_ASKED] += missing
        return [one for at, one in enumerate(self.found) if at not in refused]

    def _take(self, example: Example, own: OwnReply, side: str) -> None:
        shown = dict.fromkeys((*example.source_ids[:-1], *own.shown_ids))
        example = replace(
            example,
            example_id=own.name,
            target_author_id=own.own_id,
            source_ids=(*shown, *own.reply_ids),
            reply_ids=own.reply_ids,
            is_draft=own.source == REHEARSAL,
        )
        self.found.append(OwnExample(example, side, own.is_good, own.source))


def own_report(found: Iterable[OwnExample], left_out: Mapping[str, int]) -> dict[str, Any]:
    """For the set's report."""
    counts = Counter((one.source, one.is_good) for one in found)
    return {
        **{
            source: {"well": counts[source, True], "badly": counts[source, False]}
            for source in (REHEARSAL, REPLY)
        },
        "left_out": dict(sorted(left_out.items())),
    }


def _drafts(database: Database) -> list[OwnReply]:
    """Answered with yes or no; of the same words in the same place the last answer counts."""
    found: dict[tuple[int, str], OwnReply] = {}
    for row in database.answered_drafts():
        text = redact(clean_content(row.draft, {}))
        name = f"{REHEARSAL}-{row.rehearsed_id}"
        is_good = row.answer == YES
        own = OwnReply(REHEARSAL, name, row.message_id, text, is_good, row.source_ids)
        found[row.message_id, text] = own
    return list(found.values())


def _replies(database: Database, rules: Rules, left_out: Counter[str]) -> list[OwnReply]:
    """Clearly liked or disliked for their words."""
    found: list[OwnReply] = []
    asked_ids = database.newest_asked(MOST_REPLIES, scored_only=True)
    for answer in database.own_answers(asked_ids):
        score = answer.score or 0.0
        was_quieted = any(row.quieted_at_ms is not None for row in answer.rows)
        if abs(score) < NOTABLE_SCORE or (score < 0 and was_quieted) or not answer.text:
            continue
        if rules.mode is not Mode.DECLARED:
            left_out[NOT_WHOLE] += 1
            continue
        found.append(
            OwnReply(
                REPLY,
                str(answer.message_ids[-1]),
                answer.asked_id,
                redact(clean_content(answer.text, {})),
                score > 0,
                (answer.asked_id,),
                answer.message_ids,
                answer.own_id or 0,
            )
        )
    return found


def _as_message(own: OwnReply, asked: CleanMessage) -> CleanMessage:
    """As if it stood right behind the message that it answers."""
    return CleanMessage(
        message_id=own.reply_ids[-1] if own.reply_ids else asked.message_id + 1,
        channel_id=asked.channel_id,
        author_id=OWN_AUTHOR,
        name="",
        text=own.text,
        created_at_ms=asked.created_at_ms + 1,
        origin=Origin.SAMPLE,
        reply_to_id=asked.message_id,
    )


def _linked(piece: Sequence[CleanMessage], links: Mapping[int, Link]) -> dict[int, Link]:
    """The links of a piece whose last message explicitly replies to the one before it."""
    found = {one.message_id: links[one.message_id] for one in piece[:-1]}
    asked, last = links[piece[-2].message_id], piece[-1].message_id
    return {
        **found,
        last: replace(
            asked,
            message_id=last,
            parent_id=asked.message_id,
            answers_id=asked.message_id,
            how=How.REPLY,
            confidence=1.0,
        ),
    }

"""What the bot shows the model of a talk is, token by token, what training shows it of the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from bot.pipeline import Pipeline
from bot.platforms.platform import Accepted
from bot.transcript import line_of
from data.budget import TokenCount
from data.conversations import link
from data.examples import Example
from data.naming import Renaming
from data.personas import Personas, PersonaText
from data.preprocessor import clean
from data.split import TRAINING, Region
from data.windows import Planner, WindowOptions
from model.chat_format import Own, Said, as_text, encode, render_ask
from model.inference import Engine, Generation
from storage.database import Database
from storage.records import MemberRecord, MessageRecord
from tests.bot.odd_engines import OddEngine
from tests.bot.scene import BOB, MIRA, OWN_ID, START_MS, TAVERN, incoming
from tests.bot.test_pipeline import Room, make

NAMESAKE = MemberRecord(106, "mira2", "mira")
PERSONA = MemberRecord(OWN_ID, "mynah", "Mynah")
"""In training a regular like any other."""


@dataclass(frozen=True)
class Spoken:
    """A line of the talk: who, how many seconds after its beginning, and what; a line of the
    persona's replies to the one before it, or goes on."""

    author: MemberRecord
    at_s: int
    text: str
    replies: bool = False


TALK = (
    Spoken(BOB, 0, "anyone up for the raid"),
    Spoken(MIRA, 20, "me"),
    Spoken(MIRA, 50, "or no"),
    Spoken(MIRA, 169, "two lines\nof one message"),
    Spoken(BOB, 180, "who heals"),
    Spoken(MIRA, 190, "Mynah, do you?"),
    Spoken(PERSONA, 200, "nine works\nfor me: yes", replies=True),
    Spoken(PERSONA, 210, "bring cake"),
    Spoken(PERSONA, 331, "and a torch"),
    Spoken(MIRA, 335, "ok"),
    Spoken(MIRA, 340, "see you"),
    Spoken(NAMESAKE, 345, "me too"),
    Spoken(NAMESAKE, 466, "no wait"),
    Spoken(NAMESAKE, 470, "that is a reply", replies=True),
    Spoken(NAMESAKE, 471, "more"),
    Spoken(BOB, 480, "so, Mynah?"),
    Spoken(PERSONA, 490, "sure", replies=True),
)
REPLY = "nine works\nfor me: yes\nbring cake"
"""What the persona says in a row, which it may write as one reply."""
TEXT = """\
<|im_start|>system
You are Mynah.<|im_end|>
<|im_start|>user
Bob the Builder: anyone up for the raid
mira: me
  or no
  two lines
  of one message
Bob the Builder: who heals
mira: Mynah, do you?
<|im_end|>
<|im_start|>assistant
nine works
for me: yes
bring cake<|im_end|>
<|im_start|>assistant
and a torch<|im_end|>
<|im_start|>user
mira: ok
  see you
mira: me too
mira: no wait
mira: that is a reply
  more
Bob the Builder: so, Mynah?
<|im_end|>
<|im_start|>assistant
"""


def records() -> list[MessageRecord]:
    return [
        replace(
            incoming(spoken.text, message_id=1000 + n, author=spoken.author).record,
            created_at_ms=START_MS + 900_000 + spoken.at_s * 1000,
            reply_to_id=1000 + n - 1 if spoken.replies else None,
        )
        for n, spoken in enumerate(TALK)
    ]


def trained(engine: Engine, persona: str) -> Example:
    """The example of the talk's last line, with all that stood before it."""
    members = (BOB, MIRA, NAMESAKE, PERSONA)
    messages = clean(records(), members)[0]
    for seed in range(100):  # how far a context reaches is drawn
        planner = Planner(
            messages,
            link(messages),
            renaming=Renaming(members),
            personas=Personas.blend(PersonaText("Mynah", persona)),
            count=TokenCount(engine.tokenizer),
            options=WindowOptions(seed=seed, max_tokens=300, note_share=0.0),
        )
        plan = list(planner.plan([Region(TAVERN.channel_id, 0, len(TALK), TRAINING)], {}))[-1]
        assert not isinstance(plan, str), plan
        if plan.start == 0:
            return planner.build(plan)
    raise AssertionError("no context was drawn that reaches back to the first line")


class Scripted(OddEngine):
    """Writes what the persona replied, and keeps what it was asked."""

    def __init__(self, engine: Engine, replies: Sequence[str]) -> None:
        super().__init__(engine)
        self.replies = list(replies)
        self.prompts: list[list[int]] = []

    async def generate(self, ids: Any, **rest: Any) -> Generation:
        self.prompts.append(list(ids))
        return replace(await self._engine.generate(ids, **rest), text=self.replies.pop(0))


class Clock(Room):
    """Sends each reply with the id and the time that it has in the talk."""

    async def send(
        self,
        channel_id: int,
        text: str,
        *,
        reply_to_id: int | None,
        pings: bool = True,
        asked_id: int | None = None,
        line: int = 0,
    ) -> Accepted:
        (own,) = (one for one in records() if one.reply_to_id == asked_id)
        assert text == own.content or text in REPLY.split("\n")
        return Accepted(own.message_id + 5000 * line, own.created_at_ms + 1000 * line)


async def serve(pipeline: Pipeline, spoken: Spoken, record: MessageRecord, delivery: str) -> None:
    if spoken.author is not PERSONA:
        message = incoming(spoken.text, author=spoken.author)
        await pipeline.handle(replace(message, record=record))
    elif spoken.text in REPLY and delivery == "lines":
        return  # it went out with the first
    elif record.reply_to_id is None:  # a reply's next message
        await pipeline.transcripts.append(TAVERN.channel_id, [line_of(Own(spoken.text), record)])


@pytest.mark.parametrize("delivery", ["whole", "lines"])
@pytest.mark.parametrize("is_restarted", [False, True])
async def test_a_talk_is_served_as_it_is_trained(
    database: Database, tiny: Path, is_restarted: bool, delivery: str
) -> None:
    with Engine.load(tiny, context_tokens=512, threads=1) as engine:
        first, second = (one.text for one in TALK if one.replies and one.author is PERSONA)
        scripted = Scripted(engine, [REPLY if delivery == "lines" else first, second])
        settings: dict[str, Any] = {"persona": "You are {name}.", "recall_enabled": False}
        settings["delivery"] = delivery
        pipeline = make(database, scripted, Clock(), **settings)
        for spoken, record in zip(TALK[:-1], records(), strict=False):
            if is_restarted:
                await pipeline.reader.close()
                pipeline = make(database, scripted, Clock(), **settings)
            await serve(pipeline, spoken, record, delivery)
        await pipeline.reader.close()
        example = trained(engine, "You are Mynah.")
        asked = render_ask(example.persona, example.turns)
        assert as_text(asked) == TEXT
        assert len(scripted.prompts) == 2
        assert scripted.prompts[-1] == encode(asked, engine.tokenizer)[0]
        turns = (await pipeline.transcripts.of(TAVERN.channel_id)).turns
        assert turns == (*example.turns, Own(example.reply))
        assert Said("mira", "see you", goes_on=True) in turns

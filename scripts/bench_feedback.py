"""Replays a recorded community twice, to see what feedback changes in when the persona speaks.

    python scripts/bench_feedback.py                            The Lantern, soup disliked
    python scripts/bench_feedback.py --disliked "patch" --channel pantry --chance 0.5 --runs 5
    python scripts/bench_feedback.py --exports DIR --messages 4000 --cares "wifi, sound" \\
        --disliked "sound, audio, speaker"

The older half of the newest --messages teaches: the persona speaks unasked about it (a real
pipeline and database, its talk taken as sent) and is reacted to. The newer half measures: once as
if nobody had ever reacted, once with what the older half taught.

What is recorded: the messages, their times, and the reactions that an answer gets where it was not
disliked: those that stand under the next member's line, which the persona's takes the place of.
What is simulated: that the audience dislikes the persona when it speaks about --disliked (words; a
line that names one is such a situation) or in --channel, and says so with a thumb down, with
--chance each time. No recorded community here has a bot, or reactions that disapprove of anything.

keys of --json: `taught` (answers of the older half: all, liked, disliked), `likeness` (words or
vectors) and, over all --runs (seeds), `before` and `after`:
  disliked, others   how often it spoke unasked in such situations of the newer half, of how many
  share              of the unasked answers that were in disliked situations, in percent
  auc                how well the urge tells others' situations from disliked ones, over all moments
                     in which it weighed speaking: 0.5 is chance, 1 is perfect, and below 0.5 the
                     persona wants to speak most where it is disliked
  auc_learned        the same of what was learned alone
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import sys
import tempfile
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from numpy.typing import NDArray

from bot.answer import Answerer
from bot.decide import LEARNED
from bot.experience import Experience
from bot.feedback import Scoring
from bot.judged import Judged
from bot.learn import row_of_line
from bot.messages import IncomingMessage, ReplyReason, Trace
from bot.nearness import Nearness
from bot.pipeline import Pipeline
from bot.recall import Recall
from bot.relevance import spoken_of
from data.persona_file import Cares
from model.embedder import Embedder, ready_embedder
from scripts.bench_decide import (
    OWN,
    Caring,
    Nobody,
    NoModel,
    Sends,
    Talk,
    incoming,
    listed,
    read_talk,
)
from scripts.edge import add_json, ending_in_a_sentence
from storage.database import Database
from storage.paths import Home
from storage.records import MessageRecord, Reaction
from storage.settings import Settings

THUMB_DOWN = "👎"
LANTERN_CARES = "soup, lanterns, patch, raid, boots, ladder"


class Nothing(Experience):
    """As if nobody had ever reacted."""

    async def has_any(self) -> bool:
        return False


@dataclass(frozen=True)
class Audience:
    """Who dislikes the persona, where, and how often they say so."""

    disliked: tuple[str, ...]
    channel: str
    chance: float
    recorded: dict[int, tuple[Reaction, ...]]
    """Under the next member's line, by message."""

    def dislikes(self, message: IncomingMessage) -> bool:
        is_subject = bool(spoken_of(message.text, self.disliked))
        return is_subject or (bool(self.channel) and message.channel.name == self.channel)

    def reactions(self, message: IncomingMessage, chance: random.Random) -> tuple[Reaction, ...]:
        """What an answer to that message gets."""
        if not self.dislikes(message):
            return self.recorded.get(message.message_id, ())
        return (Reaction(THUMB_DOWN, 1),) if chance.random() < self.chance else ()


class Received(Sends):
    """Takes each reply as sent, keeps it as the bot does, and lets the audience react."""

    audience: Audience
    chance: random.Random
    scoring: Scoring
    taught: list[tuple[bool, bool]]
    """Of each answer: whether it was disliked, whether anybody reacted."""

    async def answer(self, judged: Judged) -> tuple[Trace, None]:
        trace, none = await super().answer(judged)
        assert trace.sent is not None
        self._database.record_replies(map(row_of_line, trace.sent.lines))
        reactions = self.audience.reactions(judged.message, self.chance)
        for one in reactions:
            for _ in range(one.count):
                self._database.change_reaction(trace.sent.message_id, one.emoji, 1)
        self.scoring.note_changed([trace.sent.message_id])
        self.taught.append((self.audience.dislikes(judged.message), bool(reactions)))
        return trace, none


@dataclass
class Figures:
    """Over all runs."""

    spoke: list[tuple[bool, bool]] = field(default_factory=list)
    """Of each message that it weighed: whether it is disliked there, whether it spoke."""
    urges: list[tuple[bool, float]] = field(default_factory=list)
    learned: list[tuple[bool, float]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        spoke = {one: [s for d, s in self.spoke if d is one] for one in (True, False)}
        unasked = sum(map(sum, spoke.values()))
        return {
            "disliked": f"{sum(spoke[True])} of {len(spoke[True])}",
            "others": f"{sum(spoke[False])} of {len(spoke[False])}",
            "share": round(100 * sum(spoke[True]) / max(1, unasked), 1),
            "auc": round(auc(self.urges), 3),
            "auc_learned": round(auc(self.learned), 3),
        }


def auc(urges: Sequence[tuple[bool, float]]) -> float:
    """The chance that a disliked situation's urge is below another's; a tie is half. NaN where
    there are none of one kind."""
    values = np.array([urge for _, urge in urges])
    bad = np.array([is_disliked for is_disliked, _ in urges], np.bool_)
    low, high = np.sort(values[bad]), values[~bad]
    if not (len(low) and len(high)):
        return float("nan")
    below = np.searchsorted(low, high, "left") + np.searchsorted(low, high, "right")
    return float(below.sum()) / (2 * len(low) * len(high))


async def run(
    talk: Talk, world: World, rates: tuple[float, float], seed: int
) -> tuple[Figures, Figures, list[tuple[bool, bool]]]:
    """The newer half before and after the older one taught, and what that got."""
    half = len(talk.heard) // 2
    taught: list[tuple[bool, bool]] = []
    with tempfile.TemporaryDirectory(prefix="mynah-feedback-") as folder:
        path = Path(folder) / "mynah.db"
        with Database.open(path) as database:
            database.upsert_channels(talk.channels.values())
            database.upsert_members([*talk.members.values(), OWN])
            database.upsert_messages(talk.before)
            teaching = _Hearing(database, world, rates[0], seed, taught)
            await teaching.hear(talk, talk.heard[:half])
        measured: list[Figures] = []
        for learns in (False, True):
            copy = Path(shutil.copy(path, Path(folder) / f"{learns}.db"))
            with Database.open(copy) as database:
                measuring = _Hearing(database, world, rates[1], seed + 1000, None, learns=learns)
                await measuring.hear(talk, talk.heard[half:])
                measured.append(measuring.figures)
    return measured[0], measured[1], taught


@dataclass(frozen=True)
class World:
    """What both halves have in common."""

    audience: Audience
    cares: Cares
    embedder: Embedder | None
    made: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    """Vectors by text."""

    def vector(self, text: str) -> NDArray[np.float32] | None:
        if self.embedder is None:
            return None
        if text not in self.made:
            self.made[text] = self.embedder.embed([text])[0]
        return self.made[text]


class Vectors(Recall):
    """A memory in which each line that was answered has its vector."""

    def __init__(self, database: Database, world: World) -> None:
        super().__init__(database)
        self._lines, self._world = database, world

    def vectors_of(self, ids: Collection[int]) -> dict[int, NDArray[np.float32]]:
        found = (
            (m.message_id, self._world.vector(m.content)) for m in self._lines.messages_by_id(ids)
        )
        return {one: vector for one, vector in found if vector is not None}


class Near(Nearness):
    """What a message is like, without an engine; no subject of the persona's is near."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def of(self, message: IncomingMessage, cares: tuple[str, ...]) -> float:
        return 0.0

    async def vector(self, message: IncomingMessage) -> NDArray[np.float32] | None:
        return self._world.vector(message.text)


class _Hearing:
    """A pipeline, its clock, and what it decided."""

    def __init__(
        self,
        database: Database,
        world: World,
        rate: float,
        seed: int,
        taught: list[tuple[bool, bool]] | None,
        *,
        learns: bool = False,
    ) -> None:
        """With `taught`, which grows by each answer, the audience reacts."""
        self.figures, self._world, self._now_ms = Figures(), world, 0
        recall = Vectors(database, world)
        self._pipeline = pipeline = Pipeline(
            database=database,
            model=NoModel(),
            recall=recall,
            platform=cast(Any, Nobody()),
            settings=Settings({"speaks_in_public": True, "response_rate": rate}),
            style=Caring(world.cares),
            chance=random.Random(seed),
            reads_along=False,
            now_ms=lambda: self._now_ms,
        )
        pipeline._nearness = self._near = Near(world)
        self._experience = Experience(database, recall) if learns else Nothing(database, recall)
        pipeline.experience = self._experience
        sends = Sends(database, pipeline, lambda: self._now_ms)
        if taught is not None:
            sends = received = Received(database, pipeline, lambda: self._now_ms)
            received.audience, received.taught = world.audience, taught
            received.chance, received.scoring = random.Random(seed), Scoring(database)
        pipeline._answerer = cast(Answerer, sends)

    async def hear(self, talk: Talk, records: Sequence[MessageRecord]) -> None:
        for record in records:
            self._now_ms = record.created_at_ms
            message = incoming(record, talk)
            trace = await self._pipeline.handle(message)
            if (urge := trace.verdict.urge) is None:
                continue
            is_disliked = self._world.audience.dislikes(message)
            spoke = trace.sent is not None and trace.verdict.reason is ReplyReason.RELEVANT
            self.figures.spoke.append((is_disliked, spoke))
            learned = 0.0
            if await self._experience.has_any():  # also where it could make no difference
                vector = await self._near.vector(message)
                learned = await self._experience.learned(message, vector)
            total = urge.relevance + urge.pressure + urge.presence + LEARNED * learned
            self.figures.urges.append((is_disliked, total))
            self.figures.learned.append((is_disliked, learned))


def recorded_receptions(talk: Talk) -> dict[int, tuple[Reaction, ...]]:
    """By message, the reactions under the next line of another member in its channel."""
    found: dict[int, tuple[Reaction, ...]] = {}
    waiting: dict[int, list[MessageRecord]] = {}
    for record in talk.heard:
        before = waiting.setdefault(record.channel_id, [])
        for one in [one for one in before if one.author_id != record.author_id]:
            found[one.message_id] = record.reactions
            before.remove(one)
        before.append(record)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--exports", type=Path, nargs="+", default=[], metavar="PATH", help="not The Lantern")
    add("--messages", type=int, default=4000, help="the newest so many (default 4,000)")
    add("--cares", default=LANTERN_CARES, help="what the persona cares about, by commas")
    add("--disliked", default="soup", help="subjects, by commas")
    add("--channel", default="", help="a channel, by its name")
    add("--chance", type=float, default=0.6, help="of a thumb down (default 0.6)")
    add("--teaching-rate", type=float, default=0.5, help="of the older half (default 0.5)")
    add("--rate", type=float, default=0.1, help="of the newer half (default 0.1)")
    add("--vectors", action="store_true", help="likeness by all-MiniLM-L6-v2, as where it is built")
    add("--runs", type=int, default=3, help="seeds 0, 1, ... (default 3)")
    add_json(parser, "print one JSON object instead of a table")
    arguments = parser.parse_args()
    talk = read_talk(arguments.exports, arguments.messages)
    audience = Audience(
        listed(arguments.disliked),
        arguments.channel,
        arguments.chance,
        recorded_receptions(talk),
    )
    cares = Cares(listed(arguments.cares), ())
    rates = arguments.teaching_rate, arguments.rate
    before, after, taught = Figures(), Figures(), list[tuple[bool, bool]]()
    with tempfile.TemporaryDirectory(prefix="mynah-feedback-") as folder, ExitStack() as stack:
        embedder = None
        if arguments.vectors:
            gguf = ready_embedder(Home(Path(folder)).ensure())
            embedder = stack.enter_context(Embedder.load(gguf, threads=1))
        world = World(audience, cares, embedder)
        for seed in range(arguments.runs):
            first, second, got = asyncio.run(run(talk, world, rates, seed))
            for whole, one in ((before, first), (after, second)):
                whole.spoke += one.spoke
                whole.urges += one.urges
                whole.learned += one.learned
            taught += got
    result = {
        "taught": {
            "answers": len(taught),
            "liked": sum(reacted and not bad for bad, reacted in taught),
            "disliked": sum(reacted and bad for bad, reacted in taught),
        },
        "likeness": "vectors" if arguments.vectors else "words",
        "before": before.as_json(),
        "after": after.as_json(),
    }
    print(json.dumps(result) if arguments.json else _table(result))
    return 0


def _table(result: dict[str, Any]) -> str:
    taught = result["taught"]
    lines = [
        f"taught by {taught['answers']} answers, {taught['liked']} liked, "
        f"{taught['disliked']} disliked",
        "        spoke unasked: disliked      others      share    AUC",
    ]
    for when in ("before", "after"):
        row = result[when]
        spoke = f"{when:>6}  {row['disliked']:>22}  {row['others']:>13}"
        lines.append(f"{spoke}  {row['share']:>5}%  {row['auc']}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))

"""experience: what was disliked lowers the urge there, what was liked is recalled as a note."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bot.decide import Facts, urge_of
from bot.experience import LIKE_ENOUGH, Experience, learned_from
from bot.feedback import Scoring
from bot.learn import learn
from bot.messages import Memory, Reply, SentLine, SilentReason
from bot.pipeline import Pipeline
from bot.recall import Recall
from bot.remember import remember
from model.chat_format import Note
from model.embedder import Embedder
from model.inference import Engine
from storage.database import Database
from storage.records import ChannelRecord, MemberRecord, Origin, Readers
from storage.vectordb import VectorIndex
from tests.bot.scene import BOB, GUILD_ID, MIRA, OWN_ID, START_MS, TAVERN, incoming, record
from tests.bot.test_pipeline import Room, make

MYNAH = MemberRecord(OWN_ID, "mynah", "Mynah", is_bot=True)
SECRET = ChannelRecord(600, GUILD_ID, "The Lantern", "secret", readers=Readers(may=frozenset({9})))
QUESTION = "how do I install the wifi driver on this laptop"
LIKE = "anyone know how to install a wifi driver"
UNLIKE = "who bakes the pumpkin cake on sunday"


@pytest.fixture(autouse=True)
def persona(database: Database) -> None:
    database.upsert_members([MYNAH])


def answer(
    database: Database,
    number: int,
    asked: str,
    reply: str,
    emoji: str | None,
    *,
    author: MemberRecord = BOB,
    channel: ChannelRecord = TAVERN,
    times: int = 3,
) -> int:
    """Something was answered, and somebody reacted; the persona's message."""
    asked_id, own_id = 100 + 10 * number, 101 + 10 * number
    database.upsert_messages([record(asked_id, author, asked, channel)])
    at_ms = START_MS + own_id * 1000
    sent = SentLine(own_id, channel.channel_id, reply, at_ms, asked_id)
    learn(database, sent, own_id=OWN_ID, own_name="Mynah", origin=Origin.DISCORD_API)
    for _ in range(times if emoji else 0):
        database.change_reaction(own_id, emoji or "", 1)
    Scoring(database).score_newest()
    return own_id


async def learned(
    database: Database, text: str, recall: Recall | None = None, **more: Any
) -> float:
    experience = Experience(database, recall or Recall(database))
    return await experience.learned(incoming(text, **more), None)


async def example(database: Database, text: str, **more: Any) -> Memory | None:
    channel = more.pop("channel", TAVERN)
    given: dict[str, Any] = {
        "own_name": "Mynah",
        "in_view": (),
        "lately": (),
        "fits": lambda n: True,
    }
    experience = Experience(database, Recall(database))
    return await experience.example(incoming(text, channel=channel), None, **{**given, **more})


# -- the urge -------------------------------------------------------------------------------------


async def test_nothing_known_teaches_nothing(database: Database) -> None:
    answer(database, 1, QUESTION, "try the backport", None)
    assert await learned(database, LIKE) == 0.0
    assert not await Experience(database, Recall(database)).has_any()


async def test_bad_situations_lower_the_urge_good_ones_raise_it_others_hardly_move(
    database: Database,
) -> None:
    for number in range(4):
        answer(database, number, f"{QUESTION} {number}", "have you tried turning it off", "👎")
    bad, far = await learned(database, LIKE), await learned(database, UNLIKE)
    assert bad < far - 0.2 < -0.2  # its channel counts too
    for number in range(4, 8):
        answer(database, number, f"{UNLIKE} {number}", "I do, with cream", "🎉")
    assert await learned(database, LIKE) < -0.2
    assert await learned(database, UNLIKE) > 0.2
    facts = Facts(OWN_ID, "Mynah", 0.05, learned=bad)
    assert urge_of(incoming(LIKE), facts).learned == pytest.approx(0.3 * bad)


async def test_one_bad_reaction_does_not_silence_it(database: Database) -> None:
    answer(database, 1, QUESTION, "have you tried turning it off", "👎", times=1)
    assert -0.25 < await learned(database, QUESTION) < 0


def test_the_formula() -> None:
    good, bad = np.array([0.0, 0.5]), np.array([1.0, 3.0])
    nowhere = np.array([False, False])
    same = np.array([1.0, 0.0])
    assert learned_from(good, bad, same, nowhere) == pytest.approx(-1 / 5)
    channel = -3.5 / (4.5 + 20)
    assert learned_from(good, bad, same, ~nowhere) == pytest.approx((-1 + 4 * channel) / 5)
    assert learned_from(bad, good, 0 * same, ~nowhere) == 0  # liked: no more about all else
    none = np.zeros(0)
    assert learned_from(none, none, none, np.zeros(0, np.bool_)) == 0
    many = np.full(490, 1.0)
    alone = learned_from(many * 0, many, many * 0, many > 0)
    assert alone == pytest.approx(-490 / 510)  # the whole channel dislikes it


async def test_what_comes_later_teaches_nothing_of_before(database: Database) -> None:
    answer(database, 200, QUESTION, "have you tried turning it off", "👎")
    assert await learned(database, LIKE, message_id=900) == 0.0
    assert await learned(database, LIKE, message_id=2200) < 0


@pytest.mark.parametrize("how", ["deleted", "excluded", "opted out", "closed"])
async def test_nothing_of_whom_it_must_not_recall(database: Database, how: str) -> None:
    answer(database, 1, QUESTION, "the backport has that driver", "👍")
    assert await learned(database, LIKE) > 0
    assert await example(database, LIKE) is not None
    if how == "deleted":
        database.mark_deleted([110], START_MS)
    elif how == "excluded":
        database.set_excluded(BOB.member_id, True)
    elif how == "opted out":
        database.set_consent(BOB.member_id, "opted_out")
    else:
        database.set_allowed(TAVERN.channel_id, False)
    assert await learned(database, LIKE) == 0.0
    assert await example(database, LIKE) is None


@pytest.fixture
def with_vectors(tmp_path: Path, database: Database, embedder_gguf: Path) -> Iterator[Recall]:
    embedder = Embedder.load(embedder_gguf)
    index = VectorIndex(tmp_path / "vectors", embedder.dimensions)
    recall = Recall(database, index=index, embedder=embedder)
    yield recall
    recall.close()


async def test_vectors_tell_likeness_where_there_are_any(
    database: Database, with_vectors: Recall
) -> None:
    answer(database, 1, QUESTION, "have you tried turning it off", "👎")
    index = with_vectors._vectors[0]  # type: ignore[index]
    unit = np.eye(index.dimensions, dtype=np.float32)
    index.add([110], unit[:1])
    experience = Experience(database, with_vectors)
    same, other = incoming(UNLIKE), incoming(QUESTION)
    assert await experience.learned(same, unit[0]) < -0.4
    alone = -3 / (3 + 20)  # its channel
    assert await experience.learned(other, unit[1]) == pytest.approx(alone)
    answer(database, 2, UNLIKE, "I do, with cream", "👎")  # has no vector yet: by its words
    experience.read_anew()
    # Who had asked went on right behind the first one.
    assert await experience.learned(other, unit[1]) == pytest.approx(-5.75 / (6.25 + 20))
    assert await experience.learned(same, unit[1]) < -0.4


async def test_the_pipeline_speaks_less_where_it_was_disliked(
    database: Database, tiny: Path
) -> None:
    with Engine.load(tiny, context_tokens=512, threads=1) as engine:
        asked = incoming(LIKE + "?", author=MIRA, message_id=1230)
        before = await _judged(make(database, engine, Room(), **UNASKED), asked)
        assert isinstance(before, Reply)
        for number in range(8):
            answer(database, number, f"{QUESTION}, {number}", "have you tried turning it off", "👎")
        pipeline = make(database, engine, Room(), **UNASKED)
        after = await _judged(
            pipeline, replace(asked, record=replace(asked.record, message_id=1231))
        )
        assert after.reason is SilentReason.BELOW
        assert after.urge is not None
        assert after.urge.learned < -0.08
        pipeline.forget([100 + 10 * n for n in range(8)])
        database.mark_deleted([100 + 10 * n for n in range(8)], START_MS)
        again = await _judged(
            pipeline, replace(asked, record=replace(asked.record, message_id=1232))
        )
        assert isinstance(again, Reply)


UNASKED: dict[str, Any] = {
    "response_rate": 0.05,
    "speak_threshold": 0.4,
    "unasked_channel_minutes": 0,
    "unasked_member_minutes": 0,
}


async def _judged(pipeline: Pipeline, message: Any) -> Any:
    [known] = await pipeline.store([message])
    return (await pipeline._judge(known)).trace.verdict


# -- examples -------------------------------------------------------------------------------------


async def test_a_liked_answer_is_recalled_in_a_like_situation(database: Database) -> None:
    own_id = answer(database, 1, QUESTION, "the backport has that driver", "👍")
    found = await example(database, LIKE)
    assert found is not None
    assert found.message_id == own_id
    assert found.note == Note('Mynah on 3 May 2025: "the backport has that driver"')
    assert found.score >= LIKE_ENOUGH
    assert await example(database, UNLIKE) is None


async def test_only_what_was_liked_and_stands(database: Database) -> None:
    answer(database, 1, QUESTION, "have you tried turning it off", "👎")
    answer(database, 2, f"{QUESTION} now", "the backport has that driver", None)
    assert await example(database, LIKE) is None
    own_id = answer(database, 3, f"{QUESTION} too", "the backport has that one", "👍")
    assert await example(database, LIKE) is not None
    database.mark_deleted([own_id], START_MS)
    assert await example(database, LIKE) is None


async def test_never_in_view_nor_soon_again_nor_longer_than_there_is_room(
    database: Database,
) -> None:
    own_id = answer(database, 1, QUESTION, "the backport has that driver", "👍")
    assert await example(database, LIKE, in_view=(own_id,)) is None
    assert await example(database, LIKE, lately={own_id}) is None
    short = await example(database, LIKE, fits=lambda note: len(note.text) < 46)
    assert short is not None
    assert short.note.text == 'Mynah once: "the backport has that driver"'
    assert await example(database, LIKE, fits=lambda note: len(note.text) < 30) is None


async def test_what_was_said_behind_doors_stays_there(database: Database) -> None:
    database.upsert_channels([SECRET])
    answer(database, 1, QUESTION, "the backport has that driver", "👍", channel=SECRET)
    assert await example(database, LIKE) is None
    assert await example(database, LIKE, channel=SECRET) is not None


async def test_it_stands_among_the_notes_within_their_budget(
    database: Database, tiny: Path
) -> None:
    own_id = answer(database, 1, QUESTION, "the backport has it", "👍")
    database.drop_context([own_id])  # long ago, and in view no more
    with Engine.load(tiny, context_tokens=512, threads=1) as engine:
        pipeline = make(database, engine, Room())
        asked = incoming(LIKE, author=MIRA)
        given = (asked, pipeline.transcripts, Recall(database), engine)
        experience = pipeline.experience
        # The tiny model's tokens are letters, nearly.
        wide = await remember(
            *given, limit=4, most_tokens=400, experience=experience, own_name="Mynah"
        )
        assert [note.text for note in wide.notes][
            -1
        ] == 'Mynah on 3 May 2025: "the backport has it"'
        assert wide.found_by[-1] == "own replies"
        full = await remember(
            *given, limit=len(wide.items) - 1, most_tokens=400, experience=experience, own_name="M"
        )
        assert "own replies" not in full.found_by
        narrow = await remember(
            *given, limit=4, most_tokens=8, experience=experience, own_name="Mynah"
        )
        assert narrow.items == ()

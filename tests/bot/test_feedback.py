"""feedback: reactions, answers, deletions and orders become one score, in whatever order."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from bot.feedback import Scoring, received, scoring_of
from bot.messages import Deleted, Reacted, ReactionsCleared
from data.emoji_weights import EmojiWeights, table_of
from data.reception import Reception
from storage.database import Database
from storage.paths import Home
from storage.records import MemberRecord, MessageRecord, Reaction
from storage.reply_store import ReplyRow
from tests.bot.scene import BOB, MIRA, OWN_ID, ROBOT, SHY, START_MS, TAVERN, incoming, record
from tests.bot.test_intake import running
from tests.bot.test_pipeline import Room, make

MYNAH = MemberRecord(OWN_ID, "mynah", "Mynah", is_bot=True)
ASKED, FIRST, SECOND = 900, 910, 911


@pytest.fixture
def scoring(database: Database) -> Scoring:
    """MIRA asked, the persona answered in two messages."""
    database.upsert_members([MYNAH])
    database.upsert_messages(
        [
            record(ASKED, MIRA, "who leads the raid tonight?"),
            record(FIRST, MYNAH, "bob does"),
            record(SECOND, MYNAH, "as ever"),
        ]
    )
    database.record_replies(
        ReplyRow(own, ASKED, TAVERN.channel_id, START_MS + own * 1000, line)
        for line, own in enumerate((FIRST, SECOND))
    )
    return Scoring(database)


def score(database: Database) -> float | None:
    rows = [database.reply(own) for own in (FIRST, SECOND)]
    scores = {row.score for row in rows if row is not None}
    assert len(scores) == 1, "the lines of one answer differ"
    return scores.pop()


def react(database: Database, message_id: int, emoji: str, change: int = 1) -> None:
    database.change_reaction(message_id, emoji, change)


def test_nothing_known_is_no_score(database: Database, scoring: Scoring) -> None:
    scoring.score_newest()
    assert score(database) is None


def test_reactions_under_all_lines_count_together_and_capped(
    database: Database, scoring: Scoring
) -> None:
    react(database, FIRST, "👍")
    scoring.note_changed([FIRST])
    assert score(database) == pytest.approx(1 / 3)
    react(database, SECOND, "👍")
    for _ in range(40):
        react(database, SECOND, "👍")
    scoring.note_changed([SECOND])
    assert score(database) == pytest.approx(3 / 5)  # of one emoji three count
    react(database, FIRST, "👎")
    react(database, FIRST, "👎")
    scoring.note_changed([FIRST])
    assert score(database) == pytest.approx((3 - 2) / (5 + 2))
    database.clear_reactions(FIRST)
    database.clear_reactions(SECOND)
    scoring.note_changed([FIRST])
    assert score(database) is None


def test_answers_are_weakly_good_once_a_member(database: Database, scoring: Scoring) -> None:
    said = [
        replace(record(920, BOB, "do not count on it"), reply_to_id=FIRST),
        replace(record(921, BOB, "or do"), reply_to_id=SECOND),
        replace(record(922, ROBOT, "beep"), reply_to_id=FIRST),
        record(923, MIRA, "what else"),  # not the first behind it
    ]
    database.upsert_messages(said)
    scoring.note_said(said)
    row = database.reply(FIRST)
    assert row is not None
    assert (row.answers, row.good, row.bad) == (1, 0.25, 0.0)
    assert score(database) == pytest.approx(0.25 / 2.25)


@pytest.mark.parametrize(
    ("author", "message_id", "counts"),
    [(MIRA, 912, True), (BOB, 912, False), (MIRA, 912 + 125, False)],
)
def test_who_asked_goes_on_right_behind_it(
    database: Database, scoring: Scoring, author: MemberRecord, message_id: int, counts: bool
) -> None:
    said = [record(message_id, author, "and who heals?")]  # a second later for each id
    database.upsert_messages(said)
    scoring.note_said(said)
    assert (score(database) is not None) is counts


@pytest.mark.parametrize("text", ["Stop.", "shut up!", "<@7000> stop it", "hör auf"])
def test_being_told_to_stop_is_bad(database: Database, scoring: Scoring, text: str) -> None:
    said = [replace(record(920, BOB, text), reply_to_id=SECOND)]
    database.upsert_messages(said)
    scoring.note_said(said)
    assert score(database) == pytest.approx(-0.5)


def test_stop_that_is_not_meant_for_it_says_nothing(database: Database, scoring: Scoring) -> None:
    said = [
        record(920, BOB, "stop"),
        replace(record(921, BOB, "stop"), reply_to_id=ASKED),
        replace(record(922, BOB, "stop the healer first"), reply_to_id=FIRST),
    ]
    database.upsert_messages(said)
    scoring.note_said(said)
    row = database.reply(FIRST)
    assert row is not None
    assert (row.answers, row.bad) == (1, 0.0)


def test_quiet_right_behind_it_is_bad_and_stays_so(database: Database, scoring: Scoring) -> None:
    scoring.note_quieted(TAVERN.channel_id, START_MS + SECOND * 1000 + 121_000)
    assert score(database) is None  # too late to be about it
    scoring.note_quieted(TAVERN.channel_id, START_MS + SECOND * 1000 + 60_000)
    assert score(database) == pytest.approx(-0.5)
    Scoring(database).score_newest()
    assert score(database) == pytest.approx(-0.5)


def test_a_deletion_is_bad_and_its_words_are_gone(database: Database, scoring: Scoring) -> None:
    react(database, FIRST, "👍")
    database.mark_deleted([SECOND], START_MS + 1_000_000)
    scoring.note_changed([SECOND])
    [answer] = database.own_answers([ASKED])
    assert (answer.deleted_at_ms, answer.text) == (START_MS + 1_000_000, "")
    assert score(database) == pytest.approx((1 - 3) / (4 + 2))


def test_an_excluded_member_counts_for_nothing(database: Database, scoring: Scoring) -> None:
    said = [replace(record(920, BOB, "ha"), reply_to_id=FIRST)]
    database.upsert_messages(said)
    scoring.note_said(said)
    assert score(database) is not None
    database.set_excluded(BOB.member_id, True)
    scoring.score_newest()
    assert score(database) is None
    assert SHY.is_excluded


def _happenings(database: Database, scoring: Scoring) -> list[Callable[[], None]]:
    def said(one: MessageRecord) -> Callable[[], None]:
        def happen() -> None:
            database.upsert_messages([one])
            scoring.note_said([one])

        return happen

    def changed(message_id: int, change: Callable[[], None]) -> Callable[[], None]:
        def happen() -> None:
            change()
            scoring.note_changed([message_id])

        return happen

    return [
        said(replace(record(920, BOB, "nice"), reply_to_id=SECOND)),
        said(record(912, MIRA, "thanks")),
        said(replace(record(930, MIRA, "stop"), reply_to_id=FIRST)),
        changed(FIRST, lambda: react(database, FIRST, "👍")),
        changed(FIRST, lambda: react(database, FIRST, "🎉")),
        changed(SECOND, lambda: react(database, SECOND, "👎")),
        lambda: scoring.note_quieted(TAVERN.channel_id, START_MS + SECOND * 1000 + 5000),
    ]


@pytest.mark.parametrize("seed", range(12))
def test_any_order_of_what_happens_gives_the_same(
    database: Database, scoring: Scoring, seed: int
) -> None:
    happenings = _happenings(database, scoring)
    random.Random(seed).shuffle(happenings)
    for one in happenings:
        one()
    # good 2 + 2 answers, bad 1 + 2: MIRA's "stop" is one line among hers
    expected = (2.5 - 3) / (5.5 + 2)
    assert score(database) == pytest.approx(expected)
    Scoring(database).score_newest()  # as after a restart
    assert score(database) == pytest.approx(expected)


def test_what_came_while_nobody_listened_is_found(database: Database, scoring: Scoring) -> None:
    """A fetch writes reactions and answers past the bot."""
    [own] = database.messages_by_id([FIRST])
    database.upsert_messages([replace(own, reactions=(Reaction("👎", 2),))])
    scoring.score_newest()
    assert score(database) == pytest.approx(-0.5)


def test_the_homes_own_table_counts(database: Database, scoring: Scoring) -> None:
    react(database, FIRST, "🥔")
    [answer] = database.own_answers([ASKED])
    own = Reception(EmojiWeights({"🥔": -1.0}))
    assert received(answer, (), own).score == pytest.approx(-1 / 3)


def test_a_broken_table_of_emoji_keeps_nobody_from_scoring(
    database: Database, scoring: Scoring, tmp_path: object, caplog: pytest.LogCaptureFixture
) -> None:
    home = Home(database.path.parent / "root").ensure()
    table_of(home).write_text("emoji,names,weight\n👍,thumbsup\n", encoding="utf-8")
    react(database, FIRST, "👍")
    scoring_of(home, database).score_newest()
    assert score(database) == pytest.approx(1 / 3)
    assert "Reactions count as they come with Mynah" in caplog.text


async def test_the_intake_tells_it_of_all(database: Database, scoring: Scoring) -> None:
    class NoEngine:
        """Nothing is answered here."""

    pipeline = make(database, NoEngine(), Room())  # type: ignore[arg-type]
    channel_id = TAVERN.channel_id
    async with running(pipeline, database, scoring=scoring) as intake:
        intake.tell(Reacted(channel_id, FIRST, "👍", 1, member_id=MIRA.member_id))
        intake.tell(Reacted(channel_id, FIRST, "👎", 1, member_id=OWN_ID))
        await intake.drained()
        assert score(database) == pytest.approx(1 / 3)
        assert database.messages_by_id([FIRST])[0].reactions == (Reaction("👍", 1),)
        answer = incoming("ha", message_id=950, author=BOB)
        answer = replace(answer, record=replace(answer.record, reply_to_id=FIRST))
        intake.tell(answer)
        await intake.drained()
        assert score(database) == pytest.approx(1.25 / 3.25)
        intake.tell(ReactionsCleared(channel_id, FIRST))
        await intake.drained()
        assert score(database) == pytest.approx(0.25 / 2.25)
        intake.tell(Deleted(channel_id, (SECOND,), START_MS))
        await intake.drained()
        assert score(database) == pytest.approx((0.25 - 3) / 5.25)

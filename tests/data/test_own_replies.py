"""own_replies: what the owner answered, and what people liked, becomes rows that pass the door."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data.budget import EstimatedTokenizer
from data.consent import ConsentError, Mode, check_dataset_may_train, declare, refused_lines
from data.dataset import DatasetOptions, make_dataset
from data.forgetting import forget_messages
from data.own_replies import NO_ASKED, NOT_SHOWN_NEAR, NOT_WHOLE
from data.personas import PersonaText
from data.preference_rows import KTO, Row, read_rows
from data.windows import WindowOptions
from model.chat_format import as_text, render_ask, turns_from_json
from storage.database import Database
from storage.manifest import verify_manifest
from storage.paths import Home
from storage.records import FIRST_SNOWFLAKE, MemberRecord, MessageRecord, Origin, Reaction
from storage.rehearsal_store import REPLY, Rehearsal, Rehearsed
from storage.reply_store import ReplyRow
from tests.data.talk import MEMBERS, history

PERSONA = PersonaText("Mynah", "You are Mynah.")
OWN = MemberRecord(FIRST_SNOWFLAKE + 77, "mynah", "Mynah", is_bot=True)
COUNT = 600


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").ensure()


@pytest.fixture
def database(home: Home) -> Iterator[Database]:
    records, channels = history(COUNT)
    records = [
        replace(
            m,
            message_id=FIRST_SNOWFLAKE + m.message_id,
            reply_to_id=m.reply_to_id and FIRST_SNOWFLAKE + m.reply_to_id,
        )
        for m in records
    ]
    with Database.open(home.database) as opened:
        opened.upsert_channels(channels)
        opened.upsert_messages(records)
        opened.upsert_members([*MEMBERS, OWN])
        yield opened


def asked_in(database: Database, number: int = 0, *, least_before: int = 40) -> MessageRecord:
    """A message of a person in the middle of a channel's talk."""
    people = {one.member_id for one in MEMBERS if not (one.is_bot or one.is_excluded)}
    said = [
        m
        for m in database.messages(channel_id=500)
        if m.author_id in people and len(m.content.split()) > 4
    ]
    return said[least_before + 30 * number]


def before(database: Database, asked: MessageRecord, count: int = 8) -> tuple[int, ...]:
    """The ids that the model was shown: those before it that people said, and itself."""
    people = {one.member_id for one in MEMBERS if not (one.is_bot or one.is_excluded)}
    near = database.recent_messages(asked.channel_id, 3 * count, before_id=asked.message_id)
    return (*[m.message_id for m in near if m.author_id in people][-count:], asked.message_id)


def rehearse(
    database: Database, answers: list[tuple[MessageRecord, str, str]], **others: Any
) -> None:
    """Moments with a draft and an answer each."""
    run = database.begin_rehearsal(Rehearsal(1, "replay", 1))
    for at, (asked, draft, answer) in enumerate(answers):
        values = {
            "guard": "allowed",
            "source_ids": before(database, asked),
            "draft": draft,
            **others,
        }
        row = Rehearsed(
            run, asked.message_id, asked.channel_id, asked.created_at_ms, REPLY, "x", **values
        )
        row_id = database.keep_rehearsed(row)
        assert row_id
        database.answer_rehearsed({row_id: answer}, 100 + at)


def make(database: Database, home: Home, **options: Any) -> tuple[dict[str, Any], list[Row]]:
    """The report, and the rows of the persona's own words."""
    folder = home.datasets / "default"
    windows = WindowOptions(**{"max_tokens": 512, **options})
    report = make_dataset(database, folder, EstimatedTokenizer(), PERSONA, DatasetOptions(windows))
    rows = [row for row in read_rows(folder / KTO) if "source" in row]
    assert verify_manifest(folder).counts["kto"] == len(list(read_rows(folder / KTO)))
    return report["preferences"]["own"], rows


def test_answers_become_rows_on_the_personas_own_drafts(database: Database, home: Home) -> None:
    yes, no, much = (asked_in(database, n) for n in range(3))
    rehearse(
        database,
        [
            (yes, "the soup needs garlic", "yes"),
            (no, "as an assistant I cannot", "no"),
            (much, "hm, well", "too_much"),
        ],
    )
    report, rows = make(database, home)
    by_words = {row["completion"]: row for row in rows}
    assert {words: row["label"] for words, row in by_words.items()} == {
        "the soup needs garlic": True,
        "as an assistant I cannot": False,
    }
    assert report["rehearsal"] == {"well": 1, "badly": 1}
    assert report["reply"] == {"well": 0, "badly": 0}
    row = by_words["the soup needs garlic"]
    assert row["source"] == "rehearsal"
    assert row["reply_ids"] == []
    assert set(before(database, yes)) <= set(row["source_ids"])
    turns = turns_from_json(row["turns"])
    assert row["prompt"] == as_text(render_ask(row["persona"], turns))
    assert turns[-1].text.endswith(yes.content.split(": ", 1)[-1][-20:])
    assert row["tokens"] <= 512
    check_dataset_may_train(home.datasets / "default", database)


def test_the_last_answer_on_the_same_words_counts(database: Database, home: Home) -> None:
    asked = asked_in(database)
    for answer in ("no", "yes"):
        rehearse(database, [(asked, "the soup needs garlic", answer)])
    _, rows = make(database, home)
    assert [row["label"] for row in rows] == [True]


@pytest.mark.parametrize(
    "others", [{"guard": ""}, {"guard": "refused: x"}, {"source_ids": ()}, {"draft": "!roll 2d6"}]
)
def test_what_the_model_did_not_write_is_no_row(
    database: Database, home: Home, others: dict[str, Any]
) -> None:
    rehearse(database, [(asked_in(database), "words", "yes")], **others)
    assert make(database, home)[1] == []


def test_personal_data_in_a_draft_is_replaced(database: Database, home: Home) -> None:
    rehearse(database, [(asked_in(database), "write to bob.builder@example.org then", "yes")])
    [row] = make(database, home)[1]
    assert "example.org" not in row["completion"]


def test_a_draft_written_from_words_that_may_not_be_learned_from_is_left_out(
    database: Database, home: Home
) -> None:
    asked = asked_in(database)
    rehearse(database, [(asked, "the soup needs garlic", "yes")])
    shown = database.messages_by_id(before(database, asked))
    silent = next(m.author_id for m in shown if m.author_id != asked.author_id)
    database.set_consent(silent, "opted_out", 1)
    report, rows = make(database, home)
    assert rows == []
    assert sum(report["left_out"].values()) == 1


def test_the_door_looks_again(database: Database, home: Home) -> None:
    asked = asked_in(database)
    rehearse(database, [(asked, "the soup needs garlic", "yes")])
    assert make(database, home)[1]
    folder = home.datasets / "default"
    assert list(refused_lines(folder, database)) == []
    far = before(database, asked)[0]
    database.mark_deleted([far], 1)
    where = [where for where, _ in refused_lines(folder, database)]
    assert any(KTO in one for one in where)
    with pytest.raises(ConsentError):
        check_dataset_may_train(folder, database)


def test_forgetting_reaches_the_row(database: Database, home: Home) -> None:
    asked = asked_in(database)
    rehearse(database, [(asked, "the soup needs garlic", "yes")])
    assert make(database, home)[1]
    forget_messages(home, database, [before(database, asked)[0]])
    left = [row for row in read_rows(home.datasets / "default" / KTO) if "source" in row]
    assert left == []
    assert make(database, home)[1] == []


def test_a_moment_that_is_gone_is_counted(database: Database, home: Home) -> None:
    asked = asked_in(database)
    rehearse(database, [(asked, "the soup needs garlic", "yes")])
    database.set_allowed(500, False)
    report, rows = make(database, home)
    assert rows == []
    assert report["left_out"] == {NO_ASKED: 1}


def reply(
    database: Database, asked: MessageRecord, text: str, score: float | None, *, number: int = 1
) -> int:
    """An answer that went out, with its score."""
    own_id = FIRST_SNOWFLAKE + 9000 + number
    database.upsert_messages(
        [
            MessageRecord(
                own_id, asked.channel_id, OWN.member_id, text, asked.created_at_ms + 500,
                Origin.DISCORD_API, reply_to_id=asked.message_id,
            )
        ]
    )  # fmt: skip
    database.record_replies(
        [ReplyRow(own_id, asked.message_id, asked.channel_id, asked.created_at_ms)]
    )
    database.score_answer(asked.message_id, score, good=1, bad=0, answers=0, deleted_at_ms=None)
    return own_id


def test_replies_that_were_received_clearly_become_rows(database: Database, home: Home) -> None:
    declare(database, "ours")
    liked, disliked, so_so = (asked_in(database, n) for n in range(3))
    ids = [
        reply(database, liked, "the soup needs garlic", 0.6, number=1),
        reply(database, disliked, "as an assistant I cannot", -0.6, number=2),
        reply(database, so_so, "hm, well then", 0.1, number=3),
    ]
    report, rows = make(database, home)
    assert {row["id"]: row["label"] for row in rows} == {str(ids[0]): True, str(ids[1]): False}
    assert all(row["source"] == "reply" and row["reply_ids"] == [int(row["id"])] for row in rows)
    assert report["reply"] == {"well": 1, "badly": 1}
    folder = home.datasets / "default"
    check_dataset_may_train(folder, database)
    # It is a reply that somebody else's bot could not have given.
    other = MemberRecord(FIRST_SNOWFLAKE + 78, "other", "other", is_bot=True)
    database.upsert_members([other])
    [own] = database.messages_by_id([ids[0]])
    database.upsert_messages([replace(own, message_id=ids[0] + 50, author_id=other.member_id)])
    text = (folder / KTO).read_text(encoding="utf-8").replace(str(ids[0]), str(ids[0] + 50))
    (folder / KTO).write_text(text, encoding="utf-8")
    assert any("bot" in reason for _, reason in refused_lines(folder, database))


def test_a_draft_that_was_written_behind_an_own_answer(database: Database, home: Home) -> None:
    declare(database, "ours")
    earlier, asked = asked_in(database, 0), asked_in(database, 1)
    own_id = reply(database, earlier, "the soup needs garlic", None)
    shown = (*before(database, asked), own_id)
    rehearse(database, [(asked, "and salt, as I said", "yes")], source_ids=shown)
    [row] = make(database, home)[1]
    assert own_id in row["source_ids"]
    check_dataset_may_train(home.datasets / "default", database)
    database.set_config("consent_mode", Mode.OPT_IN.value)
    for member in MEMBERS:
        database.set_consent(member.member_id, "opted_in", 1)
    report, rows = make(database, home)
    assert rows == []
    assert report["left_out"] == {"a line in it was written by a bot": 1}


def test_quiet_says_nothing_of_the_words(database: Database, home: Home) -> None:
    declare(database, "ours")
    asked = asked_in(database)
    reply(database, asked, "as an assistant I cannot", -0.5)
    database.note_quieted(asked.channel_id, 0, asked.created_at_ms + 1000)
    assert make(database, home)[1] == []


def test_replies_wait_for_a_home_that_learns_from_all_whom_it_recalls(
    database: Database, home: Home
) -> None:
    asked = asked_in(database)
    reply(database, asked, "the soup needs garlic", 0.6)
    report, rows = make(database, home)
    assert rows == []
    assert report["left_out"] == {NOT_WHOLE: 1}
    declare(database, "ours")
    shown = database.messages_by_id(before(database, asked, 30))
    silent = next(m.author_id for m in shown if m.author_id != asked.author_id)
    database.set_consent(silent, "opted_out", 1)
    report, rows = make(database, home)
    assert rows == []
    assert report["left_out"] == {NOT_SHOWN_NEAR: 1}
    database.set_config("consent_mode", Mode.OPT_IN.value)
    assert make(database, home)[0]["left_out"] == {NOT_WHOLE: 1}


def test_members_replies_stay_as_they_are(database: Database, home: Home) -> None:
    """Own rows change nothing else of a set."""
    said = [
        replace(m, reactions=(Reaction("👍", 3),))
        for m in database.messages()
        if not m.message_id % 9
    ]
    database.upsert_messages(said)
    make(database, home)
    folder = home.datasets / "default"
    first = {path.name: path.read_bytes() for path in sorted(folder.glob("*.jsonl"))}
    rehearse(database, [(asked_in(database), "the soup needs garlic", "yes")])
    make(database, home)
    for name, content in first.items():
        now = (folder / name).read_bytes()
        if name == KTO:
            lines = now.splitlines()
            assert [line for line in lines if b'"source"' not in line] == content.splitlines()
            assert len(lines) == len(content.splitlines()) + 1
        else:
            assert now == content

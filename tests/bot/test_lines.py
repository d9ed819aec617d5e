"""lines and own lines: what a reply is taken apart into, and what is not said twice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.lines import MOST_LINES, lines_of
from bot.own_lines import DAY_MS, OwnLines
from storage.context_store import ContextLine
from storage.database import Database
from storage.records import MemberRecord, Origin
from storage.reply_store import ReplyRow
from tests.bot.scene import OWN_ID, START_MS, record

_OWN = MemberRecord(OWN_ID, "mynah", "Mynah")
CODE = "try this:\n```python\nif x:\n\n    return\n```\nworks here"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("sure", ("sure",)),
        ("nine works\nbring cake", ("nine works", "bring cake")),
        ("one\n\n\ntwo  ", ("one", "two")),
        (CODE, ("try this:\n```python\nif x:\n\n    return\n```", "works here")),
        ("```\nnever\nclosed", ("```\nnever\nclosed",)),
        (
            "need:\n- bread\n- cake\nand you?",
            ("need:\n- bread\n- cake", "and you?"),
        ),
        ("1. bread\n2. cake", ("1. bread\n2. cake",)),
        ("note:\nnine", ("note:", "nine")),
        ("a\nb\nc\nd\ne\nf", ("a", "b", "c", "d", "e\nf")),
        ("", ()),
    ],
)
def test_line_breaks_are_messages_and_what_belongs_together_stays(
    text: str, lines: tuple[str, ...]
) -> None:
    assert lines_of(text, 200) == lines
    assert lines_of("\n".join(lines), 200) == lines
    assert len(lines) <= MOST_LINES


def test_a_line_longer_than_people_write_is_broken_up_at_its_sentences() -> None:
    text = "I slept badly. Then the cat came. It wanted food! https://a.b/c.d ok"
    assert lines_of(text, 200) == (text,)
    assert lines_of(text, 40) == (
        "I slept badly. Then the cat came.",
        "It wanted food! https://a.b/c.d ok",
    )
    assert lines_of("x" * 90, 40) == ("x" * 90,)


async def test_a_longer_line_is_known_for_a_day_and_over_a_restart(database: Database) -> None:
    now = [START_MS]
    lines = OwnLines(database, lambda: now[0])
    await lines.load()
    lines.note("Never again, a dungeon before NINE!\nsame here", START_MS)
    assert lines.without_repeats("never again a dungeon before nine") == ""
    assert lines.without_repeats("ok\nnever again a dungeon before nine\nsame here") == (
        "ok\nsame here"
    )
    twice = "it was a good raid\nit was a good raid"
    assert lines.without_repeats(twice) == "it was a good raid"
    now[0] += DAY_MS + 1
    assert lines.without_repeats("never again a dungeon before nine") != ""


async def test_what_was_said_before_the_start_is_known(database: Database) -> None:
    own = record(4000, _OWN, "the healer always oversleeps on fridays")
    database.upsert_messages([own])
    database.record_replies([ReplyRow(4000, 900, own.channel_id, own.created_at_ms, 1)])
    database.append_context_lines([ContextLine(own.channel_id, "own", "Mynah", "x", 1, 4000)])
    tried = replace(own, message_id=4001, content="this was only tried in the playground")
    database.upsert_messages([replace(tried, origin=Origin.PLAYGROUND)])
    database.record_replies([ReplyRow(4001, 901, 10, own.created_at_ms)])
    lines = OwnLines(database, lambda: own.created_at_ms + 1000)
    await lines.load()
    assert lines.without_repeats(tried.content) == tried.content
    assert lines.without_repeats("The healer always oversleeps on Fridays.") == ""
    found = database.reply(4000)
    assert found is not None
    assert (found.asked_id, found.line, found.score) == (900, 1, None)
    assert [one.message_id for one in database.replies_since(0)] == [4000, 4001]
    assert database.reply(1) is None

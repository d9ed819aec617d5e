"""Rehearsals as the window reads them: with the talk around each moment, without what is not to be
seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from storage import readonly
from storage.database import Database
from storage.paths import Home
from tests.gui.rehearsing import BOB, DAY_MS, FIRST, GENERAL, MIRA, STEP_MS, furnish, said


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").ensure()


def test_runs_and_moments_in_order_of_time(home: Home) -> None:
    run_id = furnish(home)
    [run] = readonly.rehearsals(home.database)
    assert (run.rehearsal_id, run.spoken, run.judged, run.answered) == (run_id, 6, 10, 0)
    assert (run.first_ms, run.last_ms) == (DAY_MS + STEP_MS, DAY_MS + 19 * STEP_MS)
    moments = readonly.moments(home.database, run_id)
    assert [one.message_id for one in moments] == [FIRST + 2 * n + 1 for n in range(10)]
    assert [line.text[:7] for line in moments[4].before] == ["line 6:", "line 7:", "line 8:"]
    assert (moments[0].asked.name, moments[0].channel) == ("Bob", "general")
    assert [one.is_spoken for one in moments] == [True] * 6 + [False] * 4
    assert moments[0].parts["why"] == ["asks a question", "said 40 lines since it last spoke"]
    assert readonly.last_said_ms(home.database) == DAY_MS + 19 * STEP_MS


def test_answers_are_counted_of_the_spoken_alone(home: Home) -> None:
    run_id = furnish(home)
    rows = [one.row_id for one in readonly.moments(home.database, run_id)]
    with Database.open(home.database) as db:
        db.answer_rehearsed({rows[0]: "yes", rows[1]: "no", rows[9]: "yes"}, DAY_MS)
    [run] = readonly.rehearsals(home.database)
    assert (run.accepted, run.answered) == (1, 2)
    answers = [one.answer for one in readonly.moments(home.database, run_id)]
    assert answers == ["yes", "no", *[""] * 7, "yes"]


def test_what_is_not_to_be_seen_is_not_read(home: Home) -> None:
    run_id = furnish(home)
    with Database.open(home.database) as db:
        db.mark_deleted([FIRST + 1, FIRST + 2], DAY_MS)
        db.set_excluded(MIRA, True)
    moments = readonly.moments(home.database, run_id)
    assert [one.message_id for one in moments] == [FIRST + 2 * n + 1 for n in range(1, 10)]
    assert moments[0].before == ()
    assert {line.name for one in moments for line in one.before} == {"Bob"}
    with Database.open(home.database) as db:
        db.set_excluded(BOB, True)
    assert readonly.moments(home.database, run_id) == ()


def test_ids_become_names(home: Home) -> None:
    run_id = furnish(home)
    words = f"<@!{BOB}> <@77> <a:wave:123456> <:nest:99> <https://a.b>"
    with Database.open(home.database) as db:
        db.upsert_messages([replace(said(1), content=words, edited_at_ms=DAY_MS + 1)])
    first = readonly.moments(home.database, run_id)[0]
    assert first.asked.text == "@Bob @somebody :wave: :nest: <https://a.b>"


def test_nothing_is_stored_yet(home: Home) -> None:
    assert readonly.rehearsals(home.database) == ()
    assert readonly.moments(home.database, 1) == ()
    assert readonly.last_said_ms(home.database) is None


def test_a_channel_without_a_name_and_a_member_without_a_row(home: Home) -> None:
    run_id = furnish(home)
    with Database.open(home.database) as db, db.writing() as connection:
        connection.exec_driver_sql("DELETE FROM members")
        connection.exec_driver_sql("DELETE FROM channels")
    first = readonly.moments(home.database, run_id)[0]
    assert (first.channel_id, first.channel, first.asked.name) == (GENERAL, "", "")

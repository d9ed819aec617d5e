"""The command line of rehearsals, as the window uses it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.messages import Urge
from storage.database import Database
from storage.manifest import sha256_file
from storage.model_registry import ModelRegistry
from storage.paths import DEMO_BASE_DIR, PROGRAM_DIR, Home
from storage.records import ModelVersion
from storage.rehearsal_store import Rehearsal, Rehearsed
from tests.bot.scene import BOB, MIRA, START_MS, TAVERN, fill, record


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").ensure()


@pytest.fixture
def database(home: Home) -> Iterator[Database]:
    with Database.open(home.database) as opened:
        fill(opened)
        opened.upsert_messages(
            [record(100 + n, (MIRA, BOB)[n % 2], f"line {n}?") for n in range(12)]
        )
        opened.set_config("unasked_channel_minutes", "0")
        opened.set_config("unasked_member_minutes", "0")
        opened.set_config("unasked_a_day", "1000")
        yield opened


def ask(home: Home, *words: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROGRAM_DIR / "scripts" / "rehearse.py"), *words]
    return subprocess.run(
        [*command, "--home", str(home.root)],
        input=given,
        capture_output=True,
        text=True,
        timeout=120,
    )


def told(home: Home, *words: str, given: str | None = None) -> Any:
    done = ask(home, *words, "--json", given=given)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def keep(
    database: Database, total: float = 0.8, count: int = 12, version_id: str = "demo-base"
) -> Rehearsal:
    """A rehearsal in which it spoke about each line."""
    new = Rehearsal(
        0, "replay", START_MS, ended_at_ms=START_MS, version_id=version_id, messages=count
    )
    rehearsal_id = database.begin_rehearsal(new)
    for n in range(count):
        database.keep_rehearsed(
            Rehearsed(
                rehearsal_id,
                100 + n,
                TAVERN.channel_id,
                START_MS + n * 3_600_000,
                "reply",
                "unasked: it concerns it enough",
                parts=Urge(total, 0.01, 0.0, 0.0, total + n / 100, 0.7).as_json(),
                draft="hm" if n else "",
                guard="allowed",
                source_ids=(100 + n,) if n else (),
            )
        )
    return database.rehearsal(rehearsal_id)


def test_show_answer_fit_accept(home: Home, database: Database) -> None:
    kept = keep(database)
    shown = told(home, "show")
    assert shown["rehearsal"]["rehearsal_id"] == kept.rehearsal_id
    assert shown["rehearsal"]["acceptance"]["sentence"] == "nothing was answered yet"
    rows = shown["rows"]
    assert len(rows) == 11
    first = rows[0]
    assert (first["message_id"], first["author"], first["text"]) == ("101", BOB.nickname, "line 1?")
    assert (first["draft"], first["source_ids"], first["channel"]) == ("hm", ["101"], TAVERN.name)
    assert len(told(home, "show", "--all")["rows"]) == 12

    refused = ask(home, "accept")
    assert refused.returncode == 2
    assert "Answer at least 5 of the 11" in refused.stderr

    quieter = [f"{row['row_id']}=too_much" for row in rows[:7]]
    assert told(home, "answer", *quieter)["answered"] == 7
    more = "\n".join(f"{row['row_id']}=yes" for row in rows[7:])
    found = told(home, "answer", given=more)
    assert found["acceptance"]["sentence"] == "accepted 4 of 11 (15-65%)"

    fitted = told(home, "fit")
    assert not fitted["applied"]
    assert fitted["is_enough"]
    before, after = fitted["before"], fitted["after"]
    assert after["replies"] < before["replies"]
    assert after["agreement"] > before["agreement"]
    assert fitted["changes"][0]["answer"] == "too_much"
    assert database.config_rows().get("speak_threshold") is None
    assert told(home, "fit", "--apply")["applied"]
    stored = database.config_rows()
    assert float(stored.get("speak_threshold", 0.7)) == after["speak_threshold"]
    assert float(stored.get("response_rate", 0.05)) == after["response_rate"]

    accepted = told(home, "accept")
    assert accepted["version_id"] == "demo-base"
    assert accepted["acceptance"]["accepted"] == 4
    assert database.config_rows()["speaks_in_public"] == "on"
    assert database.how_rehearsed("demo-base") == "accepted 4 of 11 (15-65%)"
    assert database.how_rehearsed("v2") == ""
    [listed] = told(home, "list")["rehearsals"]
    assert listed["accepted_at_ms"] is not None


def test_who_was_not_heard_is_not_let_speak(home: Home, database: Database) -> None:
    """Another model answers by now than the one that was rehearsed."""
    kept = keep(database, version_id="v1")
    answers = {row.rehearsed_id: "yes" for row in database.rehearsed(kept.rehearsal_id)[:6]}
    database.answer_rehearsed(answers, START_MS)
    refused = ask(home, "accept")
    assert refused.returncode == 2
    assert "v1 was rehearsed, and demo-base answers now" in refused.stderr
    assert "speaks_in_public" not in database.config_rows()
    assert database.how_rehearsed("v1").startswith("accepted 5 of 5")
    database.set_config("speaks_in_public", "on")  # then it is the next one, before it is deployed
    assert told(home, "accept")["speaks_in_public"]
    assert "bot does not run" in ask(home, "stop").stdout


def test_a_version_is_rehearsed_before_it_is_deployed(home: Home, database: Database) -> None:
    database.set_config("threads", "1")
    [base] = DEMO_BASE_DIR.glob("*.gguf")
    ModelRegistry(database, home).register(
        ModelVersion(
            *("v2", "tuned", "candidate", str(base), sha256_file(base)),
            *(base.stat().st_size, 1, "demo-base"),
        )
    )
    done = ask(home, "run", "--version", "v2", "--last", "2", "--rate", "0")
    assert done.returncode == 0, done.stderr
    assert database.rehearsal().version_id == "v2"
    assert "There is no model version v3" in ask(home, "run", "--version", "v3").stderr


def test_what_is_no_answer_changes_nothing(home: Home, database: Database) -> None:
    keep(database)
    for bad in ("12", "x=yes", "2=maybe"):
        done = ask(home, "answer", "1=yes", bad)
        assert done.returncode == 2
        assert "such as 12=yes" in done.stderr
    done = ask(home, "answer", "1=yes", "999=no")
    assert done.returncode == 2
    assert "There is no row 999" in done.stderr
    assert not any(row.answer for row in database.rehearsed(1))
    assert told(home, "answer", "2=yes")["acceptance"]["answered"] == 1
    assert told(home, "answer", "2=")["acceptance"]["answered"] == 0


def test_sentences_where_there_is_nothing(home: Home) -> None:
    for words in (["show"], ["fit"], ["accept"]):
        done = ask(home, *words)
        assert done.returncode == 2
        assert "There is no rehearsal yet" in done.stderr
    assert "nothing to rehearse yet" in ask(home, "run").stderr
    assert told(home, "list") == {"rehearsals": []}


def test_a_run_in_words_and_in_json(home: Home, database: Database) -> None:
    database.set_config("threads", "1")
    done = ask(home, "run", "--json", "--channel", "tavern", "--last", "3", "--rate", "0")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["event"] for line in (lines[0], lines[-1])] == ["plan", "done"]
    assert lines[0]["channels"] == [{"channel_id": "500", "name": "tavern", "messages": 3}]
    assert lines[-1] == {
        "event": "done",
        "rehearsal_id": 1,
        "done": 3,
        "messages": 3,
        "spoken": 0,
        "is_stopped": False,
    }
    done = ask(home, "run", "--last", "2", "--rate", "0")
    assert "Done: heard 2 of 2 messages" in done.stdout
    assert ask(home, "run", "--rate", "7").returncode == 2
    assert "No channel is called" in ask(home, "run", "--channel", "nowhere").stderr


def test_models_say_how_they_were_rehearsed(home: Home, database: Database) -> None:
    registry = ModelRegistry(database, home)
    assert registry.how_rehearsed("demo-base") == ""
    kept = keep(database, version_id="v1")
    database.change_rehearsal(kept.rehearsal_id, accepted=8, answered=10, accepted_at_ms=START_MS)
    assert registry.how_rehearsed("v1") == "accepted 8 of 10 (49-94%)"

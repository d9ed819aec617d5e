"""What the logs window reads, keeps, shows and finds, without a window."""

from __future__ import annotations

import json
import logging
import random
from pathlib import Path

import pytest

from bot.log_file import DailyFile
from gui import window_log
from gui.models.log_lines import ERROR, INFO, PRINTED, WARNING, Row, read_json, read_printed
from gui.models.log_tail import MOST_BYTES, LogFiles, Tail
from gui.models.logs_model import KEPT, LEVELS, PARTS, LogsModel, Narrowing
from storage.errors import MynahError

AT = "2026-05-01T20:15:03.123Z"


def line(message: str = "Hi.", level: str = "INFO", logger: str = "bot.bot", **rest: object) -> str:
    return json.dumps({"ts": AT, "level": level, "logger": logger, "message": message, **rest})


def rows(count: int, begin: int = 0, rank: int = INFO) -> list[Row]:
    return [Row(rank, "bot.bot", f"line {n}") for n in range(begin, begin + count)]


def shown(model: LogsModel) -> list[str]:
    return [row.text for row in model.lines(model.first, model.end)]


# -- lines ---------------------------------------------------------------------------------------


def test_a_line_is_time_level_part_message_and_figures() -> None:
    read = read_json(line("reply: addressed", message_id=7, guard=None, total_s=0.5))
    (row,) = read.rows
    assert (read.at, row.rank, row.part) == (AT, INFO, "bot.bot")
    assert row.text.endswith("reply: addressed  message_id=7 total_s=0.5")
    assert ":03.123  INFO     bot.bot" in row.text


def test_an_exception_stands_below_its_line_and_has_its_rank() -> None:
    exception = {
        "type": "builtins.OSError",
        "errno": 28,
        "frames": ["bot/bot.py:3 run"],
        "because": [{"type": "storage.errors.MynahError", "says": "Full.", "frames": []}],
    }
    read = read_json(line("It failed.", "ERROR", exception=exception))
    assert [row.text.strip() for row in read.rows[1:]] == [
        "bot/bot.py:3 run",
        "builtins.OSError errno 28",
        "storage.errors.MynahError Full.",
    ]
    assert all(row.rank >= ERROR for row in read.rows)
    model = LogsModel()
    model.feed(read.rows)
    assert model.counts() == {"kept": 4, "shown": 4, "warnings": 0, "errors": 1}


@pytest.mark.parametrize("text", ["", "no json", "[1]", '{"level": 3}', '{"level": "INFO"}', "7"])
def test_what_is_no_log_line_is_shown_as_it_stands(text: str) -> None:
    (row,) = read_json(text, AT).rows
    assert row.part == PRINTED
    assert row.text.endswith(text)


def test_lines_are_cut_and_stay_one_line() -> None:
    assert len(read_json(line("x" * 5_000)).rows[0].text) == 1_000
    assert "\n" not in read_json(line("one\ntwo\rthree")).rows[0].text


# -- files -----------------------------------------------------------------------------------------


def texts(tail: Tail) -> list[str]:
    return [row.text.split()[-1] for read in tail.read() for row in read.rows]


def test_only_what_is_new_is_read_and_half_a_line_waits(tmp_path: Path) -> None:
    path = tmp_path / "bot.jsonl"
    tail = Tail(path, read_json)
    assert texts(tail) == []
    path.write_text(line("one") + "\n" + line("two")[:20])
    assert texts(tail) == ["one"]
    with path.open("a") as file:
        file.write(line("two")[20:] + "\n")
    assert texts(tail) == ["two"]
    assert texts(tail) == []


def test_a_new_day_loses_no_line(tmp_path: Path) -> None:
    now_s = [1_777_000_000.0]
    file = DailyFile(tmp_path, "bot", lambda: now_s[0])
    tail = Tail(tmp_path / "bot.jsonl", read_json)
    file.write(line("one") + "\n")
    assert texts(tail) == ["one"]
    file.write(line("two") + "\n")
    now_s[0] += 86_400
    file.write(line("three") + "\n")
    assert texts(tail) == ["two", "three"]
    file.close()


def test_a_file_that_begins_again_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "bot.stderr.log"
    tail = Tail(path, read_printed)
    path.write_text("a long line of the start before\n")
    assert texts(tail) == ["before"]
    path.write_text("short\n")
    assert texts(tail) == ["short"]


def test_of_a_huge_file_the_end_is_read_in_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "bot.jsonl"
    text = "".join(line(f"n{n}") + "\n" for n in range(60_000))
    path.write_text(text)
    assert len(text) > MOST_BYTES
    found = texts(Tail(path, read_json))
    assert found[-1] == "n59999"
    assert found == [f"n{n}" for n in range(60_000 - len(found), 60_000)]


def test_the_files_are_put_into_one_order(tmp_path: Path) -> None:
    (tmp_path / "bot.jsonl").write_text(line("second") + "\n")
    handler = window_log.WindowLog(tmp_path)
    early = logging.LogRecord("gui.app", logging.INFO, "", 0, "first", None, None)
    early.created = 1_000_000.0
    handler.handle(early)
    handler.close()
    (tmp_path / "bot.stderr.log").write_text("last, it has no time of its own\n")
    found = LogFiles(tmp_path).read()
    assert [row.part for row in found] == ["gui.app", "bot.bot", PRINTED]


def test_the_windows_log_quotes_no_exception_but_ours(tmp_path: Path) -> None:
    handler = window_log.begin(tmp_path)
    try:
        log = logging.getLogger("gui.somewhere")
        for error in (ValueError("a message's words"), MynahError("The disk is full.")):
            try:
                raise error
            except Exception:
                log.exception("It failed.")
        logging.getLogger("somebody.else").info("not ours")
    finally:
        window_log.end(handler)
    text = (tmp_path / window_log.FILE_NAME).read_text()
    assert "builtins.ValueError" in text
    assert "The disk is full." in text
    assert "a message's words" not in text
    assert "not ours" not in text


# -- the model -------------------------------------------------------------------------------------


def test_the_oldest_lines_go_and_numbers_stay() -> None:
    model = LogsModel(kept=10)
    model.feed(rows(8))
    model.search("line 7")
    assert model.hits == [7]
    model.feed(rows(6, 8))
    assert (model.first, model.end) == (4, 14)
    assert shown(model) == [f"line {n}" for n in range(4, 14)]
    assert model.lines(7, 8)[0].text == "line 7"
    model.feed(rows(50, 14))
    assert (model.first, model.end, model.hits) == (14, 24, [])
    assert model.counts()["kept"] == 10


def test_only_some_lines_are_shown() -> None:
    model = LogsModel()
    model.feed(
        [
            Row(INFO, "bot.bot", "Now: online."),
            Row(WARNING, "discord.gateway", "The connection was lost."),
            Row(WARNING, "bot.platforms.discord", "A message was not sent."),
            Row(ERROR, "gui.app", "Something FAILED."),
            Row(WARNING, PRINTED, "Traceback"),
        ]
    )
    before = model.generation
    model.narrow(Narrowing(least_rank=LEVELS["Warnings and errors"]))
    assert model.generation == before + 1
    assert len(shown(model)) == 4
    model.narrow(Narrowing(loggers=PARTS["Discord"]))
    assert len(shown(model)) == 2
    model.narrow(Narrowing(words="failed"))
    assert shown(model) == ["Something FAILED."]
    assert model.counts() == {"kept": 5, "shown": 1, "warnings": 0, "errors": 1}
    model.feed([Row(INFO, "bot.bot", "nothing"), Row(INFO, "bot.bot", "It failed again.")])
    assert shown(model)[1:] == ["It failed again."]


def test_a_pause_collects_and_shows_later() -> None:
    model = LogsModel(kept=10)
    model.feed(rows(3))
    model.pause(True)
    model.feed(rows(4, 3))
    assert (len(shown(model)), model.waiting) == (3, 4)
    model.narrow(Narrowing(words="line"))
    assert (len(shown(model)), model.waiting, model.is_paused) == (7, 0, True)
    model.feed(rows(20, 7))
    assert (len(shown(model)), model.waiting) == (7, 10)
    model.pause(False)
    assert shown(model) == [f"line {n}" for n in range(17, 27)]


def test_search_goes_round_and_counts() -> None:
    model = LogsModel()
    model.feed(rows(30))
    model.search("LINE 1")
    assert model.hits == [1, *range(10, 20)]
    assert [model.step(True, at) for at in (None, 1, 15, 19)] == [1, 10, 16, 1]
    assert [model.step(False, at) for at in (None, 1, 15)] == [19, 19, 14]
    assert model.place_of(10) == 2
    model.search("not there")
    assert model.step(True, None) is None


def test_clear_begins_empty() -> None:
    model = LogsModel()
    model.feed(rows(5))
    model.clear()
    assert (shown(model), model.counts()["kept"]) == ([], 0)
    model.feed(rows(2))
    assert shown(model) == ["line 0", "line 1"]


def test_any_history_shows_what_a_plain_list_would() -> None:
    """Against the obvious way: keep the last lines, filter them all each time."""
    chance = random.Random(4)
    for _ in range(60):
        model = LogsModel(kept=25)
        kept: list[Row] = []
        held: list[Row] | None = None
        for _ in range(40):
            act = chance.choice(["feed", "feed", "feed", "narrow", "pause", "clear", "search"])
            if act == "feed":
                new = rows(chance.randrange(12), chance.randrange(50), chance.choice([INFO, ERROR]))
                model.feed(new)
                kept = (kept + new)[-25:]
            elif act == "narrow":
                before = model.narrowing
                model.narrow(
                    Narrowing(chance.choice([0, ERROR]), (), chance.choice(["", "1", "2"]))
                )
                if model.narrowing != before and model.is_paused:
                    held = list(kept)
            elif act == "pause":
                model.pause(not model.is_paused)
                held = list(kept) if model.is_paused else None
            elif act == "clear":
                model.clear()
                kept, held = [], [] if model.is_paused else None
            else:
                model.search(chance.choice(["", "3", "line 2"]))
            looked_at = kept if held is None else held
            want = [looked_at[n].text for n in model.narrowing.chosen(looked_at)]
            assert shown(model) == want
            words = model.words_searched
            numbers = range(model.first, model.end)
            assert model.hits == [n for n in numbers if words and words in text_of(model, n)]
            assert model.counts()["shown"] == len(want) <= KEPT


def text_of(model: LogsModel, number: int) -> str:
    return model.lines(number, number + 1)[0].text.lower()

"""What Home shows, without a display: words, figures, troubles, ticks, the sending of settings."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from unittest.mock import MagicMock

import discord
import pytest

from bot.platforms.discord_errors import BadTokenError, checked_token, final_error
from bot.protocol import ExitCode
from bot.secret import NoTokenError, clean, find_token
from gui.exit_sentences import final_sentence
from gui.models import axis
from gui.models.home_model import (
    NOTHING,
    PERIODS,
    HomeModel,
    Period,
    buttons,
    bytes_text,
    discord_text,
    duration_text,
    facts,
    figure_rows,
    read_stored,
    seconds_text,
)
from gui.models.memory_history import MemoryHistory
from gui.models.plot import Plot, Series, span_of, thinned
from gui.models.quick_setting import REST_MS, QuickSetting
from gui.models.serving_words import is_changing, model_line, now_words
from gui.models.trouble import Mend, trouble_of
from gui.snapshot import Snapshot
from gui.supervision import State
from storage.database import Database
from storage.paths import Home
from storage.readonly import LastReply
from storage.records import VerdictRow
from storage.settings import SETTINGS

NOW_MS = 1_700_000_000_000
HOUR_MS = 3_600_000


@pytest.fixture(params=["UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if not hasattr(time, "tzset"):
        pytest.skip("this system's zone cannot be changed for one process")
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


# -- axes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "most", "expected"),
    [
        (0, 10, 5, [0, 2, 4, 6, 8, 10]),
        (0, 1, 4, [0, 0.5, 1]),
        (0, 0.03, 3, [0, 0.01, 0.02, 0.03]),
        (0, 97, 4, [0, 50]),
        (5, 5, 4, [5]),
        (0, float("nan"), 4, [0]),
    ],
)
def test_ticks_are_round(low: float, high: float, most: int, expected: list[float]) -> None:
    assert axis.round_ticks(low, high, most) == pytest.approx(expected)


@pytest.mark.parametrize("highest", [0, 0.02, 0.9, 1, 7, 97, 100, 101, 1069, 123_456])
@pytest.mark.parametrize("most", [2, 3, 5])
def test_an_axis_ends_at_a_tick_above_everything(highest: float, most: int) -> None:
    top = axis.round_top(highest, most, least=0.01)
    ticks = axis.round_ticks(0, top, most)
    assert top >= highest
    assert ticks[0] == 0
    assert ticks[-1] == pytest.approx(top)
    assert 2 <= len(ticks) <= most + 1


def test_numbers_have_the_decimals_of_their_ticks() -> None:
    assert [axis.number_text(n * 0.25, 0.25) for n in range(3)] == ["0.0", "0.2", "0.5"]
    assert axis.number_text(1500, 500) == "1,500"
    assert axis.number_text(0.02, 0.01) == "0.02"
    assert [axis.exact_text(v) for v in (0, 12, 1234.5, 12.34, 0.04567)] == [
        "0",
        "12",
        "1,234",
        "12.3",
        "0.0457",
    ]


@pytest.mark.parametrize("span_h", [0.01, 0.2, 1, 5, 24, 100, 24 * 7, 24 * 30, 24 * 400])
@pytest.mark.parametrize("most", [1, 2, 5])
def test_times_have_few_ticks_in_order_and_inside(zone: str, span_h: float, most: int) -> None:
    low, high = float(NOW_MS), NOW_MS + span_h * HOUR_MS
    ticks = axis.time_ticks(low, high, most)
    places = [at for at, _ in ticks]
    assert len(ticks) <= most + 1
    assert places == sorted(set(places))
    assert all(low <= at <= high for at in places)
    assert all(words for _, words in ticks)


def test_a_day_has_ticks_at_full_hours_and_names_its_midnight(zone: str) -> None:
    ticks = axis.time_ticks(NOW_MS, NOW_MS + 24 * HOUR_MS, 4)
    for at, words in ticks:
        assert axis.local(at).minute == 0
        assert axis.local(at).hour % 6 == 0
        assert words == (f"{axis.local(at):%H:%M}" if axis.local(at).hour else words)
    assert any(words.endswith("Nov") for _, words in ticks)


def test_ticks_stand_at_full_hours_after_summer_time_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(time, "tzset"):
        pytest.skip("this system's zone cannot be changed for one process")
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        begin = datetime(2023, 10, 28, 12).astimezone().timestamp() * 1000
        words = [words for _, words in axis.time_ticks(begin, begin + 48 * HOUR_MS, 8)]
        days = [words for _, words in axis.time_ticks(begin, begin + 24 * 8 * HOUR_MS, 10)]
    finally:
        monkeypatch.undo()
        time.tzset()
    assert words[:5] == ["12:00", "18:00", "29 Oct", "06:00", "12:00"]
    assert days == ["29 Oct", "30 Oct", "31 Oct", *(f"{n} Nov" for n in range(1, 6))]


def test_weeks_begin_on_a_monday(zone: str) -> None:
    ticks = axis.time_ticks(NOW_MS, NOW_MS + 30 * 24 * HOUR_MS, 5)
    assert [axis.local(at).weekday() for at, _ in ticks] == [0] * len(ticks)
    assert len(ticks) >= 4


def test_what_a_bar_stands_for(zone: str) -> None:
    at = datetime(2024, 5, 3, 14).astimezone().timestamp() * 1000
    assert axis.span_text(at, 3600) == "Fri 3 May, 14:00 to 15:00"
    assert axis.span_text(at, axis.DAY_S) == "Fri 3 May"
    assert axis.time_text(at, 1) == "Fri 14:00:00"


def test_where_values_lie() -> None:
    plot = Plot(10, 0, 110, 50, 0.0, 100.0, 10.0)
    assert (plot.x(0), plot.x(50), plot.x(500)) == (10, 60, 110)
    assert (plot.y(0), plot.y(5), plot.y(99)) == (50, 25, 0)
    assert span_of([]) == (0.0, 1.0)
    assert span_of([Series("a", [(2, 1), (4, 1)], "", 2)]) == (2, 6)


def test_thinning_keeps_the_extremes_and_the_gaps() -> None:
    points = [(float(n), float(n % 7)) for n in range(5000)]
    points[2345] = (2345.0, 99.0)
    gap: list[tuple[float, float | None]] = [(at, None) for at in range(3000, 3400)]
    kept = thinned([*points[:3000], *gap, *points[3400:]], 100)
    assert len(kept) <= 220
    assert max(value or 0 for _, value in kept) == 99
    assert any(value is None for _, value in kept)
    assert [at for at, _ in kept] == sorted(at for at, _ in kept)
    assert thinned(points[:50], 100) == points[:50]


# -- memory -----------------------------------------------------------------------------------


def test_memory_reaches_back_to_the_beginning_and_stays_bounded() -> None:
    history = MemoryHistory(most=100)
    for n in range(10_000):
        history.note(n * 5000, None if n % 10 == 0 else n)
    places = [at for at, _ in history.samples]
    assert 40 <= len(history) < 100
    assert places[0] == 0
    assert places[-1] > 9_000 * 5000
    assert places == sorted(places)


# -- periods and figures ----------------------------------------------------------------------


@pytest.mark.parametrize("period", PERIODS, ids=lambda period: period.key)
def test_a_period_begins_at_a_full_bucket_and_ends_after_now(zone: str, period: Period) -> None:
    start_ms = period.start_ms(NOW_MS)
    begin = axis.local(start_ms)
    assert (begin.minute, begin.second) == (0, 0)
    assert begin.hour % min(period.bucket_s // 3600, 24) == 0
    left_s = (start_ms - NOW_MS) / 1000 + period.span_s
    assert -3600 < left_s <= period.bucket_s + 3600  # the change of summer time may lie in it
    stored = read_stored(Path("no.db"), period, with_figures=False)
    assert stored.end_ms > stored.now_ms
    assert stored.end_ms - stored.start_ms <= period.span_s * 1000 + period.bucket_s * 1000


def test_what_is_stored_is_read(tmp_path: Path) -> None:
    home = Home(tmp_path).ensure()
    now_ms = int(time.time() * 1000)
    with Database.open(home.database, backups=home.backups) as database:
        database.record_verdicts(
            [
                VerdictRow(1, 1, now_ms - 60_000, "reply", "", outcome="sent", total_s=2.0),
                VerdictRow(2, 1, now_ms - 3 * 24 * HOUR_MS, "silent", ""),
            ]
        )
    day = read_stored(home.database, PERIODS[0], with_figures=True)
    week = read_stored(home.database, PERIODS[1], with_figures=False)
    assert day.figures is not None
    assert [day.figures[key]["seen"] for key in ("24h", "7d", "30d")] == [1, 2, 2]
    assert sum(bucket.seen for bucket in day.buckets) == 1
    assert sum(bucket.seen for bucket in week.buckets) == 2
    assert week.figures is None
    assert day.last is not None
    assert day.last.total_s == 2.0
    assert len(day.buckets) == 24
    assert (day.deployed, len(week.buckets)) == ("", 28)


def test_a_home_without_a_database_has_nothing_to_show(tmp_path: Path) -> None:
    stored = read_stored(tmp_path / "no.db", PERIODS[2], with_figures=True)
    assert stored.last is None
    assert {bucket.seen for bucket in stored.buckets} == {0}
    rows = figure_rows(stored.figures or {})
    assert rows[1] == ("Messages seen", "0", "0", "0")
    assert rows[3][1:] == (NOTHING,) * 3
    assert figure_rows({})[1] == ("Messages seen", *(NOTHING,) * 3)


def test_figures_are_written_for_people() -> None:
    one = {"seen": 31240, "answered": 9, "p50_s": 0.831, "p95_s": 2.5, "p99_s": 130.0}
    rows = figure_rows({"24h": {**one, "errors": 3, "uptime_share": 0.9912}})
    assert rows[0] == ("", "24 h", "7 d", "30 d")
    assert [row[1] for row in rows[1:]] == [
        "31,240",
        "9",
        "0.83 s",
        "2.5 s",
        "2 min",
        "3",
        "99.1 %",
    ]
    assert {row[2] for row in rows[1:]} == {NOTHING}


def test_times_and_sizes_in_words() -> None:
    assert [duration_text(s) for s in (-1, 45, 240, 11_520, 183_600)] == [
        "0 s",
        "45 s",
        "4 min",
        "3 h 12 min",
        "2 d 3 h",
    ]
    assert [seconds_text(s) for s in (None, 0.0457, 6.0, 11.2)] == [
        NOTHING,
        "0.05 s",
        "6.0 s",
        "11 s",
    ]
    assert [bytes_text(b) for b in (24_000_000, 999_000_000, 2_140_000_000)] == [
        "24 MB",
        "999 MB",
        "2.1 GB",
    ]


# -- facts and buttons --------------------------------------------------------------------------

ONLINE = Snapshot(
    state=State.ONLINE,
    pid=7,
    phase="online",
    started_at_ms=NOW_MS - 2 * HOUR_MS,
    memory_bytes=512_000_000,
)
STATS = {
    "phase": "online",
    "model": "lantern-1",
    "waiting": 1,
    "discord": {"phase": "online", "latency_ms": 43.4, "guild": "The Lantern", "channels": 3},
}


def test_the_facts_of_a_running_bot() -> None:
    last = LastReply(NOW_MS - 125_000, 2.5)
    assert facts(ONLINE, STATS, last, NOW_MS) == [
        ("Uptime", "2 h 0 min"),
        ("Discord", "The Lantern, 3 channels, 43 ms"),
        ("Memory", "512 MB"),
        ("Waiting", "1 message"),
        ("Last reply", "2 min ago, took 2.5 s"),
    ]


def test_the_facts_without_a_bot() -> None:
    stopped = Snapshot(memory_bytes=512, started_at_ms=5)
    assert [text for _, text in facts(stopped, {}, None, NOW_MS)] == [
        NOTHING,
        NOTHING,
        NOTHING,
        NOTHING,
        "none yet",
    ]


@pytest.mark.parametrize(
    ("serving", "line"),
    [
        ({"state": "ready", "reading": "reads along"}, "qwen, ready, reads along"),
        (
            {"state": "ready", "reading": "reads along, 40 % of the time"},
            "qwen, ready, reads along, 40 % of the time",
        ),
        (
            {"state": "ready", "reading": "paused: something fills the screen"},
            "qwen, ready, reading along is paused: something fills the screen",
        ),
        (
            {"state": "ready", "reading": "paused: on battery"},
            "qwen, ready, reading along is paused: on battery",
        ),
        ({"state": "ready", "reading": "off"}, "qwen, ready, does not read along"),
        ({"state": "ready", "reading": ""}, "qwen, ready"),
        ({"state": "loading", "reading": ""}, "qwen, loading"),
        (
            {"state": "changing", "reason": "lantern is being loaded. qwen answers as before."},
            "lantern is being loaded. qwen answers as before.",
        ),
        (
            {"state": "unloaded", "reading": "reads along"},
            "qwen, not in memory: loads again with the next question",
        ),
        ({"state": "resting"}, "qwen, away until a training on this computer is over"),
        (
            {"state": "failed", "reason": "qwen could not be loaded: it is gone."},
            "qwen, could not be loaded: tried again with the next question",
        ),
        ({"state": "ready", "trouble": ""}, "qwen, ready"),
        ({"state": "ready", "trouble": "It is dead."}, "qwen, a model server in trouble"),
    ],
)
def test_the_model_in_one_line(serving: dict[str, object], line: str) -> None:
    assert model_line(ONLINE, {"serving": {"name": "qwen", **serving}}, "demo-base") == line


def test_the_model_of_a_bot_that_says_nothing_of_it() -> None:
    starting = Snapshot(state=State.STARTING, phase="loading")
    assert model_line(starting, {}, "demo-base") == "demo-base, loading"
    assert model_line(Snapshot(), {}, "demo-base") == "demo-base"
    assert model_line(ONLINE, {}, "demo-base") == "demo-base"
    assert model_line(ONLINE, {"model": "lantern", "serving": None}, "demo-base") == "lantern"


def test_what_answers_how_fast_it_is_and_what_it_has_read() -> None:
    speed = "2 threads: 22 tokens a second written, 79 read; measured on 12 Mar 2026"
    ready = {"name": "qwen", "state": "ready", "reading": "off", "reason": "", "trouble": ""}
    serving = {**ready, "speed": speed, "read_tokens": 8791, "asked_tokens": 652}
    assert now_words(ONLINE, {"serving": serving}) == (
        f"Now: qwen, ready, does not read along. It computes with {speed}. "
        "Read so far: 8,791 tokens while people talked, 652 after somebody asked."
    )
    nothing_yet = {**ready, "speed": "", "read_tokens": 0, "asked_tokens": 0}
    assert now_words(ONLINE, {"serving": nothing_yet}) == "Now: qwen, ready, does not read along."
    failed = "new was not put to use: no. qwen answers as before."
    assert now_words(ONLINE, {"serving": {**ready, "reason": failed}}).endswith(f". {failed}")
    changing = {"serving": {**ready, "state": "changing", "reason": "new is being loaded."}}
    assert now_words(ONLINE, changing) == "Now: new is being loaded."
    dead = {"name": "x:80", "state": "ready", "trouble": "It is dead."}
    assert (
        now_words(ONLINE, {"serving": dead}) == "Now: x:80, a model server in trouble. It is dead."
    )
    assert now_words(ONLINE, {}) == now_words(Snapshot(), {"serving": ready}) == ""
    assert [is_changing(stats) for stats in (changing, {"serving": ready}, {})] == [
        True,
        False,
        False,
    ]


def test_discord_says_what_it_is_at() -> None:
    waiting = {"discord": {"phase": "waiting for an invitation: https://x", "channels": 0}}
    assert discord_text(ONLINE, waiting) == "waiting for an invitation"
    assert discord_text(ONLINE, {}) == "online"
    assert discord_text(Snapshot(state=State.STARTING, phase="loading"), STATS) == NOTHING


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (State.STOPPED, "start"),
        (State.FAILED, "start"),
        (State.WAITING, "start stop"),
        (State.STARTING, "stop restart force_stop"),
        (State.ONLINE, "stop restart force_stop"),
        (State.STOPPING, "force_stop"),
    ],
)
def test_buttons_by_state(state: State, expected: str) -> None:
    can = buttons(Snapshot(state=state))
    names = [
        name for name in ("start", "stop", "restart", "force_stop") if getattr(can, name) is True
    ]
    assert " ".join(names) == expected


# -- trouble ------------------------------------------------------------------------------------


def failed(reason: str) -> Snapshot:
    return Snapshot(state=State.FAILED, reason=reason)


def mend_of(snapshot: Snapshot, stats: dict[str, object] | None = None) -> Mend:
    trouble = trouble_of(snapshot, stats or {})
    assert trouble is not None
    assert trouble.what.endswith(".")
    assert "python " not in trouble.why
    return trouble.mend


def test_a_refused_token_leads_to_the_setup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the very sentences that the bot ends with."""
    with pytest.raises(BadTokenError) as refused:
        checked_token("")
    assert mend_of(failed(str(refused.value))) is Mend.ENTER_TOKEN
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    monkeypatch.delenv("DISCORD_BOT_TOKEN", raising=False)
    with pytest.raises(NoTokenError) as missing:
        find_token(Home(tmp_path).ensure())
    assert mend_of(failed(str(missing.value))) is Mend.ENTER_TOKEN
    with pytest.raises(NoTokenError) as broken:
        clean("two words", "the keyring")
    assert mend_of(failed(str(broken.value))) is Mend.ENTER_TOKEN
    assert mend_of(failed(final_sentence(ExitCode.BAD_TOKEN, "", ()))) is Mend.ENTER_TOKEN


def test_a_missing_intent_leads_to_the_portal() -> None:
    closed = discord.ConnectionClosed(MagicMock(close_code=4014), shard_id=None, code=4014)
    said = str(final_error(closed))
    for reason in (said, final_sentence(ExitCode.MISSING_INTENT, "", ())):
        assert mend_of(failed(reason)) is Mend.PORTAL


def test_other_failures_lead_somewhere() -> None:
    assert mend_of(failed("There is no model at /x.gguf; correct MODEL_PATH.")) is Mend.CHOOSE_MODEL
    assert mend_of(failed("The bot crashed 5 times within 10 minutes.")) is Mend.LOGS
    assert mend_of(failed(final_sentence(ExitCode.BAD_CONFIG, "", ()))) is Mend.SETTINGS
    waiting = Snapshot(state=State.WAITING, reason="The bot found no network.")
    assert mend_of(waiting) is Mend.TRY_NOW


def test_what_a_running_bot_lacks() -> None:
    lonely = {**STATS, "discord": {"phase": "online", "channels": 0}}
    assert mend_of(ONLINE, lonely) is Mend.CHOOSE_CHANNELS
    invited = Snapshot(state=State.ONLINE, phase="waiting for an invitation: https://a.test/b?c=1")
    trouble = trouble_of(invited, {})
    assert trouble is not None
    assert (trouble.mend, trouble.url, trouble.is_bad) == (
        Mend.INVITE,
        "https://a.test/b?c=1",
        False,
    )
    assert mend_of(Snapshot(state=State.ONLINE, phase="waiting for the network")) is Mend.LOGS


def test_a_model_that_cannot_answer_is_a_card() -> None:
    """The sentences are the bot's: tests/bot/test_server_trouble.py."""
    sentence = "The model server at http://127.0.0.1:9 cannot be reached (refused). Start it."
    dead = {**STATS, "serving": {"name": "x", "state": "ready", "trouble": sentence}}
    trouble = trouble_of(ONLINE, dead)
    assert trouble is not None
    assert (trouble.mend, trouble.is_bad) == (Mend.CHOOSE_MODEL, True)
    assert trouble.why.startswith(sentence)
    gone = {**STATS, "serving": {"name": "x", "state": "failed", "reason": "x is gone."}}
    trouble = trouble_of(ONLINE, gone)
    assert trouble is not None
    assert (trouble.mend, trouble.why) == (Mend.CHOOSE_MODEL, "x is gone.")
    why = "old answers again: new could not be loaded: it is cut off."
    back = {**STATS, "serving": {"name": "old", "state": "ready", "returned": why}}
    trouble = trouble_of(ONLINE, back)
    assert trouble is not None
    assert (trouble.mend, trouble.why, trouble.is_bad) == (Mend.CHOOSE_MODEL, why, False)
    assert now_words(ONLINE, back) == f"Now: old, ready. {why}"
    well = {**STATS, "serving": {"name": "x", "state": "ready", "trouble": ""}}
    assert trouble_of(ONLINE, well) is None


def test_a_broken_persona_file_is_a_card() -> None:
    """The sentences are the bot's: tests/bot/test_persona_files.py."""
    good = {"state": "good", "channels": []}
    broken = {"state": "broken: owl.md, line 4: no YAML. Nothing of it counts.", "channels": []}
    trouble = trouble_of(ONLINE, {**STATS, "personas": {"cat": good, "owl": broken}})
    assert trouble is not None
    assert trouble.why == "owl.md, line 4: no YAML. Nothing of it counts."
    assert not trouble.is_bad
    odd: tuple[object, ...] = ({"cat": good}, {}, None, [], {"cat": None})
    for personas in odd:
        assert trouble_of(ONLINE, {**STATS, "personas": personas}) is None


@pytest.mark.parametrize("snapshot", [ONLINE, Snapshot(), Snapshot(state=State.STARTING)])
def test_nothing_is_wrong(snapshot: Snapshot) -> None:
    assert trouble_of(snapshot, STATS) is None


# -- settings that are dragged ------------------------------------------------------------------


@dataclass
class Desk:
    """A clock that a test moves, and a store that answers when the test says so."""

    waiting: dict[str, Callable[[], object]] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    answers: list[tuple[Callable[[], object], Callable[[str], object]]] = field(
        default_factory=list
    )
    complaints: list[str] = field(default_factory=list)
    made: int = 0

    def after(self, delay_ms: int, call: Callable[[], object]) -> str:
        assert delay_ms == REST_MS
        self.made += 1
        self.waiting[str(self.made)] = call
        return str(self.made)

    def cancel(self, timer: str) -> None:
        self.waiting.pop(timer, None)

    def send(
        self, name: str, text: str, done: Callable[[], object], failed: Callable[[str], object]
    ) -> None:
        self.sent.append(text)
        self.answers.append((done, failed))

    def rest(self) -> None:
        """The hand rests: all timers run out."""
        for timer in list(self.waiting):
            self.waiting.pop(timer)()

    def setting(self, name: str) -> QuickSetting:
        return QuickSetting(name, self, self.send, self.complaints.append)


def test_only_where_the_hand_rests_is_stored() -> None:
    desk = Desk()
    quick = desk.setting("temperature")
    for n in range(50):
        quick.want(n / 100)
    assert desk.sent == []
    assert quick.meant() == 0.49
    desk.rest()
    assert desk.sent == ["0.49"]
    assert quick.is_pending
    desk.answers[0][0]()
    assert not quick.is_pending


def test_values_do_not_overtake_each_other() -> None:
    desk = Desk()
    quick = desk.setting("max_reply_tokens")
    for value in (100, 200, 300):
        quick.want(value)
        desk.rest()
    assert desk.sent == ["100"]
    desk.answers[0][0]()
    assert desk.sent == ["100", "300"]
    desk.answers[1][0]()
    assert (len(desk.sent), quick.is_pending) == (2, False)


def test_what_is_refused_is_said_once_and_not_tried_again() -> None:
    desk = Desk()
    quick = desk.setting("response_rate")
    quick.want(0.5)
    desk.rest()
    desk.answers[0][1]("The bot did not answer in time.")
    assert desk.complaints == ["The bot did not answer in time."]
    assert (quick.is_pending, len(desk.sent)) == (False, 1)
    quick.want(7.0)
    assert "from 0.0 to 1.0" in desk.complaints[1]
    assert not desk.waiting


def test_leaving_the_page_stores_what_was_moved() -> None:
    desk = Desk()
    quick = desk.setting("response_rate")
    quick.want(0.333333)
    quick.flush()
    assert desk.sent == ["0.33"]
    desk.rest()
    quick.flush()
    assert desk.sent == ["0.33"]


def test_the_rate_before_is_remembered() -> None:
    model = HomeModel()
    default = next(one.default for one in SETTINGS if one.name == "response_rate")
    assert model.rate_before == default
    for rate in (0.4, 0.0):
        model.note_rate(rate)
    assert model.rate_before == 0.4

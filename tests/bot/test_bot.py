"""bot/bot.py beside the conversation: its house-keeping, its logins, its settings, its ends.

The whole bot runs in tests/live.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from bot import bot as bot_module
from bot.bot import Bot
from bot.config import read_config
from bot.ending import end_of
from bot.env_file import BadConfigError
from bot.logs import Logs, open_logs
from bot.platforms.discord_errors import BadTokenError, MissingIntentError, WrongServerError
from bot.platforms.platform import LoginsUsedUpError
from bot.protocol import ExitCode
from model.gguf_check import GgufError
from storage.connections import DatabaseBusyError, DatabaseError, DatabaseUnwritableError
from storage.database import ContextLine, Database
from storage.errors import MynahError
from storage.paths import Home
from storage.records import ChannelRecord
from storage.settings import SettingError
from tests.bot.unwritable import unwritable
from tests.storage.rows import message


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path).ensure()


@pytest.fixture
def database(home: Home) -> Iterator[Database]:
    with Database.open(home.database) as opened:
        yield opened


@pytest.fixture
def logs(home: Home) -> Iterator[Logs]:
    opened = open_logs(home.logs)
    yield opened
    opened.close()


@pytest.fixture
def bot(home: Home, database: Database, logs: Logs) -> Bot:
    """As it is while the model is loading."""
    return Bot(home, database, read_config(home, database, {}), "x" * 30, logs)


async def test_keeping_house_outlives_a_database_that_cannot_be_written(
    bot: Bot, database: Database, home: Home, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bot_module, "MINUTE_S", 0.02)
    bot._enter("online")
    database.add_statistic("error", 1.0, 0)
    with unwritable(database):
        keeping = asyncio.create_task(bot._keep_house())
        await asyncio.sleep(0.3)
        assert not keeping.done()
    for _ in range(250):
        await asyncio.sleep(0.02)
        if database.statistics_since("up_s", 0) and not database.statistics_since("error", 0):
            break
    assert not keeping.done()
    assert database.statistics_since("error", 0) == [], "what is old goes again"
    keeping.cancel()
    with suppress(asyncio.CancelledError):
        await keeping
    logs.flush()
    assert "What is old is still kept" in (home.logs / "bot.jsonl").read_text(encoding="utf-8")


async def test_no_login_goes_uncounted(
    bot: Bot, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.patience.RETRY_S", 0.02)
    with unwritable(database):
        counting = asyncio.create_task(bot._count_identify())
        await asyncio.sleep(0.2)
        assert not counting.done(), "it must not log in now"
    await asyncio.wait_for(counting, 5)
    assert len(database.statistics_since("identify", 0)) == 1
    database.set_config("identifies_a_day", "1")
    await bot.reload()
    with pytest.raises(LoginsUsedUpError):
        await bot._count_identify()


async def test_settings_change_one_after_another_also_while_it_loads(
    bot: Bot, database: Database
) -> None:
    texts = [f"0.{n}" for n in range(1, 9)]
    changes = [bot.set_setting("response_rate", text) for text in texts]
    await asyncio.gather(*changes, *(bot.reload() for _ in range(8)))
    assert bot.settings.text("log_level") == "INFO"
    assert str(bot.settings.number("response_rate")) == database.config_rows()["response_rate"]


async def test_a_channels_own_values_are_kept_and_read_at_a_reload(
    bot: Bot, database: Database
) -> None:
    database.upsert_channels([ChannelRecord(5, 1, "", "a"), ChannelRecord(6, 1, "", "b", 5)])
    now = await bot.set_in_channel(5, "lurk", "on")
    assert now.switch("lurk")
    assert bot.settings_in(6).switch("lurk"), "a thread is as its parent"
    assert not bot.settings.switch("lurk")
    assert database.channel_config_rows() == {5: {"lurk": "on"}}
    database.set_channel_config(6, "lurk", "off")
    await bot.reload()
    assert not bot.settings_in(6).switch("lurk")
    with pytest.raises(SettingError, match="same in all channels"):
        await bot.set_in_channel(5, "temperature", "0.1")
    assert not (await bot.set_in_channel(5, "lurk", None)).switch("lurk")
    assert database.channel_config_rows() == {6: {"lurk": "off"}}


async def test_who_is_left_out_while_it_loads_is(bot: Bot, database: Database) -> None:
    await bot.exclude(5, True)
    member = database.member(5)
    assert member is not None
    assert member.is_excluded


async def test_who_is_being_forgotten_is_in_no_transcript(bot: Bot, database: Database) -> None:
    member_id = 5 << 50
    line = ContextLine(1, "said", "Mira", "hello", 1, 10)
    database.upsert_messages([message(10, author_id=member_id), message(11)])
    database.append_context_lines([line, replace(line, message_id=11)])
    database.begin_forgetting(member_id, "ada", 1)
    await bot.forget(member_id)
    assert [one.message_id for one in database.context(1, 5)] == [11]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadTokenError("x"), ExitCode.BAD_TOKEN),
        (MissingIntentError("x"), ExitCode.MISSING_INTENT),
        (WrongServerError("x"), ExitCode.BAD_CONFIG),
        (BadConfigError("x"), ExitCode.BAD_CONFIG),
        (GgufError("x"), ExitCode.BAD_CONFIG),
        (DatabaseBusyError("x"), ExitCode.CRASHED),
        (DatabaseUnwritableError("x"), ExitCode.CRASHED),
        (DatabaseError("x"), ExitCode.CRASHED),
        (MynahError("x"), ExitCode.CRASHED),
    ],
)
def test_only_what_somebody_has_to_put_right_is_final(error: MynahError, code: ExitCode) -> None:
    assert end_of(error).code is code

"""bot/config.py: .env seeds once, the environment overrides, bad values end in a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.config import BadConfigError, Config, read_config
from storage.database import Database
from storage.paths import PROGRAM_DIR, Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path).ensure()


@pytest.fixture
def database(home: Home) -> Iterator[Database]:
    with Database.open(home.database) as opened:
        yield opened


def write(home: Home, text: str) -> None:
    home.env_file.write_text(text, encoding="utf-8")


def read(home: Home, database: Database, **environment: str) -> Config:
    return read_config(home, database, environment)


def test_nothing_given_is_the_defaults(home: Home, database: Database) -> None:
    config = read(home, database, PATH="/bin", LOG_LEVEL="", DISCORD_SERVER_ID="  ")
    assert config == Config(config.settings)
    assert config.settings.text("log_level") == "INFO"
    assert database.config_rows() == {}


def test_the_file_seeds_each_setting_once(home: Home, database: Database) -> None:
    write(home, "DISCORD_CHANNEL_IDS = '11, 12'\nLOG_LEVEL=\nHOUSE=1\nADMIN_USER_IDS=5 # me\n")
    assert read(home, database).settings.ids("discord_channel_ids") == (11, 12)
    assert database.config_rows() == {"admin_user_ids": "5", "discord_channel_ids": "11,12"}

    database.set_config("discord_channel_ids", "13")
    database.reset_config("admin_user_ids")
    config = read(home, database)
    assert config.settings.ids("discord_channel_ids") == (13,)
    assert config.settings.ids("admin_user_ids") == (), "given its default again, not seeded again"
    assert len(config.warnings) == 2
    assert "ADMIN_USER_IDS in" in config.warnings[1] or "ADMIN_USER_IDS in" in config.warnings[0]
    assert "manage_settings.py set" in config.warnings[0]


def test_a_variable_that_comes_later_is_seeded_then(home: Home, database: Database) -> None:
    write(home, "LOG_LEVEL=DEBUG\n")
    read(home, database)
    write(home, "LOG_LEVEL=ERROR\nDISCORD_SERVER_ID=77\n")
    config = read(home, database)
    assert config.settings.ids("discord_server_id") == (77,)
    assert config.settings.text("log_level") == "DEBUG"


def test_what_is_stored_already_is_never_overwritten(home: Home, database: Database) -> None:
    database.set_config("log_level", "ERROR")
    write(home, "LOG_LEVEL=DEBUG\n")
    assert read(home, database).settings.text("log_level") == "ERROR"


def test_the_environment_is_on_top_and_not_stored(home: Home, database: Database) -> None:
    write(home, "LOG_LEVEL=DEBUG\n")
    config = read(home, database, LOG_LEVEL="WARNING", DISCORD_CHANNEL_IDS="21")
    assert config.settings.text("log_level") == "WARNING"
    assert database.config_rows() == {"log_level": "DEBUG"}
    assert read(home, database).settings.ids("discord_channel_ids") == ()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("LOG_LEVEL=loud", r"LOG_LEVEL in .*\.env has to be one of DEBUG, INFO.*; \"loud\" is not"),
        ("DISCORD_SERVER_ID=1,2", "DISCORD_SERVER_ID in .* has to be an id of digits"),
        ("MYNAH_DISCORD_API=localhost:80", "begins with https:// or http://"),
        ("MYNAH_DISCORD_GATEWAY=http://localhost", "begins with wss:// or ws://"),
        ("MYNAH_DISCORD_GATEWAY=ws://[::1", "begins with wss:// or ws://"),
    ],
)
def test_a_bad_value_in_the_file_ends_in_a_sentence(
    home: Home, database: Database, text: str, sentence: str
) -> None:
    write(home, f"ADMIN_USER_IDS=5\n{text}\n")
    with pytest.raises(BadConfigError, match=sentence):
        read(home, database)


TOKEN = "MTIzNDU2Nzg5MDEyMzQ1Njc4.GaBcDe.abcdefghijklmnopqrstuvwxyz0123456789AB"


@pytest.mark.parametrize("variable", ["DISCORD_SERVER_ID", "LOG_LEVEL", "MYNAH_DISCORD_API"])
@pytest.mark.parametrize("text", [TOKEN, f"Bot {TOKEN}", TOKEN[30:], f"12, {TOKEN[:24]}"])
def test_a_token_in_the_wrong_line_is_not_quoted(
    home: Home, database: Database, variable: str, text: str
) -> None:
    write(home, f'{variable}="{text}"\n')
    with pytest.raises(BadConfigError, match=variable) as caught:
        read(home, database)
    said = str(caught.value)
    assert "[secret]" in said
    assert not [n for n in range(len(TOKEN) - 8) if TOKEN[n : n + 8] in said]


def test_a_bad_file_seeds_nothing(home: Home, database: Database) -> None:
    write(home, "ADMIN_USER_IDS=5\nLOG_LEVEL=loud\n")
    with pytest.raises(BadConfigError):
        read(home, database)
    assert database.config_rows() == {}


def test_a_bad_value_in_the_environment_ends_in_a_sentence(home: Home, database: Database) -> None:
    with pytest.raises(BadConfigError, match=r"^ADMIN_USER_IDS has to be ids of digits"):
        read(home, database, ADMIN_USER_IDS="mira")


def test_the_file_is_read_as_editors_write_it(home: Home, database: Database) -> None:
    lines = "LOG_LEVEL=ERROR\r\nMODEL_PATH=C:\\models\\$HOME\\ä.gguf\r\n"
    home.env_file.write_bytes(lines.encode("utf-8-sig"))
    config = read(home, database)
    assert config.settings.text("log_level") == "ERROR"
    assert config.settings.text("model_path") == "C:\\models\\$HOME\\ä.gguf"


def test_a_file_that_is_no_text_ends_in_a_sentence(home: Home, database: Database) -> None:
    home.env_file.write_bytes(b"LOG_LEVEL=\xff\xfe\n")
    with pytest.raises(BadConfigError, match="text file in UTF-8"):
        read(home, database)


def test_the_token_is_never_stored(home: Home, database: Database) -> None:
    write(home, "DISCORD_BOT_TOKEN=planted.token.here\nLOG_LEVEL=DEBUG\n")
    config = read(home, database, DISCORD_BOT_TOKEN="planted.token.here")
    assert "planted" not in repr(config)
    database.close()
    files = [path for path in home.data_storage.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if b"planted" in path.read_bytes()]


def test_addresses_are_remarked(home: Home, database: Database) -> None:
    write(home, "MYNAH_DISCORD_API=http://127.0.0.1:80/api/v10/\n")
    config = read(home, database, MYNAH_DISCORD_GATEWAY="ws://127.0.0.1:81/gateway")
    assert config.discord_api == "http://127.0.0.1:80/api/v10"
    assert config.discord_gateway == "ws://127.0.0.1:81/gateway"
    assert len(config.warnings) == 2
    assert "the token goes to http://127.0.0.1:80" in config.warnings[0]


def test_the_example_is_whole_and_seeds_only_the_level(home: Home, database: Database) -> None:
    home.env_file.write_bytes((PROGRAM_DIR / ".env.example").read_bytes())
    config = read(home, database)
    assert config.warnings == ()
    assert database.config_rows() == {"log_level": "INFO"}

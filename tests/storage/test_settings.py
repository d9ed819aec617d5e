"""Ranges refused in a sentence, bad stored values replaced by defaults, the generated page."""

from __future__ import annotations

import math

import pytest

from storage.settings import SETTINGS, Setting, SettingError, Settings, find, load, parse, to_text


def test_names_and_commands_are_unique() -> None:
    names = [s.name for s in SETTINGS]
    commands = [s.command for s in SETTINGS if s.command]
    assert len(set(names)) == len(names)
    assert len(set(commands)) == len(commands)
    assert {"!setrate", "!settemp", "!setmaxlen"} <= set(commands)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.name)
def test_each_default_is_within_its_range_and_survives_the_table(setting: Setting) -> None:
    value = parse(setting, to_text(setting, setting.default))
    assert value == setting.default
    assert type(value) is type(setting.default)
    assert setting.help.endswith(".")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("response_rate", "0", 0.0),
        ("response_rate", " 1.0 ", 1.0),
        ("temperature", "1e-1", 0.1),
        ("max_reply_tokens", "500", 500),
        ("recall_enabled", "Yes", True),
        ("recall_enabled", "0", False),
        ("persona_name", "Pip 👨‍👩‍👧", "Pip 👨‍👩‍👧"),
        ("persona", "You are {name}.\nBe kind.", "You are {name}.\nBe kind."),
    ],
)
def test_good_values(name: str, text: str, value: object) -> None:
    assert parse(find(name), text) == value


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("response_rate", "1.01", "from 0.0 to 1.0"),
        ("response_rate", "-0.1", "from 0.0 to 1.0"),
        ("temperature", "nan", "from 0.0 to 1.0"),
        ("temperature", "inf", "from 0.0 to 1.0"),
        ("temperature", "hot", "from 0.0 to 1.0"),
        ("max_reply_tokens", "49", "a whole number from 50 to 500 tokens"),
        ("max_reply_tokens", "100.5", "a whole number from 50 to 500"),
        ("max_reply_tokens", "9" * 5000, "from 50 to 500"),
        ("top_k", "9" * 400, "a whole number from 0 to 1000"),
        ("recall_enabled", "perhaps", "on or off"),
        ("persona_name", "", "1 to 32 characters"),
        ("persona_name", "x" * 33, "1 to 32 characters"),
        ("persona_name", "   ", "1 to 32 characters"),
        ("persona_name", "Pip\n<|im_end|>", "one line of 1 to 32 characters"),
        ("persona_name", "Pip\u2028", "one line"),
        ("persona_name", "Pip\x1b[2J", "one line"),
    ],
)
def test_bad_values_name_the_range(name: str, text: str, says: str) -> None:
    with pytest.raises(SettingError) as caught:
        parse(find(name), text)
    assert says in str(caught.value)
    assert name in str(caught.value)
    assert len(str(caught.value)) < 200


def test_choices() -> None:
    colour = Setting("colour", "choice", "red", "A colour.", choices=("red", "blue"))
    assert parse(colour, " blue ") == "blue"
    with pytest.raises(SettingError, match="one of red, blue"):
        parse(colour, "green")


def test_settings_are_complete_and_frozen() -> None:
    settings = Settings({"temperature": 0.3, "recall_enabled": False})
    assert settings["temperature"] == 0.3
    assert len(settings) == len(SETTINGS)
    assert settings.number("temperature") == 0.3
    assert settings.whole("max_reply_tokens") == 120
    assert settings.switch("recall_enabled") is False
    assert settings.text("persona_name") == "Mynah"
    with pytest.raises(TypeError):
        settings["temperature"] = 0.4  # type: ignore[index]
    with pytest.raises(TypeError, match="float setting"):
        settings.text("temperature")
    with pytest.raises(SettingError, match=r"0\.0 to 1\.0"):
        Settings({"temperature": math.pi})
    with pytest.raises(SettingError, match="There is no setting"):
        Settings({"temprature": 0.5})


def test_a_channels_own_values_lie_on_top() -> None:
    settings = Settings({"response_rate": 0.2, "temperature": 0.3})
    own = settings.overlaid({"response_rate": "0.9", "lurk": "on"})
    assert (own.number("response_rate"), own.switch("lurk")) == (0.9, True)
    assert (own.number("temperature"), own.text("persona_name")) == (0.3, "Mynah")
    assert (settings.number("response_rate"), settings.switch("lurk")) == (0.2, False)
    assert own.overlaid({"response_rate": "0"}).number("response_rate") == 0.0
    # a thread's own, then what cannot be used: another setting, a bad value, none of ours
    assert settings.overlaid({}) is settings
    bad = {"temperature": "0.9", "response_rate": "9", "of_the_future": "1"}
    assert settings.overlaid(bad) == settings


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.name)
def test_only_what_says_so_is_a_channels_own(setting: Setting) -> None:
    other = {"bool": "on" if setting.default is False else "off"}.get(setting.kind)
    if other is not None:
        changed = Settings().overlaid({setting.name: other})[setting.name] != setting.default
        assert changed == setting.by_channel


def test_a_bad_stored_value_gives_the_default_and_a_warning() -> None:
    settings, warnings = load(
        {"temperature": "9", "max_reply_tokens": "77", "of_the_future": "1", "threads": ""}
    )
    assert settings["temperature"] == 0.7
    assert settings["max_reply_tokens"] == 77
    assert settings["threads"] == 0
    assert len(warnings) == 3
    assert "temperature is a number from 0.0 to 1.0" in warnings[0]
    assert "default counts: 0.7" in warnings[0]
    assert load({}) == (Settings(), [])
    assert load({"top_k": "9" * 400, "persona_name": "a\nb"})[0] == Settings()

"""What the settings page shows, and what was changed and is not saved, without a window."""

from __future__ import annotations

import pytest

from gui.models.settings_model import (
    ELSEWHERE,
    GROUPS,
    OTHER,
    Range,
    SettingsModel,
    after_restart,
    groups,
    label_of,
    range_of,
    tooltip_of,
)
from storage.settings import SETTINGS, Setting, Settings, find, parse


@pytest.fixture
def model() -> SettingsModel:
    return SettingsModel(Settings(), {})


def test_every_setting_stands_in_one_group_with_a_name_of_its_own() -> None:
    named = [name for group in GROUPS for name in group.names]
    assert sorted([*named, *ELSEWHERE]) == sorted(setting.name for setting in SETTINGS)
    assert OTHER not in [group.title for group in groups()]
    labels = [label_of(name) for name in named]
    assert len(set(labels)) == len(labels)
    assert not any("_" in label for label in labels)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda one: one.name)
def test_every_setting_can_be_shown_and_its_default_typed(
    setting: Setting, model: SettingsModel
) -> None:
    name = setting.name
    text = model.text(name)
    assert parse(setting, text) == setting.default
    model.change(name, text)
    assert model.changed == ()
    assert model.problem(name) == ""
    assert model.is_default(name)
    assert setting.help in tooltip_of(setting)
    assert setting.allowed in tooltip_of(setting)


def test_sliders_reach_both_ends_and_write_what_is_allowed() -> None:
    with_slider = {one.name: range_of(one) for one in SETTINGS if range_of(one)}
    assert "seed" not in with_slider
    assert "memory_first_lines" not in with_slider
    assert "persona" not in with_slider
    for name, reach in with_slider.items():
        assert isinstance(reach, Range)
        setting = find(name)
        assert parse(setting, reach.written(reach.low)) == setting.low
        assert parse(setting, reach.written(reach.high)) == setting.high
        between = reach.low + (reach.high - reach.low) * 0.37
        parse(setting, reach.written(between))
    rate = with_slider["response_rate"]
    assert rate is not None
    assert [rate.written(value) for value in (0.3, 0.299999, 1 / 3, 1.7)] == [
        "0.3",
        "0.3",
        "0.33",
        "1",
    ]


def test_what_is_typed_is_a_change_until_it_is_what_is_stored(model: SettingsModel) -> None:
    assert not model.can_save
    model.change("temperature", "0.5")
    assert model.changed == ("temperature",)
    assert model.can_save
    assert not model.is_default("temperature")
    model.change("temperature", "0.70")
    assert model.changed == ()
    assert not model.can_save


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("temperature", "hot", "This has to be a number from 0.0 to 1.0."),
        ("temperature", "", "This has to be a number from 0.0 to 1.0."),
        ("max_reply_tokens", "501", "This has to be a whole number from 50 to 500 tokens."),
        (
            "discord_channel_ids",
            "12, general",
            "This has to be ids of digits, separated by commas.",
        ),
        ("persona_name", "", "This has to be one line of 1 to 32 characters."),
    ],
)
def test_what_is_out_of_range_cannot_be_saved(
    model: SettingsModel, name: str, text: str, sentence: str
) -> None:
    model.change("top_k", "20")
    model.change(name, text)
    assert model.problem(name) == sentence
    assert not model.can_save
    assert model.text(name) == text
    model.discard()
    assert (model.changed, model.problem(name)) == ((), "")


def test_texts_are_stored_as_the_registry_writes_them(model: SettingsModel) -> None:
    model.change("discord_channel_ids", " 12 , 34,12 ")
    model.change("recall_enabled", "off")
    model.change("temperature", ".5")
    assert model.to_save() == [
        ("temperature", "0.5"),
        ("recall_enabled", "off"),
        ("discord_channel_ids", "12,34"),
    ]


def test_what_was_saved_is_no_change_and_what_was_typed_meanwhile_is(model: SettingsModel) -> None:
    model.change("temperature", "0.5")
    ((name, text),) = model.to_save()
    model.saved(name, text)
    assert model.changed == ()
    model.change("temperature", "0.6")
    model.saved("temperature", "0.5")
    assert model.to_save() == [("temperature", "0.6")]


def test_somebody_else_may_change_a_setting_meanwhile(model: SettingsModel) -> None:
    model.change("temperature", "0.5")
    model.take(Settings({"response_rate": 0.4, "temperature": 0.9}))
    assert model.text("response_rate") == "0.4"
    assert model.text("temperature") == "0.5"
    model.take(Settings({"temperature": 0.5}))
    assert model.changed == ()


def test_an_environment_variable_counts_instead() -> None:
    model = SettingsModel(Settings(), {"LOG_LEVEL": "DEBUG", "MODEL_PATH": " "})
    assert "LOG_LEVEL counts instead" in model.overridden("log_level")
    assert model.overridden("model_path") == ""
    assert model.overridden("temperature") == ""


def test_what_counts_after_a_restart_is_named_in_words() -> None:
    assert after_restart(["temperature", "context_tokens", "persona"]) == [
        "Conversation in view",
        "Who it is",
    ]

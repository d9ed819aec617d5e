"""What the setup knows without a window: how far it has come, and what is made of the answers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gui.models import wizard_model
from gui.models.wizard_catalogue import address_fault, offers_of, share_of
from gui.models.wizard_discord import (
    BotAccount,
    Channel,
    Person,
    account_of,
    by_category,
    found_among,
    people_shown,
    servers_of,
)
from gui.models.wizard_model import (
    Progress,
    StepName,
    needs_setup,
    step_that_mends,
    summary,
    without_commands,
)
from storage.paths import Home
from storage.settings import Settings

GOOD = BotAccount("mynah", 7, "https://discord.com/oauth2/authorize?client_id=7", True, True)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.delenv("DISCORD_CHANNEL_IDS", raising=False)
    return Home(tmp_path)


def test_progress_is_kept_whole_and_never_the_token(home: Home) -> None:
    assert wizard_model.load(home) == Progress()
    kept = Progress(StepName.ADMINS, False, "the keyring", GOOD, "The Nest").named({5: "general"})
    wizard_model.save(home, kept)
    assert wizard_model.load(home) == kept
    stored = json.loads((home.data_storage / "setup.json").read_text())
    assert set(stored) == {
        "step", "is_done", "token_place", "account", "server_name", "names", "model_name",
        "rehearses_later",
    }  # fmt: skip
    for spoilt in ("", "[]", "{}", '{"step": "nowhere"}', '{"step": 3, "account": 4}', "\0"):
        (home.data_storage / "setup.json").write_text(spoilt)
        assert wizard_model.load(home) == Progress()


def test_when_the_window_opens_on_setup(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = Settings({"discord_channel_ids": "5"})
    assert needs_setup(home, Settings())
    assert not needs_setup(home, listed)
    home.root.mkdir(exist_ok=True)
    home.env_file.write_text("# DISCORD_CHANNEL_IDS=1\nDISCORD_CHANNEL_IDS=\n")
    assert needs_setup(home, Settings())
    home.env_file.write_text('export DISCORD_CHANNEL_IDS="123,456"\n')
    assert not needs_setup(home, Settings())
    wizard_model.save(home, Progress(StepName.ADMINS))
    assert not needs_setup(home, listed)  # the bot can run
    wizard_model.save(home, Progress(StepName.TOKEN))
    assert needs_setup(home, listed)  # left half-way, without a token
    wizard_model.save(home, Progress(StepName.TOKEN, token_place="the keyring"))
    assert not needs_setup(home, listed)
    blind = replace(GOOD, reads_words=False)
    wizard_model.save(home, Progress(StepName.TOKEN, token_place="the keyring", account=blind))
    assert needs_setup(home, listed)
    wizard_model.save(home, Progress(StepName.FINISH, is_done=True))
    assert not needs_setup(home, listed)
    home.env_file.unlink()
    assert needs_setup(home, Settings())
    monkeypatch.setenv("DISCORD_CHANNEL_IDS", "5")
    assert not needs_setup(home, Settings())


def test_how_far_one_may_go() -> None:
    good = Progress(token_place="the keyring", account=GOOD)
    listed = Settings({"discord_channel_ids": "5"})
    assert Progress().furthest(Settings()) is StepName.TOKEN
    assert Progress().furthest(listed) is StepName.REHEARSAL  # set up by .env
    speaks = Settings({"discord_channel_ids": "5", "speaks_in_public": True})
    assert Progress().furthest(speaks) is StepName.FINISH
    assert Progress().furthest(Settings(), is_online=True) is StepName.CHANNELS
    assert good.furthest(Settings()) is StepName.CHANNELS
    assert good.furthest(listed) is StepName.REHEARSAL
    assert replace(good, rehearses_later=True).furthest(listed) is StepName.FINISH
    blind = replace(good, account=replace(GOOD, reads_words=False))
    assert blind.furthest(listed) is StepName.TOKEN
    assert blind.account is not None
    assert blind.account.missing == ["Message Content Intent"]
    assert blind.account.portal_page.endswith("/applications/7/bot")
    assert StepName.WELCOME.moved(-1) is StepName.WELCOME
    assert StepName.MODEL.moved(1) is StepName.REHEARSAL


def test_what_discord_answers() -> None:
    intents = {"message_content": True, "members": False}
    answer = {"name": "m", "application_id": 7, "invite_url": "u", "intents": intents}
    assert account_of(answer).missing == ["Server Members Intent"]
    rights = {"can_see": True, "can_read": True, "can_send": True}
    one = {"id": 5, "name": "general", "category": "", **rights}
    channels = [one, {**one, "can_send": False}, {**one, "can_read": False}]
    channels.append({**one, "can_read": False, "can_see": False})
    [server, bare] = servers_of(
        {"servers": [{"id": 1, "name": "a", "channels": channels}, {"id": 2, "name": "b"}]}
    )
    assert [(c.can_read, c.obstacle) for c in server.channels] == [
        (True, ""),
        (True, "The bot may read, but not write here"),
        (False, "The bot may not read its history"),
        (False, "The bot may not see it"),
    ]
    assert bare.channels == ()


def test_searching() -> None:
    channels = [Channel(n, name, "Talk" if n > 1 else "", True, "") for n, name in enumerate("abc")]
    assert [(name, len(group)) for name, group in by_category(channels)] == [("", 2), ("Talk", 1)]
    assert by_category(channels, "#B") == [("", [channels[1]])]
    assert by_category(channels, "talk") == [("Talk", [channels[2]])]
    ann, bob = Person(1, "ann", "Änne", False), Person(2, "bob", "", True)
    assert (ann.label, bob.label) == ("Änne (ann)", "bob")
    assert found_among([ann, bob], "@änn") == [ann]
    absent = people_shown([ann], {1: "ann", 9: "zoe"})
    assert [one.name for one in absent] == ["zoe", "ann"]


def test_the_summary_names_what_it_can() -> None:
    progress = Progress(account=GOOD, server_name="The Nest").named({1: "general", 9: "zoe"})
    ids = ",".join(map(str, range(1, 9)))
    settings = Settings(
        {"discord_channel_ids": ids, "admin_user_ids": "9", "model_path": "/m/q.gguf"}
    )
    lines = {name: value for name, value, _ in summary(progress, settings)}
    assert lines == {
        "Bot": "mynah",
        "Server": "The Nest",
        "Channels": "#general, 2, 3, 4, 5, 6 and 2 more",
        "Admins": "zoe, and whoever may manage the server",
        "Model": "q.gguf",
        "Speaks": wizard_model.LISTENS,
    }
    bare = {name: value for name, value, _ in summary(Progress(), Settings())}
    assert bare["Channels"] == "none yet"
    assert bare["Model"] == "the small base"
    heard = {name: value for name, value, _ in summary(progress, Settings({"speaks_in_public": 1}))}
    assert heard["Speaks"] == wizard_model.SPEAKS


@pytest.mark.parametrize(
    ("reason", "step"),
    [
        ("Discord does not accept the bot's token. Copy a new one.", StepName.TOKEN),
        ('Switch on "Message Content Intent" and start again.', StepName.TOKEN),
        ("The bot is on several servers: a, b.", StepName.CHANNELS),
        ("There is no model at /m.gguf; correct MODEL_PATH.", StepName.MODEL),
        ("The disk is full.", None),
    ],
)
def test_which_step_mends(reason: str, step: StepName | None) -> None:
    assert step_that_mends(reason) is step


def test_a_window_names_no_commands() -> None:
    said = "Copy a new one and store it with: python scripts/manage_token.py set"
    assert without_commands(said) == "Copy a new one."
    assert without_commands("The disk is full.") == "The disk is full."
    assert without_commands("") == ""


def test_the_catalogue_and_its_progress() -> None:
    [offer] = offers_of({"models": [{"id": "q", "size_bytes": 5, "fit": "does_not_fit"}]})
    assert (offer.name, offer.fit, offer.is_here) == ("q", "does not fit", False)
    assert offers_of({}) == []
    assert share_of({"bytes": 5, "total": 10}) == 0.5
    assert share_of({"bytes": 5, "total": 0}) is None
    assert share_of({"path": "x"}) is None


@pytest.mark.parametrize("good", ["http://127.0.0.1:8080/v1", "https://models.example/v1"])
def test_good_addresses(good: str) -> None:
    assert address_fault(good) == ""


@pytest.mark.parametrize("bad", ["", "localhost:8080", "http://", "ftp://a", "http://a:99999999"])
def test_bad_addresses(bad: str) -> None:
    assert address_fault(bad)

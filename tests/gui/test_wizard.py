"""The setup in the real window: from nothing to a bot online; refused, left, gone on with."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.secret import find_token
from gui.models import wizard_model
from gui.models.wizard_discord import BotAccount
from gui.models.wizard_model import Progress, StepName
from gui.supervision import State
from model import catalogue
from storage import readonly
from storage.database import Database
from storage.paths import DEMO_BASE_DIR, Home
from tests.discord_stand_in.stand_in import StandInThread
from tests.discord_stand_in.things import Allow, ChannelKind
from tests.gui.rehearsing import furnish
from tests.gui.window import find, press, pump, rest, settle, texts, type_keys, window
from tests.live.process import environment
from tests.model.hub_stand_in import HubStandIn

WRONG = "MTE5ODYyMjQ4MzQ3MTkyNTI0OA.Gabcde.aB3dEfGhIjKlMnOpQrStUvWxYz0123456789ab"
LONG_S = 40.0


@pytest.fixture
def discord(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInThread]:
    monkeypatch.delenv("DISCORD_BOT_TOKEN", raising=False)
    with StandInThread() as stand_in:
        for name, value in environment(stand_in).items():
            monkeypatch.setenv(name, value)
        yield stand_in
        assert list(stand_in.violations) == []


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").ensure()


def opened(shown: Any) -> Any:
    """The page Setup, at the step where it was left."""
    shown.main.open_page("Setup")
    page = shown.main.page
    pump(shown, lambda: page.step is not None)
    return page


def at(shown: Any, page: Any, name: StepName) -> Any:
    """The step, once it is come to."""
    pump(shown, lambda: page.step.name is name, LONG_S, what=name.value)
    return page.step


def next_of(shown: Any, page: Any) -> None:
    """Press Next, once it may be."""
    pump(shown, lambda: page.next.cget("state") == "normal", LONG_S, what="Next")
    press(page.next)


def failure(page: Any) -> str:
    """What stands on the card above the step."""
    return "" if page._failure is None else " ".join(texts(page._failure))


def test_from_nothing_to_a_bot_that_is_online(
    xvfb: str, discord: StandInThread, home: Home
) -> None:
    world = discord.world
    talk = world.add_channel("Talk", kind=ChannelKind.CATEGORY)
    raids, staff = world.add_channel("raids"), world.add_channel("staff")
    raids.parent_id = staff.parent_id = talk.id
    world.deny(staff.id, Allow.VIEW_CHANNEL)
    guild = world.guild
    with window(home, size=(900, 600)) as shown:
        try:
            page = opened(shown)
            next_of(shown, page)

            step = at(shown, page, StepName.TOKEN)
            step.field.insert(0, WRONG)
            press(step.check)
            pump(shown, lambda: "does not accept" in failure(page), LONG_S)
            assert "Open the portal" in failure(page)
            assert page.next.cget("state") == "disabled"
            discord.faults.disallow_intents()
            step.clipboard_clear()
            step.clipboard_append(f" {discord.token}\n")
            press(step.paste)
            assert discord.token not in texts(page)
            type_keys(shown, "Return")
            pump(shown, lambda: step.account.winfo_ismapped(), LONG_S, what="the account")
            assert failure(page) == ""
            assert step.field.get() == ""
            assert "Message Content Intent and the Server Members" in step.account.says.cget("text")
            assert page.next.cget("state") == "disabled"
            discord.faults.disallow_intents(True)
            world.users[discord.bot_id].avatar = "0123456789abcdef0123456789abcdef"
            press(step.account.again)
            pump(shown, lambda: page.progress.is_token_good, LONG_S, what="the intents")
            assert step.account._picture is not None
            assert find_token(home).secret == discord.token

            discord.call(lambda: discord.inner.world.guilds.pop(guild.id))
            next_of(shown, page)
            step = at(shown, page, StepName.INVITE)
            assert "client_id=" in step.field.get()
            pump(shown, lambda: "Waiting" in step.status.cget("text"), LONG_S)
            assert page.next.cget("state") == "disabled"
            discord.call(lambda: discord.inner.world.guilds.update({guild.id: guild}))
            next_of(shown, page)

            step = at(shown, page, StepName.CHANNELS)
            pump(shown, lambda: step.server is not None, LONG_S, what="the channels")
            assert step.ticks.checked == set()
            assert page.next.cget("state") == "disabled"
            step.ticks.toggle(str(staff.id))  # the bot may not see it
            assert step.ticks.checked == set()
            assert step.ticks.tree.item(str(staff.id), "values") == ("The bot may not see it",)
            step.search._entry.focus_force()
            type_keys(shown, "r", "a", "i")
            step.search._entry.event_generate("<KeyRelease-i>")
            assert step.ticks.tree.get_children("group 0") == (str(raids.id),)
            step.ticks.tree.focus_force()
            settle(shown)
            step.ticks.tree.focus("group 0")
            type_keys(shown, "Down", "space")
            step.search._entry.focus_force()
            settle(shown)
            step.search.delete(0, "end")
            step.search._entry.event_generate("<KeyRelease-BackSpace>")
            step.ticks.toggle(str(world.general.id))
            assert step.ticks.checked == {raids.id, world.general.id}
            next_of(shown, page)

            step = at(shown, page, StepName.ADMINS)
            pump(shown, lambda: step.people, LONG_S, what="the members")
            step.ticks.toggle(str(world.alice.id))
            step.ticks.toggle(str(world.carol.id))  # the owner, who is an admin anyway
            next_of(shown, page)
            next_of(shown, page) if at(shown, page, StepName.MODEL) else None

            step = at(shown, page, StepName.REHEARSAL)
            pump(shown, lambda: "Nothing is stored yet" in " ".join(texts(step)), LONG_S)
            assert page.next.cget("state") == "disabled"  # it is never passed over silently
            assert page.steps[StepName.FINISH].cget("state") == "disabled"
            press(step.later)

            step = at(shown, page, StepName.FINISH)
            pump(shown, lambda: "alice" in step.values["Admins"].cget("text"), LONG_S)
            assert step.values["Channels"].cget("text") == "#general, #raids"
            assert step.values["Speaks"].cget("text") == wizard_model.LISTENS
            discord.faults.refuse_token()
            next_of(shown, page)
            pump(shown, lambda: "Go to Token" in failure(page), LONG_S, what="the refusal")
            discord.faults.clear()
            page.steps[StepName.FINISH].invoke()
            next_of(shown, page)
            pump(shown, lambda: shown.main.page_name == "Home", LONG_S, what="online")
            assert shown.app.snapshot.phase == "online"
            assert discord.connected
            pump(shown, lambda: not wizard_model.needs_setup(home, shown.app.settings))
        finally:
            shown.supervisor.stop()
            shown.supervisor.wait(State.STOPPED, timeout_s=20)
    kept = (home.data_storage / "setup.json").read_text()
    assert discord.token not in kept


def half_way(home: Home, discord: StandInThread, step: StepName) -> None:
    """A home in which the setup was left at a step, with all that comes before it."""
    world = discord.world
    url = f"https://discord.com/oauth2/authorize?client_id={discord.bot_id}"
    account = BotAccount("mynah", discord.bot_id, url, True, True)
    progress = Progress(step)
    if step.number > StepName.TOKEN.number:
        home.env_file.write_text(f"DISCORD_BOT_TOKEN={discord.token}\n")
        home.env_file.chmod(0o600)
        progress = replace(progress, token_place=str(home.env_file), account=account)
    progress = replace(progress, rehearses_later=step is StepName.FINISH)
    wizard_model.save(home, progress.named({world.general.id: "general"}))
    if step.number > StepName.CHANNELS.number:
        with Database.open(home.database, backups=home.backups) as database:
            database.set_config("discord_server_id", str(world.guild.id))
            database.set_config("discord_channel_ids", str(world.general.id))
            database.set_config("admin_user_ids", str(world.bob.id))


def test_it_goes_on_at_every_step(xvfb: str, discord: StandInThread, home: Home) -> None:
    with window(home, size=(900, 600)) as shown:
        for name in StepName:
            saved(shown)
            half_way(home, discord, name)
            page = opened(shown)
            assert page.step.name is name
            assert page.steps[name].cget("state") == "normal"
            its_answer(shown, page.step, discord)
            shown.main.open_page("Home")
            saved(shown)
            assert wizard_model.load(home).step is name


def saved(shown: Any) -> None:
    """Until no worker writes the setup's file any more."""
    rest(shown, 0.15)


def its_answer(shown: Any, step: Any, discord: StandInThread) -> None:
    """What Discord says to the step comes as if it had been the first."""
    if step.name is StepName.INVITE:
        pump(shown, lambda: "The Nest" in step.status.cget("text"), LONG_S)
    elif step.name is StepName.ADMINS:
        pump(shown, lambda: step.people, LONG_S)
        assert step.ticks.checked == {discord.world.bob.id}


def test_a_step_that_lacks_what_comes_before_is_not_opened(
    xvfb: str, discord: StandInThread, home: Home
) -> None:
    wizard_model.save(home, Progress(StepName.FINISH))
    with window(home) as shown:
        page = opened(shown)
        assert page.step.name is StepName.TOKEN
        assert page.steps[StepName.INVITE].cget("state") == "disabled"


def test_looking_at_the_setup_does_not_begin_it(
    xvfb: str, discord: StandInThread, home: Home
) -> None:
    with Database.open(home.database, backups=home.backups) as database:
        database.set_config("discord_channel_ids", str(discord.world.general.id))
    with window(home) as shown:
        page: Any = opened(shown)
        assert page.step.name is StepName.WELCOME
        assert page.steps[StepName.MODEL].cget("state") == "normal"
        saved(shown)
        assert not (home.data_storage / "setup.json").exists()
        assert not wizard_model.needs_setup(home, shown.app.settings)
        shown.main.open_page("Models")
        models: Any = shown.main.page
        press(models.get_another)
        page = shown.main.page
        pump(shown, lambda: page.step is not None)
        assert page.step.name is StepName.MODEL
        shown.main.open_page("Home")
        assert opened(shown).step.name is StepName.WELCOME  # asked for once


def test_what_it_would_have_said_is_seen_before_it_speaks(
    xvfb: str, discord: StandInThread, home: Home
) -> None:
    half_way(home, discord, StepName.REHEARSAL)
    furnish(home, spoken=3)
    with window(home, size=(900, 600)) as shown:
        page = opened(shown)
        step = at(shown, page, StepName.REHEARSAL)
        view = step.view
        pump(shown, lambda: view.model.shown, LONG_S, what="the moments")
        assert page.next.cget("state") == "disabled"
        cards = view.timeline.cards
        assert cards.winfo_height() >= 100  # of 600: there is room to read one
        cards.canvas.focus_force()
        settle(shown)
        type_keys(shown, "1", "1", "2")
        pump(shown, lambda: view.speak.cget("state") == "normal", LONG_S, what="stored answers")
        press(view.speak)
        press(find(shown.main.notices, "Let it speak"))
        pump(shown, lambda: page.next.cget("state") == "normal", LONG_S, what="that it may speak")
        assert step.later.cget("state") == "disabled"
        next_of(shown, page)
        step = at(shown, page, StepName.FINISH)
        assert step.values["Speaks"].cget("text") == wizard_model.SPEAKS
        saved(shown)
    assert readonly.read_config(home.database)["speaks_in_public"] == "on"


def test_a_lost_network_is_said_and_tried_again(
    xvfb: str, discord: StandInThread, home: Home
) -> None:
    half_way(home, discord, StepName.CHANNELS)
    discord.down()
    with window(home, size=(900, 600)) as shown:
        page = opened(shown)
        pump(shown, lambda: "could not be reached" in failure(page), LONG_S)
        discord.up()
        [again] = [w for w in page._failure.winfo_children() if hasattr(w, "invoke")]
        press(again)
        pump(shown, lambda: page.step.server is not None, LONG_S)
        assert failure(page) == ""


def test_a_model_from_a_file_or_the_catalogue(
    xvfb: str, discord: StandInThread, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    half_way(home, discord, StepName.MODEL)
    gguf = next(DEMO_BASE_DIR.glob("*.gguf"))
    offered = catalogue.find("qwen2.5-7b-instruct")
    with (
        HubStandIn(gguf.read_bytes(), offered.repository, offered.file) as hub,
        window(home, [sys.executable, "-c", ""], size=(900, 600)) as shown,
    ):
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        page = opened(shown)
        press(page.step.radios["file"])
        panel = page.step.panel
        panel.field.insert(0, __file__)
        press(panel.check)
        pump(shown, lambda: "Choose another file" in panel.status.cget("text"), LONG_S)
        assert page.next.cget("state") == "disabled"
        panel.field.delete(0, "end")
        panel.field.insert(0, str(gguf))
        press(panel.check)
        pump(shown, lambda: page.next.cget("state") == "normal", LONG_S)

        press(page.step.radios["download"])
        panel = page.step.panel
        pump(shown, lambda: panel.table.selected, LONG_S, what="the catalogue")
        panel.table.select(offered.model_id)
        assert page.next.cget("state") == "disabled"
        hub.piece_s = 0.1
        press(panel.button)
        pump(shown, lambda: "of 3.8 MB" in panel.status.cget("text"), LONG_S)
        assert panel.bar.winfo_viewable()
        press(panel.button)
        pump(shown, lambda: "Paused" in panel.status.cget("text"), LONG_S)
        assert page.next.cget("state") == "disabled"
        hub.piece_s = 0.0
        assert panel.button.cget("text") == "Go on"
        press(panel.button)
        next_of(shown, page)
        press(at(shown, page, StepName.REHEARSAL).later)
        step = at(shown, page, StepName.FINISH)
        pump(shown, lambda: step.values["Model"].cget("text") == offered.name, LONG_S)
        deployed = readonly.deployed_model(home.database)
        assert deployed is not None
        assert deployed.version_id == offered.model_id
        assert shown.app.settings.text("model_path") == ""

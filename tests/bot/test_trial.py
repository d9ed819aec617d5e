"""A version that was deployed lately and will not run: the one from before answers again, once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bot.trial import HEALTHY_S, REPLIES, STARTS, Trial
from storage.database import Database
from storage.errors import MynahError
from storage.model_registry import ModelRegistry, RegistryError
from storage.paths import DEMO_BASE_DIR, Home
from storage.records import RETURNED, Deployment
from tests.bot.test_serving import add, cut_off, deployed, serving, settings
from tests.discord_stand_in.stand_in import StandInThread
from tests.live.process import BotProcess, make_home, running

GOES_DOWN = ["v1 answers again: with v2 the bot went down 2 times within minutes of its start."]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").ensure()


def deploy(database: Database, home: Home, *names: str) -> None:
    for name in names:
        ModelRegistry(database, home).deploy(name)


def last(database: Database) -> Deployment:
    found = database.last_deployment()
    assert found is not None
    return found


@pytest.fixture
def two(home: Home, database: Database, tiny: Path) -> tuple[Home, Database]:
    """`v2` was deployed after `v1`."""
    add(database, home, "v1", tiny)
    add(database, home, "v2", tiny.parent / "tiny-f16.gguf")
    deploy(database, home, "v1", "v2")
    return home, database


def test_after_two_starts_that_did_not_end_well_the_one_before_answers(
    two: tuple[Home, Database],
) -> None:
    home, database = two
    for _ in range(STARTS):
        Trial(home, database).begin()  # a process that dies says nothing more
        assert deployed(database, home) == "v2"
    trial = Trial(home, database)
    trial.begin()
    assert deployed(database, home) == "v1"
    assert (last(database).how, last(database).before) == (RETURNED, "v2")
    assert [trial.told()] == GOES_DOWN
    for _ in range(STARTS + 1):  # once: v1 is not on trial
        Trial(home, database).begin()
    assert deployed(database, home) == "v1"
    assert Trial(home, database, clock_ms=lambda: 1 << 50).told() == ""  # told for some days
    with pytest.raises(RegistryError, match="no earlier"):
        ModelRegistry(database, home).rollback()  # nor is v2 what a rollback would take


def test_starts_that_end_in_order_are_no_failures(two: tuple[Home, Database]) -> None:
    home, database = two
    for _ in range(3 * STARTS):
        trial = Trial(home, database)
        trial.begin()
        trial.leave()
    assert last(database).starts == 0
    trial = Trial(home, database)
    trial.begin()
    trial.begin()  # deployed again, or followed: the same start
    assert last(database).starts == 1


@pytest.mark.parametrize("how", ["by answers", "by time"])
def test_one_that_runs_is_on_trial_no_more(two: tuple[Home, Database], how: str) -> None:
    home, database = two
    now_s = [0.0]
    trial = Trial(home, database, clock=lambda: now_s[0])
    assert not trial.is_over
    trial.begin()
    for _ in range(REPLIES - 1):
        trial.note_reply()
    now_s[0] = HEALTHY_S - 1
    assert not trial.is_over
    if how == "by time":
        now_s[0] = HEALTHY_S
    else:
        trial.note_reply()
    assert trial.is_over
    trial.settle()
    assert not last(database).is_on_trial
    for _ in range(STARTS + 1):
        Trial(home, database).begin()
    assert deployed(database, home) == "v2"


def test_without_a_way_back_it_stays(two: tuple[Home, Database]) -> None:
    home, database = two
    (home.finetuned / "v1" / "model.gguf").unlink()
    for _ in range(STARTS + 2):
        Trial(home, database).begin()
    assert deployed(database, home) == "v2"
    assert not last(database).is_on_trial


async def test_a_version_that_cannot_be_loaded_at_a_start(
    home: Home, database: Database, tiny: Path
) -> None:
    add(database, home, "v1", tiny)
    add(database, home, "cut", cut_off(tiny, home.root / "cut.gguf"))
    deploy(database, home, "v1", "cut")
    async with serving(home, database) as serves:
        await serves.load()
        assert (serves.keeper.name, deployed(database, home)) == ("v1", "v1")
        told = str(serves.status()["returned"])
        assert told.startswith("v1 answers again: cut could not be loaded: ")
    assert last(database).how == RETURNED


async def test_the_first_version_of_a_home_has_nothing_to_return_to(
    home: Home, database: Database, tiny: Path
) -> None:
    add(database, home, "cut", cut_off(tiny, home.root / "cut.gguf"))
    deploy(database, home, "cut")
    async with serving(home, database) as serves:
        with pytest.raises(MynahError):
            await serves.load()
    assert deployed(database, home) == "cut"


async def test_it_is_not_on_trial_while_something_else_answers(
    two: tuple[Home, Database], tiny: Path
) -> None:
    home, database = two
    async with serving(home, database, settings(model_path=str(tiny))) as serves:
        await serves.load()
        assert last(database).starts == 0
        serves.change_settings(settings())  # type: ignore[attr-defined]
        await serves.follow()
        assert last(database).starts == 1
        assert serves.status()["returned"] == ""


async def test_a_running_bot_holds_the_gates_and_watches(
    home: Home, database: Database, tiny: Path
) -> None:
    add(database, home, "v1", tiny)
    deploy(database, home, "v1")
    path = add(database, home, "v2", tiny.parent / "tiny-f16.gguf")
    registry = ModelRegistry(database, home)
    one = registry.get("v2")
    assert path.is_file()
    gated = type(one)(**{**vars(one), "version_id": "v3", "deploy_at": 85.0})
    registry.register(gated)
    async with serving(home, database) as serves:
        await serves.load()
        with pytest.raises(RegistryError, match="not judged yet"):
            await serves.deploy("v3")
        assert (serves.keeper.name, deployed(database, home)) == ("v1", "v1")
        await serves.deploy("v3", "ada", "a test")
        assert (serves.keeper.name, deployed(database, home)) == ("v3", "v3")
        assert (last(database).who, last(database).starts) == ("ada", 1)


def test_a_bot_that_is_killed_again_and_again_comes_back_with_the_version_before(
    tmp_path: Path,
) -> None:
    """Real processes; a kill is what a crash in native code looks like from here."""
    with StandInThread() as discord:
        home = make_home(tmp_path / "home", discord, model_path="")
        base = next(DEMO_BASE_DIR.glob("*.gguf"))
        with Database.open(home.database) as database:
            for name in ("v1", "v2"):
                add(database, home, name, base)
            deploy(database, home, "v1", "v2")
        for _ in range(STARTS):
            bot = BotProcess(home, discord)
            try:
                bot.wait_until(model_is(bot, "v2"), 60.0)
            finally:
                bot.kill()
        with running(home, discord) as bot:
            assert [bot.ask("stats")["serving"]["returned"]] == GOES_DOWN
            assert bot.ask("stats")["model"] == "v1"
            assert bot.end() == 0
        with Database.open(home.database) as database:
            assert deployed(database, home) == "v1"


def model_is(bot: BotProcess, name: str) -> Callable[[], bool]:
    def is_it() -> bool:
        return bool(bot.phase()) and bot.ask("stats")["model"] == name

    return is_it

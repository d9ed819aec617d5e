"""The bot's process with a model server in place of a model of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.protocol import ExitCode
from storage.paths import DEMO_BASE_DIR
from tests.discord_stand_in.stand_in import StandInThread
from tests.live.process import BotProcess, make_home, running
from tests.model.model_server_stand_in import Fault, ModelServerStandIn
from tests.model.real_model_server import PYTHON_SERVER, RealModelServer

KEY = "sk-planted-key-of-the-model-server"


@pytest.fixture
def discord() -> Iterator[StandInThread]:
    with StandInThread() as stand_in:
        yield stand_in
        assert list(stand_in.violations) == []


def test_a_server_answers_on_discord_and_its_failure_is_silence(
    discord: StandInThread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_API_KEY", KEY)
    world = discord.world
    general, alice = world.general.id, world.alice.id
    with ModelServerStandIn("nine works for me") as server:
        server.key = KEY
        home = make_home(tmp_path / "home", discord, model_path="", model_url=server.url)
        with running(home, discord) as bot:
            asked = world.say(general, alice, "Mynah, when is the raid?")
            [post] = bot.wait_posts(1)
            assert (post.content, post.asked) == ("nine works for me", asked)
            assert server.asked[0]["messages"][-1]["content"].endswith("when is the raid?\n")
            stats = bot.ask("stats")
            assert server.url.split("/")[2] == stats["model"]
            server.status = 500
            world.say(general, alice, "Mynah, and tomorrow?")
            bot.wait_until(lambda: bot.ask("stats")["statistics"]["24h"]["errors"] == 1)
            assert "status 500" in bot.ask("stats")["serving"]["trouble"]
            server.status, server.reply = 200, "tomorrow\nas well"
            server.faults.append(Fault(503))  # it passes
            world.say(general, alice, "Mynah, are you there?")
            assert bot.wait_posts(2)[1].content == "tomorrow\nas well"
            assert bot.ask("stats")["serving"]["trouble"] == ""
            assert bot.end() == ExitCode.DONE
    kept = [path for path in home.root.rglob("*") if path.is_file()]
    assert not [path for path in kept if KEY.encode() in path.read_bytes()]
    assert any(b"status 500" in path.read_bytes() for path in home.logs.iterdir())


def test_a_real_server_answers_dies_and_answers_again(
    discord: StandInThread, tmp_path: Path
) -> None:
    world = discord.world
    general, alice = world.general.id, world.alice.id
    gguf = next(DEMO_BASE_DIR.glob("*.gguf"))
    with RealModelServer(PYTHON_SERVER, gguf, tmp_path) as server:
        values = {"model_path": "", "model_url": server.address, "seed": 3}
        home = make_home(tmp_path / "home", discord, **values)
        with running(home, discord) as bot:
            asked = world.say(general, alice, "Mynah, what are you up to?")
            [post] = bot.wait_posts(1)
            assert post.asked == asked
            server.kill()
            world.say(general, alice, "Mynah, and tomorrow?")
            bot.wait_until(lambda: bot.ask("stats")["statistics"]["24h"]["errors"] == 1)
            server.start()
            world.say(general, alice, "Mynah, are you there?")
            bot.wait_posts(2)
            assert bot.end() == ExitCode.DONE
    assert any(
        b"correct the setting model_url" in path.read_bytes() for path in home.logs.iterdir()
    )


def test_an_address_that_is_none_is_a_final_sentence(
    discord: StandInThread, tmp_path: Path
) -> None:
    home = make_home(tmp_path / "home", discord, model_path="", model_url="nowhere")
    bot = BotProcess(home, discord)
    assert bot.process.wait(30) == ExitCode.BAD_CONFIG
    assert "model_url" in bot.said()

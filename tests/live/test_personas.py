"""The bot's process while its owner writes persona files: what its model is told, seen from the
model's side."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.protocol import ExitCode
from tests.discord_stand_in.stand_in import StandInThread
from tests.live.process import make_home, running
from tests.model.model_server_stand_in import ModelServerStandIn

OWL = "---\nname: Owl\nchannels: general\ncares_about: [cats]\n---\nYou are {name}, up late."


@pytest.fixture
def discord() -> Iterator[StandInThread]:
    with StandInThread() as stand_in:
        yield stand_in
        assert list(stand_in.violations) == []


def test_a_file_counts_within_two_seconds_and_the_talk_goes_on(
    discord: StandInThread, tmp_path: Path
) -> None:
    world = discord.world
    general, alice, carol = world.general.id, world.alice.id, world.carol.id
    with ModelServerStandIn("nine works for me") as server:
        home = make_home(tmp_path / "home", discord, model_path="", model_url=server.url)
        with running(home, discord) as bot:

            def told(text: str) -> tuple[str, str]:
                """The persona, and the talk, that the model was asked with."""
                before = len(server.asked)
                asked = world.say(general, alice, text)
                bot.wait_until(lambda: any(post.asked == asked for post in discord.posts()))
                assert len(server.asked) == before + 1
                first, *others = server.asked[-1]["messages"]
                return first["content"], "\n".join(one["content"] for one in others)

            def answer(text: str) -> str:
                told_id = world.say(general, carol, text)
                bot.wait_until(lambda: any(p.asked == told_id for p in discord.posts()))
                return next(p.content for p in discord.posts() if p.asked == told_id)

            persona, _ = told("Mynah, when is the raid?")
            assert "up late" not in persona

            begun_s = time.monotonic()
            (home.personas / "owl.md").write_text(OWL)
            bot.wait_until(lambda: "owl" in bot.ask("stats")["personas"])
            took_s = time.monotonic() - begun_s
            print(f"seconds from saved to counting, in a process: {took_s:.2f}")
            assert took_s < 2
            persona, talk = told("Mynah, and who brings cake?")
            assert persona == "You are Mynah, up late.\nYou care about cats."
            assert "when is the raid?" in talk
            assert "nine works for me" in talk

            (home.personas / "owl.md").write_text(OWL.replace("[cats]", "[cats"))
            bot.wait_until(lambda: "broken" in bot.ask("stats")["personas"]["owl"]["state"])
            assert told("Mynah, still there?")[0] == persona
            assert "owl.md, line 4: this is no YAML" in answer("!persona")

            assert "now night-owl" in answer("!persona night-owl here")
            persona, talk = told("Mynah, and now?")
            assert persona.startswith("You are Mynah, the night owl of")
            assert "when is the raid?" in talk
            assert "There is no persona" in answer("!persona ghost")
            assert bot.end() == ExitCode.DONE

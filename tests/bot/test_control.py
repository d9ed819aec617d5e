"""control: each request reaches the bot with checked values; the bot's life is told to all."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from bot.control import MAX_VERDICTS, SAID_CHARS, Control
from bot.protocol import ControlClient, ControlError, ExitCode, read_endpoint
from bot.rehearsal_plan import Wanted
from storage.errors import MynahError
from tests.bot.wire.sockets import until


class NoVersionError(MynahError):
    pass


class Parrot:
    """A bot that keeps what it was asked."""

    def __init__(self) -> None:
        self.phase = "loading"
        self.asked: list[tuple[str, Any]] = []
        self.overridden: list[str] | None = None
        self.stopping: asyncio.Task[None] | None = None
        self.control: Control | None = None

    async def stats(self) -> dict[str, Any]:
        return {"seen": 7}

    async def say(self, text: str, *, again: bool, fresh: bool) -> dict[str, Any]:
        await asyncio.sleep(0.2)
        return {"reply": text, "verdict": "reply", "trace": {"recalled": 0}}

    async def stop(self, reason: str) -> None:
        self.asked.append(("stop", reason))
        assert self.control is not None
        self.stopping = asyncio.create_task(self.control.close(ExitCode.DONE, "It was asked to."))

    async def restart(self) -> None:
        self.asked.append(("restart", None))

    async def reload(self) -> dict[str, Any] | None:
        self.asked.append(("reload", None))
        return None if self.overridden is None else {"overridden": self.overridden}

    async def deploy(self, version_id: str, force_by: str, force_why: str) -> None:
        self.asked.append(("deploy", (version_id, force_by, force_why)))
        if version_id != "v2":
            raise NoVersionError("There is no such version.")

    async def follow(self) -> None:
        self.asked.append(("follow", None))

    async def rest(self) -> bool:
        self.asked.append(("rest", None))
        return True

    async def set_setting(self, name: str, text: str) -> object:
        self.asked.append(("set", (name, text)))
        return text

    async def rehearse(self, wanted: Wanted) -> None:
        self.asked.append(("rehearse", wanted))

    async def stop_rehearsal(self) -> None:
        self.asked.append(("rehearse_stop", None))

    async def exclude(self, member_id: int, is_excluded: bool) -> None:
        self.asked.append(("exclude", (member_id, is_excluded)))

    async def forget(self, member_id: int) -> None:
        self.asked.append(("forget", member_id))

    async def verdicts(self, limit: int) -> list[dict[str, Any]]:
        return [{"n": n} for n in range(limit)]


class Heard:
    """The events that came."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, name: str, data: dict[str, Any]) -> None:
        self.events.append((name, data))

    def named(self, name: str) -> list[dict[str, Any]]:
        return [data for one, data in self.events if one == name]


@asynccontextmanager
async def running(
    folder: Path, heartbeat_s: float = 5.0
) -> AsyncIterator[tuple[Parrot, Control, ControlClient, Heard]]:
    parrot = Parrot()
    control = Control(folder, parrot, heartbeat_s=heartbeat_s)
    parrot.control = control
    heard = Heard()
    client = await ControlClient.connect(await control.start(), on_event=heard)
    try:
        yield parrot, control, client, heard
    finally:
        await client.close()
        await control.close()


async def test_every_request_is_carried_out(tmp_path: Path) -> None:
    async with running(tmp_path) as (parrot, _, client, _heard):
        assert await client.ask("ping") == {}
        assert await client.ask("stats") == {"seen": 7}
        said = await client.ask("say", text="hello")
        assert said == {"reply": "hello", "verdict": "reply", "trace": {"recalled": 0}}
        assert await client.ask("restart") == {}
        assert await client.ask("reload") == {}
        assert await client.ask("deploy", version_id="v2") == {}
        assert await client.ask("follow") == {}
        wanted: dict[str, Any] = {
            "channel_ids": [500],
            "day": "2025-05-03",
            "rate": 0.1,
            "limit": 4,
        }
        assert await client.ask("rehearse", **wanted) == {}
        assert parrot.asked[-1] == ("rehearse", Wanted((500,), "2025-05-03", 0, 0.1, 0, 4))
        assert await client.ask("rehearse_stop") == {}
        parrot.asked = parrot.asked[:-2]
        assert await client.ask("set", name="temperature", text="0.5") == {}
        assert await client.ask("exclude", member_id=7, is_excluded=True) == {}
        assert await client.ask("forget", member_id=7) == {}
        assert len((await client.ask("verdicts"))["verdicts"]) == 20
        assert (await client.ask("verdicts", limit=2))["verdicts"] == [{"n": 0}, {"n": 1}]
        assert parrot.asked == [
            ("restart", None),
            ("reload", None),
            ("deploy", ("v2", "", "")),
            ("follow", None),
            ("set", ("temperature", "0.5")),
            ("exclude", (7, True)),
            ("forget", 7),
        ]


@pytest.mark.parametrize(
    ("do", "data", "sentence"),
    [
        ("say", {}, "text must be"),
        ("say", {"text": 7}, "text must be"),
        ("say", {"text": "  \n"}, "text must be"),
        ("say", {"text": "x" * (SAID_CHARS + 1)}, "text must be"),
        ("deploy", {}, "version_id must be"),
        ("deploy", {"version_id": "v9"}, "no such version"),
        ("verdicts", {"limit": 0}, "limit from 1 to"),
        ("verdicts", {"limit": MAX_VERDICTS + 1}, "limit from 1 to"),
        ("verdicts", {"limit": True}, "limit from 1 to"),
        ("verdicts", {"limit": "5"}, "limit from 1 to"),
    ],
)
async def test_a_wrong_value_is_answered_with_a_sentence(
    tmp_path: Path, do: str, data: dict[str, Any], sentence: str
) -> None:
    async with running(tmp_path) as (_, _, client, _heard):
        with pytest.raises(ControlError, match=sentence):
            await client.ask(do, **data)


async def test_a_model_that_cannot_be_followed_is_told_with_its_sentence(tmp_path: Path) -> None:
    async with running(tmp_path) as (parrot, _, client, _heard):

        async def missing() -> None:
            raise NoVersionError("There is no model at that path.")

        parrot.follow = missing  # type: ignore[method-assign]
        with pytest.raises(ControlError, match="no model at that path"):
            await client.ask("follow")
        assert await client.ask("ping") == {}


async def test_a_stop_is_acknowledged_before_the_channel_closes(tmp_path: Path) -> None:
    async with running(tmp_path) as (parrot, _, client, heard):
        saying = asyncio.create_task(client.ask("say", text="last words"))
        await asyncio.sleep(0.02)
        assert await client.ask("stop", reason="the window") == {}
        assert (await saying)["reply"] == "last words"
        await asyncio.wait_for(client.wait_closed(), 5)
        assert parrot.asked == [("stop", "the window")]
        assert heard.events[-1] == ("ended", {"code": 0, "reason": "It was asked to."})
        assert read_endpoint(tmp_path) is None


async def test_heartbeats_carry_phase_uptime_and_lag(tmp_path: Path) -> None:
    async with running(tmp_path, heartbeat_s=0.05) as (parrot, control, client, heard):
        assert client.hello["phase"] == "loading"
        assert client.hello["ready"] is False
        assert client.hello["uptime_s"] >= 0
        parrot.phase = "online"
        control.ready()
        await until(lambda: len(heard.named("heartbeat")) >= 3)
        assert heard.named("ready")[0]["phase"] == "online"
        beat = heard.named("heartbeat")[-1]
        assert set(client.hello) - {"version", "pid", "began_s"} == set(beat)
        assert {"uptime_s", "lag_p50_ms", "lag_p99_ms", "lag_max_ms"} < set(beat)
        assert (beat["phase"], beat["ready"]) == ("online", True)
        endpoint = read_endpoint(tmp_path)
        assert endpoint is not None
        began_s = psutil.Process().create_time()
        assert client.hello["began_s"] == endpoint.began_s == began_s
        async with await ControlClient.connect(endpoint) as late:
            assert late.hello["ready"] is True


async def test_another_phase_is_told_at_once(tmp_path: Path) -> None:
    control = Control(tmp_path, Parrot())
    control.vitals_changed()
    async with running(tmp_path, heartbeat_s=60) as (parrot, told, _client, heard):
        for phase in ("connecting", "online", "waiting for the network"):
            parrot.phase = phase
            told.vitals_changed()
        began_s = time.monotonic()
        await until(lambda: len(heard.named("heartbeat")) >= 3)
        assert time.monotonic() - began_s < 0.2
        phases = [beat["phase"] for beat in heard.named("heartbeat")]
        assert phases[-3:] == ["connecting", "online", "waiting for the network"]
    told.vitals_changed()


async def test_a_reload_says_what_the_environment_overrides(tmp_path: Path) -> None:
    async with running(tmp_path) as (parrot, _, client, _heard):
        parrot.overridden = ["discord_channel_ids"]
        assert await client.ask("reload") == {"overridden": ["discord_channel_ids"]}


async def test_one_heartbeat_that_fails_is_not_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path, heartbeat_s=0.02) as (_, control, _client, heard):
        with monkeypatch.context() as broken:
            broken.setattr(control.lag, "lag", lambda: 1 / 0)
            await until(lambda: "A heartbeat failed." in caplog.text)
        seen = len(heard.named("heartbeat"))
        await until(lambda: len(heard.named("heartbeat")) > seen)


async def test_any_thread_may_tell_and_at_any_time(tmp_path: Path) -> None:
    control = Control(tmp_path, Parrot())
    control.tell("log", {"n": -1})
    async with running(tmp_path) as (_, told, _client, heard):

        def chatter() -> None:
            for n in range(100):
                told.tell("log", {"n": n})

        thread = threading.Thread(target=chatter)
        thread.start()
        await until(lambda: len(heard.named("log")) == 100)
        thread.join()
        assert [data["n"] for data in heard.named("log")] == list(range(100))
    told.tell("log", {"n": 0})


def test_telling_after_the_loop_is_closed_does_no_harm(tmp_path: Path) -> None:
    control = Control(tmp_path, Parrot())

    async def live() -> None:
        await control.start()
        await control.close()

    asyncio.run(live())
    control.tell("log", {"n": 0})

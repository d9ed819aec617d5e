"""The supervisor with real processes and the real control channel, in short times."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from filelock import FileLock

from bot.protocol import ControlError, Endpoint, ExitCode, new_key, write_endpoint
from gui.supervision import Policy, State
from gui.supervisor import AlreadySupervisedError, Supervisor
from storage.paths import HomeError
from tests.gui.conftest import QUICK, House, eventually, lives, reach

TOKEN = "planted-MTIzNDU2Nzg5.token-of-a-test"


def test_start_ask_restart_and_stop(house: House) -> None:
    supervisor = house.online("ready")
    seen = supervisor.snapshot()
    assert seen.pid == house.starts[0]["pid"]
    assert not seen.is_adopted
    assert seen.started_at_ms is not None
    assert abs(seen.started_at_ms / 1000 - time.time()) < 20
    assert supervisor.ask("say", text="hello").result(10) == {"reply": "HELLO"}
    eventually(lambda: supervisor.snapshot().heartbeat)
    eventually(lambda: supervisor.snapshot().memory_bytes)
    assert supervisor.snapshot().phase == "online"
    assert "heartbeat" in {name for name, _ in house.events}
    supervisor.restart()
    eventually(lambda: len(house.starts) == 2)
    reach(supervisor, State.ONLINE)
    supervisor.stop()
    seen = reach(supervisor, State.STOPPED)
    assert (seen.pid, seen.reason, seen.phase, seen.memory_bytes) == (None, "", "", None)
    assert house.alive() == []
    expected = "starting online stopping starting online stopping stopped"
    assert [state.value for _, state in house.turns] == expected.split()


def test_asking_a_bot_that_does_not_run_is_a_sentence(house: House) -> None:
    with pytest.raises(ControlError, match="not running"):
        house.supervise("ready").ask("say", text="hello").result(10)


def test_a_bot_that_ignores_the_message_is_terminated(house: House) -> None:
    supervisor = house.online("deaf")
    began_s = time.monotonic()
    supervisor.stop()
    reach(supervisor, State.STOPPED)
    assert time.monotonic() - began_s >= QUICK.grace_s
    if sys.platform != "win32":
        assert supervisor.tail(1) == ["terminated"]


def test_a_bot_that_ignores_everything_is_killed(house: House) -> None:
    supervisor = house.online("stubborn")
    began_s = time.monotonic()
    supervisor.stop()
    reach(supervisor, State.STOPPED)
    graces = 1 if sys.platform == "win32" else 2
    assert time.monotonic() - began_s >= graces * QUICK.grace_s
    assert house.alive() == []


def test_a_stop_while_it_loads(house: House) -> None:
    supervisor = house.supervise("loading")
    supervisor.start()
    eventually(lambda: supervisor.snapshot().phase == "loading")
    supervisor.stop()
    reach(supervisor, State.STOPPED)
    assert "terminated" not in supervisor.tail(5)


def test_force_stop(house: House) -> None:
    supervisor = house.online("stubborn", policy=dataclasses.replace(QUICK, grace_s=60))
    supervisor.force_stop()
    reach(supervisor, State.STOPPED)
    assert house.alive() == []


def test_a_bot_that_always_crashes_follows_the_schedule(house: House) -> None:
    supervisor = house.supervise("crash")
    supervisor.start()
    seen = reach(supervisor, State.FAILED)
    assert seen.crashes == 5
    assert "5 times within 10 minutes" in seen.reason
    assert "RuntimeError: the bot cannot go on" in seen.reason
    waits = [at_s for at_s, state in house.turns if state is State.WAITING]
    starts = [at_s for at_s, state in house.turns if state is State.STARTING]
    delays = [start - wait for wait, start in zip(waits, starts[1:], strict=True)]
    for delay_s, wanted_s in zip(delays, (0.1, 0.2, 0.4, 0.8), strict=True):
        assert wanted_s <= delay_s < wanted_s + 1
    assert len(house.starts) == 5


def test_the_reason_names_a_failed_assertion_of_a_library(house: House) -> None:
    supervisor = house.supervise("assert", policy=Policy(crash_limit=1))
    supervisor.start()
    reason = reach(supervisor, State.FAILED).reason
    assert "ggml.c:1729: GGML_ASSERT(ctx->mem) failed" in reason
    assert "libggml-base.so(+0x1b)" in reason
    assert "libggml-base.so(+0x11)" not in reason


def test_a_hung_bot_is_killed_and_comes_back(house: House) -> None:
    supervisor = house.online("mute", "ready")
    began_s = time.monotonic()
    seen = reach(supervisor, State.WAITING)
    assert "hung" in seen.reason
    assert seen.crashes == 1
    assert seen.next_attempt_in_s is not None
    assert time.monotonic() - began_s >= QUICK.heartbeat_timeout_s
    reach(supervisor, State.ONLINE)
    assert len(house.alive()) == 1


@pytest.mark.parametrize("code", [c for c in ExitCode if c.is_final])
@pytest.mark.parametrize("way", ["says", "silent"])
def test_final_exit_codes_have_one_attempt(house: House, code: ExitCode, way: str) -> None:
    supervisor = house.supervise(f"{way}-{int(code)}")
    supervisor.start()
    reason = reach(supervisor, State.FAILED).reason
    assert (
        reason == "This is what the bot says."
        if way == "says"
        else "check" in reason or "Discord" in reason
    )
    time.sleep(0.2)
    assert len(house.starts) == 1


def test_codes_after_which_it_goes_on_and_one_after_which_it_rests(house: House) -> None:
    supervisor = house.supervise("says-10", "says-22", "silent-22", "says-1", "says-0")
    supervisor.start()
    seen = reach(supervisor, State.STOPPED)
    assert seen.reason == "This is what the bot says."
    assert len(house.starts) == 5
    waited = {(c.reason, c.crashes) for _, c in house.changes if c.state is State.WAITING}
    assert waited == {
        ("This is what the bot says.", 0),
        ("The bot found no network.", 0),
        ("This is what the bot says. It last said: start 4: says-1", 1),
    }


def test_a_command_that_cannot_be_started_is_a_sentence(house: House) -> None:
    supervisor = Supervisor(house.home, Policy(crash_limit=1), command=["/no/such/program"])
    with supervisor:
        supervisor.start()
        assert "could not be started" in reach(supervisor, State.FAILED).reason


def test_a_lost_connection_is_made_again(house: House) -> None:
    supervisor = house.online("closes")
    time.sleep(QUICK.heartbeat_timeout_s * 1.5)
    assert supervisor.snapshot().state is State.ONLINE
    assert supervisor.ask("say", text="hi").result(10) == {"reply": "HI"}
    assert len(house.starts) == 1


def test_the_next_supervisor_adopts_what_the_last_one_left(house: House) -> None:
    first = house.online("ready")
    pid = first.snapshot().pid
    first.close()
    second = house.supervise("crash")
    seen = reach(second, State.ONLINE)
    assert (seen.pid, seen.is_adopted) == (pid, True)
    assert second.tail(5) == ["start 1: ready"]
    second.start()
    second.stop()
    reach(second, State.STOPPED)
    assert house.alive() == []
    assert len(house.starts) == 1


def test_an_adopted_bot_that_crashes_is_started_again(house: House) -> None:
    first = house.online("ready")
    first.close()
    second = house.supervise("ready")
    pid = reach(second, State.ONLINE).pid
    assert pid is not None
    psutil.Process(pid).kill()
    eventually(lambda: len(house.starts) == 2)
    assert reach(second, State.ONLINE).pid == house.starts[1]["pid"]


def test_a_hung_bot_of_a_dead_supervisor_is_adopted_and_killed(house: House) -> None:
    house.online("mute", "ready").close()
    time.sleep(0.4)  # it is mute by now
    second = house.supervise("ready")
    second.start()
    seen = reach(second, State.WAITING)
    assert "no sign of life" in seen.reason
    reach(second, State.ONLINE)
    assert not lives(house.starts[0]["pid"])


def test_the_file_of_a_dead_bot_means_nothing(house: House) -> None:
    """Its number is another process's by now: ours."""
    began_ms = int(psutil.Process().create_time() * 1000)
    endpoint = Endpoint(9, new_key(), os.getpid(), began_ms - 3_600_000)
    write_endpoint(house.home.data_storage, endpoint)
    house.online("ready")
    assert len(house.starts) == 1


def innocent_endpoint(pid: int, wrong_s: float | None) -> Endpoint:
    """The file of a home names this process, rightly (0.0), wrongly, or without its begin."""
    began_s = None if wrong_s is None else psutil.Process(pid).create_time() + wrong_s
    return Endpoint(9, new_key(), pid, int(time.time() * 1000), began_s=began_s)


@pytest.mark.parametrize("wrong_s", [None, -60.0, 0.0])
def test_a_copied_file_that_names_an_innocent_process_costs_it_nothing(
    house: House, wrong_s: float | None
) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as innocent:
        write_endpoint(house.home.data_storage, innocent_endpoint(innocent.pid, wrong_s))
        supervisor = house.supervise("ready")
        supervisor.stop()
        reach(supervisor, State.STOPPED)
        supervisor.force_stop()
        reach(supervisor, State.STOPPED)
        supervisor.start()
        assert reach(supervisor, State.ONLINE).pid == house.starts[0]["pid"]
        supervisor.force_stop()
        reach(supervisor, State.STOPPED)
        assert innocent.poll() is None
        innocent.kill()


def test_a_bot_that_cannot_be_told_for_sure_is_waited_for_and_left_alone(house: House) -> None:
    """It holds the lock, but the file still names another process."""
    policy = dataclasses.replace(QUICK, heartbeat_timeout_s=0.3, grace_s=0.1)
    with (
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as innocent,
        FileLock(house.home.bot_lock),
    ):
        write_endpoint(house.home.data_storage, innocent_endpoint(innocent.pid, -60.0))
        supervisor = house.supervise("ready", policy=policy)
        supervisor.start()
        assert "end its process yourself" in reach(supervisor, State.WAITING).reason
        eventually(lambda: len(house.starts) >= 2)
        supervisor.stop()
        reach(supervisor, State.STOPPED)
        assert innocent.poll() is None
        innocent.kill()


def test_the_bot_of_the_home_that_was_copied_is_left_alone(house: House, tmp_path: Path) -> None:
    theirs = house.online("ready")
    pid = theirs.snapshot().pid
    copy = House(tmp_path / "copy")
    name = "control.json"
    (copy.home.data_storage / name).write_bytes((house.home.data_storage / name).read_bytes())
    try:
        assert copy.online("ready").snapshot().pid != pid
    finally:
        copy.close()
    assert theirs.ask("say", text="still here").result(10) == {"reply": "STILL HERE"}


def test_a_phase_is_shown_as_soon_as_it_changes(house: House) -> None:
    policy = dataclasses.replace(QUICK, heartbeat_timeout_s=60)
    supervisor = house.online("roams", policy=policy)
    for phase, words in (
        ("waiting for the network", "running, waiting for the network"),
        ("online", "online"),
    ):
        supervisor.ask("say", text=phase).result(10)
        changed_s = time.monotonic()
        eventually(lambda phase=phase: supervisor.snapshot().phase == phase)  # type: ignore[misc]
        assert time.monotonic() - changed_s < 0.2
        assert supervisor.snapshot().activity == words
    assert house.changes[-1][1].phase == "online"


def test_a_crash_after_the_bot_had_begun_anew_is_a_crash(house: House) -> None:
    """`bot/main.py` by hand restarts within its process: what it said before no longer counts."""
    supervisor = house.online("renews", "ready")
    eventually(lambda: "ended" in {name for name, _ in house.events})

    def has_crashed() -> bool:
        """Asked again until it is heard: the new channel may not be found yet."""
        supervisor.ask("say", text="go").exception(10)
        return supervisor.snapshot().crashes == 1

    eventually(has_crashed)
    assert State.WAITING in [state for _, state in house.turns]


def test_a_disk_that_cannot_be_written_is_no_crash(house: House) -> None:
    logs = house.home.logs
    supervisor = house.supervise("ready")
    logs.rmdir()
    logs.touch()
    supervisor.start()
    seen = reach(supervisor, State.WAITING)
    assert "Nothing can be written in" in seen.reason
    eventually(lambda: len([s for _, s in house.turns if s is State.STARTING]) > 5)
    assert supervisor.snapshot().crashes == 0
    logs.unlink()
    reach(supervisor, State.ONLINE)


def test_a_home_that_cannot_be_written_is_a_sentence(house: House) -> None:
    (house.home.data_storage / "supervisor.lock").mkdir()
    with pytest.raises(HomeError, match=r"cannot be written .*--home DIR"):
        house.supervise("ready")


def test_another_bot_that_runs_already_is_adopted_after_all(house: House) -> None:
    """The other one is not to be found at first; the child sees its lock and ends with 23."""
    supervisor = house.supervise("silent-23", "silent-23")
    supervisor.start()
    eventually(lambda: len(house.starts) >= 2)
    other = subprocess.Popen(house.command("silent-23", "ready"), stdin=subprocess.DEVNULL)
    seen = reach(supervisor, State.ONLINE)
    assert seen.pid == other.pid
    supervisor.stop()
    other.wait(20)
    reach(supervisor, State.STOPPED)


def test_a_python_that_is_itself_a_small_launcher(house: House) -> None:
    supervisor = house.supervise("--through", "ready")
    supervisor.start()
    assert reach(supervisor, State.ONLINE).pid == house.starts[0]["pid"]
    supervisor.force_stop()
    reach(supervisor, State.STOPPED)
    assert house.alive() == []


def test_one_supervisor_a_home(house: House) -> None:
    first = house.supervise("ready")
    with pytest.raises(AlreadySupervisedError, match="close it first"):
        house.supervise("ready")
    first.close()
    house.supervise("ready")


def test_the_token_goes_by_stdin_alone(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_BOT_TOKEN", TOKEN)
    supervisor = house.online("ready")
    start = house.starts[0]
    assert start["token"] == hashlib.sha256(TOKEN.encode()).hexdigest()
    child = psutil.Process(start["pid"])
    assert not any(TOKEN in argument for argument in child.cmdline())
    assert TOKEN not in str(child.environ())
    files = [path for path in house.home.root.rglob("*") if path.is_file()]
    assert len(files) >= 4
    assert not any(TOKEN.encode() in path.read_bytes() for path in files)
    assert TOKEN not in repr(supervisor.snapshot())


def test_without_a_token_the_line_is_empty(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISCORD_BOT_TOKEN", raising=False)
    house.online("ready")
    assert house.starts[0]["token"] == ""


def test_the_log_of_the_start_before_is_kept(house: House) -> None:
    supervisor = house.online("silent-10", "ready")
    assert supervisor.tail(5) == ["start 2: ready"]
    before = house.home.logs / "bot.stderr.log.1"
    assert before.read_text().splitlines() == ["start 1: silent-10"]


def test_a_listener_that_fails_stops_nothing(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: object) -> None:
        raise ValueError("a broken window")

    supervisor = Supervisor(house.home, QUICK, command=house.command("ready"), on_change=fail)
    with supervisor:
        supervisor.start()
        reach(supervisor, State.ONLINE)
        supervisor.stop()
        reach(supervisor, State.STOPPED)
    assert "a broken window" in caplog.text

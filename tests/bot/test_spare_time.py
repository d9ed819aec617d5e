"""spare_time: what the settings say of what the machine does, and a machine that is looked at."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from bot import spare_time
from bot.spare_time import Machine, SpareTime, look, share_now
from storage.settings import Settings, Value
from tests.gui.display import virtual_display

linux = pytest.mark.skipif(sys.platform != "linux", reason="batteries and displays of Linux")

QUIET = {"reading_pauses_for_games": False}
PROGRAMS = "reading_pauses_for_programs"


def settings(**values: Value) -> Settings:
    return Settings(values)


# -- what is decided ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "machine", "expected"),
    [
        ({}, Machine(), (1.0, "reads along")),
        ({"reading_share": 40}, Machine(), (0.4, "reads along, 40 % of the time")),
        ({"reading_along": "off"}, Machine(), (0.0, "off")),
        ({"reading_along": "off"}, Machine(True, frozenset({"a"}), True), (0.0, "off")),
        # The battery
        ({}, Machine(on_battery=True), (1.0, "reads along")),
        ({"reading_along": "mains"}, Machine(on_battery=True), (0.0, "paused: on battery")),
        ({"reading_along": "mains"}, Machine(on_battery=False), (1.0, "reads along")),
        ({"reading_along": "mains"}, Machine(on_battery=None), (1.0, "reads along")),
        # The screen
        ({}, Machine(full_screen=True), (0.0, "paused: something fills the screen")),
        ({}, Machine(full_screen=False), (1.0, "reads along")),
        (QUIET, Machine(full_screen=True), (1.0, "reads along")),
        # Programs
        ({PROGRAMS: "obs64.exe"}, Machine(running=frozenset({"obs"})), (1.0, "reads along")),
        ({}, Machine(running=frozenset({"obs64.exe"})), (1.0, "reads along")),
        ({PROGRAMS: " , ,"}, Machine(running=frozenset({"", ".exe"})), (1.0, "reads along")),
    ],
)
def test_what_is_decided(
    values: dict[str, Value], machine: Machine, expected: tuple[float, str]
) -> None:
    assert share_now(settings(**values), machine) == expected


@pytest.mark.parametrize("running", ["obs64", "obs64.exe"])
@pytest.mark.parametrize("named", ["obs64.exe", "OBS64.EXE", "obs64", "blender,  Obs64 ,x"])
def test_programs_are_known_by_any_spelling(named: str, running: str) -> None:
    machine = Machine(running=frozenset({"explorer.exe", running}))
    share, reason = share_now(settings(**{PROGRAMS: named}), machine)
    written = next(one.strip() for one in named.split(",") if "obs" in one.lower())
    assert (share, reason) == (0.0, f"paused: {written} runs")


# -- what is looked at ----------------------------------------------------------------------------


@contextmanager
def program(folder: Path, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of that name, in truth a copy of sleep."""
    path = folder / name
    shutil.copy(shutil.which("sleep") or "", path)
    running = subprocess.Popen([str(path), "60"])
    try:
        yield running
    finally:
        running.kill()
        running.wait()


def battery(folder: Path, status: str) -> str:
    """A folder of batteries as Linux shows one."""
    place = folder / "power" / "BAT0"
    place.mkdir(parents=True, exist_ok=True)
    for name, text in {"capacity": "80", "status": status, "type": "Battery"}.items():
        (place / name).write_text(f"{text}\n")
    return str(place.parent)


@linux
def test_a_program_that_runs_is_seen(tmp_path: Path) -> None:
    wanted = settings(**QUIET, **{PROGRAMS: "Quite-A-Long-Name-Of-A-Game"})
    assert share_now(wanted, look(wanted))[0] == 1.0
    with program(tmp_path, "quite-a-long-name-of-a-game.exe"):
        expected = (0.0, "paused: Quite-A-Long-Name-Of-A-Game runs")
        assert share_now(wanted, look(wanted)) == expected
    assert share_now(wanted, look(wanted))[0] == 1.0


def test_we_ourselves_are_no_program() -> None:
    """Or "python" in the setting would pause reading along for ever. Other Pythons may run here."""
    ours = (os.getpid(), os.getppid())
    names = {process.pid: process.info["name"] for process in psutil.process_iter(["name"])}
    name = names[os.getpid()].lower()
    others = [one for pid, one in names.items() if pid not in ours and (one or "").lower() == name]
    wanted = settings(**QUIET, **{PROGRAMS: name})
    assert (name in look(wanted).running) == bool(others)


@linux
@pytest.mark.parametrize(
    ("status", "expected"),
    [("Discharging", True), ("Charging", False), ("Full", False), ("Not charging", None)],
)
def test_the_battery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str, expected: bool | None
) -> None:
    monkeypatch.setattr("psutil._pslinux.POWER_SUPPLY_PATH", battery(tmp_path, status))
    assert look(settings(reading_along="mains", **QUIET)).on_battery is expected
    assert look(settings(reading_along="always", **QUIET)).on_battery is None


@linux
def test_a_machine_without_a_battery_is_on_mains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = settings(reading_along="mains", **QUIET)
    monkeypatch.setattr("psutil._pslinux.POWER_SUPPLY_PATH", str(tmp_path))
    assert look(wanted).on_battery is False
    monkeypatch.setattr("psutil._pslinux.POWER_SUPPLY_PATH", str(tmp_path / "none"))
    assert look(wanted).on_battery is None  # a container without the folder: psutil raises
    monkeypatch.delattr("psutil.sensors_battery")
    assert look(wanted).on_battery is None


def test_only_what_the_settings_ask_about_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(what: str, value: object) -> Callable[[], object]:
        def probe() -> object:
            asked.append(what)
            return value

        return probe

    def looked(**values: Value) -> list[str]:
        asked.clear()
        look(settings(**values))
        return list(asked)

    monkeypatch.setattr(spare_time, "_is_on_battery", answer("battery", False))
    monkeypatch.setattr(spare_time, "is_full_screen", answer("screen", False))
    monkeypatch.setattr(spare_time, "_running", answer("programs", frozenset()))
    everything: dict[str, Value] = {"reading_along": "mains", PROGRAMS: "blender"}
    assert looked() == ["screen"]
    assert looked(**everything) == ["battery", "screen", "programs"]
    assert looked(**everything, **QUIET) == ["battery", "programs"]
    assert looked(**{**everything, "reading_along": "off"}) == []
    assert looked(**QUIET) == []
    # One reason to pause is enough.
    monkeypatch.setattr(spare_time, "is_full_screen", answer("screen", True))
    assert looked(**everything) == ["battery", "screen"]
    monkeypatch.setattr(spare_time, "_is_on_battery", answer("battery", True))
    assert looked(**everything) == ["battery"]


def test_a_machine_that_fails_at_everything_reads_along(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("not on this machine")

    for name in ("_is_on_battery", "is_full_screen", "_running"):
        monkeypatch.setattr(spare_time, name, fail)
    wanted = settings(**{"reading_along": "mains", PROGRAMS: "blender"})
    assert look(wanted) == Machine()
    assert share_now(wanted, look(wanted)) == (1.0, "reads along")


# -- again and again ------------------------------------------------------------------------------


class Scene:
    """A machine in words, and what was told of it."""

    def __init__(self) -> None:
        self.values: dict[str, Value] = {}
        self.machine = Machine()
        self.is_wanted = True
        self.looks = 0
        self.told: list[tuple[float, str]] = []
        self.threads: set[int] = set()
        self.holds: threading.Event | None = None

    def look(self, _: Settings) -> Machine:
        self.threads.add(threading.get_ident())
        self.looks += 1
        if self.holds is not None:
            self.holds.wait(10)
        return self.machine

    def tell(self, share: float, reason: str) -> None:
        assert threading.current_thread() is threading.main_thread()
        self.told.append((share, reason))

    @asynccontextmanager
    async def running(self, *, every_s: float = 0.02, gap_s: float = 0.0, timeout_s: float = 5.0):
        spare = SpareTime(
            lambda: settings(**self.values),
            self.tell,
            is_wanted=lambda: self.is_wanted,
            look=self.look,
            every_s=every_s,
            gap_s=gap_s,
            timeout_s=timeout_s,
        )
        async with _run(spare):
            yield spare


@asynccontextmanager
async def _run(spare: SpareTime) -> AsyncIterator[None]:
    task = asyncio.create_task(spare.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(holds: Callable[[], object]) -> None:
    end_s = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end_s, "it did not come about in time"
        await asyncio.sleep(0.005)


GAME = Machine(full_screen=True)
PAUSED = (0.0, "paused: something fills the screen")
READS = (1.0, "reads along")


async def test_each_change_is_told_once() -> None:
    scene = Scene()
    async with scene.running() as spare:
        assert (spare.share, spare.reason) == (0.0, "")
        await until(lambda: scene.looks > 3)
        assert scene.told == [READS]
        scene.machine = GAME
        await until(lambda: len(scene.told) == 2)
        assert (spare.share, spare.reason) == PAUSED
        scene.machine = Machine()
        await until(lambda: len(scene.told) == 3)
    assert scene.told == [READS, PAUSED, READS]
    assert threading.get_ident() not in scene.threads


async def test_settings_count_without_a_look() -> None:
    scene = Scene()
    async with scene.running(every_s=60) as spare:
        await until(lambda: scene.told)
        scene.values = {"reading_along": "off"}
        spare.look_now()
        await until(lambda: len(scene.told) == 2)
        assert (spare.reason, scene.looks) == ("off", 1)
        scene.values = {"reading_share": 25}
        spare.look_now()
        await until(lambda: len(scene.told) == 3)
    assert scene.told[-1] == (0.25, "reads along, 25 % of the time")


async def test_with_nothing_to_read_the_machine_is_left_alone() -> None:
    scene = Scene()
    scene.is_wanted, scene.machine = False, GAME
    async with scene.running() as spare:
        await until(lambda: scene.told)
        await asyncio.sleep(0.1)
        assert (scene.looks, scene.told) == (0, [READS])
        spare.look_now()  # somebody has said something
        await until(lambda: scene.told[-1] == PAUSED)
        scene.machine = Machine()  # a pause is looked after until it has ended
        await until(lambda: scene.told[-1] == READS)
        looks = scene.looks
        await asyncio.sleep(0.1)
        assert scene.looks == looks


async def test_a_look_that_is_asked_for_all_the_time_has_its_gap() -> None:
    scene = Scene()
    async with scene.running(every_s=60, gap_s=0.1) as spare:
        await until(lambda: scene.told)
        for _ in range(50):
            spare.look_now()
            await asyncio.sleep(0.01)
    assert 3 <= scene.looks <= 7


async def test_a_look_that_does_not_come_back_is_not_begun_twice() -> None:
    scene = Scene()
    scene.holds, scene.machine = threading.Event(), GAME
    async with scene.running(timeout_s=0.05):
        await until(lambda: scene.told)
        await asyncio.sleep(0.3)
        assert (scene.looks, scene.told) == (1, [READS])
        scene.holds.set()
        await until(lambda: scene.told[-1] == PAUSED)


async def test_it_ends_while_it_looks() -> None:
    scene = Scene()
    scene.holds = threading.Event()
    async with scene.running():
        await until(lambda: scene.looks)
    assert scene.told == []
    scene.holds.set()


@linux
async def test_a_display_that_stands_still_holds_up_nothing() -> None:
    """A real one: its server is stopped, goes on, and dies."""
    told: list[tuple[float, str]] = []
    with virtual_display():
        servers = [child for child in psutil.Process().children() if child.name() == "Xvfb"]
        server = max(servers, key=lambda one: one.create_time())
        server.send_signal(signal.SIGSTOP)
        spare = SpareTime(
            Settings, lambda *now: told.append(now), every_s=0.05, gap_s=0, timeout_s=0.1
        )
        async with _run(spare):
            await until(lambda: told)
            await asyncio.sleep(0.3)
            server.send_signal(signal.SIGCONT)
            await asyncio.sleep(0.2)
            server.kill()
            await asyncio.sleep(0.2)
            assert told == [READS]

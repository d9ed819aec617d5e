"""A home of its own with a fake bot in it, under real supervisors; nothing outlives a test."""

from __future__ import annotations

import json
import sys
import time
import tkinter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from gui import toolkit_fonts  # noqa: F401  # before a test imports customtkinter
from gui.snapshot import Snapshot
from gui.supervision import Policy, State
from gui.supervisor import Supervisor
from storage.paths import Home

FAKE_BOT = Path(__file__).with_name("fake_bot.py")
QUICK = Policy(
    start_timeout_s=8,
    heartbeat_timeout_s=1.5,
    grace_s=0.6,
    first_delay_s=0.1,
    network_delay_max_s=0.4,
    connect_timeout_s=0.5,
    sleep_gap_s=3,
)
LONG_S = 20.0


class House:
    """One home and what happened in it."""

    def __init__(self, root: Path) -> None:
        self.home = Home(root).ensure()
        self.changes: list[tuple[float, Snapshot]] = []
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.open = ExitStack()

    def command(self, *behaviours: str) -> list[str]:
        return [sys.executable, str(FAKE_BOT), "--home", str(self.home.root), *behaviours]

    def supervise(self, *behaviours: str, policy: Policy = QUICK) -> Supervisor:
        """An open supervisor, closed at the end of the test or before."""
        supervisor = Supervisor(
            self.home,
            policy,
            command=self.command(*behaviours),
            on_change=lambda seen: self.changes.append((time.monotonic(), seen)),
            on_event=lambda name, data: self.events.append((name, data)),
            tick_s=0.02,
        )
        return self.open.enter_context(supervisor)

    def online(self, *behaviours: str, policy: Policy = QUICK) -> Supervisor:
        supervisor = self.supervise(*behaviours, policy=policy)
        supervisor.start()
        reach(supervisor, State.ONLINE)
        return supervisor

    @property
    def starts(self) -> list[dict[str, Any]]:
        path = self.home.root / "starts.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]

    @property
    def turns(self) -> list[tuple[float, State]]:
        """When which state was entered, as it was shown."""
        seen = [(at_s, change.state) for at_s, change in self.changes]
        return [turn for n, turn in enumerate(seen) if n == 0 or seen[n - 1][1] is not turn[1]]

    def alive(self) -> list[int]:
        return [start["pid"] for start in self.starts if lives(start["pid"])]

    def close(self) -> None:
        self.open.close()
        for pid in self.alive():
            with suppress(psutil.Error):
                psutil.Process(pid).kill()


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def reach(supervisor: Supervisor, *states: State, timeout_s: float = LONG_S) -> Snapshot:
    """Wait for one of these states, and fail where it does not come."""
    seen = supervisor.wait(*states, timeout_s=timeout_s)
    assert seen.state in states, f"{seen}; it printed {supervisor.tail(20)}"
    return seen


def eventually(holds: Callable[[], object], timeout_s: float = LONG_S) -> None:
    end_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end_s, "it did not come about in time"
        time.sleep(0.01)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path / "home")
    yield house
    house.close()


@pytest.fixture(scope="session", autouse=True)
def keep_interpreters() -> Iterator[None]:
    """Tcl aborts the process where an interpreter is freed by another thread than its own, and
    Python's garbage collection runs in any: so none is freed before the tests have ended."""
    init = tkinter.Tk.__init__

    def init_and_keep(self: tkinter.Tk, *arguments: Any, **rest: Any) -> None:
        init(self, *arguments, **rest)
        _interpreters.append(self.tk)

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(tkinter.Tk, "__init__", init_and_keep)
        yield


_interpreters: list[Any] = []

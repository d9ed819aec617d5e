"""When reading along may compute, and how much: what the settings say of what the machine does.

`share_now` decides, from values alone. `look` asks the machine, and only what the settings ask
about. `SpareTime` looks every few seconds and tells what has changed.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import psutil

from bot.full_screen import is_full_screen
from storage.settings import Settings

log = logging.getLogger(__name__)

T = TypeVar("T")

LOOK_EVERY_S = 5.0
LOOK_GAP_S = 1.0
"""At least between two looks, however often one is asked for."""

LOOK_TIMEOUT_S = 10.0
"""A display or a battery that stands still is not waited for: it cannot be told."""

OFF = "off"
READS = "reads along"
ON_BATTERY = "paused: on battery"
FULL_SCREEN = "paused: something fills the screen"


@dataclass(frozen=True)
class Machine:
    """What one look saw. None: it cannot be told or was not looked at, and does not pause."""

    on_battery: bool | None = None
    running: frozenset[str] = frozenset()
    """The names of all processes but our own, in lower case, as the system has them."""
    full_screen: bool | None = None


def share_now(settings: Settings, machine: Machine) -> tuple[float, str]:
    """The share of the time that reading along may compute, 0.0 to 1.0, and why, for people."""
    mode = settings.text("reading_along")
    if mode == "off":
        return 0.0, OFF
    if mode == "mains" and machine.on_battery:
        return 0.0, ON_BATTERY
    if settings.switch("reading_pauses_for_games") and machine.full_screen:
        return 0.0, FULL_SCREEN
    running = {_bare(name) for name in machine.running}
    for program in _programs(settings):
        if _bare(program) in running:
            return 0.0, f"paused: {program} runs"
    percent = settings.whole("reading_share")
    return percent / 100, READS if percent == 100 else f"{READS}, {percent} % of the time"


def look(settings: Settings) -> Machine:
    """What the machine does, as far as the settings ask: the cheapest first, and no further than
    to a reason to pause.

    Never raises. Takes some milliseconds and may wait for the system: any thread but the loop's.
    """
    mode = settings.text("reading_along")
    if mode == "off":
        return Machine()
    on_battery = _told(_is_on_battery, None) if mode == "mains" else None
    if on_battery:
        return Machine(on_battery)
    sees_games = settings.switch("reading_pauses_for_games")
    full_screen = _told(is_full_screen, None) if sees_games else None
    if full_screen or not _programs(settings):
        return Machine(on_battery, full_screen=full_screen)
    return Machine(on_battery, _told(_running, frozenset()), full_screen)


class SpareTime:
    """Looks at the machine again and again, in a worker thread, and tells what changes.

    Belongs to the event loop's thread.
    """

    def __init__(
        self,
        settings: Callable[[], Settings],
        on_change: Callable[[float, str], None],
        *,
        is_wanted: Callable[[], bool] = lambda: True,
        look: Callable[[Settings], Machine] = look,
        every_s: float = LOOK_EVERY_S,
        gap_s: float = LOOK_GAP_S,
        timeout_s: float = LOOK_TIMEOUT_S,
    ) -> None:
        """`on_change(share, reason)` is told first after the first look, then whenever either is
        another. `is_wanted`: whether anything is to be read; while nothing is, the machine is left
        alone, so whoever hands in something to read then calls `look_now`.
        """
        self._settings = settings
        self._on_change = on_change
        self._is_wanted = is_wanted
        self._look = look
        self._every_s = every_s
        self._gap_s = min(gap_s, every_s)
        self._timeout_s = timeout_s
        self._machine = Machine()
        self._told: tuple[float, str] | None = None
        self._looking: asyncio.Task[Machine] | None = None
        self._asked = asyncio.Event()

    @property
    def share(self) -> float:
        """0.0 to 1.0, as it was told last; 0.0 before the first look."""
        return self._told[0] if self._told else 0.0

    @property
    def reason(self) -> str:
        """In words for people, as it was told last; empty before the first look."""
        return self._told[1] if self._told else ""

    def look_now(self) -> None:
        """Look at once, or a second after the last look: a setting has changed, or there is
        something to read again."""
        self._asked.set()

    async def run(self) -> None:
        """Look until cancelled. Raises what `on_change` raises."""
        try:
            while True:
                is_asked = self._asked.is_set()
                self._asked.clear()
                if self._is_worth_it(is_asked):
                    self._machine = await self._see()
                self._tell()
                await asyncio.sleep(self._gap_s)
                await self._asked_or_time()
        finally:
            if self._looking is not None:
                self._looking.cancel()

    async def _asked_or_time(self) -> None:
        # asyncio.wait_for can swallow a cancellation before Python 3.12.
        asked = asyncio.ensure_future(self._asked.wait())
        try:
            await asyncio.wait({asked}, timeout=self._every_s - self._gap_s)
        finally:
            asked.cancel()

    def _is_worth_it(self, is_asked: bool) -> bool:
        """A pause is looked after too, with nothing to read: its reason is shown to people."""
        if self._settings().text("reading_along") == "off":
            return False
        is_paused = self._told is not None and self.share == 0.0
        return is_asked or is_paused or self._is_wanted()

    async def _see(self) -> Machine:
        """One look; a look that does not come back is waited for, and no other begun meanwhile."""
        if self._looking is None:
            self._looking = asyncio.create_task(asyncio.to_thread(self._look, self._settings()))
        done, _ = await asyncio.wait({self._looking}, timeout=self._timeout_s)
        if not done:
            log.debug("The machine has not answered for %g s.", self._timeout_s)
            return Machine()
        looking, self._looking = self._looking, None
        return looking.result()

    def _tell(self) -> None:
        now = share_now(self._settings(), self._machine)
        if now != self._told:
            self._told = now
            self._on_change(*now)


def _programs(settings: Settings) -> list[str]:
    """As they were written."""
    named = settings.text("reading_pauses_for_programs").split(",")
    return [program.strip() for program in named if program.strip()]


def _bare(program: str) -> str:
    return program.lower().removesuffix(".exe")


def _told(ask: Callable[[], T], unknown: T) -> T:
    """The answer, `unknown` where the machine has none: systems fail here in ways of their own."""
    try:
        return ask()
    except Exception:
        log.debug("The machine does not say: %s.", ask, exc_info=True)
        return unknown


def _is_on_battery() -> bool | None:
    battery = psutil.sensors_battery()  # None: there is no battery
    if battery is None:
        return False
    return None if battery.power_plugged is None else not battery.power_plugged


def _running() -> frozenset[str]:
    own = {os.getpid(), os.getppid()}  # "python" in the setting is not to mean ourselves
    processes = psutil.process_iter(["name"])
    names = [process.info["name"] for process in processes if process.pid not in own]
    return frozenset(name.lower() for name in names if name)

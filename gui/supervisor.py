"""Keeps the bot of one home up: a thread that drives the controller, the process and the channel.

    with Supervisor(home, on_change=show) as supervisor:   # adopts a bot that runs already
        supervisor.start()
        supervisor.ask("say", text="hello").result()       # a concurrent.futures.Future
        supervisor.stop()
        supervisor.wait(State.STOPPED, timeout_s=60)

Leaving it lets the bot live on; the next supervisor of the home adopts it. One at a time looks
after a home: an operating system's lock sees to that, which a killed process frees too.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Any

from filelock import FileLock, Timeout

from gui import child_process, supervision
from gui.bot_driver import BotDriver
from gui.bot_link import OnEvent
from gui.snapshot import Snapshot
from gui.supervision import Policy, State
from storage.errors import MynahError
from storage.paths import Home, HomeError

log = logging.getLogger(__name__)

LOCK_NAME = "supervisor.lock"
TICK_S = 0.25
_SOON_S = 0.05


class AlreadySupervisedError(MynahError):
    """Another process looks after this home."""


class Supervisor:
    """One home's bot. Every method may be called from any thread. Only `open`, `close` and `wait`
    wait, `open` for no longer than its thread takes to begin; `tail` reads a file."""

    def __init__(
        self,
        home: Home,
        policy: Policy | None = None,
        *,
        command: Sequence[str] | None = None,
        on_change: Callable[[Snapshot], None] | None = None,
        on_event: OnEvent | None = None,
        tick_s: float = TICK_S,
    ) -> None:
        """`on_change` hears each change of the snapshot but those of countdown and memory,
        `on_event` each event of the bot; both are called in the supervisor's thread and must not
        block. `command` is for tests; the default starts bot/main.py."""
        self._home = home
        self._policy = policy or Policy()
        self._command = command or child_process.bot_command(home)
        self._on_change = on_change
        self._on_event = on_event
        self._tick_s = tick_s
        self._lock = FileLock(home.data_storage / LOCK_NAME, timeout=0, thread_local=False)
        self._changed = threading.Condition()
        self._last: tuple[Snapshot, float | None] = (Snapshot(), None)
        self._unheard = 0
        self._opened = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing: asyncio.Event | None = None
        self._driver: BotDriver | None = None

    def open(self) -> Supervisor:
        """Begin: a bot that runs already is adopted, none is started. Call it once.

        Raises AlreadySupervisedError, HomeError where the home cannot be written.
        """
        self._home.ensure()
        try:
            self._lock.acquire()
        except Timeout:
            raise AlreadySupervisedError(
                f"Mynah looks after {self._home.root} already, in its window or in a terminal: go "
                "on there, or close it first."
            ) from None
        except OSError as error:
            raise HomeError(
                f"{self._home.data_storage} cannot be written ({error.strerror or error}); make "
                "room, or the folder writable, or choose another with --home DIR."
            ) from error
        self._thread.start()
        self._opened.wait()
        return self

    def close(self) -> None:
        """Let go of the bot, which lives on. May be called again; waits for the thread's end."""
        if self._loop is not None and self._closing is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._closing.set)
            self._thread.join()
        self._lock.release()

    def __enter__(self) -> Supervisor:
        return self.open()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # What a user asks

    def start(self) -> None:
        """Start the bot, or adopt it; earlier crashes are forgotten."""
        self._feed(supervision.StartAsked())

    def stop(self) -> None:
        """A message, then terminate, then kill."""
        self._feed(supervision.StopAsked())

    def restart(self) -> None:
        """Stop it where it runs, then start it."""
        self._feed(supervision.RestartAsked())

    def force_stop(self) -> None:
        """Kill it."""
        self._feed(supervision.ForceStopAsked())

    def ask(self, do: str, /, *, timeout_s: float = 10.0, **data: Any) -> Future[dict[str, Any]]:
        """Ask the running bot (requests: bot/control.py). The future raises ControlError."""
        assert self._driver is not None
        assert self._loop is not None
        asking = self._driver.link.ask(do, timeout_s=timeout_s, **data)
        return asyncio.run_coroutine_threadsafe(asking, self._loop)

    # What is known

    def snapshot(self) -> Snapshot:
        """How it stands now."""
        with self._changed:
            seen, at_s = self._last
        wait_s = None if at_s is None else max(0.0, at_s - time.monotonic())
        return replace(seen, next_attempt_in_s=wait_s)

    def tail(self, lines: int) -> list[str]:
        """The last lines that the bot printed since it was started; reads a file."""
        return child_process.tail(self._home, lines)

    def wait(self, *states: State, timeout_s: float) -> Snapshot:
        """Wait until it is in one of these states, or the time is up; the snapshot then.

        What was asked before in this thread has had its effect by then.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: not self._unheard and self._last[0].state in states, timeout_s
            )
        return self.snapshot()

    # The thread

    def _feed(self, event: supervision.Event) -> None:
        assert self._loop is not None  # opened
        with self._changed:
            self._unheard += 1
        with suppress(RuntimeError):  # closed meanwhile: by a signal, from another thread
            self._loop.call_soon_threadsafe(self._hear, event)

    def _hear(self, event: supervision.Event) -> None:
        assert self._driver is not None
        try:
            self._driver.feed(event)
        finally:
            with self._changed:
                self._unheard -= 1
                self._changed.notify_all()

    def _run(self) -> None:
        asyncio.run(self._supervise())

    async def _supervise(self) -> None:
        self._driver = driver = BotDriver(
            self._home,
            self._policy,
            self._command,
            on_change=self._publish,
            on_event=self._pass_on,
        )
        self._loop, self._closing = asyncio.get_running_loop(), asyncio.Event()
        driver.feed(supervision.Opened())
        self._opened.set()
        while not self._closing.is_set():
            try:
                await driver.tick()
            except Exception:
                log.exception("A step of the supervisor failed.")
            await self._pause(self._closing, _SOON_S if driver.is_expectant else self._tick_s)
        await driver.close()

    async def _pause(self, closing: asyncio.Event, pause_s: float) -> None:
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(closing.wait(), pause_s)

    def _publish(self) -> None:
        assert self._driver is not None
        now = self._driver.snapshot()
        with self._changed:
            before, self._last = self._last, now
            self._changed.notify_all()
        if self._on_change is not None and (now[0].differs(before[0]) or now[1] != before[1]):
            try:
                self._on_change(self.snapshot())
            except Exception:
                log.exception("Showing what the bot does failed.")

    def _pass_on(self, name: str, data: dict[str, Any]) -> None:
        if self._on_event is not None:
            self._on_event(name, data)

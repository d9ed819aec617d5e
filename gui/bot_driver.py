"""Carries out what the controller decides, in one event loop: the process and the channel to it.

The controller (gui/bot_controller.py) holds every rule; here is only how each effect is done, and
how what happens becomes an event. All methods belong to the loop's thread.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from bot.protocol import ControlError, Endpoint
from gui import child_process, supervision
from gui.bot_controller import BotController
from gui.bot_link import BotLink, OnEvent
from gui.child_process import ChildProcess
from gui.exit_sentences import telling
from gui.snapshot import Snapshot
from storage.paths import Home

log = logging.getLogger(__name__)

_MEMORY_EVERY_S = 1.0
_LAST_LINES = 60


class BotDriver:
    """The controller, the one child and the one connection to it."""

    def __init__(
        self,
        home: Home,
        policy: supervision.Policy,
        command: Sequence[str],
        *,
        on_change: Callable[[], None],
        on_event: OnEvent,
    ) -> None:
        """`on_change` is called after everything that may have changed `snapshot`; `on_event` hears
        the bot's events once they have had their effect here."""
        self.controller = BotController(policy)
        self.link = BotLink(
            home.data_storage, self._hear, connect_timeout_s=policy.connect_timeout_s
        )
        self._home = home
        self._command = command
        self._on_change = on_change
        self._on_event = on_event
        self._child: ChildProcess | None = None
        self._seen = Snapshot()
        self._early: list[tuple[str, dict[str, Any]]] | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._weighed_at_s = 0.0

    @property
    def is_expectant(self) -> bool:
        """Whether a process is there and no channel yet: then a tick should follow soon, for a bot
        that ends at once says why over the channel alone."""
        return self._child is not None and not self.link.is_open

    def feed(self, event: supervision.Event) -> None:
        """Let the controller decide, and do it."""
        for effect in self.controller.handle(event, time.monotonic()):
            self._carry_out(effect)
        self._on_change()

    async def tick(self) -> None:
        """To be called a few times a second: sees ends and connections, and lets time count."""
        if self._child is not None:
            if self._child.has_ended():
                await self._bury(self._child)
            else:
                self._keep_connected(self._child)
                self._weigh(self._child)
        self.feed(supervision.Tick())

    async def close(self) -> None:
        """Let go of the bot, which lives on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.link.close()

    def snapshot(self) -> tuple[Snapshot, float | None]:
        """All but the countdown; and the monotonic time of the next attempt."""
        controller = self.controller
        seen = replace(
            self._seen,
            state=controller.state,
            reason=controller.reason,
            crashes=controller.crash_count(time.monotonic()),
        )
        return seen, controller.next_attempt_at_s

    # Effects

    def _carry_out(self, effect: supervision.Effect) -> None:
        if isinstance(effect, supervision.Look):
            self._begin(self._look())
        elif isinstance(effect, supervision.Spawn):
            self._spawn()
        elif isinstance(effect, supervision.AskToStop):
            self._begin(self._ask_to_stop())
        elif self._child is not None:
            is_kill = isinstance(effect, supervision.Kill)
            self._child.kill() if is_kill else self._child.terminate()

    def _spawn(self) -> None:
        try:
            child = child_process.spawn(self._home, self._command)
        except child_process.SpawnError as error:
            trouble = child_process.disk_trouble(self._home)
            self.feed(supervision.SpawnFailed(str(error), trouble))
            return
        self._child = child
        self._know(child, {})
        self.feed(supervision.Spawned(child.pid))

    async def _ask_to_stop(self) -> None:
        try:
            await self.link.ask("stop", timeout_s=self.controller.policy.grace_s)
        except ControlError as error:  # then it is terminated when its time is up
            log.info("The bot could not be asked to stop: %s", error)

    async def _look(self) -> None:
        found = None
        with self._hearing_later():
            try:
                endpoint = self.link.endpoint()
                found = await self._meet(endpoint) if endpoint else None
            except Exception:
                log.exception("Looking for a running bot failed.")
            self.feed(found or supervision.NothingFound())

    async def _meet(self, endpoint: Endpoint) -> supervision.Found | None:
        """The bot that listens at the endpoint or, if nobody answers, that still lives there."""
        hello = await self.link.connect(endpoint)
        began_s = _began_s(hello or {}) or endpoint.began_s
        child = child_process.adopt(self._home, endpoint.pid, began_s)
        if child is None:  # what answers is none of ours: another home's, whose file was copied
            await self.link.close()
            self._early = []
            return None
        self._child = child
        self._know(child, hello or {})
        return supervision.Found(child.pid, hello is not None, _is_ready(hello or {}))

    # What happens

    @contextmanager
    def _hearing_later(self) -> Iterator[None]:
        """What the bot says while the connection is made has its effect after that is known."""
        self._early = []
        try:
            yield
        finally:
            early, self._early = self._early, None
            for name, data in early:
                self._hear(name, data)

    def _hear(self, name: str, data: dict[str, Any]) -> None:
        """An event of the bot."""
        if self._early is not None:
            self._early.append((name, data))
            return
        if self._child is None:
            return
        pid = self._child.pid
        if name == "heartbeat":
            self._see(heartbeat=data, phase=_phase(data))
            self.feed(supervision.Heartbeat(pid, _is_ready(data)))
        elif name == "ready":
            self._see(phase=_phase(data) or self._seen.phase)
            self.feed(supervision.Ready(pid))
        elif name == "ended":
            code, reason = data.get("code"), str(data.get("reason", ""))
            self.feed(supervision.Ended(pid, code if isinstance(code, int) else 1, reason))
        self._on_event(name, data)

    def _keep_connected(self, child: ChildProcess) -> None:
        if not self.link.is_open and (self._connecting is None or self._connecting.done()):
            self._connecting = self._begin(self._connect(child))

    async def _connect(self, child: ChildProcess) -> None:
        endpoint = self.link.endpoint()
        if endpoint is None or not child.recognise(endpoint.pid, endpoint.began_s):
            return
        with self._hearing_later():
            hello = await self.link.connect(endpoint)
            if hello is not None and child is self._child:
                self._know(child, hello)
                self.feed(supervision.Connected(child.pid, _is_ready(hello)))

    async def _bury(self, child: ChildProcess) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait({self._connecting})
        await self.link.hear_out()
        last_words = telling(child_process.tail(self._home, _LAST_LINES))
        trouble = child_process.disk_trouble(self._home) if child.exit_code != 0 else ""
        self._child, self._seen = None, Snapshot()
        self.feed(supervision.Exited(child.pid, child.exit_code, last_words, trouble))

    # What is shown

    def _know(self, child: ChildProcess, hello: dict[str, Any]) -> None:
        """Who the bot is, as far as it is known: it has been started, found or connected to."""
        self._see(
            pid=child.serving_pid,
            is_adopted=child.is_adopted,
            started_at_ms=child.started_at_ms,
            phase=_phase(hello),
        )

    def _weigh(self, child: ChildProcess) -> None:
        if time.monotonic() - self._weighed_at_s >= _MEMORY_EVERY_S:
            self._weighed_at_s = time.monotonic()
            self._see(memory_bytes=child.memory_bytes())

    def _see(self, **seen: Any) -> None:
        self._seen = replace(self._seen, **seen)

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._end)
        return task

    def _end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("A step of the supervisor failed.", exc_info=error)


def _is_ready(said: dict[str, Any]) -> bool:
    return said.get("ready") is True


def _began_s(hello: dict[str, Any]) -> float | None:
    said = hello.get("began_s")
    return said if type(said) is float else None


def _phase(said: dict[str, Any]) -> str:
    return str(said.get("phase", ""))

"""Decides when the bot's process is started, stopped, killed and started again. Pure: no I/O.

Events in, effects out: `BotController.handle(event, now_s)` is all there is. Who carries the
effects out (gui/supervisor.py) tells what came of them as further events. So every rule here is
tested by replaying histories with a fake clock.

What always holds:
- One child at a time. `Spawn` comes only where there is none, and only after `Look` found no bot
  that runs already; one that is found is adopted, whoever started it.
- A stop is a message, `grace_s` later `Terminate`, again `grace_s` later `Kill`.
- A disk that is full is no crash: it is tried again, each time later, until there is room.
- A user's start or restart forgets earlier crashes; nothing else does but time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from bot.protocol import ExitCode
from gui.exit_sentences import crash_sentence, final_sentence, with_last_words
from gui.supervision import (
    AskToStop,
    Connected,
    Effect,
    Ended,
    Event,
    Exited,
    ForceStopAsked,
    Found,
    Heartbeat,
    Kill,
    Look,
    NothingFound,
    Opened,
    Policy,
    Ready,
    RestartAsked,
    Spawn,
    Spawned,
    SpawnFailed,
    StartAsked,
    State,
    StopAsked,
    Terminate,
    Tick,
)

_MOST_DOUBLINGS = 30
_NOT_OF_THE_DISK = frozenset(ExitCode) - {ExitCode.CRASHED, ExitCode.BAD_CONFIG}
"""A bot that finds no room ends with none of these."""


class _After(Enum):
    """What the exit of a process that is being stopped leads to."""

    REST = "rest"
    START = "start"
    CRASH = "crash"


@dataclass
class _Child:
    """The one process. It must give a sign of life within `allowance_s` of `last_life_s`."""

    pid: int
    last_life_s: float
    allowance_s: float
    ended: Ended | None = None


@dataclass
class _Escalation:
    """The next step of a stop and when it is due."""

    at_s: float
    step: Terminate | Kill = field(default_factory=Terminate)


class BotController:
    """The state machine. Not thread-safe: one thread owns it."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.policy = policy or Policy()
        self.state = State.STOPPED
        self.reason = ""
        """A sentence for the user on why the state is what it is; "" where that is plain."""
        self.next_attempt_at_s: float | None = None
        self._now_s = 0.0
        self._last_tick_s: float | None = None
        self._child: _Child | None = None
        self._is_looking = False
        self._may_spawn = True
        self._after = _After.REST
        self._escalation = _Escalation(0.0)
        self._crashes_s: list[float] = []
        self._restarts_s: list[float] = []  # that the bot asked for
        self._fruitless = 0  # ends in a row, without a crash, of a bot that was never ready
        self._handlers: dict[type, Callable[[Any], list[Effect]]] = {
            Opened: self._on_opened,
            StartAsked: self._on_start,
            StopAsked: self._on_stop,
            RestartAsked: self._on_restart,
            ForceStopAsked: self._on_force_stop,
            Tick: self._on_tick,
            Found: self._on_found,
            NothingFound: self._on_nothing_found,
            Spawned: self._on_spawned,
            SpawnFailed: self._on_spawn_failed,
            Connected: self._on_connected,
            Heartbeat: self._on_heartbeat,
            Ready: self._on_ready,
            Ended: self._on_ended,
            Exited: self._on_exited,
        }

    @property
    def pid(self) -> int | None:
        """The bot's process, None where there is none."""
        return self._child.pid if self._child else None

    def crash_count(self, now_s: float) -> int:
        """Crashes within the window that ends now, or since a user's start where that is later."""
        return sum(now_s - at_s < self.policy.crash_window_s for at_s in self._crashes_s)

    def handle(self, event: Event, now_s: float) -> list[Effect]:
        """What to do now that this happened, in order. `now_s` is monotonic; it never goes back.

        Carry an effect out, and hand in what answers it, before the next event is handed in; only
        Look may be answered later.
        """
        self._now_s = now_s
        is_of_another = getattr(event, "pid", self.pid) != self.pid
        if is_of_another and not isinstance(event, (Found, Spawned)):
            return []
        return self._handlers[type(event)](event)

    # What a user asks

    def _on_opened(self, _: Opened) -> list[Effect]:
        return self._look_once()

    def _on_start(self, _: StartAsked) -> list[Effect]:
        if self.state is State.STOPPING:
            return self._start_after_the_stop()
        if self.state in (State.STARTING, State.ONLINE):
            return []
        return self._start_anew()

    def _on_restart(self, _: RestartAsked) -> list[Effect]:
        if self.state is State.STOPPING:
            return self._start_after_the_stop()
        if self._child is None:
            return self._start_anew()
        self._forget_crashes()
        return self._begin_stop(_After.START)

    def _on_stop(self, _: StopAsked) -> list[Effect]:
        if self.state is State.STOPPING:
            self._after = _After.REST
            return []
        if self._child is None and not self._is_looking:
            self._enter(State.STOPPED)
            return []
        return self._begin_stop(_After.REST)

    def _on_force_stop(self, event: ForceStopAsked) -> list[Effect]:
        if self._child is None:
            return self._on_stop(StopAsked())
        return self._begin_kill(_After.REST)

    def _start_anew(self) -> list[Effect]:
        self._forget_crashes()
        return self._begin_start()

    def _start_after_the_stop(self) -> list[Effect]:
        self._forget_crashes()
        self._after = _After.START
        return []

    def _forget_crashes(self) -> None:
        self._crashes_s.clear()
        self._restarts_s.clear()
        self._fruitless = 0

    # Starting: look, and spawn where nothing is found

    def _begin_start(self, *, may_spawn: bool = True) -> list[Effect]:
        self._enter(State.STARTING)
        self._may_spawn = may_spawn
        return self._look_once()

    def _look_once(self) -> list[Effect]:
        if self._is_looking:
            return []
        self._is_looking = True
        return [Look()]

    def _on_found(self, event: Found) -> list[Effect]:
        self._is_looking = False
        if self._child is not None:
            return []
        is_loading = event.is_answering and not event.is_ready
        policy = self.policy
        allowance_s = policy.start_timeout_s if is_loading else policy.heartbeat_timeout_s
        self._child = _Child(event.pid, self._now_s, allowance_s)
        if self.state is State.STOPPING:
            return self._begin_stop(self._after)
        self._enter(State.STARTING)
        self._alive(event.is_ready)
        return []

    def _on_nothing_found(self, _: NothingFound) -> list[Effect]:
        self._is_looking = False
        if self.state is State.STOPPING:
            return self._stop_is_done()
        if self.state is not State.STARTING or self._child is not None:
            return []
        if self._may_spawn:
            return [Spawn()]
        return self._wait_patiently(
            "Another bot already runs for this home, but it does not answer yet. If that goes on, "
            "end its process yourself: which one it is cannot be told for sure from here."
        )

    def _on_spawned(self, event: Spawned) -> list[Effect]:
        self._child = _Child(event.pid, self._now_s, self.policy.start_timeout_s)
        return []

    def _on_spawn_failed(self, event: SpawnFailed) -> list[Effect]:
        if event.disk:
            return self._wait_patiently(event.disk)
        return self._crashed(event.sentence, ())

    # What the bot says

    def _on_connected(self, event: Connected) -> list[Effect]:
        child = self._alive(event.is_ready)
        child.ended = None  # it went on, within the same process, after it had said that it ends
        if self.state is State.ONLINE and not event.is_ready:
            child.allowance_s = self.policy.start_timeout_s
            self._enter(State.STARTING)
        if self.state is State.STOPPING and self._after is not _After.CRASH:
            return [AskToStop()]  # the first message may have had no channel to go by
        return []

    def _on_heartbeat(self, event: Heartbeat) -> list[Effect]:
        self._alive(event.is_ready)
        return []

    def _on_ready(self, _: Ready) -> list[Effect]:
        self._alive(is_ready=True)
        return []

    def _on_ended(self, event: Ended) -> list[Effect]:
        self._alive().ended = event
        return []

    def _alive(self, is_ready: bool = False) -> _Child:
        child = self._child
        assert child is not None  # events of no child do not get here
        child.last_life_s = self._now_s
        if is_ready and self.state is State.STARTING:
            child.allowance_s = self.policy.heartbeat_timeout_s
            self._fruitless = 0
            self._enter(State.ONLINE)
        return child

    # Time

    def _on_tick(self, _: Tick) -> list[Effect]:
        last_tick_s, self._last_tick_s = self._last_tick_s, self._now_s
        if last_tick_s is not None and self._now_s - last_tick_s > self.policy.sleep_gap_s:
            self._woken()
        if self.state is State.WAITING:
            return self._attempt_if_due()
        if self._child is None:
            return []
        return self._escalate() if self.state is State.STOPPING else self._judge(self._child)

    def _woken(self) -> None:
        """The computer slept: the bot too, so both its silence and its stop are timed anew."""
        self._escalation.at_s = max(self._escalation.at_s, self._now_s + self.policy.grace_s)
        if self._child is not None:
            self._child.last_life_s = self._now_s

    def _attempt_if_due(self) -> list[Effect]:
        assert self.next_attempt_at_s is not None
        return self._begin_start() if self._now_s >= self.next_attempt_at_s else []

    def _judge(self, child: _Child) -> list[Effect]:
        if self._now_s - child.last_life_s < child.allowance_s:
            return []
        what = "was not ready and" if self.state is State.STARTING else "hung: it"
        silence = f"gave no sign of life for {child.allowance_s:g} s."
        return self._begin_kill(_After.CRASH, f"The bot {what} {silence}")

    # Stopping

    def _begin_stop(self, after: _After) -> list[Effect]:
        self._enter(State.STOPPING)
        self._after = after
        self._escalation = _Escalation(self._now_s + self.policy.grace_s)
        return [AskToStop()] if self._child is not None else []

    def _begin_kill(self, after: _After, reason: str = "") -> list[Effect]:
        self._enter(State.STOPPING, reason)
        self._after = after
        self._escalation = _Escalation(self._now_s + self.policy.grace_s, Kill())
        return [Kill()]

    def _escalate(self) -> list[Effect]:
        if self._now_s < self._escalation.at_s:
            return []
        step = self._escalation.step
        self._escalation = _Escalation(self._now_s + self.policy.grace_s, Kill())
        return [step]

    def _stop_is_done(self) -> list[Effect]:
        if self._after is _After.START:
            return self._begin_start()
        self._enter(State.STOPPED)
        return []

    # The end of a process

    def _on_exited(self, event: Exited) -> list[Effect]:
        child, self._child = self._child, None
        assert child is not None
        if self.state is not State.STOPPING:
            return self._ended_by_itself(child, event)
        if self._after is _After.CRASH:
            return self._crashed(self.reason, event.last_words)
        return self._stop_is_done()

    def _ended_by_itself(self, child: _Child, event: Exited) -> list[Effect]:
        """What it said before it went counts more than the exit code: that may come of a library
        that crashed while everything was being put away."""
        code, said = event.code, ""
        if child.ended is not None:
            code, said = child.ended.code, child.ended.reason
        if event.disk and code not in _NOT_OF_THE_DISK:
            return self._wait_patiently(f"{said} {event.disk}".strip())
        if code == ExitCode.DONE:
            self._enter(State.STOPPED, said or "The bot was told to end, and not from here.")
            return []
        if code == ExitCode.RESTART:
            return self._restart_by_itself()
        if code == ExitCode.NETWORK:
            return self._wait_patiently(said or "The bot found no network.")
        if code == ExitCode.ALREADY_RUNNING:
            return self._begin_start(may_spawn=False)
        if code is not None and (sentence := final_sentence(code, said, event.last_words)):
            self._enter(State.FAILED, sentence)
            return []
        return self._crashed(said or crash_sentence(code), event.last_words)

    def _restart_by_itself(self) -> list[Effect]:
        """At once; one that asks for it again and again has to wait."""
        self._restarts_s = [*self._recent(self._restarts_s), self._now_s]
        if self._fruitless:
            return self._wait_patiently("The bot asked to be started again before it was ready.")
        above = len(self._restarts_s) - self.policy.restarts_at_once
        if above > 0:
            return self._wait_patiently("The bot asks to be started again and again.", above)
        self._fruitless = 1
        return self._begin_start()

    def _wait_patiently(self, reason: str, attempt: int = 0) -> list[Effect]:
        """For what mends itself: doubling, for ever; from the delay of `attempt` on."""
        self._fruitless = max(self._fruitless + 1, attempt)
        delay_s = min(self._doubled(self._fruitless), self.policy.network_delay_max_s)
        self._enter(State.WAITING, reason, self._now_s + delay_s)
        return []

    def _crashed(self, reason: str, last_words: Sequence[str]) -> list[Effect]:
        """Try again, each time later, until it has crashed too often."""
        policy, now_s = self.policy, self._now_s
        self._crashes_s = [*self._recent(self._crashes_s), now_s]
        reason = with_last_words(reason, last_words)
        if len(self._crashes_s) < policy.crash_limit:
            delay_s = self._doubled(len(self._crashes_s))
            self._enter(State.WAITING, reason, now_s + delay_s)
        else:
            often = f"{len(self._crashes_s)} times within {policy.crash_window_s / 60:g} minutes"
            sentence = f"The bot crashed {often} and is not started again by itself. {reason}"
            self._enter(State.FAILED, sentence)
        return []

    def _recent(self, times_s: list[float]) -> list[float]:
        """Those of them that lie within the crash window."""
        return [at_s for at_s in times_s if self._now_s - at_s < self.policy.crash_window_s]

    def _doubled(self, attempt: int) -> float:
        """first_delay_s for attempt 1, twice that for 2, and so on; in seconds."""
        return self.policy.first_delay_s * 2.0 ** min(attempt - 1, _MOST_DOUBLINGS)

    def _enter(
        self, state: State, reason: str = "", next_attempt_at_s: float | None = None
    ) -> None:
        self.state, self.reason = state, reason
        self.next_attempt_at_s = next_attempt_at_s

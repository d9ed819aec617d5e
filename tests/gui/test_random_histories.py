"""The rules of supervision against a world that does what it likes: what must hold always holds."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from bot.protocol import ExitCode
from gui.bot_controller import BotController
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
    Tick,
)


@dataclass
class World:
    """A system with at most one bot of ours in it, which does what it likes."""

    random: random.Random
    controller: BotController
    now_s: float = 0.0
    alive: int | None = None
    looks: int = 0
    pids: int = 0
    stop_asked_s: float | None = None
    killed: bool = False
    seen: set[State] = field(default_factory=set)

    def feed(self, event: Event) -> None:
        for effect in self.controller.handle(event, self.now_s):
            self.carry_out(effect)
        self.check()

    def carry_out(self, effect: Effect) -> None:
        if effect == Spawn():
            assert self.alive is None, "never two children"
            assert self.looks == 0
            if self.random.random() < 0.1:
                self.feed(SpawnFailed("No."))
            else:
                self.begin(Spawned)
        elif effect == Look():
            assert self.alive is None
            self.looks += 1
            assert self.looks == 1
        else:
            assert self.alive is not None
            self.killed = self.killed or effect == Kill()
            if effect == AskToStop() and self.stop_asked_s is None:
                self.stop_asked_s = self.now_s

    def begin(self, event: type[Spawned] | type[Found]) -> None:
        self.pids += 1
        self.alive, self.stop_asked_s, self.killed = self.pids, None, False
        self.feed(event(self.pids))

    def end(self, code: int | None) -> None:
        pid, self.alive = self.alive, None
        assert pid is not None
        self.feed(Exited(pid, code))

    def check(self) -> None:
        controller = self.controller
        self.seen.add(controller.state)
        assert (controller.next_attempt_at_s is not None) == (controller.state is State.WAITING)
        if controller.state in (State.WAITING, State.FAILED):
            assert controller.reason
            assert self.alive is None
        if controller.state in (State.ONLINE, State.STARTING) and self.looks == 0:
            assert controller.pid == self.alive

    def tick(self) -> None:
        self.now_s += self.random.uniform(0.1, 1.0)
        self.feed(Tick())
        if self.stop_asked_s is not None and self.alive is not None:
            is_late = self.now_s > self.stop_asked_s + 2 * self.controller.policy.grace_s + 2
            assert self.killed or not is_late, "kill comes within two graces of the message"

    def live(self) -> None:
        """One thing that the outside may do now."""
        if self.looks:
            self.looks = 0
            if self.random.random() < 0.2:
                self.begin(Found)
            else:
                self.feed(NothingFound())
        elif self.alive is not None:
            self.live_bot(self.alive)

    def live_bot(self, pid: int) -> None:
        codes = [*ExitCode, -11, None]
        ending = 1.0 if self.killed else 0.05
        if self.random.random() < ending:
            self.end(self.random.choice(codes))
        else:
            code = int(self.random.choice(list(ExitCode)))
            events: list[Event] = [Connected(pid), Heartbeat(pid), Heartbeat(pid), Ready(pid)]
            rare: list[Event] = [Ended(pid, code, ""), Exited(pid + 1, 1), Ready(pid - 1)]
            self.feed(self.random.choice(rare if self.random.random() < 0.1 else events))


@pytest.mark.parametrize("seed", range(20))
def test_random_histories_keep_the_rules(seed: int) -> None:
    dice = random.Random(seed)
    policy = Policy(start_timeout_s=20, heartbeat_timeout_s=5, grace_s=3)
    world = World(dice, BotController(policy))
    world.feed(Opened())
    asked: list[Event] = [*([StartAsked()] * 6), StopAsked(), RestartAsked(), ForceStopAsked()]
    for _ in range(2000):
        moment = dice.random()
        if moment < 0.03:
            world.feed(dice.choice(asked))
        elif moment < 0.6:
            world.live()
        else:
            world.tick()
    assert world.seen == set(State)

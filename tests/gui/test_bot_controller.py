"""The rules of supervision: histories replayed with a fake clock."""

from __future__ import annotations

import pytest

from bot.protocol import ExitCode
from gui.bot_controller import BotController
from gui.exit_sentences import final_sentence
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

STOPPED, STARTING, ONLINE = State.STOPPED, State.STARTING, State.ONLINE
STOPPING, WAITING, FAILED = State.STOPPING, State.WAITING, State.FAILED
ASK, TERMINATE, KILL, LOOK, SPAWN = AskToStop(), Terminate(), Kill(), Look(), Spawn()

# A step: when, what happens, what is to be done, and the state after it.
Step = tuple[float, Event, list[Effect], State]


def started(at_s: float, pid: int = 1) -> list[Step]:
    """A start, up to the process."""
    return [
        (at_s, StartAsked(), [LOOK], STARTING),
        (at_s, NothingFound(), [SPAWN], STARTING),
        (at_s, Spawned(pid), [], STARTING),
    ]


def online(at_s: float, pid: int = 1) -> list[Step]:
    """A start, up to ready."""
    return [
        *started(at_s, pid),
        (at_s + 1, Connected(pid), [], STARTING),
        (at_s + 2, Ready(pid), [], ONLINE),
    ]


def spawned_again(at_s: float, pid: int, event: Event | None = None) -> list[Step]:
    """What a tick (or another event) that begins the next attempt leads to."""
    return [
        (at_s, event or Tick(), [LOOK], STARTING),
        (at_s, NothingFound(), [SPAWN], STARTING),
        (at_s, Spawned(pid), [], STARTING),
    ]


def beat_and_tick(at_s: float) -> list[Step]:
    return [(at_s, Heartbeat(1), [], STARTING), (at_s, Tick(), [], STARTING)]


def ended(at_s: float, pid: int, code: ExitCode, state: State) -> list[Step]:
    """A bot that says why it goes, then goes."""
    return [
        (at_s, Ended(pid, code, "Said so."), [], ONLINE),
        (at_s, Exited(pid, int(code)), [], state),
    ]


def full_disk(at_s: float, pid: int, delay_s: float) -> list[Step]:
    """It cannot write and ends; where `pid` is not the first, it was spawned just before."""
    begun = [] if pid == 1 else spawned_again(at_s, pid)
    return [
        *begun,
        (at_s, Exited(pid, 2 if pid % 2 else 1, (), "No room."), [], WAITING),
        (at_s + delay_s - 0.1, Tick(), [], WAITING),
    ]


HISTORIES: dict[str, list[Step]] = {
    "start, ready, stop in time": [
        *online(0),
        (100, Heartbeat(1), [], ONLINE),
        (101, StopAsked(), [ASK], STOPPING),
        (105, Tick(), [], STOPPING),
        (106, Exited(1, 0), [], STOPPED),
        (107, Tick(), [], STOPPED),
    ],
    "a stop that the bot does not hear": [
        *online(0),
        (10, StopAsked(), [ASK], STOPPING),
        (19.9, Tick(), [], STOPPING),
        (20, Tick(), [TERMINATE], STOPPING),
        (29.9, Tick(), [], STOPPING),
        (30, Tick(), [KILL], STOPPING),
        (40, Tick(), [KILL], STOPPING),
        (41, Exited(1, -9), [], STOPPED),
    ],
    "stopped whatever the exit code": [
        *online(0),
        (10, StopAsked(), [ASK], STOPPING),
        (11, Ended(1, 20, "Bad token."), [], STOPPING),
        (11, Exited(1, 20), [], STOPPED),
    ],
    "a stop while it loads: asked once more when there is a channel": [
        *started(0),
        (1, StopAsked(), [ASK], STOPPING),
        (2, Connected(1), [ASK], STOPPING),
        (3, Ready(1), [], STOPPING),
        (4, Exited(1, 0), [], STOPPED),
    ],
    "a stop before the process is there": [
        (0, StartAsked(), [LOOK], STARTING),
        (0, StopAsked(), [], STOPPING),
        (1, NothingFound(), [], STOPPED),
    ],
    "a stop before a running bot is found": [
        (0, StartAsked(), [LOOK], STARTING),
        (0, StopAsked(), [], STOPPING),
        (1, Found(7), [ASK], STOPPING),
        (2, Exited(7, None), [], STOPPED),
    ],
    "stop and start again before anything was found": [
        (0, StartAsked(), [LOOK], STARTING),
        (0, StopAsked(), [], STOPPING),
        (0, StartAsked(), [], STOPPING),
        *spawned_again(1, 1, NothingFound())[:1],
        (2, NothingFound(), [SPAWN], STARTING),
    ],
    "a stop while it waits": [
        *online(0),
        (10, Exited(1, 1), [], WAITING),
        (10.5, StopAsked(), [], STOPPED),
        (99, Tick(), [], STOPPED),
    ],
    "a start while it waits begins at once": [
        *online(0),
        (10, Exited(1, 1), [], WAITING),
        *spawned_again(10.1, 2, StartAsked()),
    ],
    "a start of what runs": [*online(0), (5, StartAsked(), [], ONLINE)],
    "restart": [
        *online(0),
        (10, RestartAsked(), [ASK], STOPPING),
        *spawned_again(11, 2, Exited(1, 0)),
    ],
    "restart while it stops": [
        *online(0),
        (10, StopAsked(), [ASK], STOPPING),
        (11, RestartAsked(), [], STOPPING),
        *spawned_again(12, 2, Exited(1, 0)),
    ],
    "restart, then stop": [
        *online(0),
        (10, RestartAsked(), [ASK], STOPPING),
        (11, StopAsked(), [], STOPPING),
        (12, Exited(1, 0), [], STOPPED),
    ],
    "restart of a bot that does not end": [
        *online(0),
        (10, RestartAsked(), [ASK], STOPPING),
        (20, Tick(), [TERMINATE], STOPPING),
        (30, Tick(), [KILL], STOPPING),
        *spawned_again(31, 2, Exited(1, -9)),
    ],
    "restart of nothing starts": spawned_again(0, 1, RestartAsked()),
    "force stop": [
        *online(0),
        (10, ForceStopAsked(), [KILL], STOPPING),
        (11, Exited(1, -9), [], STOPPED),
    ],
    "force stop of a polite stop": [
        *online(0),
        (10, RestartAsked(), [ASK], STOPPING),
        (11, ForceStopAsked(), [KILL], STOPPING),
        (12, Exited(1, -9), [], STOPPED),
    ],
    "force stop of nothing": [(0, ForceStopAsked(), [], STOPPED)],
    "a running bot is adopted as the supervisor begins": [
        (0, Opened(), [LOOK], STOPPED),
        (1, Found(7, is_ready=True), [], ONLINE),
        (2, StartAsked(), [], ONLINE),
        (3, StopAsked(), [ASK], STOPPING),
        (4, Exited(7, None), [], STOPPED),
    ],
    "one look serves both the beginning and a start": [
        (0, Opened(), [LOOK], STOPPED),
        (0, StartAsked(), [], STARTING),
        (1, NothingFound(), [SPAWN], STARTING),
    ],
    "nothing runs as the supervisor begins": [
        (0, Opened(), [LOOK], STOPPED),
        (1, NothingFound(), [], STOPPED),
    ],
    "an adopted bot that loads": [
        (0, StartAsked(), [LOOK], STARTING),
        (0, Found(7), [], STARTING),
        (250, Heartbeat(7), [], STARTING),
        (251, Heartbeat(7, is_ready=True), [], ONLINE),
    ],
    "an adopted bot that is hung": [
        (0, StartAsked(), [LOOK], STARTING),
        (0, Found(7, is_answering=False), [], STARTING),
        (1, Tick(), [], STARTING),
        *[(float(at), Tick(), [], STARTING) for at in range(5, 30, 5)],
        (30, Tick(), [KILL], STOPPING),
        (31, Exited(7, None), [], WAITING),
        *spawned_again(32, 8),
    ],
    "the way to an adopted bot's end is not known, its word is": [
        (0, Opened(), [LOOK], STOPPED),
        (1, Found(7, is_ready=True), [], ONLINE),
        (2, Ended(7, 20, "Bad token."), [], ONLINE),
        (3, Exited(7, None), [], FAILED),
    ],
    "the bot is told elsewhere to end": [*online(0), *ended(9, 1, ExitCode.DONE, STOPPED)],
    "a bad token: one attempt": [
        *online(0),
        *ended(9, 1, ExitCode.BAD_TOKEN, FAILED),
        (999, Tick(), [], FAILED),
        *spawned_again(1000, 2, StartAsked()),
    ],
    "a missing intent": [*online(0), *ended(9, 1, ExitCode.MISSING_INTENT, FAILED)],
    "a bad setting, said by the exit code alone": [*started(0), (1, Exited(1, 2), [], FAILED)],
    "a stop of what has failed": [
        *started(0),
        (1, Exited(1, 2), [], FAILED),
        (2, StopAsked(), [], STOPPED),
    ],
    "restart by its own wish: at once, and it is no crash": [
        *online(0),
        *spawned_again(10, 2, Exited(1, 10)),
        (11, Ready(2), [], ONLINE),
        *spawned_again(12, 3, Exited(2, 10)),
    ],
    "restart by its own wish, never ready": [
        *started(0),
        *spawned_again(1, 2, Exited(1, 10)),
        (2, Exited(2, 10), [], WAITING),
        (3.9, Tick(), [], WAITING),
        *spawned_again(4, 3),
    ],
    "what it said counts more than a crash while it is put away": [
        *online(0),
        (9, Ended(1, 10, "Settings."), [], ONLINE),
        *spawned_again(9, 2, Exited(1, -11)),
    ],
    "another bot runs: it is adopted, not spawned again": [
        *started(0),
        (1, Exited(1, 23), [LOOK], STARTING),
        (1, Found(7, is_ready=True), [], ONLINE),
    ],
    "another bot runs and cannot be found": [
        *started(0),
        (1, Exited(1, 23), [LOOK], STARTING),
        (1, NothingFound(), [], WAITING),
        (2, Tick(), [LOOK], STARTING),
        (2, Found(7), [], STARTING),
    ],
    "the process cannot be made": [
        (0, StartAsked(), [LOOK], STARTING),
        (0, NothingFound(), [SPAWN], STARTING),
        (0, SpawnFailed("No memory."), [], WAITING),
        (1, Tick(), [LOOK], STARTING),
    ],
    "hung": [
        *online(0),
        (3, Heartbeat(1), [], ONLINE),
        *[(float(at), Tick(), [], ONLINE) for at in range(5, 33, 5)],
        (33, Tick(), [KILL], STOPPING),
        (34, Exited(1, -9), [], WAITING),
        *spawned_again(35, 2),
    ],
    "a stop while a hung bot is killed": [
        *online(0),
        *[(float(at), Tick(), [], ONLINE) for at in range(5, 32, 5)],
        (32, Tick(), [KILL], STOPPING),
        (32, StopAsked(), [], STOPPING),
        (33, Exited(1, -9), [], STOPPED),
    ],
    "a computer's sleep is no hang": [
        *online(0),
        (5, Tick(), [], ONLINE),
        (5000, Tick(), [], ONLINE),
        *[(5000.0 + after, Tick(), [], ONLINE) for after in (9, 18, 27, 29.9)],
        (5030, Tick(), [KILL], STOPPING),
    ],
    "a computer's sleep while it stops": [
        *online(0),
        (5, Tick(), [], ONLINE),
        (6, StopAsked(), [ASK], STOPPING),
        (5000, Tick(), [], STOPPING),
        (5009, Tick(), [], STOPPING),
        (5010, Tick(), [TERMINATE], STOPPING),
        (5020, Tick(), [KILL], STOPPING),
    ],
    "a start that never gives a sign of life": [
        *started(0),
        *[(float(at), Tick(), [], STARTING) for at in range(0, 300, 10)],
        (300, Tick(), [KILL], STOPPING),
        (301, Exited(1, -9), [], WAITING),
    ],
    "a long start with heartbeats": [
        *started(0),
        *(step for at in range(0, 3000, 10) for step in beat_and_tick(at)),
        (3001, Ready(1), [], ONLINE),
    ],
    "what it said before it began anew in the same process": [
        *online(0),
        (9, Ended(1, 10, "Anew."), [], ONLINE),
        (10, Connected(1), [], STARTING),
        (200, Tick(), [], STARTING),
        (200, Heartbeat(1), [], STARTING),
        (201, Ready(1), [], ONLINE),
        (209, Exited(1, 1), [], WAITING),
        *spawned_again(210, 2),
    ],
    "a lost connection forgets what it said, too": [
        *online(0),
        (9, Ended(1, 20, "Bad token."), [], ONLINE),
        (10, Connected(1, is_ready=True), [], ONLINE),
        (11, Exited(1, -11), [], WAITING),
    ],
    "a stop that comes while it begins anew": [
        *online(0),
        (9, Ended(1, 10, "Anew."), [], ONLINE),
        (9, StopAsked(), [ASK], STOPPING),
        (10, Connected(1), [ASK], STOPPING),
        (11, Exited(1, None), [], STOPPED),
    ],
    "a full disk": [
        *online(0),
        *full_disk(10, 1, 1),
        *full_disk(11, 2, 2),
        *full_disk(13, 3, 4),
        *full_disk(17, 4, 8),
        *full_disk(25, 5, 16),
        *full_disk(41, 6, 32),
        *spawned_again(73, 7),
        (74, Ready(7), [], ONLINE),
    ],
    "a full disk has nothing to do with the token": [
        *started(0),
        (1, Exited(1, 20, (), "No room."), [], FAILED),
    ],
    "a process that cannot be made on a full disk": [
        (0, StartAsked(), [LOOK], STARTING),
        (0, NothingFound(), [SPAWN], STARTING),
        (0, SpawnFailed("No log.", "No room."), [], WAITING),
        (1, Tick(), [LOOK], STARTING),
        (1, NothingFound(), [SPAWN], STARTING),
        (1, SpawnFailed("No log.", "No room."), [], WAITING),
        (2.9, Tick(), [], WAITING),
        (3, Tick(), [LOOK], STARTING),
    ],
    "events of a process that is gone": [
        *online(0),
        *spawned_again(10, 2, Exited(1, 10)),
        (11, Ready(1), [], STARTING),
        (11, Ended(1, 20, "Bad token."), [], STARTING),
        (11, Exited(1, 20), [], STARTING),
        (12, Ready(2), [], ONLINE),
    ],
}


def replay(history: list[Step]) -> BotController:
    controller = BotController()
    for number, (at_s, event, effects, state) in enumerate(history):
        done = controller.handle(event, at_s)
        assert (done, controller.state) == (effects, state), f"step {number}: {event} at {at_s}"
    return controller


@pytest.mark.parametrize("name", HISTORIES)
def test_history(name: str) -> None:
    replay(HISTORIES[name])


def attempts(controller: BotController, code: int, rounds: int, at_s: float = 0) -> list[float]:
    """Let every attempt end with `code` a second after it began; the delays that followed."""
    delays: list[float] = []
    effects = controller.handle(StartAsked(), at_s)
    for pid in range(1, rounds + 1):
        assert effects == [LOOK]
        assert controller.handle(NothingFound(), at_s) == [SPAWN]
        controller.handle(Spawned(pid), at_s)
        at_s += 1
        controller.handle(Exited(pid, code, ("GGML_ASSERT: no",)), at_s)
        if controller.next_attempt_at_s is None:
            return delays
        delays.append(controller.next_attempt_at_s - at_s)
        assert controller.handle(Tick(), controller.next_attempt_at_s - 0.01) == []
        at_s = controller.next_attempt_at_s
        effects = controller.handle(Tick(), at_s)
    return delays


def test_crashes_follow_the_schedule_and_end_with_the_last_words() -> None:
    controller = BotController()
    assert attempts(controller, -6, rounds=10) == [1, 2, 4, 8]
    assert controller.state is FAILED
    assert "5 times within 10 minutes" in controller.reason
    assert "GGML_ASSERT: no" in controller.reason
    assert controller.crash_count(20) == 5
    assert controller.handle(Tick(), 99_999) == []


def test_a_users_start_forgets_the_crashes() -> None:
    controller = BotController()
    attempts(controller, 1, rounds=5)
    assert attempts(controller, 1, rounds=5, at_s=100) == [1, 2, 4, 8]


def crashed_then_online() -> BotController:
    return replay(
        [
            *online(0),
            (10, Exited(1, 1), [], WAITING),
            *spawned_again(11, 2),
            (12, Ready(2), [], ONLINE),
        ]
    )


def test_becoming_ready_does_not_forget_the_crashes() -> None:
    assert crashed_then_online().crash_count(12) == 1


def test_a_users_restart_forgets_the_crashes() -> None:
    controller = crashed_then_online()
    controller.handle(RestartAsked(), 13)
    assert controller.crash_count(13) == 0


def test_a_users_start_while_it_stops_forgets_the_crashes() -> None:
    controller = crashed_then_online()
    controller.handle(StopAsked(), 13)
    controller.handle(StartAsked(), 13)
    assert controller.crash_count(13) == 0


def test_a_users_start_begins_the_delays_without_a_network_anew() -> None:
    controller = BotController()
    assert attempts(controller, ExitCode.NETWORK, rounds=3)[-1] == 4
    controller.handle(Exited(9, 1), 100)  # of nobody
    controller.handle(StopAsked(), 100)
    controller.handle(NothingFound(), 100)
    assert attempts(controller, ExitCode.NETWORK, rounds=3, at_s=100) == [1, 2, 4]


def test_what_hung_and_what_never_started_are_told_apart() -> None:
    for history, word in ((online(0), "hung"), (started(0), "not ready")):
        controller = replay(history)
        for at_s in range(5, 400, 5):
            controller.handle(Tick(), at_s)
        assert word in controller.reason


def test_crashes_apart_never_end_it() -> None:
    controller = BotController()
    at_s = 0.0
    effects = controller.handle(StartAsked(), at_s)
    for pid in range(1, 50):
        assert effects == [LOOK]
        controller.handle(NothingFound(), at_s)
        controller.handle(Spawned(pid), at_s)
        at_s += 200
        controller.handle(Exited(pid, 1), at_s)
        assert controller.state is WAITING
        assert controller.next_attempt_at_s is not None
        assert controller.next_attempt_at_s - at_s <= 4
        at_s = controller.next_attempt_at_s
        effects = controller.handle(Tick(), at_s)


def restarted(controller: BotController, pid: int, at_s: float) -> float:
    """Ready, asks for a restart, and is ready again; how long it had to wait."""
    effects = controller.handle(Exited(pid, ExitCode.RESTART), at_s)
    delay_s = 0.0
    if controller.next_attempt_at_s is not None:
        delay_s = controller.next_attempt_at_s - at_s
        effects = controller.handle(Tick(), controller.next_attempt_at_s)
    assert effects == [LOOK]
    controller.handle(NothingFound(), at_s + delay_s)
    controller.handle(Spawned(pid + 1), at_s + delay_s)
    controller.handle(Ready(pid + 1), at_s + delay_s)
    return delay_s


def test_restarts_without_end_come_later_and_later() -> None:
    controller = replay(online(0))
    delays = []
    at_s = 10.0
    for pid in range(1, 60):
        delays.append(restarted(controller, pid, at_s))
        at_s += delays[-1] + 1
    assert delays[:7] == [0, 0, 1, 2, 4, 8, 16]
    assert max(delays) <= 300
    assert sum(delay_s == 0 for delay_s in delays) < 10
    assert controller.crash_count(at_s) == 0
    at_s += 600
    assert restarted(controller, 60, at_s) == 0
    controller.handle(RestartAsked(), at_s + 1)
    assert controller.state is STOPPING


def test_a_full_disk_is_told_and_is_no_crash() -> None:
    controller = replay([*online(0), (1, Ended(1, 1, "Not stored."), [], ONLINE)])
    controller.handle(Exited(1, 1, (), "No room."), 2)
    assert controller.reason == "Not stored. No room."
    assert controller.crash_count(2) == 0


def test_without_a_network_it_tries_for_ever() -> None:
    controller = BotController()
    delays = attempts(controller, ExitCode.NETWORK, rounds=2000)
    assert delays[:10] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert set(delays[9:]) == {300}
    assert len(delays) == 2000
    assert controller.crash_count(0) == 0


def test_a_network_that_comes_back_begins_the_delays_anew() -> None:
    controller = replay([*online(0), (9, Exited(1, 22), [], WAITING)])
    assert controller.next_attempt_at_s == 10


@pytest.mark.parametrize("code", ExitCode)
def test_every_final_code_has_a_sentence_and_no_other_has(code: ExitCode) -> None:
    assert bool(final_sentence(code, "", ())) is code.is_final
    if code.is_final:
        assert final_sentence(code, "", ("the last line",)).endswith("the last line")
        assert final_sentence(code, "Said so.", ("the last line",)) == "Said so."

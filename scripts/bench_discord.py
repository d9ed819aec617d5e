"""Lives through bad days on Discord and prints what became of them, over the tests' stand-in.

    live      5,000 messages of history with 429s on the way, 1,000 live ones, 50 mentions, !setrate
    faults    300 faults of gateway and REST at random under a steady stream of talk
    kills     200 kill -9 of a supervised bot at random instants
    bursts    10,000 messages a minute for 5 minutes, in bursts, while it writes replies

A real bot process with the small base that ships with Mynah; the home is a temporary one.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import psutil

from bot.protocol import ask_running
from gui.supervision import Policy, State
from gui.supervisor import Supervisor
from scripts.edge import ending_in_a_sentence
from storage.paths import PROGRAM_DIR, Home
from tests.discord_stand_in.stand_in import StandInThread
from tests.live.process import environment, make_home, running

MENTION_TIMEOUT_S = 120.0
WORDS = "raid cake healer tonight lantern what why sleep lol nope maybe dragon again nine".split()
Figures = dict[str, Any]


class Talkers:
    """People of the stand-in who talk, and what became of what they said."""

    def __init__(self, discord: StandInThread, seed: int, count: int = 12) -> None:
        self.discord = discord
        self.channel = discord.world.general.id
        self._chance = random.Random(seed)
        self._people = [discord.world.add_member(f"talker{n}").id for n in range(count)]
        self.said: list[int] = []
        self.asked: list[int] = []
        self.asked_s: dict[int, float] = {}

    def talk(self, count: int = 1) -> None:
        """Some idle talk, at once."""
        lines = [(self._someone(), self._words()) for _ in range(count)]
        say = self.discord.inner.world.say
        self.said += self.discord.call(lambda: [say(self.channel, *line) for line in lines])

    def ask(self) -> None:
        """A mention."""
        text = f"<@{self.discord.bot_id}> {self._words()}"
        asked_s = time.perf_counter()
        asked = self.discord.world.say(self.channel, self._someone(), text)
        self.asked_s[asked] = asked_s
        self.said.append(asked)
        self.asked.append(asked)

    def answers(self) -> Counter[int]:
        """How often each message was answered."""
        return Counter(post.reply_to for post in self.discord.posts(self.channel))

    def unanswered(self) -> list[int]:
        answered = self.answers()
        return [asked for asked in self.asked if not answered[asked]]

    def _someone(self) -> int:
        return self._chance.choice(self._people)

    def _words(self) -> str:
        return " ".join(self._chance.choices(WORDS, k=self._chance.randint(2, 9)))


def live(count: int) -> Figures:
    """History, then an ordinary evening."""
    with a_home(response_rate=0.0) as (discord, home):
        world = discord.world
        old = world.fill(world.general.id, 5 * count, 7)
        discord.faults.rate_limit("GET /channels/*/messages", 5, 0.5)
        discord.faults.rate_limit("GET /channels/*/messages", 1, 1.0, global_=True)
        began_s = time.perf_counter()
        script = PROGRAM_DIR / "scripts" / "1_fetch_all_history.py"
        fetched = subprocess.run(
            [sys.executable, str(script), "--home", str(home.root)],
            env=environment(discord),
            capture_output=True,
            text=True,
            check=False,
        )
        if fetched.returncode:
            raise RuntimeError(fetched.stderr)
        fetch_s = time.perf_counter() - began_s
        stored = stored_ids(home)
        talkers = Talkers(discord, 1)
        with running(home, discord) as bot:
            for number in range(count):
                talkers.talk()
                if number % max(1, count // 50) == 0:
                    talkers.ask()
                time.sleep(0.05)
            wait(lambda: not talkers.unanswered(), MENTION_TIMEOUT_S)
            seconds = reply_seconds(home)
            told = setrate_is_seen(talkers)
            wait(lambda: bot.ask("stats")["waiting"] == 0, 60)
            figures = {
                "history": len(old),
                "history_stored": len(set(old) & set(stored)),
                "fetch_s": round(fetch_s, 2),
                "live_lost": len(set(talkers.said) - set(stored_ids(home))),
                **answered_once(talkers),
                "reply_s": percentiles(seconds),
                **told,
                "violations": len(discord.violations),
            }
            bot.end()
        return figures


def setrate_is_seen(talkers: Talkers, lines: int = 20) -> Figures:
    """Replies to idle talk at rate 1.0 and at 0.0."""
    figures = {}
    for rate in ("1.0", "0.0"):
        order = talkers.discord.world.say(
            talkers.channel, talkers.discord.world.carol.id, f"!setrate {rate}"
        )
        wait(lambda order=order: bool(talkers.answers()[order]), 20)  # type: ignore[misc]
        before = len(talkers.discord.posts(talkers.channel))
        for _ in range(lines):
            talkers.talk()
            time.sleep(0.5)
        replies = len(talkers.discord.posts(talkers.channel)) - before
        figures[f"replies_to_{lines}_lines_at_{rate}"] = replies
    return figures


def faults(count: int) -> Figures:
    """A steady stream of talk while everything breaks."""
    chance = random.Random(11)
    done: Counter[str] = Counter()
    with a_home(identifies_a_day=900) as (discord, home), running(home, discord) as bot:
        talkers = Talkers(discord, 2)
        began_s = time.perf_counter()
        for number in range(count):
            done[break_something(discord, chance)] += 1
            for _ in range(4):
                talkers.talk()
                if chance.random() < 0.25:
                    talkers.ask()
                time.sleep(chance.uniform(0.05, 0.45))
            if number % 25 == 24:
                note(f"{number + 1} faults, {len(talkers.unanswered())} not answered yet")
        discord.faults.clear()
        wait(lambda: not talkers.unanswered(), 600)
        wait(lambda: not set(talkers.said) - set(stored_ids(home)), 60)
        figures = {
            "faults": sum(done.values()),
            "kinds": dict(done),
            "seconds": round(time.perf_counter() - began_s),
            "said": len(talkers.said),
            "lost": len(set(talkers.said) - set(stored_ids(home))),
            **answered_once(talkers),
            "identifies": discord.identifies,
            "resumes": discord.resumes,
            "integrity": integrity(home),
        }
        bot.end()
    return figures


def break_something(discord: StandInThread, chance: random.Random) -> str:
    """One fault; its name."""
    faults = discord.faults
    posts, reads = "POST /channels/*/messages", "GET /channels/*/messages"
    kinds: dict[str, Callable[[], object]] = {
        "connections aborted": faults.abort_connections,
        "op 7": faults.op7,
        "op 9 resumable": lambda: faults.op9(True),
        "op 9": lambda: faults.op9(False),
        "close 4000": lambda: faults.close_gateway(4000),
        "close 4009": lambda: faults.close_gateway(4009),
        "close 1001": lambda: faults.close_gateway(1001),
        "429 route": lambda: faults.rate_limit(posts, 1, chance.uniform(0.1, 1.0)),
        "429 global": lambda: faults.rate_limit("**", 1, chance.uniform(0.1, 1.0), True),
        "500": lambda: faults.fail(posts, 500),
        "502 reading": lambda: faults.fail(reads, 502),
        "503": lambda: faults.fail(posts, 503),
        "503 after it was done": lambda: faults.fail(posts, 503, after_effect=True),
        "500 after it was done": lambda: faults.fail(posts, 500, after_effect=True),
        "POST cut": lambda: faults.drop(posts),
        "POST cut after it was done": lambda: faults.drop(posts, after_effect=True),
        "GET cut": lambda: faults.drop(reads),
        "down": lambda: down_for(discord, chance.uniform(0.1, 1.5)),
    }
    name = chance.choice(sorted(kinds))
    kinds[name]()
    return name


def down_for(discord: StandInThread, seconds: float) -> None:
    discord.faults.down()
    time.sleep(seconds)
    discord.faults.up()


def kills(count: int) -> Figures:
    """kill -9 at random instants; the supervisor brings it back."""
    chance = random.Random(13)
    back_s: list[float | None] = []
    # 5 crashes within 10 minutes end the real schedule: here the window is 10 s, else the same.
    policy = Policy(crash_window_s=10.0)
    with a_home(identifies_a_day=900) as (discord, home):
        inherited = environment(discord)
        os.environ.clear()  # an exported token of a real bot among it: the supervisor hands it on
        os.environ.update(inherited)
        talkers = Talkers(discord, 3)
        with Supervisor(home, policy) as supervisor:
            supervisor.start()
            wait(lambda: supervisor.snapshot().phase == "online", 60)
            for number in range(count):
                until_s = time.monotonic() + chance.uniform(0.0, 6.0)
                while time.monotonic() < until_s:
                    talkers.talk(chance.randint(1, 5))
                    if chance.random() < 0.1:
                        talkers.ask()
                    time.sleep(0.2)
                back_s.append(kill_and_wait(supervisor))
                if number % 20 == 19:
                    note(f"{number + 1} kills, back after {percentiles(known(back_s))}")
            wait(lambda: not set(talkers.said) - set(stored_ids(home)), 120)
            wait(lambda: (ask_running(home.data_storage, "stats") or {}).get("waiting") == 0, 60)
            supervisor.stop()
            supervisor.wait(State.STOPPED, timeout_s=60)
        return {
            "kills": len(back_s),
            "not_back": back_s.count(None),
            "back_s": percentiles(known(back_s)),
            "longest_back_s": round(max(known(back_s), default=0.0), 2),
            "said": len(talkers.said),
            "lost": len(set(talkers.said) - set(stored_ids(home))),
            "in_transcript_twice": in_transcript_twice(home),
            "without_verdict": len(set(talkers.said) - set(judged_ids(home))),
            **answered_once(talkers),
            "integrity": integrity(home),
        }


def kill_and_wait(supervisor: Supervisor) -> float | None:
    """Kill the bot; seconds until it is online again, None where it is not within two minutes."""
    pid = supervisor.snapshot().pid
    began_s = time.monotonic()
    if pid is not None:
        psutil.Process(pid).kill()

    def is_back() -> bool:
        now = supervisor.snapshot()
        if now.state is State.FAILED:
            raise RuntimeError(now.reason)
        return now.pid not in (None, pid) and now.phase == "online"

    return time.monotonic() - began_s if wait(is_back, 120) else None


def bursts(minutes: float) -> Figures:
    """10,000 messages a minute in bursts of 500, a mention with each."""
    with a_home() as (discord, home), running(home, discord) as bot:
        talkers = Talkers(discord, 4)
        process = psutil.Process(bot.process.pid)
        memory_mb: list[float] = []
        lags_ms: list[float] = []
        began_s = time.monotonic()
        rounds = round(minutes * 20)
        for number in range(rounds):
            talkers.ask()
            talkers.talk(499)
            time.sleep(max(0.0, began_s + 3 * (number + 1) - time.monotonic()))
            memory_mb.append(process.memory_info().rss / 1e6)
            if number % 20 == 19:
                lags_ms.append(bot.ask("stats")["lag_p99_ms"])
                note(f"{len(talkers.said):,} said, {memory_mb[-1]:.0f} MB, lag {lags_ms[-1]} ms")
        spent_s = time.monotonic() - began_s
        wait(lambda: not talkers.unanswered(), MENTION_TIMEOUT_S)
        wait(lambda: not set(talkers.said) - set(stored_ids(home)), 120)
        figures = {
            "said": len(talkers.said),
            "per_minute": round(len(talkers.said) / spent_s * 60),
            "lost": len(set(talkers.said) - set(stored_ids(home))),
            **answered_once(talkers),
            "reply_s": percentiles(reply_seconds(home)),
            "lag_p99_ms_each_minute": lags_ms,
            "memory_mb_first_minute": round(max(memory_mb[:20])),
            "memory_mb_last_minute": round(max(memory_mb[-20:])),
        }
        bot.end()
    return figures


# -- what is measured ---------------------------------------------------------------------------


@contextmanager
def a_home(**settings: object) -> Iterator[tuple[StandInThread, Home]]:
    """A stand-in and a temporary home whose bot speaks as often as it is asked, and only then."""
    settings = {
        "speaks_in_public": "on",
        "attention_seconds": 0,
        "replies_per_minute_member": 600,
        "replies_per_minute_channel": 600,
        **settings,
    }
    with tempfile.TemporaryDirectory() as folder, StandInThread(check_every=50) as discord:
        yield discord, make_home(Path(folder) / "home", discord, **settings)


def stored_ids(home: Home) -> list[int]:
    with closing(sqlite3.connect(home.database, timeout=30)) as connection:
        return [row[0] for row in connection.execute("SELECT message_id FROM messages")]


def in_transcript_twice(home: Home) -> int:
    """Messages that the model would read more than once: nothing but us keeps it from that."""
    with closing(sqlite3.connect(home.database, timeout=30)) as connection:
        rows = connection.execute(
            "SELECT message_id FROM conversation_context"
            " WHERE role <> 'note' AND message_id IS NOT NULL"
            " GROUP BY message_id HAVING count(*) > 1"
        )
        return len(rows.fetchall())


def judged_ids(home: Home) -> list[int]:
    with closing(sqlite3.connect(home.database, timeout=30)) as connection:
        return [row[0] for row in connection.execute("SELECT message_id FROM verdicts")]


def integrity(home: Home) -> str:
    with closing(sqlite3.connect(home.database, timeout=30)) as connection:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])


def reply_seconds(home: Home) -> list[float]:
    """From each message's arrival to its answer, as the bot measured it."""
    with closing(sqlite3.connect(home.database, timeout=30)) as connection:
        rows = connection.execute("SELECT total_s FROM verdicts WHERE outcome = 'sent'")
        return [row[0] for row in rows]


def answered_once(talkers: Talkers) -> Figures:
    answers = talkers.answers()
    return {
        "mentions": len(talkers.asked),
        "answered": sum(answers[one] > 0 for one in talkers.asked),
        "answered_twice": sum(answers[one] > 1 for one in talkers.said),
    }


def known(seconds: Sequence[float | None]) -> list[float]:
    return [one for one in seconds if one is not None]


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Nearest rank."""
    ordered = sorted(seconds) or [0.0]
    return {
        f"p{p}": round(ordered[max(0, -(-len(ordered) * p // 100) - 1)], 3) for p in (50, 95, 99)
    }


def wait(true: Callable[[], bool], timeout_s: float) -> bool:
    """Until it is so, or the time is over: whether it is. The figures then say what is missing."""
    deadline = time.monotonic() + timeout_s
    while not (is_true := true()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return is_true


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("day", choices=("live", "faults", "kills", "bursts"))
    parser.add_argument("--count", type=float, help="messages, faults, kills or minutes")
    arguments = parser.parse_args()
    days: dict[str, tuple[Callable[[Any], Figures], float]] = {
        "live": (lambda n: live(int(n)), 1000),
        "faults": (lambda n: faults(int(n)), 300),
        "kills": (lambda n: kills(int(n)), 200),
        "bursts": (bursts, 5),
    }
    run, usual = days[arguments.day]
    print(json.dumps(run(arguments.count or usual)))
    return 0


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))

"""A real bot process on a home of its own, talking to the stand-in for Discord."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bot.protocol import ask_running
from storage.database import Database
from storage.paths import DEMO_BASE_DIR, PROGRAM_DIR, Home
from storage.settings import SETTINGS
from tests.discord_stand_in.stand_in import StandInThread

COMMAND = (sys.executable, str(PROGRAM_DIR / "bot" / "main.py"))
START_TIMEOUT_S = 60.0


def make_home(root: Path, discord: StandInThread, **settings: object) -> Home:
    """A home whose bot lives in #general, with the small base and the stand-in's token in .env."""
    home = Home(root).ensure()
    channels = discord.world.general.id
    lines = [f"DISCORD_BOT_TOKEN={discord.token}", f"DISCORD_CHANNEL_IDS={channels}"]
    home.env_file.write_text("\n".join(lines) + "\n")
    home.env_file.chmod(0o600)
    values = {"max_reply_tokens": 50, "response_rate": 0.0, "threads": 1, "delivery": "whole"}
    values |= {"speaks_in_public": "on", "attention_seconds": 0, **settings}
    values.setdefault("model_path", str(next(DEMO_BASE_DIR.glob("*.gguf"))))
    with Database.open(home.database, backups=home.backups) as database:
        for name, value in values.items():
            database.set_config(name, str(value))
    return home


def environment(discord: StandInThread) -> dict[str, str]:
    """What a bot process is started with: nothing of this machine's own bot, whose token is a real
    one, and no keyring is asked."""
    own = {"DISCORD_BOT_TOKEN", "MYNAH_HOME", *(setting.environment for setting in SETTINGS)}
    kept = {name: value for name, value in os.environ.items() if name not in own}
    return {
        **kept,
        "MYNAH_DISCORD_API": discord.api_url,
        "MYNAH_DISCORD_GATEWAY": discord.gateway_url,
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        "PYTHONUTF8": "1",
    }


class BotProcess:
    """`python bot/main.py` on a home."""

    def __init__(
        self,
        home: Home,
        discord: StandInThread,
        *flags: str,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self.home = home
        self.discord = discord
        self.errors = home.logs / "stderr.txt"
        with self.errors.open("ab") as errors:
            self.process = subprocess.Popen(
                [*command, "--home", str(home.root), *flags],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                env=environment(discord),
                cwd=home.root,
            )

    def ask(self, do: str, **data: Any) -> dict[str, Any]:
        answer = ask_running(self.home.data_storage, do, timeout_s=60, **data)
        assert answer is not None, self.said()
        return answer

    def said(self) -> str:
        """What it said on stderr."""
        return self.errors.read_text(encoding="utf-8", errors="replace")

    def wait_online(self) -> None:
        self.wait_until(lambda: self.phase() == "online", START_TIMEOUT_S)

    def phase(self) -> str:
        answer = ask_running(self.home.data_storage, "stats", timeout_s=10)
        return "" if answer is None else str(answer["phase"])

    def wait_until(self, true: Callable[[], bool], timeout_s: float = 30.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not true():
            assert self.process.poll() is None, f"it ended: {self.process.returncode} {self.said()}"
            assert time.monotonic() < deadline, f"not within {timeout_s} s; {self.said()}"
            time.sleep(0.05)

    def wait_posts(self, count: int, timeout_s: float = 30.0) -> list[Any]:
        """The bot's messages in #general, once there are as many."""
        channel_id = self.discord.world.general.id
        self.wait_until(lambda: len(self.discord.posts(channel_id)) >= count, timeout_s)
        return list(self.discord.posts(channel_id))

    def end(self, timeout_s: float = 20.0) -> int:
        """Ask it to stop; its exit status."""
        if self.process.poll() is None:
            self.ask("stop")
        return self.process.wait(timeout_s)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def running(
    home: Home, discord: StandInThread, *flags: str, command: Sequence[str] = COMMAND
) -> Iterator[BotProcess]:
    """A bot that is online; ended at the end whatever happens."""
    bot = BotProcess(home, discord, *flags, command=command)
    try:
        bot.wait_online()
        yield bot
    finally:
        if bot.process.poll() is None:
            bot.kill()

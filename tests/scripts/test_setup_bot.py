"""scripts/setup_bot.py as a person answers it, in a terminal and from a file, on loopback."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.secret import find_token
from scripts.setup_questions import numbers_in
from storage import readonly
from storage.paths import DEMO_BASE_DIR, PROGRAM_DIR, Home
from storage.settings import load
from tests.discord_stand_in.stand_in import StandInThread
from tests.discord_stand_in.things import Allow
from tests.live.process import environment

SCRIPT = PROGRAM_DIR / "scripts" / "setup_bot.py"
WRONG = "MTE5ODYyMjQ4MzQ3MTkyNTI0OA.Gabcde.aB3dEfGhIjKlMnOpQrStUvWxYz0123456789ab"


@pytest.fixture
def discord(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInThread]:
    monkeypatch.delenv("DISCORD_BOT_TOKEN", raising=False)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    with StandInThread() as stand_in:
        yield stand_in
        assert list(stand_in.violations) == []


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def answered(discord: StandInThread, home: Home, *answers: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--home", str(home.root)],
        input="".join(f"{answer}\n" for answer in answers),
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=environment(discord),
        timeout=120,
    )
    assert discord.token not in done.stdout + done.stderr
    return done


def stored(home: Home, name: str) -> str:
    return str(load(readonly.read_config(home.database))[0][name])


class Terminal:
    """A program in a terminal of its own, which getpass takes for a real one."""

    def __init__(self, command: list[str], env: dict[str, str]) -> None:
        pty = pytest.importorskip("pty")  # there is none on Windows
        self.pid, self.screen = pty.fork()
        if self.pid == 0:
            os.execve(command[0], command, env)
        self.seen = ""

    def answer(self, question: str, text: str) -> None:
        """Wait for the question, then type."""
        self.wait_for(question)
        self.seen = ""
        os.write(self.screen, f"{text}\n".encode())

    def wait_for(self, words: str) -> None:
        deadline_s = time.monotonic() + 60
        while words not in self.seen:
            readable = select.select([self.screen], [], [], 1)[0]
            assert time.monotonic() < deadline_s, f"{words!r} did not come; {self.seen}"
            if not readable:
                continue
            try:
                self.seen += os.read(self.screen, 4096).decode("utf-8", "replace")
            except OSError:
                raise AssertionError(f"it ended before {words!r}; {self.seen}") from None

    def end(self) -> int:
        """Its exit status."""
        status = os.waitpid(self.pid, 0)[1]
        os.close(self.screen)
        return os.waitstatus_to_exitcode(status)


def test_all_of_it_in_a_terminal(discord: StandInThread, home: Home) -> None:
    world = discord.world
    world.deny(world.random.id, Allow.VIEW_CHANNEL)
    raids = world.add_channel("raids")
    command = [sys.executable, str(SCRIPT), "--home", str(home.root)]
    terminal = Terminal(command, environment(discord))
    terminal.answer("Token:", WRONG)
    terminal.wait_for("does not accept")
    terminal.answer("Token: ", "")
    discord.faults.disallow_intents()
    terminal = restarted(terminal, command, discord)
    terminal.answer("Token:", discord.token)
    terminal.wait_for("Message Content Intent and the Server Members Intent")
    assert discord.token not in terminal.seen
    discord.faults.disallow_intents(True)
    terminal.answer("Press Enter when that is done.", "")
    terminal.wait_for("client_id=")
    terminal.wait_for("#random")
    terminal.answer("Which ones does Mynah read and answer in? [none]", "5")
    terminal.answer("Which ones does Mynah read and answer in? [none]", "2")
    terminal.answer("Add somebody", "al")
    terminal.answer("Which ones?", "1")
    terminal.answer("Add somebody", "")
    terminal.answer("Which one? [1]", "")
    terminal.wait_for("Mynah is set up")
    assert terminal.end() == 0
    assert find_token(home).secret == discord.token
    assert stored(home, "discord_server_id") == str(world.guild.id)
    assert stored(home, "discord_channel_ids") == str(raids.id)
    assert stored(home, "admin_user_ids") == str(world.alice.id)
    assert stored(home, "model_path") == ""


def restarted(terminal: Terminal, command: list[str], discord: StandInThread) -> Terminal:
    """An empty token ends it; what was asked before is asked again."""
    assert terminal.end() == 2
    return Terminal(command, environment(discord))


def test_it_goes_on_where_it_was_left(discord: StandInThread, home: Home) -> None:
    world = discord.world
    (home.data_storage).mkdir(parents=True)
    half_way = home.data_storage / "setup.json"
    half_way.write_text("{}")
    left = answered(discord, home, discord.token, "1-2")
    assert left.returncode == 2
    assert "start again to go on" in left.stderr
    both = f"{world.general.id},{world.random.id}"
    assert stored(home, "discord_channel_ids") == both
    assert half_way.exists()
    gguf = str(next(DEMO_BASE_DIR.glob("*.gguf")))
    again = answered(discord, home, "", "", "nobody", "", "2", "no.gguf", "2", gguf)
    assert again.returncode == 0, again.stderr
    assert "it belongs to mynah" in again.stdout
    assert re.search(r"answer in\? \[1,2\]", again.stdout)
    assert "Nobody is called so." in again.stdout
    assert "Choose another file." in again.stdout
    assert stored(home, "discord_channel_ids") == both
    assert stored(home, "model_path") == gguf
    assert not half_way.exists()


@pytest.mark.parametrize(
    ("answer", "places"),
    [
        ("2", [1]),
        ("1, 3-5", [0, 2, 3, 4]),
        ("3 1,2", [0, 1, 2]),
        ("2 - 3", [1, 2]),
        ("-", []),
        ("0", None),
        ("6", None),
        ("4-2", None),
        ("all", None),
        (",", None),
    ],
)
def test_numbers_are_read_as_people_write_them(answer: str, places: list[int] | None) -> None:
    assert numbers_in(answer, 5) == places

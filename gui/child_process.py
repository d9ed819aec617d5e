"""The bot's process as the system sees it: spawn or adopt, is it there, terminate, kill. Thin.

The process survives ours: it has a session of its own (a process group on Windows), and what it
prints goes straight into a file. Nothing here waits or decides; no method is for two threads.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import psutil
from filelock import FileLock

from gui.exit_sentences import disk_sentence
from storage.errors import MynahError
from storage.paths import PROGRAM_DIR, Home

TOKEN_VARIABLE = "DISCORD_BOT_TOKEN"
LOG_NAME = "bot.stderr.log"
_TAIL_BYTES = 64 << 10
_ROOM_BYTES = 1 << 20
"""Less room than this on the disk is none for a bot."""
_SAME_S = 0.01
"""What two accounts of one process's begin may differ by; two processes of one number never do."""


class SpawnError(MynahError):
    """The bot's process could not be started."""


class ChildProcess:
    """One process of the bot, spawned by us or adopted."""

    def __init__(self, pid: int, popen: subprocess.Popen[bytes] | None = None) -> None:
        self.pid = pid
        self.exit_code: int | None = None
        """As in `Popen.returncode`, once it has ended; always None for an adopted one."""
        self._popen = popen
        self._process = _process(pid)
        self._server = self._process

    @property
    def is_adopted(self) -> bool:
        return self._popen is None

    @property
    def serving_pid(self) -> int:
        """The pid that the bot has itself. In a venv on Windows, python.exe is a small program that
        starts the real one and waits for it, so there the two differ."""
        return self._server.pid if self._server else self.pid

    @property
    def started_at_ms(self) -> int:
        """Milliseconds since 1970, UTC."""
        if self._process is not None:
            with suppress(psutil.Error):
                return int(self._process.create_time() * 1000)
        return time.time_ns() // 1_000_000

    def recognise(self, pid: int, began_s: float | None) -> bool:
        """Whether the bot of this pid and begin is this process, or was started by it; it is then
        the one that serves."""
        if pid == self.serving_pid:
            return True
        server = _certain(pid, began_s)
        with suppress(psutil.Error):
            if server is not None and self.pid in _line_of(server):
                self._server = server
                return True
        return False

    def has_ended(self) -> bool:
        """Never waits. Reaps a process of ours."""
        if self._popen is not None:
            self.exit_code = self._popen.poll()
            return self.exit_code is not None
        return self._process is None or not _lives(self._process)

    def terminate(self) -> None:
        """Ask the system to end it: SIGTERM, which the bot can still answer; on Windows at once."""
        self._each(psutil.Process.terminate)

    def kill(self) -> None:
        self._each(psutil.Process.kill)

    def memory_bytes(self) -> int | None:
        """Resident; None where it cannot be known."""
        if self._server is not None:
            with suppress(psutil.Error):
                return self._server.memory_info().rss
        return None

    def _each(self, act: Callable[[psutil.Process], None]) -> None:
        for process in {self._server, self._process}:
            with suppress(psutil.Error, OSError):
                if process is not None:
                    act(process)


def bot_command(home: Home) -> list[str]:
    """Starts the bot under supervision, with this Python."""
    main = PROGRAM_DIR / "bot" / "main.py"
    return [str(console_python()), str(main), "--home", str(home.root), "--supervised"]


def spawn(home: Home, command: Sequence[str]) -> ChildProcess:
    """Start the bot. A token in our environment is handed over on stdin and nowhere else.

    Raises SpawnError.
    """
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}
    token = environment.pop(TOKEN_VARIABLE, "")
    try:
        with _new_log(home) as log:
            popen = _start(command, environment, log)
    except OSError as error:
        raise SpawnError(
            f"The bot's process could not be started ({error}). Check the disk's space and memory, "
            "then start it again."
        ) from error
    _tell(popen, token)
    return ChildProcess(popen.pid, popen)


def adopt(home: Home, pid: int, began_s: float | None) -> ChildProcess | None:
    """The home's bot, which somebody else started; None where that is not certain.

    What is adopted may be killed one day. So the process has to live and to have begun at
    `began_s` (`Endpoint.began_s`), or it has only inherited the number; and a bot has to hold the
    home's lock, or what names it was copied from another home.
    """
    is_ours = _certain(pid, began_s) is not None and _is_held(home.bot_lock)
    return ChildProcess(pid) if is_ours else None


def disk_trouble(home: Home) -> str:
    """Why nothing can be written in the home, a sentence; "" where there is room.

    For a bot that ended and could not say so. Writes a MiB, and removes it.
    """
    for folder in (home.logs, home.database.parent):
        probe = folder / ".room.new"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe.write_bytes(bytes(_ROOM_BYTES))
        except OSError as error:
            return disk_sentence(folder, error)
        finally:
            with suppress(OSError):
                probe.unlink(missing_ok=True)
    return ""


def tail(home: Home, lines: int) -> list[str]:
    """The last lines that the bot's process printed since it was started; [] where there are none.

    At most the file's last 64 KiB are read.
    """
    try:
        with (home.logs / LOG_NAME).open("rb") as file:
            size_bytes = file.seek(0, os.SEEK_END)
            file.seek(max(0, size_bytes - _TAIL_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return []
    return text.splitlines()[-lines:] if lines > 0 else []


def _start(
    command: Sequence[str], environment: dict[str, str], log: BinaryIO
) -> subprocess.Popen[bytes]:
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
    return subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        start_new_session=True,  # Ctrl-C in our terminal is ours, and its end is not the bot's
        creationflags=flags,
    )


def _tell(popen: subprocess.Popen[bytes], token: str) -> None:
    """One line, then the end. It is far shorter than a pipe's buffer, so this does not wait."""
    assert popen.stdin is not None
    line = "".join(token.split())
    with suppress(OSError):  # it has ended already
        popen.stdin.write(f"{line}\n".encode())
        popen.stdin.flush()
    with suppress(OSError):
        popen.stdin.close()


def _new_log(home: Home) -> BinaryIO:
    """An empty file for one process; what the one before printed is kept beside it as .1."""
    home.logs.mkdir(parents=True, exist_ok=True)
    path = home.logs / LOG_NAME
    with suppress(OSError):  # Windows: somebody reads it; it is then overwritten
        path.replace(path.with_name(f"{LOG_NAME}.1"))
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    return os.fdopen(handle, "wb")


def console_python() -> Path:
    """This Python; python.exe in place of pythonw.exe, which gives a process no output."""
    python = Path(sys.executable)
    with_output = python.with_name("python.exe")
    return with_output if python.stem.lower() == "pythonw" and with_output.exists() else python


def _certain(pid: int, began_s: float | None) -> psutil.Process | None:
    """The living process of this number, if it is the one that began then."""
    process = _process(pid)
    with suppress(psutil.Error):
        if process is not None and began_s is not None and _lives(process):
            return process if abs(process.create_time() - began_s) < _SAME_S else None
    return None


def _line_of(process: psutil.Process) -> list[int]:
    """Its own number and its parents'."""
    return [process.pid, *(parent.pid for parent in process.parents())]


def _is_held(path: Path) -> bool:
    """Whether a process holds the lock; taken for held where that cannot be tried."""
    try:
        if not path.exists():
            return False
        with FileLock(path, timeout=0):
            return False
    except OSError:  # filelock's Timeout is one
        return True


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except (psutil.Error, ValueError, OverflowError):
        return None


def _lives(process: psutil.Process) -> bool:
    """A zombie, dead and not yet reaped by whoever inherited it, does not live."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True

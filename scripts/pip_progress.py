"""Runs pip so that someone watching sees it work: a line a package, a heartbeat while it is silent.

Standard library alone. pip's own words go to a log file, unabridged.
"""

from __future__ import annotations

import os
import queue
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

POLL_S = 0.3
QUIET_ON_TERMINAL_S = 1.0
QUIET_ELSEWHERE_S = 15.0
_BUILD_HINT = {"llama-cpp-python": " (about 5 minutes the first time)"}

_COLLECTING = re.compile(r"^Collecting ([A-Za-z0-9._-]+)")
_FETCHING = re.compile(r"^\s+(Downloading|Using cached) (\S+?)(?: \(([^)]+)\))?$")
_BUILDING = re.compile(r"^\s+Building wheel for (\S+) \([^)]*\): (started|finished.*'(\w+)')")
_LOCAL = re.compile(r"^Processing (\S+)")
_PRESENT = re.compile(r"^Requirement already satisfied: ([A-Za-z0-9._-]+)")
_PREPARING = re.compile(r"^\s+(Preparing|Installing build|Installing backend|Getting requir)")
_INSTALLING = re.compile(r"^Installing collected packages: (.+)$")


class PipError(Exception):
    """pip ended with an error; `output` is all that it said in this run."""

    def __init__(self, output: str) -> None:
        super().__init__("pip failed")
        self.output = output


def clock(seconds: float) -> str:
    """Elapsed time as people read it: 0:07, 3:10, 62:00."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class Reader:
    """Turns pip's lines into ours, and knows what pip is at. Holds no clock and prints nothing."""

    def __init__(self) -> None:
        self.activity = "reading the requirements"
        self._package = ""

    def read(self, line: str) -> str | None:
        """The line to show for one line of pip's, or None where it is for the log alone."""
        if match := _COLLECTING.match(line):
            self._package = match[1]
            self.activity = f"looking for {match[1]}"
            return f"collecting {match[1]}"
        if match := _FETCHING.match(line):
            return self._fetching(*match.groups())
        if match := _BUILDING.match(line):
            return self._building(match[1], match[3])
        if match := _INSTALLING.match(line):
            count = len(match[1].split(","))
            self.activity = f"installing {count} packages"
            return self.activity
        if match := _LOCAL.match(line):
            return "found " + match[1].replace("\\", "/").rsplit("/", 1)[-1]
        if match := _PRESENT.match(line):
            self.activity = f"looking past {match[1]}, which is there"
        elif _PREPARING.match(line):
            self.activity = f"preparing {self._package}"
        return None

    def _fetching(self, verb: str, source: str, size: str | None) -> str | None:
        if source.endswith(".metadata"):
            return None
        name = source.rsplit("/", 1)[-1]
        if verb == "Using cached":
            return f"cached {name}"
        self.activity = f"downloading {name}"
        return f"downloading {name} ({size})" if size else f"downloading {name}"

    def _building(self, package: str, result: str | None) -> str | None:
        if result is None:
            self.activity = f"building {package}"
            return self.activity + _BUILD_HINT.get(package, "")
        self.activity = "going on"
        return f"built {package}" if result == "done" else f"could not build {package}"

    def heartbeat(self, doing_for_s: float) -> str:
        """What to say while pip says nothing: still building llama-cpp-python, 3:10 (...)."""
        package = self.activity.removeprefix("building ")
        return f"still {self.activity}, {clock(doing_for_s)}{_BUILD_HINT.get(package, '')}"


class Display:
    """Prints progress; on a terminal the heartbeat is one line that is written over."""

    def __init__(self, out: TextIO, now: Callable[[], float] = time.monotonic) -> None:
        self._out = out
        self._now = now
        self._began = now()
        self._last_shown = self._began
        self._doing: tuple[str, float] = ("", self._began)
        self._open_line = ""

    def line(self, text: str) -> None:
        self.clear()
        print(f"  {clock(self._now() - self._began):>5}  {text}", file=self._out, flush=True)
        self._last_shown = self._now()

    def beat(self, reader: Reader) -> None:
        """Call often: shows that it lives once nothing has been printed for a while."""
        now = self._now()
        if self._doing[0] != reader.activity:
            self._doing = (reader.activity, now)
        terminal = self._out.isatty()
        if now - self._last_shown < (QUIET_ON_TERMINAL_S if terminal else QUIET_ELSEWHERE_S):
            return
        text = reader.heartbeat(now - self._doing[1])
        if terminal:
            if text != self._open_line:
                self.clear()
                print(f"         {text}", end="", file=self._out, flush=True)
                self._open_line = text
        else:
            self.line(text)

    def clear(self) -> None:
        """Wipe the heartbeat, so that whoever prints next begins a line of their own."""
        if self._open_line:
            print("\r\x1b[K", end="", file=self._out, flush=True)
            self._open_line = ""


def run_pip(
    python: Path, arguments: Sequence[str], log: Path, display: Display, site_packages: Path
) -> None:
    """`python -m pip ARGUMENTS` with progress on `display`; raises PipError.

    On Ctrl-C pip is stopped before KeyboardInterrupt goes on; the next run continues its work.
    """
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-color", *arguments]
    environment = dict(
        os.environ, PYTHONUNBUFFERED="1", PYTHONIOENCODING="utf-8", PIP_NO_INPUT="1", PIP_USER="0"
    )
    with log.open("a", encoding="utf-8", errors="replace") as log_file:
        print(f"\n$ pip {' '.join(arguments)}", file=log_file, flush=True)
        pip = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        try:
            said = _follow(pip, log_file, display, site_packages)
        except KeyboardInterrupt:
            _stop(pip)
            raise
        finally:
            display.clear()
    if pip.returncode != 0:
        raise PipError("".join(said))


def _follow(
    pip: subprocess.Popen[str], log_file: TextIO, display: Display, site_packages: Path
) -> list[str]:
    """Show and log pip's lines until it ends; the lines."""
    reader = Reader()
    said: list[str] = []
    known = _distributions(site_packages)
    for line in _lines(pip):
        if line is not None:
            said.append(line)
            log_file.write(line)
            log_file.flush()
            if shown := reader.read(line.rstrip()):
                display.line(shown)
        if reader.activity.startswith("installing"):
            present = _distributions(site_packages)
            for name in sorted(present - known, key=str.lower):
                display.line(f"installed {name.replace('-', ' ')}")
            known |= present
        display.beat(reader)
    return said


def _lines(pip: subprocess.Popen[str]) -> Iterator[str | None]:
    """pip's lines as they come, None while it is silent; ends once pip has."""
    assert pip.stdout is not None
    stream = pip.stdout
    waiting: queue.Queue[str | None] = queue.Queue()

    def pump() -> None:
        for line in stream:
            waiting.put(line)
        waiting.put(None)

    threading.Thread(target=pump, daemon=True).start()
    while True:
        try:
            line = waiting.get(timeout=POLL_S)
        except queue.Empty:
            yield None
            continue
        if line is None:
            break
        yield line
    pip.wait()
    yield None


def _distributions(site_packages: Path) -> set[str]:
    """`name-version` of what is installed, read from the folder's names."""
    if not site_packages.is_dir():
        return set()
    return {entry.stem for entry in site_packages.iterdir() if entry.suffix == ".dist-info"}


def _stop(pip: subprocess.Popen[str]) -> None:
    """End pip: it had the terminal's Ctrl-C too, so give it a moment, then insist."""
    for insist in (pip.terminate, pip.kill):
        try:
            pip.wait(timeout=5)
            return
        except subprocess.TimeoutExpired:
            insist()
    pip.wait()

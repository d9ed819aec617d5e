"""Measures the window as a process of its own, on a display in memory or the one that is there.

rss_mb              resident after every page was visited twice (the largest that was seen)
start_s             from the start of the process until it can be used
idle_cpu_pct        of one core, over 20 s on Home, nothing happening
ui_lag_p99_ms       how late Tk's thread comes while 10,000 log lines a second are written
log_lines_per_s     shown of those that were written
tray_rss_mb         of the tray's helper process, where there is a tray

The process runs gui/open_window.py with a probe in it that opens the pages and says when; all is
measured from outside but the lag.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import psutil

from scripts.edge import ending_in_a_sentence
from storage.paths import PROGRAM_DIR, Home

LINES_A_SECOND = 10_000
LOG_SECONDS = 8.0
IDLE_SECONDS = 20.0

PROBE = """
import sys, time
began = float(sys.argv.pop(1))
import json
sys.path.insert(0, {program!r})
from gui import open_window
import gui.app as app

lags = []

class Probed(app.Window):
    def _begin(self):
        super()._begin()
        self.root.update_idletasks()
        say("start_s", time.time() - began)
        self._steps = iter(steps(self))
        self.ui.after(300, self._next)

    def _next(self):
        try:
            wait_ms = next(self._steps)
        except StopIteration:
            self.close()
            return
        self.ui.after(wait_ms, self._next)

def say(name, value):
    print(json.dumps({{name: value}}), flush=True)

def steps(window):
    from gui.pages import PAGES
    window.main.open_page("Home")
    yield 1500
    say("phase", "idle")
    yield {idle_ms}
    say("phase", "pages")
    for _ in range(2):
        for name in PAGES:
            window.main.open_page(name)
            yield 700
    window.main.open_page("Home")
    yield 500
    say("phase", "visited")
    yield 500
    window.open_logs()
    yield 1500
    say("phase", "logs")
    last = [time.perf_counter()]
    def beat():
        now = time.perf_counter()
        lags.append((now - last[0] - 0.005) * 1000)
        last[0] = now
        window.ui._root.after(5, beat)
    window.ui._root.after(5, beat)
    yield {log_ms}
    lags.sort()
    say("ui_lag_p99_ms", round(max(0.0, lags[int(len(lags) * 0.99)]), 2))
    from gui.components import logs_window
    shown = [w for w in window.root.winfo_children() if type(w).__name__ == "LogsWindow"]
    say("log_lines", shown[0].model._first + len(shown[0].model._rows))
    yield 200

app.Window = Probed
sys.exit(open_window.main(sys.argv[1:]))
"""


def measure(home: Home, tray: bool) -> dict[str, Any]:
    """One run of the window's process."""
    probe = PROBE.format(
        program=str(PROGRAM_DIR),
        idle_ms=round(IDLE_SECONDS * 1000),
        log_ms=round(LOG_SECONDS * 1000),
    )
    window = subprocess.Popen(
        [sys.executable, "-c", probe, repr(time.time()), "--home", str(home.root)],
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    process = psutil.Process(window.pid)
    figures: dict[str, Any] = {}
    largest_mb = 0.0
    assert window.stdout is not None
    for line in window.stdout:
        told = json.loads(line)
        figures.update({k: v for k, v in told.items() if k not in ("phase", "log_lines")})
        match told.get("phase"):
            case "idle":
                figures["rss_home_mb"] = megabytes(process)
                if tray:
                    figures["tray_rss_mb"] = tray_mb(process)
                figures["idle_cpu_pct"] = idle_percent(process, IDLE_SECONDS - 2)
            case "pages":
                watcher = Largest(process)
            case "visited":
                largest_mb = watcher.end()
                figures["rss_mb"] = megabytes(process)
                figures["rss_largest_mb"] = largest_mb
            case "logs":
                written = Writer(home.logs / "bot.jsonl")
        if "log_lines" in told:
            seconds = written.end()
            figures["log_lines_per_s"] = round(min(told["log_lines"], written.count) / seconds)
            figures["log_lines_written_per_s"] = round(written.count / seconds)
    window.wait(30)
    return figures


class Largest:
    """The most memory that a process was seen with, ten times a second."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._ended = threading.Event()
        self._largest_mb = 0.0
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._ended.wait(0.1):
            self._largest_mb = max(self._largest_mb, megabytes(self._process))

    def end(self) -> float:
        self._ended.set()
        self._thread.join()
        return self._largest_mb


class Writer:
    """Appends log lines to a file, as many a second as it is asked for."""

    def __init__(self, path: Path) -> None:
        self.count = 0
        self._path = path
        self._ended = threading.Event()
        self._began_s = time.perf_counter()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def _write(self) -> None:
        levels = ("DEBUG", "INFO", "WARNING", "ERROR")
        with self._path.open("a", encoding="utf-8") as file:
            while not self._ended.wait(0.02):
                due = round((time.perf_counter() - self._began_s) * LINES_A_SECOND) - self.count
                for number in range(self.count, self.count + due):
                    line = {
                        "ts": "2026-05-01T20:15:03.123Z",
                        "level": levels[number % 4],
                        "logger": "bot.replies",
                        "message": f"reply {number}: mentioned",
                        "message_id": number,
                    }
                    file.write(json.dumps(line) + "\n")
                file.flush()
                self.count += due

    def end(self) -> float:
        """Stop; how many seconds it wrote."""
        self._ended.set()
        self._thread.join()
        return time.perf_counter() - self._began_s


def megabytes(process: psutil.Process) -> float:
    return round(process.memory_info().rss / 1e6, 1)


def idle_percent(process: psutil.Process, seconds: float) -> float:
    """Percent of one core that the process used within the next seconds."""
    before = process.cpu_times()
    time.sleep(seconds)
    after = process.cpu_times()
    used_s = after.user + after.system - before.user - before.system
    return round(100 * used_s / seconds, 2)


def tray_mb(process: psutil.Process) -> float | None:
    """The tray helper's memory; None where there is none."""
    for child in process.children(recursive=True):
        if any("tray_process" in part for part in child.cmdline()):
            return megabytes(child)
    return None


@contextmanager
def a_display() -> Iterator[bool]:
    """The display that is there, or one in memory with a tray where trayer is installed; whether
    there may be a tray."""
    if os.environ.get("DISPLAY") or sys.platform in ("win32", "darwin"):
        yield True
        return
    read, write = os.pipe()
    display = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x1024x24"],
        pass_fds=(write,),
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as answer:
        os.environ["DISPLAY"] = f":{answer.readline().strip()}"
    tray = None
    try:
        tray = subprocess.Popen(["trayer"], stderr=subprocess.DEVNULL)
    except OSError:
        print("trayer is not installed: no figure for the tray", file=sys.stderr)
    try:
        yield tray is not None
    finally:
        for program in (tray, display):
            if program is not None:
                program.terminate()
                program.wait(10)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, a_display() as has_tray:
        figures = measure(Home(Path(folder)).ensure(), has_tray)
    if arguments.json:
        print(json.dumps(figures))
    else:
        for name, figure in figures.items():
            print(f"{name:<24} {figure}")
    return 0


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))

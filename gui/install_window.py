"""The first start's window: shows how Mynah's environment is made, with its log, and Cancel.

Plain tkinter and the standard library alone: it runs with the system's Python, before anything is
installed. The work is done by scripts/install.py, a process beside the window.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from gui.no_window import refused_display
from storage.paths import PROGRAM_DIR

TITLE = "Setting up Mynah"
INTRODUCTION = (
    "Mynah fetches what it is made of into its own folder. This happens once and takes some "
    "minutes; it is longest where the language model's runtime has to be built."
)
INSTALLED, FAILED, STOPPED = 0, 2, 130
POLL_MS = 80
KILL_AFTER_S = 8.0
DONE, AT_WORK, TO_COME, FAULTY = "\u2713", "\u25cf", "\u25cb", "\u2717"
BAD = "#a3221b"
WIDTH_PX, HEIGHT_PX = 620, 460
NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)

STEPS = (
    ("Prepare a Python environment", "making mynah's environment"),
    ("Get the language model's runtime", "llama-cpp-python"),
    ("Get the other packages", "installing the packages"),
    ("Ready", "the environment is ready"),
)
"""What is shown, and what a line of scripts/environment.py begins with when it is reached."""


class Progress:
    """How far the installation is, by the lines that it says. Knows no widget."""

    def __init__(self) -> None:
        self.step = 0
        self.lines: list[str] = []
        self.doing = ""
        """What it is at, in a few words."""

    def read(self, line: str) -> str:
        """Take one line of its output in; the line as it is to be shown, "" where it is empty."""
        shown = line.rsplit("\r", 1)[-1].replace("\x1b[K", "").rstrip()
        if not shown:
            return ""
        self.lines.append(shown)
        said = shown.strip().split("  ", 1)[-1].strip()
        for number, (_, beginning) in enumerate(STEPS):
            if said.lower().startswith(beginning):
                self.step = max(self.step, number)
        self.doing = said
        return shown

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"


class Installer:
    """scripts/install.py as a process; its lines come in a queue, None after the last."""

    def __init__(self, command: Sequence[str]) -> None:
        """Raises OSError where no process can be started."""
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"},
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
            creationflags=NO_WINDOW,
        )
        self.lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def status(self) -> int:
        """Waits for its end, which is near once the lines have ended."""
        return self._process.wait()

    def cancel(self) -> None:
        """Ask it to stop; kill it where it does not. Returns at once."""
        threading.Thread(target=self._cancel, daemon=True).start()

    def _cancel(self) -> None:
        if sys.platform == "win32":  # Ctrl-C reaches no process without a console
            tree = ["taskkill", "/F", "/T", "/PID", str(self._process.pid)]
            subprocess.run(tree, capture_output=True, creationflags=NO_WINDOW)
            return
        self._signal(signal.SIGINT)
        end_s = time.monotonic() + KILL_AFTER_S
        while self._process.poll() is None and time.monotonic() < end_s:
            time.sleep(0.05)
        if self._process.poll() is None:
            self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if sys.platform != "win32":
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.lines.put(line)
        self.lines.put(None)


class InstallWindow:
    """The window. Made and run on the main thread."""

    def __init__(self, command: Sequence[str] | None = None) -> None:
        """Raises tkinter.TclError where there is no display. `command` is for tests."""
        import tkinter

        self._command = command or install_command()
        self._installer: Installer | None = None
        self._is_cancelled = False
        self.result: int | None = None
        """The status that it ended with; None while it goes on."""
        self.progress = Progress()
        self.window = tkinter.Tk(className="Mynah")
        self.window.title(TITLE)
        self.window.geometry(f"{WIDTH_PX}x{HEIGHT_PX}")
        self.window.minsize(480, 380)
        self.window.protocol("WM_DELETE_WINDOW", self.leave)
        self.window.bind("<Escape>", lambda event: self.leave())
        self._build()

    def _build(self) -> None:
        import tkinter
        from tkinter import ttk

        if sys.platform not in ("win32", "darwin"):
            ttk.Style(self.window).theme_use("clam")
        frame = ttk.Frame(self.window, padding=16)
        frame.pack(fill="both", expand=True)
        ttk.Label(frame, text=TITLE, font=("TkDefaultFont", 15, "bold")).pack(anchor="w")
        self.says = ttk.Label(frame, text=INTRODUCTION, wraplength=WIDTH_PX - 48, justify="left")
        self.says.pack(anchor="w", fill="x", pady=(6, 10))
        self.steps = [ttk.Label(frame) for _ in STEPS]
        for label in self.steps:
            label.pack(anchor="w")
        self.bar = ttk.Progressbar(frame, mode="indeterminate")
        self.bar.pack(fill="x", pady=(12, 4))
        self.doing = ttk.Label(frame, text="", anchor="w")
        self.doing.pack(fill="x")
        row = ttk.Frame(frame)
        row.pack(side="bottom", fill="x", pady=(12, 0))
        self.copy = ttk.Button(row, text="Copy log", command=self.copy_log)
        self.copy.pack(side="left")
        self.stop = ttk.Button(row, text="Cancel", command=self.leave)
        self.stop.pack(side="right")
        self.again = ttk.Button(row, text="Try again", command=self.begin)
        self.log = tkinter.Text(frame, height=8, wrap="none", state="disabled", relief="flat")
        self.log.configure(font="TkFixedFont", borderwidth=1)
        self.log.pack(fill="both", expand=True, pady=(8, 0))
        self.window.bind("<Configure>", self._fit)

    def run(self) -> int:
        """Install; INSTALLED, FAILED or STOPPED once the window is gone."""
        self.begin()
        self.window.mainloop()
        return STOPPED if self.result is None else self.result

    def begin(self) -> None:
        """Start the installation, or start it again."""
        self.again.pack_forget()
        self.stop.configure(text="Cancel")
        self.stop.focus_set()
        self.says.configure(text=INTRODUCTION, foreground="", font="TkDefaultFont")
        self.result, self._is_cancelled, self.progress = None, False, Progress()
        self._write(clear=True)
        self._show_steps()
        self.bar.start(12)
        try:
            self._installer = Installer(self._command)
        except OSError as error:
            self._fail(f"The installation could not be started ({error}). Is the disk full?")
            return
        self.window.after(POLL_MS, self._follow)

    def leave(self) -> None:
        """Cancel and close; close at once where nothing goes on."""
        if self._installer is None or self.result is not None:
            self.window.destroy()
        elif not self._is_cancelled:
            self._is_cancelled = True
            self.says.configure(text="Stopping; this takes a moment.")
            self.stop.configure(text="Stopping")
            self.stop.state(["disabled"])
            self._installer.cancel()

    def copy_log(self) -> None:
        """The whole log to the clipboard."""
        self.window.clipboard_clear()
        self.window.clipboard_append(self.progress.text)
        self.doing.configure(text="The log is copied.")

    def _follow(self) -> None:
        """A tick: what has been said since the last one."""
        assert self._installer is not None
        shown: list[str] = []
        while True:
            try:
                line = self._installer.lines.get_nowait()
            except queue.Empty:
                break
            if line is None:
                self._show(shown)
                self._ended(self._installer.status())
                return
            if text := self.progress.read(line):
                shown.append(text)
        self._show(shown)
        self.window.after(POLL_MS, self._follow)

    def _show(self, lines: Sequence[str]) -> None:
        if lines:
            self._write(lines)
            self.doing.configure(text=self.progress.doing)
            self._show_steps()

    def _ended(self, status: int) -> None:
        if self._is_cancelled:
            self.result = STOPPED
            self.window.destroy()
        elif status == INSTALLED:
            self.result = INSTALLED
            self.window.destroy()
        else:
            last = self.progress.lines[-1:] or ["The installation ended without a word."]
            self._fail(last[0])

    def _fail(self, sentence: str) -> None:
        self.result = FAILED
        self.bar.stop()
        self.says.configure(text=sentence, foreground=BAD, font="TkHeadingFont")
        self._show_steps()
        self.doing.configure(text="Nothing is lost: what is installed stays.")
        self.stop.configure(text="Close")
        self.stop.state(["!disabled"])
        self.again.pack(side="right", padx=(0, 8))
        self.again.focus_set()

    def _show_steps(self) -> None:
        for number, (label, (text, _)) in enumerate(zip(self.steps, STEPS, strict=True)):
            mark = DONE if number < self.progress.step else TO_COME
            if number == self.progress.step:
                mark = FAULTY if self.result == FAILED else AT_WORK
            label.configure(text=f"{mark}  {text}")

    def _write(self, lines: Sequence[str] = (), clear: bool = False) -> None:
        self.log.configure(state="normal")
        if clear:
            self.log.delete("1.0", "end")
        self.log.insert("end", "".join(f"{line}\n" for line in lines))
        self.log.configure(state="disabled")
        self.log.see("end")

    def _fit(self, event: Any) -> None:
        if event.widget is self.window:
            self.says.configure(wraplength=event.width - 48)


def install_command() -> list[str]:
    """Runs scripts/install.py with this Python; python.exe where we are pythonw.exe."""
    python = Path(sys.executable)
    with_output = python.with_name("python.exe")
    if python.stem.lower() == "pythonw" and with_output.exists():
        python = with_output
    return [str(python), str(PROGRAM_DIR / "scripts" / "install.py")]


def install() -> int:
    """Show the window until the environment is made; INSTALLED, FAILED or STOPPED."""
    import tkinter

    try:
        window = InstallWindow()
    except tkinter.TclError as error:
        print(refused_display(error), file=sys.stderr)
        return FAILED
    return window.run()

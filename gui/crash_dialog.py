"""What is shown where the window cannot open: a sentence, a report to copy, Close.

Plain tkinter: CustomTkinter may be what failed. Where there is no display either, nothing happens;
the sentence stands on stderr and in the log.
"""

from __future__ import annotations

import queue
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from storage.errors import MynahError
from storage.paths import PROGRAM_DIR, Home

TITLE = "Mynah"
WRAP_PX = 460
POLL_MS = 50
UNEXPECTED = (
    "Mynah's window could not go on because of an error in Mynah itself. The bot is not touched by "
    "it: what runs goes on. Start Mynah again; if it happens again, copy the report and tell "
    "Mynah's authors."
)


def show(error: BaseException, home: Home) -> None:
    """Blocks until it is closed. Never raises."""
    from gui.doctor_report import doctor_report

    sentence = str(error) if isinstance(error, MynahError) else UNEXPECTED
    where = where_of(error)
    with suppress(Exception):
        Dialog(sentence, lambda: f"{doctor_report(home)}\n{where}\n").run()


def tell(sentence: str) -> None:
    """A sentence and Close, without a report. Blocks until it is closed. Never raises.

    Only where there is no terminal to read it in.
    """
    if sys.stderr is not None and sys.stderr.isatty():
        return
    with suppress(Exception):
        Dialog(sentence, None).run()


def where_of(error: BaseException) -> str:
    """The error's kind and the places it went through: no path outside Mynah, no values."""
    frames = traceback.extract_tb(error.__traceback__)
    return "\n".join(
        [f"The window ended with {type(error).__name__}:"]
        + [f"  {_place(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames[-12:]]
    )


def _place(filename: str) -> str:
    path = Path(filename)
    with suppress(ValueError):
        return path.relative_to(PROGRAM_DIR).as_posix()
    return path.name


class Dialog:
    """A small window of its own, with a root of its own."""

    def __init__(self, sentence: str, report: Callable[[], str] | None) -> None:
        """`report` is called on a worker. Raises tkinter.TclError where there is no display."""
        import tkinter
        from tkinter import ttk

        self._report = report
        self._made: queue.SimpleQueue[str | Exception] = queue.SimpleQueue()
        self.window = tkinter.Tk(className="Mynah")
        self.window.title(TITLE)
        self.window.resizable(False, False)
        if sys.platform not in ("win32", "darwin"):
            ttk.Style(self.window).theme_use("clam")
        frame = ttk.Frame(self.window, padding=18)
        frame.pack(fill="both", expand=True)
        self.sentence = ttk.Label(frame, text=sentence, wraplength=WRAP_PX, justify="left")
        self.sentence.pack(anchor="w")
        self.said = ttk.Label(frame, text="", wraplength=WRAP_PX)
        self.said.pack(anchor="w", pady=(8, 0))
        row = ttk.Frame(frame)
        row.pack(anchor="e", pady=(12, 0))
        self.copy = ttk.Button(row, text="Copy report", command=self._copy)
        if report is not None:
            self.copy.pack(side="left", padx=(0, 8))
        self.close = ttk.Button(row, text="Close", command=self.window.destroy)
        self.close.pack(side="left")
        self.close.focus_set()
        for key in ("<Escape>", "<Return>"):
            self.window.bind(key, self._pressed)

    def run(self) -> None:
        """Until it is closed."""
        self.window.mainloop()

    def _pressed(self, event: Any) -> None:
        focused = self.window.focus_get()
        if event.keysym == "Return" and focused is self.copy:
            self.copy.invoke()
        else:
            self.window.destroy()

    def _copy(self) -> None:
        self.copy.state(["disabled"])
        self.said.configure(text="The report is made; this takes some seconds.")
        threading.Thread(target=self._make, daemon=True).start()
        self.window.after(POLL_MS, self._look)

    def _make(self) -> None:
        assert self._report is not None
        try:
            self._made.put(self._report())
        except Exception as error:
            self._made.put(error)

    def _look(self) -> None:
        try:
            made = self._made.get_nowait()
        except queue.Empty:
            self.window.after(POLL_MS, self._look)
            return
        self.copy.state(["!disabled"])
        if isinstance(made, Exception):
            self.said.configure(text=str(made))
            return
        self.window.clipboard_clear()
        self.window.clipboard_append(made)
        self.said.configure(text="The report is copied: paste it where you tell of the error.")

"""The logs in a window of their own: what the bot, its process and this window have logged.

    logs = show_logs(root, app)      # the one that is open already, or a new one

It reads the files' ends on a worker five times a second, so it works with a bot that is down. Keys:
Ctrl+F searches, F3 and Shift+F3 go to the next and previous hit, Escape closes the search, then the
window. Tk's thread alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from tkinter import filedialog
from typing import Any

import customtkinter as ctk
from customtkinter.windows.widgets.scaling import ScalingTracker

from gui import opening, preferences, theme
from gui.app_model import AppModel, sentence_of
from gui.components.log_bars import Act, LogFilter, LogFoot, count_of
from gui.components.log_search import LogSearch
from gui.components.log_text import LogText
from gui.models.log_lines import Row, read_json
from gui.models.log_tail import LogFiles
from gui.models.logs_model import LogsModel

READ_EVERY_MS = 200
DRAW_AFTER_MS = 40
SIZE = "900x560"
SMALLEST = (640, 360)
NOTHING = "Nothing has been logged yet. Start the bot: what it does then stands here."
NOTHING_FITS = "No line fits. Choose another level or part, or empty the field above."


def show_logs(root: Any, app: AppModel) -> LogsWindow:
    """Open the window, or bring the open one to the front."""
    for child in root.winfo_children():
        if isinstance(child, LogsWindow):
            child.deiconify()
            child.lift()
            child.focus_set()
            return child
    return LogsWindow(root, app)


class LogsWindow(ctk.CTkToplevel):
    """One at a time: `show_logs` makes it."""

    def __init__(self, root: Any, app: AppModel) -> None:
        super().__init__(root, fg_color=theme.GROUND)
        self.app = app
        self.model = LogsModel()
        self._files = LogFiles(app.home.logs)
        self._is_reading = False
        self._timers: dict[str, str] = {}
        self.title("Mynah: logs")
        self.minsize(*SMALLEST)
        self.geometry(_size_of(preferences.load(app.home).logs_size))
        self.grid_columnconfigure(0, weight=1)
        self.grid_rowconfigure(2, weight=1)
        self.filter = LogFilter(self, app.ui, self.narrow, lambda: self.search.open())
        self.filter.grid(row=0, column=0, sticky="ew", padx=theme.PAD, pady=(theme.PAD, 0))
        self.shown = LogText(self, self.model, app.ui)
        self.search = LogSearch(self, self.model, self.shown, app.ui)
        self.search.grid(row=1, column=0, sticky="ew", padx=theme.PAD, pady=(theme.GAP, 0))
        self.search.grid_remove()
        self.search.lower(self.shown)  # Tab comes to it before the lines
        self.shown.grid(row=2, column=0, sticky="nsew", padx=theme.PAD, pady=theme.GAP)
        self._nothing = theme.muted(self.shown, NOTHING, anchor="center", wraplength=420)
        self.foot = LogFoot(self, app.ui, self._acts())
        self.foot.grid(row=3, column=0, sticky="ew", padx=theme.PAD, pady=(0, theme.PAD))
        self._listen()
        self._end_reading = app.ui.every(READ_EVERY_MS, self._read)
        self._read()
        self.refresh()
        self._later("forward", 150, self._come_forward)

    # -- lines ----------------------------------------------------------------------------------

    def feed(self, lines: Sequence[str]) -> None:
        """Lines of JSON, as the bot's log file holds them."""
        self.feed_rows([row for line in lines for row in read_json(line).rows])

    def feed_rows(self, rows: Sequence[Row]) -> None:
        """Take lines in; they are drawn together with what else comes within 40 ms."""
        if rows and self.winfo_exists():
            self.model.feed(rows)
            if "draw" not in self._timers:
                self._later("draw", DRAW_AFTER_MS, self.refresh)

    def refresh(self) -> None:
        """Draw what the model shows now."""
        self.shown.refresh()
        self.search.refresh()
        counts = self.model.counts()
        words = [count_of(counts["shown"], "line")]
        if counts["shown"] < counts["kept"] and not self.model.is_paused:
            words[0] += f" of {counts['kept']:,}"
        words += [
            count_of(counts[kind], kind[:-1]) for kind in ("warnings", "errors") if counts[kind]
        ]
        if self.model.is_paused:
            words.append(f"paused, {count_of(self.model.waiting, 'new line')}")
        self.foot.counts.configure(text=", ".join(words))
        if counts["shown"]:
            self._nothing.place_forget()
        else:
            self._nothing.configure(text=NOTHING_FITS if counts["kept"] else NOTHING)
            self._nothing.place(relx=0.5, rely=0.4, anchor="center")

    def _read(self) -> None:
        if not self._is_reading:
            self._is_reading = True
            self.app.ui.run(self._files.read, self._has_read, self._could_not_read)

    def _has_read(self, rows: list[Row]) -> None:
        self._is_reading = False
        self.feed_rows(rows)

    def _could_not_read(self, error: Exception) -> None:
        """Tried again at the next time."""
        self._is_reading = False
        if self.winfo_exists():
            self.foot.say(sentence_of(error))

    # -- what the user does -----------------------------------------------------------------------

    def narrow(self) -> None:
        """Show the lines of the chosen level and part, with the typed words."""
        self.model.narrow(self.filter.narrowing())
        self.search.search()
        self.refresh()

    def toggle_pause(self) -> None:
        """Hold the view still, or go on."""
        self.model.pause(not self.model.is_paused)
        words = "Go on" if self.model.is_paused else "Pause"
        self.foot.buttons["Pause"].configure(text=words)
        self.refresh()

    def clear(self) -> None:
        """Empty the view; the files stay."""
        self.model.clear()
        self.search.search()
        self.refresh()

    def copy(self) -> str:
        """The selection, or all shown lines where nothing is selected, into the clipboard."""
        selected = self.shown.selected()
        text = selected or self._everything()
        self.clipboard_clear()
        self.clipboard_append(text)
        lines = text.count("\n") + (not text.endswith("\n") and bool(text))
        self.foot.say(f"Copied {count_of(lines, 'line')}.")
        return "break"

    def ask_where(self) -> None:
        """Export to a file that the user chooses."""
        path = filedialog.asksaveasfilename(
            parent=self,
            title="Save the shown lines",
            defaultextension=".txt",
            initialfile="mynah-log.txt",
            filetypes=[("Text", "*.txt"), ("All files", "*")],
        )
        if path:
            self.export(Path(path))

    def export(self, path: Path) -> None:
        """Write all shown lines into a file, on a worker."""
        text = self._everything()
        count = count_of(self.model.counts()["shown"], "line")
        self.app.ui.run(
            lambda: path.write_text(text, encoding="utf-8"),
            lambda _: self.foot.say(f"Saved {count} to {path.name}."),
            lambda error: self.foot.say(f"{path.name} was not saved: {_why(error)}."),
        )

    def open_folder(self) -> None:
        """The folder of the logs in the system's file manager."""
        opening.open_folder(
            self.app.home.logs, lambda sentence: self.app.ui.enqueue(self.foot.say, sentence)
        )

    def escape(self, _: object = None) -> None:
        """Close the search, else the window."""
        if self.search.is_open:
            self.search.close()
        else:
            self.destroy()

    def destroy(self) -> None:
        self._end_reading()
        for timer in self._timers.values():
            self.app.ui.cancel(timer)
        self._timers.clear()
        super().destroy()
        ScalingTracker.window_dpi_scaling_dict.pop(self, None)  # CustomTkinter forgets to

    # -- inside -----------------------------------------------------------------------------------

    def _acts(self) -> list[Act]:
        return [
            ("Pause", self.toggle_pause, "Hold the view still; lines are collected meanwhile."),
            ("Clear", self.clear, "Empty the view. The files keep every line."),
            ("Copy", self.copy, "The selection or, without one, every shown line."),
            ("Export", self.ask_where, "Save every shown line in a file."),
            ("Open folder", self.open_folder, "Where the log files are."),
        ]

    def _listen(self) -> None:
        self.bind("<Control-f>", lambda _: self.search.open())
        self.bind("<F3>", lambda _: self.search.step(True))
        self.bind("<Shift-F3>", lambda _: self.search.step(False))
        self.bind("<Escape>", self.escape)
        self.bind("<Configure>", self._resized, add="+")
        self.shown.text.bind("<<Copy>>", lambda _: self.copy())

    def _resized(self, event: Any) -> None:
        if event.widget is self:
            self._later("size", 500, self._remember)

    def _remember(self) -> None:
        size = self.geometry().partition("+")[0]
        if preferences.load(self.app.home).logs_size != size:
            self.app.ui.run(
                lambda: preferences.change(self.app.home, logs_size=size),
                failed=lambda error: None,
            )

    def _come_forward(self) -> None:
        self.lift()
        self.shown.text.focus_set()

    def _everything(self) -> str:
        rows = self.model.lines(self.model.first, self.model.end)
        return "".join(f"{row.text}\n" for row in rows)

    def _later(self, name: str, delay_ms: int, call: Any) -> None:
        """`call` once; asked again under this name, it waits anew."""
        if name in self._timers:
            self.app.ui.cancel(self._timers[name])

        def now() -> None:
            del self._timers[name]
            call()

        self._timers[name] = self.app.ui.after(delay_ms, now)


def _why(error: Exception) -> str:
    strerror = error.strerror if isinstance(error, OSError) else None
    return strerror or type(error).__name__


def _size_of(stored: str) -> str:
    return stored if re.fullmatch(r"[1-9]\d{2,3}x[1-9]\d{2,3}", stored) else SIZE

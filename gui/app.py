#!/usr/bin/env python3
"""Composition root of the window's process: supervisor, model, main window, tray.

`launcher.py` starts this inside the environment. A second start shows the first one's window.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path[0:1] = [str(Path(__file__).resolve().parent.parent)]

import customtkinter as ctk

from gui import theme
from gui.app_model import AppModel
from gui.components.main_window import SMALLEST, MainWindow
from gui.pages import PAGES
from gui.snapshot import Snapshot
from gui.supervisor import AlreadySupervisedError, Supervisor
from gui.ui_thread import UiThread
from storage.errors import MynahError
from storage.paths import Home, find_home

log = logging.getLogger(__name__)


class Window:
    """The running window: made on Tk's thread, run until it is closed."""

    def __init__(self, home: Home) -> None:
        """Raises AlreadySupervisedError where another window looks after this home."""
        self.root = ctk.CTk(fg_color=theme.GROUND)
        self.root.title("Mynah")
        self.root.geometry("1000x680")
        self.root.minsize(*SMALLEST)
        self.ui = UiThread(self.root)
        self.supervisor = Supervisor(home, on_change=self._on_change, on_event=self._on_event)
        self.supervisor.open()
        self.app = AppModel(home, self.supervisor, self.ui)
        self.main = MainWindow(self.root, self.app, PAGES)
        self.main.pack(fill="both", expand=True)
        self.main.open_page(next(iter(PAGES)))
        self.root.report_callback_exception = self._report
        self.root.protocol("WM_DELETE_WINDOW", self.close)

    def run(self) -> None:
        """Until the window is closed. The bot lives on."""
        self.root.mainloop()

    def close(self) -> None:
        """End the window's process."""
        self.app.close()
        self.ui.close()
        self.supervisor.close()
        self.root.destroy()

    # From the supervisor's thread

    def _on_change(self, snapshot: Snapshot) -> None:
        self.ui.enqueue(self._note_change, snapshot)

    def _on_event(self, name: str, data: dict[str, Any]) -> None:
        self.ui.enqueue(self._note_event, name, data)

    def _note_change(self, snapshot: Snapshot) -> None:
        self.app.note_snapshot(snapshot)

    def _note_event(self, name: str, data: dict[str, Any]) -> None:
        self.app.note_event(name, data)

    def _report(self, kind: type[BaseException], error: BaseException, trace: Any) -> None:
        log.error("something in the window failed", exc_info=(kind, error, trace))
        self.main.show_error(
            "Something in the window went wrong.",
            f"{kind.__name__}: what you did may not have been done. The bot is not touched by it.",
        )


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="launcher.py", description=__doc__)
    parser.add_argument("--home", metavar="DIR", help="the home folder (default: MYNAH_HOME)")
    arguments = parser.parse_args(argv)
    try:
        window = Window(find_home(arguments.home).ensure())
    except (AlreadySupervisedError, MynahError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    window.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())

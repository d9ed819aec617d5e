"""Composition root of the window's process: supervisor, model, main window, tray, door.

gui/open_window.py makes one and runs it.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
import tkinter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from gui import appearance, preferences, theme
from gui.app_model import AppModel
from gui.components.main_window import MainWindow
from gui.components.system_tray import SystemTray
from gui.leaving import Leaving
from gui.models.wizard_model import needs_setup
from gui.no_window import refused_display
from gui.opening import open_folder
from gui.own_bot import OwnBot
from gui.pages import HOME, SETUP
from gui.presence import Presence, Root
from gui.second_start import Door
from gui.snapshot import Snapshot
from gui.supervision import Policy
from gui.supervisor import Supervisor
from gui.tray_face import EXIT, LOGS, SHOW, START, STOP, Changes, face_of
from gui.ui_thread import UiThread
from storage import readonly
from storage.errors import MynahError
from storage.paths import Home
from storage.settings import Settings, load

log = logging.getLogger(__name__)

AFTER_PAINT_MS = 30
PATIENCE_FOR_TRAY_MS = 5_000
"""How long a window that opens minimised waits for a tray before it takes its place in the bar."""


_interpreters: list[Any] = []
"""Kept until the process ends: Tcl aborts it where an interpreter is freed by another thread than
its own, and Python's garbage collection runs in any."""


class NoDisplayError(MynahError):
    """There is a display's name, and nothing behind it that lets us in."""


class Window:
    """The running window: made on Tk's thread, run until it is left."""

    def __init__(
        self,
        home: Home,
        *,
        command: Sequence[str] | None = None,
        policy: Policy | None = None,
        tray: bool = True,
        is_minimised: bool = False,
    ) -> None:
        """Raises AlreadySupervisedError where another window looks after this home,
        NoDisplayError.

        `command` and `policy` are for tests (gui/supervisor.py); without `tray` none is looked for.
        """
        self._can_hear = False
        self.home = home
        self.has_wish_for_tray = tray
        self.is_closed = False
        self.own_bot = OwnBot(home)
        self.supervisor = Supervisor(
            home, policy, command=command, on_change=self._on_change, on_event=self._on_event
        )
        self.supervisor.open()
        try:
            self._build(home, is_minimised)
        except BaseException:
            self._forget_root()
            self.supervisor.close()
            raise

    def _build(self, home: Home, is_minimised: bool) -> None:
        chosen = preferences.load(home)
        appearance.prepare()
        appearance.apply(chosen)
        try:
            self.root = Root(fg_color=theme.GROUND, className="Mynah")
        except tkinter.TclError as error:
            raise NoDisplayError(refused_display(error)) from error
        _interpreters.append(self.root.tk)
        self.root.title("Mynah")
        self.root.report_callback_exception = self._report
        self.ui = UiThread(self.root)
        self._can_hear = True
        self.app = AppModel(home, self.supervisor, self.ui)
        self.main = MainWindow(self.root, self.app, {"Logs": self.open_logs, "Exit": self.exit})
        self.main.pack(fill="both", expand=True)
        self.presence = Presence(
            self.root, self.ui, home, notify=self._tell, offer_exit=self._offer_exit
        )
        self.presence.on_change = self._draw_tray
        self.leaving = Leaving(self.supervisor, self.ui, self.own_bot, self.close)
        self.changes = Changes()
        self.tray = SystemTray(self.root, self.ui, self._acts(), self.presence.note_tray)
        self.door = Door(home, lambda: self.ui.enqueue(self.presence.show))
        self._open_first_page()
        self.root.protocol("WM_DELETE_WINDOW", self.presence.close)
        self.root.bind("<Control-q>", lambda event: self.exit())
        if sys.platform == "darwin":
            self.root.createcommand("tk::mac::Quit", self.exit)
            self.root.createcommand("tk::mac::ReopenApplication", self.presence.show)
        appearance.FollowSystem(self.root, self.ui, home)
        self.app.watch("snapshot", self._note_state)
        self.app.watch("stats", lambda stats: self._draw_tray())
        self.app.watch("settings", lambda settings: self._draw_tray())
        if is_minimised or chosen.start_minimised:
            self.root.withdraw()
            self.presence.is_shown = False
        self.ui.after(AFTER_PAINT_MS, self._begin)

    def _open_first_page(self) -> None:
        """Setup in a new home; Home else, also where the database is damaged, which is said."""
        try:
            settings: Settings = load(readonly.read_config(self.home.database))[0]
        except (MynahError, OSError) as error:
            self.main.open_page(HOME)
            self.main.show_error(
                "What Mynah stored cannot be read, so the settings shown are the defaults.",
                str(error),
                "Open the backups folder",
                lambda: open_folder(self.home.backups, self._not_opened),
            )
            return
        self.main.open_page(SETUP if needs_setup(self.home, settings) else HOME)

    def _not_opened(self, sentence: str) -> None:
        self.ui.enqueue(self.main.show_error, "It could not be opened.", sentence)

    def _forget_root(self) -> None:
        """No dead window stays where the rest of it could not be made."""
        if not hasattr(self, "root"):
            return
        self._can_hear = False
        with suppress(tkinter.TclError):
            self.root.withdraw()
            if hasattr(self, "ui"):
                self.ui.close()
            for timer in self.root.tk.splitlist(self.root.tk.call("after", "info")):
                self.root.tk.call("after", "cancel", timer)
            self.root.destroy()

    def _begin(self) -> None:
        """What the first paint does not wait for."""
        self.door.open()
        if self.has_wish_for_tray:
            self._draw_tray()
            self.tray.start()
        if not self.presence.is_shown:
            self.ui.after(PATIENCE_FOR_TRAY_MS, self.presence.stay_within_reach)
        if preferences.load(self.home).bot_with_window:
            self.supervisor.start()

    def run(self) -> None:
        """Until the window is left. For the main thread: it takes the signals."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, lambda *_: self.ui.enqueue(self.exit))
            signal.signal(signal.SIGTERM, lambda *_: self.ui.enqueue(self.close))
        self.root.mainloop()

    def exit(self) -> None:
        """Stop the bot where a window of ours started it, then end. A page with something to be
        saved asks first, in a window that can be seen."""
        if self.main.page is not None and not self.main.page.may_leave(self.exit):
            self.presence.show()
            return
        if self.leaving.begin():
            self.presence.remember()
            self.main.notify("Mynah stops the bot and then ends.")

    def close(self) -> None:
        """End the window's process; the bot lives on. May be called again."""
        if self.is_closed:
            return
        self.is_closed = True
        self.presence.remember()
        self.root.withdraw()
        self.tray.close()
        self.door.close()
        if self.main.page is not None:
            self.main.page.leave()
        for child in self.root.winfo_children():
            if isinstance(child, tkinter.Toplevel):
                child.destroy()
        self.app.close()
        self.ui.close()
        self.supervisor.close()
        for timer in self.root.tk.splitlist(self.root.tk.call("after", "info")):
            # CustomTkinter's own. tkinter's after_cancel would take the commands of other widgets.
            self.root.tk.call("after", "cancel", timer)
        self.root.destroy()

    def open_logs(self) -> None:
        """Show the logs, in a window of their own."""
        from gui.components.logs_window import show_logs  # most starts never show them

        show_logs(self.root, self.app)

    # -- the tray -----------------------------------------------------------------------------

    def _acts(self) -> dict[str, Callable[[], object]]:
        return {
            SHOW: self.presence.toggle,
            START: self.supervisor.start,
            STOP: self.supervisor.stop,
            LOGS: self.open_logs,
            EXIT: self.exit,
        }

    def _draw_tray(self) -> None:
        app = self.app
        self.tray.show(face_of(app.snapshot, app.stats, self.presence.is_shown, app.may_speak))

    def _note_state(self, snapshot: Snapshot) -> None:
        self.own_bot.note(snapshot)
        sentence = self.changes.sentence(snapshot)
        if sentence and preferences.load(self.home).notifications:
            self.tray.notify(sentence)
        self._draw_tray()

    def _tell(self, text: str) -> None:
        self.tray.notify(text)

    def _offer_exit(self, question: str) -> None:
        self.main.notices.clear()
        self.main.confirm(question, "Exit Mynah", self.exit)

    # -- from the supervisor's thread ---------------------------------------------------------

    def _on_change(self, snapshot: Snapshot) -> None:
        if self._can_hear:
            self.ui.enqueue(self._note_change, snapshot)

    def _on_event(self, name: str, data: dict[str, Any]) -> None:
        if self._can_hear:
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

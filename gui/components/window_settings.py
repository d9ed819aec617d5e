"""The settings of this window itself: startup, notifications, theme and size. They act at once."""

from __future__ import annotations

from functools import partial
from typing import Any

from gui import appearance, autostart, preferences, theme
from gui.app_model import AppModel, sentence_of
from gui.components import controls
from gui.components.page import Shell
from gui.components.setting_row import NAME_WIDTH
from gui.preferences import SCALING_RANGE, THEMES, WindowPreferences

SWITCHES = {
    "start_with_system": ("Start with the system", "Mynah opens when you log in to this computer."),
    "bot_with_window": ("Start the bot with the window", "Opening Mynah starts the bot, too."),
    "start_minimised": ("Start minimised", "Mynah opens in the tray, without its window."),
    "notifications": ("Notifications", "The tray tells when the bot goes down or comes back."),
}
THEME_WORDS = {"system": "As the system", "light": "Light", "dark": "Dark"}
SIZES = {f"{percent} %": percent / 100 for percent in range(100, 201, 10)}
assert tuple(THEME_WORDS) == THEMES
assert max(SIZES.values()) == SCALING_RANGE[1]


class WindowSettings:
    """Puts its rows into `parent`, which has three columns; the middle one stretches."""

    def __init__(self, parent: Any, app: AppModel, shell: Shell) -> None:
        self._app = app
        self._shell = shell
        self._parent = parent
        self._wanted: dict[str, Any] = {}
        self._is_writing = False
        self.switches: dict[str, Any] = {}
        chosen = preferences.load(app.home)
        for row, (name, (label, words)) in enumerate(SWITCHES.items()):
            self._row(2 * row, label, words)
            made = controls.switch(parent, "", partial(self._switched, name), width=40)
            made.grid(row=2 * row, column=1, sticky="w", pady=(theme.GAP, 0))
            if getattr(chosen, name):
                made.select()
            self.switches[name] = made
        row = 2 * len(SWITCHES)
        self._row(row, "Theme", "Light or dark.")
        self.theme = controls.menu(parent, list(THEME_WORDS.values()), self._theme_chosen)
        self.theme.grid(row=row, column=1, sticky="w", pady=(theme.GAP, 0))
        self.theme.set(THEME_WORDS[chosen.theme])
        self._row(row + 2, "Size", "How large letters and buttons are.")
        self.size = controls.menu(parent, list(SIZES), self._size_chosen)
        self.size.grid(row=row + 2, column=1, sticky="w", pady=(theme.GAP, 0))
        self.size.set(f"{round(chosen.scaling * 100)} %")
        app.ui.run(lambda: autostart.is_on(app.home), self._show_autostart)

    def _row(self, row: int, label: str, words: str) -> None:
        theme.label(self._parent, label, width=NAME_WIDTH).grid(
            row=row, column=0, sticky="nw", padx=theme.PAD, pady=(theme.GAP, 0)
        )
        shown = theme.muted(self._parent, words, anchor="nw", height=26)
        shown.grid(row=row + 1, column=0, columnspan=3, sticky="w", padx=theme.PAD, pady=2)

    # -- what the user does -----------------------------------------------------------------------

    def _switched(self, name: str) -> None:
        is_on = bool(self.switches[name].get())
        if name == "start_with_system":
            self._app.ui.run(
                lambda: autostart.switch(self._app.home, is_on),
                lambda _: self._change(start_with_system=is_on),
                self._no_autostart,
            )
        else:
            self._change(**{name: is_on})

    def _theme_chosen(self, words: str) -> None:
        name = next(name for name, shown in THEME_WORDS.items() if shown == words)
        self._change(theme=name)

    def _size_chosen(self, words: str) -> None:
        self._change(scaling=SIZES[words])

    def _show_autostart(self, is_on: bool) -> None:
        """What counts is what the system has."""
        made = self.switches["start_with_system"]
        if made.winfo_exists():
            made.select() if is_on else made.deselect()

    def _no_autostart(self, error: Exception) -> None:
        self._shell.show_error("Starting with the system was not changed.", sentence_of(error))
        self._app.ui.run(lambda: autostart.is_on(self._app.home), self._show_autostart)

    # -- storing ----------------------------------------------------------------------------------

    def _change(self, **changes: Any) -> None:
        """Store one after the other, so that none overtakes another; then it counts."""
        self._wanted.update(changes)
        if not self._is_writing:
            self._write()

    def _write(self) -> None:
        changes, self._wanted = self._wanted, {}
        self._is_writing = True
        self._app.ui.run(
            lambda: preferences.change(self._app.home, **changes), self._changed, self._not_changed
        )

    def _changed(self, chosen: WindowPreferences) -> None:
        self._is_writing = False
        appearance.apply(chosen)
        if self._wanted:
            self._write()

    def _not_changed(self, error: Exception) -> None:
        self._is_writing = False
        reason = error.strerror if isinstance(error, OSError) else None
        self._shell.show_error(
            "What you chose for this window was not stored.",
            f"{preferences.path_of(self._app.home)} could not be written "
            f"({reason or type(error).__name__}).",
        )

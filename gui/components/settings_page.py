"""Settings: every one of the registry, a group at a time; stored when Save is pressed.

What was typed in one group stays while another one is looked at. Leaving with changes asks first:
whoever opens another page calls `may_leave` before. The window's own settings act at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import customtkinter as ctk

from gui import theme
from gui.components.keyboard import reachable
from gui.components.page import Page
from gui.components.scroll_area import ScrollArea
from gui.components.setting_row import SettingRow
from gui.components.window_settings import WindowSettings
from gui.models.settings_model import SettingsModel, after_restart, groups, label_of
from gui.supervision import State
from storage.settings import Settings

THIS_WINDOW = "This window"
LIST_WIDTH = 132
DEFAULT_WIDTH = 66
"""Of the button at the right of each setting's help."""
_IDLE = (State.STOPPED, State.FAILED)


class SettingsPage(Page):
    """Groups at the left, the settings of one at the right, Save and Cancel below."""

    title = "Settings"

    def build(self) -> None:
        self.model = SettingsModel(self.app.settings)
        self.rows: dict[str, SettingRow] = {}
        self.window_settings: WindowSettings | None = None
        self.group = ""
        self._saving: list[tuple[str, str]] = []
        self._stored: list[str] = []
        self._is_saving = False
        self.body.grid_columnconfigure(1, weight=1)
        self.body.grid_rowconfigure(0, weight=1)
        self._make_list()
        self.area = ScrollArea(self.body)
        self.area.grid(row=0, column=1, sticky="nsew", padx=(theme.PAD, 0))
        self.area.inner.grid_columnconfigure(0, weight=1)
        self._card: Any = None
        self._make_bottom()
        self.watch("settings", self._take)
        self.at_end(self._close_rows)
        self.show_group(groups()[0].title)

    # -- what is shown ------------------------------------------------------------------------

    def show_group(self, title: str) -> None:
        """Show the settings of one group; those of the one before are destroyed."""
        self.group = title
        for name, button in self.group_buttons.items():
            is_chosen = name == title
            button.configure(
                fg_color=theme.HOVER if is_chosen else "transparent",
                font=theme.font("bold" if is_chosen else "body"),
            )
        self._close_rows()
        if self._card is not None:
            self._card.destroy()
        self.window_settings = None
        card = self._card = theme.card(self.area.inner)
        card.grid(row=0, column=0, sticky="new")
        card.grid_columnconfigure(1, weight=1)
        card.bind("<Configure>", lambda event: self._wrap(event.width), add="+")
        if title == THIS_WINDOW:
            self.window_settings = WindowSettings(card, self.app, self.shell)
        else:
            group = next(one for one in groups() if one.title == title)
            for place, (name, label) in enumerate(group.names.items()):
                self.rows[name] = SettingRow(
                    card, 2 * place, name, label, self.model, self._show_buttons
                )
        card.grid_rowconfigure(99, minsize=theme.GAP)
        self.area.canvas.yview_moveto(0)
        self._show_buttons()

    def _close_rows(self) -> None:
        for row in self.rows.values():
            row.close()
        self.rows = {}

    def _wrap(self, width: int) -> None:
        """The lines of help are as wide as the card leaves room for."""
        at_100 = int(self._reverse_widget_scaling(width)) - DEFAULT_WIDTH - 3 * theme.PAD
        for row in self.rows.values():
            row.wrap(max(at_100, 200))

    def _take(self, stored: Settings) -> None:
        """What is stored has changed: by Save, by an order in the chat, by a script."""
        self.model.take(stored)
        self._refresh()

    def _refresh(self) -> None:
        for row in self.rows.values():
            row.refresh()
        self._show_buttons()

    def _show_buttons(self) -> None:
        changed = self.model.changed
        can_save = self.model.can_save and not self._is_saving
        self.save.configure(
            state="normal" if can_save else "disabled",
            fg_color=theme.ACCENT if can_save else theme.LINE,
        )
        self.cancel.configure(state="normal" if changed and not self._is_saving else "disabled")
        wrong = [label_of(name) for name in changed if self.model.problem(name)]
        if self._is_saving:
            words = "Saving."
        elif wrong:
            words = f"To be put right first: {', '.join(wrong)}."
        elif changed:
            words = f"Not saved: {', '.join(label_of(name) for name in changed)}."
        else:
            words = "What you change here counts when you save it."
        if self.group == THIS_WINDOW and not changed:
            words = "What you change here counts at once."
        self.status.configure(text=words, text_color=theme.BAD if wrong else theme.MUTED)

    # -- saving ---------------------------------------------------------------------------------

    def save_all(self) -> None:
        """Store each changed setting, one after the other."""
        if self.model.can_save and not self._is_saving:
            self._saving, self._stored, self._is_saving = self.model.to_save(), [], True
            self._show_buttons()
            self._save_next()

    def discard(self) -> None:
        """Back to what is stored."""
        self.model.discard()
        self._refresh()

    def may_leave(self, go: Callable[[], object]) -> bool:
        """Whether the page can be left now. With unsaved changes it asks, and calls `go` later
        where the user leaves them."""
        changed = self.model.changed
        if not changed or self._is_saving:
            return True

        def leave() -> None:
            self.model.discard()
            go()

        what = "1 change is" if len(changed) == 1 else f"{len(changed)} changes are"
        self.shell.confirm(f"{what} not saved. Leave the page anyway?", "Leave", leave)
        return False

    def _save_next(self) -> None:
        if not self._saving:
            self._end_saving()
            return
        name, text = self._saving.pop(0)

        def stored() -> None:
            self._stored.append(name)
            self.model.saved(name, text)
            self._save_next()

        def failed(reason: str) -> None:
            self._saving.clear()
            self.shell.show_error(f"{label_of(name)} was not saved.", reason)
            self._end_saving()

        self.app.set_setting(name, text, stored, failed)

    def _end_saving(self) -> None:
        self._is_saving = False
        if self.is_alive:
            self._refresh()
        later = after_restart(self._stored)
        if later and self.app.snapshot.state not in _IDLE:
            self.shell.confirm(
                f"Saved. {later[0] if len(later) == 1 else 'Some of it'} counts after a restart.",
                "Restart the bot now",
                self.app.supervisor.restart,
            )
        elif self._stored:
            self.shell.notify("Saved.")

    # -- widgets ----------------------------------------------------------------------------------

    def _make_list(self) -> None:
        place = ctk.CTkFrame(self.body, fg_color="transparent", width=LIST_WIDTH)
        place.grid(row=0, column=0, sticky="ns")
        self.group_buttons: dict[str, Any] = {}
        for row, title in enumerate([*(group.title for group in groups()), THIS_WINDOW]):
            button = ctk.CTkButton(
                place,
                text=title,
                anchor="w",
                width=LIST_WIDTH,
                fg_color="transparent",
                hover_color=theme.HOVER,
                text_color=theme.TEXT,
                font=theme.font(),
                command=lambda title=title: self.show_group(title),
            )
            button.grid(row=row, column=0, sticky="ew", pady=(0, 2))
            self.group_buttons[title] = reachable(button)

    def _make_bottom(self) -> None:
        row = ctk.CTkFrame(self.body, fg_color="transparent")
        row.grid(row=1, column=0, columnspan=2, sticky="ew", pady=(theme.GAP, 0))
        row.grid_columnconfigure(0, weight=1)
        self.status = theme.muted(row, wraplength=460)
        self.status.grid(row=0, column=0, sticky="w")
        self.cancel = reachable(theme.secondary(row, "Cancel", self.discard, width=90))
        self.cancel.grid(row=0, column=1, padx=theme.GAP)
        self.save = reachable(
            theme.primary(row, "Save", self.save_all, width=90, text_color_disabled=theme.MUTED)
        )
        self.save.grid(row=0, column=2)

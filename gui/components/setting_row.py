"""One setting on the settings page: its name, a control that fits its kind, and what it is about.

Four or five widgets in two rows of the parent's grid. Tk's thread alone.
"""

from __future__ import annotations

import tkinter
from collections.abc import Callable
from tkinter import filedialog
from typing import Any

import customtkinter as ctk

from gui import theme
from gui.components import controls
from gui.components.keyboard import reachable
from gui.components.text_field import TextField
from gui.components.tooltip import Tooltip
from gui.models.settings_model import Range, SettingsModel, range_of, tooltip_of
from storage.settings import Setting, find, to_text

NAME_WIDTH = 170
ENTRY_WIDTH = 76
UNIT_WIDTH = 68
FILES = ("model_path",)
"""Settings that name a file, which can be chosen in a dialog."""
_KEYS = {"<Left>": -1, "<Right>": 1, "<Down>": -1, "<Up>": 1, "<Prior>": 10, "<Next>": -10}


class SettingRow:
    """The widgets of one setting. `parent` has three columns; the middle one stretches."""

    def __init__(
        self,
        parent: Any,
        row: int,
        name: str,
        label: str,
        model: SettingsModel,
        changed: Callable[[], object],
    ) -> None:
        """`changed` is called after each change of the user's."""
        self.setting: Setting = find(name)
        self._model = model
        self._changed = changed
        self._range: Range | None = range_of(self.setting)
        self.slider: Any = None
        self.written: tkinter.StringVar | None = None
        """What stands in an entry."""
        self.label = theme.label(parent, label, width=NAME_WIDTH)
        self.label.grid(row=row, column=0, sticky="nw", padx=theme.PAD, pady=(theme.GAP, 0))
        self.place = ctk.CTkFrame(parent, fg_color="transparent", height=1)
        self.place.grid(
            row=row, column=1, columnspan=2, sticky="ew", padx=(0, theme.PAD), pady=(theme.GAP, 0)
        )
        self.place.grid_columnconfigure(0, weight=1)
        self.control = self._make_control()
        self.default = reachable(
            theme.secondary(parent, "Default", self.to_default, width=66, height=24)
        )
        self.default.grid(row=row + 1, column=2, sticky="ne", padx=theme.PAD, pady=2)
        self.help = theme.muted(parent, anchor="nw", height=26)
        self.help.grid(
            row=row + 1, column=0, columnspan=2, sticky="nw", padx=(theme.PAD, 0), pady=2
        )
        for widget in (self.label, self.control, self.slider):
            if widget is not None:
                Tooltip(widget, tooltip_of(self.setting))
        self.refresh()

    # -- what is shown ------------------------------------------------------------------------

    def refresh(self) -> None:
        """Show what the model holds: the value, what is wrong with it, what it is about."""
        text = self._model.text(self.setting.name)
        if text != self.typed():
            self._put(text)
        self._show_words()

    def typed(self) -> str:
        """What its control shows, as text."""
        if self.setting.kind == "bool":
            return "on" if self.control.get() else "off"
        if self.written is not None:
            return self.written.get()
        return str(self.control.get())

    def close(self) -> None:
        """Before its widgets are destroyed: Tk would hold the variable, and all of this with it."""
        if self.written is not None:
            self.written.trace_remove("write", self._trace)

    def to_default(self) -> None:
        """The default again; it is stored when the page is saved."""
        self._model.change(self.setting.name, to_text(self.setting, self.setting.default))
        self.refresh()
        self._changed()

    def _show_words(self) -> None:
        name = self.setting.name
        problem, overridden = self._model.problem(name), self._model.overridden(name)
        words = self.setting.help
        if not self.setting.live:
            words += " Counts after a restart of the bot."
        colour = theme.BAD if problem else theme.WARN if overridden else theme.MUTED
        self.help.configure(text=problem or overridden or words, text_color=colour)
        if isinstance(self.control, ctk.CTkEntry):
            has_focus = self.control.focus_get() is self.control._entry
            edge = theme.BAD if problem else theme.ACCENT if has_focus else theme.LINE
            self.control.configure(border_color=edge)
        if self._model.is_default(name):
            self.default.grid_remove()
        else:
            self.default.grid()

    def wrap(self, width: int) -> None:
        """Break what it is about into lines of this width, in pixels at 100 %."""
        self.help.configure(wraplength=width)

    def _put(self, text: str) -> None:
        if self.setting.kind == "bool":
            self.control.select() if text == "on" else self.control.deselect()
        elif self.written is not None:
            self.written.set(text)
        else:
            self.control.set(text)

    # -- controls -----------------------------------------------------------------------------

    def _make_control(self) -> Any:
        setting = self.setting
        if setting.kind == "bool":
            made = controls.switch(self.place, "", self._by_user)
            made.grid(row=0, column=0, sticky="w")
            return made
        if setting.kind == "choice":
            made = controls.menu(self.place, setting.choices, self._by_user, width=140)
            made.grid(row=0, column=0, sticky="w")
            return made
        if setting.many_lines:
            made = TextField(self.place, self._by_user)
            made.grid(row=0, column=0, sticky="ew")
            return made
        return self._make_entry()

    def _make_entry(self) -> Any:
        is_number = self.setting.kind in ("int", "float")
        self.written = written = tkinter.StringVar(self.place)
        made = controls.entry(self.place, textvariable=written)
        self._trace = written.trace_add("write", lambda *_: self._by_user())
        if self._range is not None:
            self.slider = self._make_slider(self._range)
            self.slider.grid(row=0, column=0, sticky="ew", padx=(0, theme.GAP))
        column = 1 if self.slider else 0
        made.grid(row=0, column=column, sticky="w" if is_number else "ew")
        if is_number:
            made.configure(width=ENTRY_WIDTH if self.slider else 2 * ENTRY_WIDTH, justify="right")
        if is_number:
            unit = theme.muted(self.place, self.setting.unit, width=UNIT_WIDTH)
            unit.grid(row=0, column=column + 1, sticky="w", padx=(theme.GAP, 0))
            self.place.grid_columnconfigure(0, weight=int(self.slider is not None))
        if self.setting.name in FILES:
            choose = reachable(theme.secondary(self.place, "Choose", self._choose_file, width=72))
            choose.grid(row=0, column=column + 1, padx=(theme.GAP, 0))
        return made

    def _make_slider(self, reach: Range) -> Any:
        made = ctk.CTkSlider(
            self.place,
            from_=reach.low,
            to=reach.high,
            number_of_steps=round((reach.high - reach.low) / reach.step),
            width=100,
            height=18,
            border_width=5,
            fg_color=theme.LINE,
            progress_color=theme.ACCENT,
            button_color=theme.ACCENT,
            button_hover_color=theme.ACCENT_HOVER,
            command=lambda value: self._write(reach.written(value)),
        )
        canvas = made._canvas
        for event in ("<Button-4>", "<Button-5>", "<MouseWheel>"):
            canvas.unbind(event)  # the wheel scrolls the page, and must not change the bot
        canvas.configure(takefocus=1)
        for key, steps in _KEYS.items():
            canvas.bind(key, lambda event, steps=steps: self._step(reach, steps))
        for event, colour in (("<FocusIn>", theme.TEXT), ("<FocusOut>", theme.ACCENT)):
            canvas.bind(event, lambda _, c=colour: self._ring(c), add="+")
        return made

    def _ring(self, colour: Any) -> None:
        if self.slider is not None and self.slider.winfo_exists():
            self.slider.configure(button_color=colour)

    def _step(self, reach: Range, steps: int) -> str:
        self._write(reach.written(self.slider.get() + steps * reach.step))
        return "break"

    def _choose_file(self) -> None:
        path = filedialog.askopenfilename(
            parent=self.place.winfo_toplevel(),
            title="Choose a model file",
            filetypes=[("Models", "*.gguf"), ("All files", "*")],
        )
        if path:
            self._write(path)

    def _write(self, text: str) -> None:
        """As if it were typed."""
        if self.written is not None:
            self.written.set(text)

    def _by_user(self, _: object = None) -> None:
        """Typed, dragged, switched or chosen."""
        name, text = self.setting.name, self.typed()
        if self.slider is not None:
            self._slide(text)
        if text != self._model.text(name):
            self._model.change(name, text)
            self._show_words()
            self._changed()

    def _slide(self, text: str) -> None:
        try:
            self.slider.set(float(text))
        except (ValueError, OverflowError):
            return  # what is typed is no number yet

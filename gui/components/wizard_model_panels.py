"""Setup, step 6, what stands below each kind of model: the small base, a file, an address."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tkinter import filedialog
from typing import Any

import customtkinter as ctk

from gui import theme
from gui.components.wizard_step import TEXT_PX, Step, entry, row
from gui.models.wizard_catalogue import address_fault
from gui.models.wizard_model import size_in_words

Values = list[tuple[str, str]]

SMALL_BASE = (
    "It has 6 million parameters and has only ever read invented chat: it shows within a minute "
    "that everything works, but it is no partner for a conversation. Train it on your own history, "
    "or choose a larger one, whenever you like."
)


class Panel(ctk.CTkFrame):
    """One kind of model. `on_ready` hears whether it can be chosen as it is."""

    def __init__(self, step: Step, on_ready: Callable[[bool], object]) -> None:
        super().__init__(step, fg_color="transparent")
        self.step = step
        self.app = step.app
        self.on_ready = on_ready
        self.grid_columnconfigure(0, weight=1)
        self.build()

    def build(self) -> None:
        """Make the widgets."""

    def values(self) -> Values:
        """The settings that choose this model."""
        return [("model_path", "")]

    def prepare(self, done: Callable[[], object]) -> None:
        """Do what has to be done before the settings are stored, then `done()`."""
        done()

    def model_name(self) -> str:
        """What it is called in the summary; "" for the file's own name."""
        return ""


class BasePanel(Panel):
    """What answers where nothing is chosen: the deployed model, else the small base."""

    def build(self) -> None:
        self.says = theme.muted(self, SMALL_BASE, wraplength=TEXT_PX)
        self.says.grid(row=0, column=0, sticky="ew")
        self.on_ready(True)

    def name_deployed(self) -> None:
        """It is not the small base that answers here."""
        self.says.configure(text="It was made or chosen in this home before.")


class FilePanel(Panel):
    """A GGUF file, whose header is looked at before it is taken."""

    def build(self) -> None:
        self._good = ""
        line = row(self)
        line.grid(row=0, column=0, sticky="ew")
        line.grid_columnconfigure(0, weight=1)
        self.field = entry(line, placeholder_text="The path of a .gguf file")
        self.field.grid(row=0, column=0, sticky="ew")
        self.field.bind("<Return>", lambda event: self.look())
        self.field.bind("<KeyRelease>", self._typed)
        self.browse = theme.secondary(line, "Browse \u2026", self._browse, width=90)
        self.check = theme.secondary(line, "Check", self.look, width=90)
        self.browse.grid(row=0, column=1, padx=theme.GAP)
        self.check.grid(row=0, column=2)
        self.status = theme.muted(self, "", wraplength=TEXT_PX)
        self.status.grid(row=1, column=0, sticky="ew", pady=theme.GAP)
        stored = self.app.settings.text("model_path")
        if stored:
            self.field.insert(0, stored)
            self.look()
        else:
            self.on_ready(False)

    def values(self) -> Values:
        return [("model_path", self._good)]

    def look(self) -> None:
        """Have a script read the header."""
        path = self.field.get().strip().strip("\"'")
        self.on_ready(False)
        if not path:
            self._say("Choose a file first.", theme.MUTED)
            return
        self._say("Looking at the file \u2026", theme.MUTED)
        absolute = self.app.home.absolute(path) if not path.startswith("~") else Path(path)
        self.step.look(
            "check_model.py", str(absolute), "--json", done=self._sound, failed=self._unsound
        )

    def _typed(self, event: Any) -> None:
        if self._good and self.field.get().strip() != self._good:
            self._good = ""
            self.on_ready(False)
            self._say("", theme.MUTED)

    def _browse(self) -> None:
        chosen = filedialog.askopenfilename(
            parent=self, title="A model", filetypes=[("GGUF", "*.gguf"), ("All files", "*")]
        )
        if chosen:
            self.field.delete(0, "end")
            self.field.insert(0, chosen)
            self.look()

    def _sound(self, found: dict[str, Any]) -> None:
        if not self.winfo_exists():
            return
        self._good = found["path"]
        size = size_in_words(found["size_bytes"])
        count = found["parameters"] / 1e6
        self._say(
            f"{found['name']}: {found['architecture']}, {count:,.0f} million parameters, {size}.",
            theme.GOOD,
        )
        self.on_ready(True)

    def _unsound(self, reason: str) -> None:
        if self.winfo_exists():
            self._say(reason, theme.BAD)

    def _say(self, text: str, colour: tuple[str, str]) -> None:
        self.status.configure(text=text, text_color=colour)


class AddressPanel(Panel):
    """A server that speaks OpenAI's protocol, such as llama-server."""

    def build(self) -> None:
        self.field = entry(self, placeholder_text="http://127.0.0.1:8080/v1")
        self.field.grid(row=0, column=0, sticky="ew")
        self.field.bind("<KeyRelease>", lambda event: self._typed())
        stored = self.app.settings.text("model_url")
        if stored:  # even an empty text would take the example away
            self.field.insert(0, stored)
        self.status = theme.muted(self, "", wraplength=TEXT_PX)
        self.status.grid(row=1, column=0, sticky="ew", pady=theme.GAP)
        self._typed()

    def values(self) -> Values:
        return [("model_path", ""), ("model_url", self.field.get().strip())]

    def model_name(self) -> str:
        return self.field.get().strip()

    def _typed(self) -> None:
        text = self.field.get().strip()
        fault = address_fault(text)
        self.status.configure(
            text=fault
            or "What is said in the listed channels is sent to that address: take one that you "
            "trust, best on this computer.",
            text_color=theme.BAD if fault and text else theme.MUTED,
        )
        self.on_ready(not fault)

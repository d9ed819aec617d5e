"""Playground: talk with the bot here, with one model or with two beside each other."""

from __future__ import annotations

from typing import Any

import customtkinter as ctk

from gui import theme
from gui.components.choice import Choice
from gui.components.enabling import enable
from gui.components.keyboard import reachable
from gui.components.page import Page
from gui.components.reading_text import Kind, ReadingText
from gui.components.working import Working
from gui.models.playground_model import AS_THE_BOT, PlaygroundModel
from gui.models.reply_words import Piece, pieces_of
from storage import readonly
from storage.records import ModelVersion

AS_THE_BOT_WORDS = "What the bot answers with"
NOBODY_WORDS = "Nobody beside it"
CHOICE_WIDTH = 210

KINDS = {
    "own_name": Kind(theme.MUTED, "bold", above_px=12),
    "name": Kind(theme.TEXT, "bold", above_px=6),
    "said": Kind(),
    "reply": Kind(),
    "silent": Kind(theme.MUTED),
    "detail": Kind(theme.MUTED, "small", above_px=2, indent_px=12),
    "bad": Kind(theme.BAD),
    "hint": Kind(theme.MUTED, above_px=8),
}


class PlaygroundPage(Page):
    """A conversation, a line to write, and who answers."""

    title = "Playground"

    def build(self) -> None:
        self.model = PlaygroundModel(self.app, self._show, self._complain)
        self._names: dict[str, str] = {}
        self.body.grid_columnconfigure(0, weight=1)
        self.body.grid_rowconfigure(1, weight=1)
        self._make_choices()
        self._make_panes()
        self._make_entry()
        for button in (self.regenerate, self.clear, self.send):
            reachable(button)
        self.watch("snapshot", lambda snapshot: self._show())
        self.watch("settings", lambda settings: self._show())
        self.watch("data", lambda value: self._read_versions())
        self._read_versions()
        self._show()
        self.entry.focus_set()

    def destroy(self) -> None:
        """The page is left, or the window closes: the loaded model goes."""
        self.model.close()
        super().destroy()

    # -- widgets ---------------------------------------------------------------------------

    def _make_choices(self) -> None:
        row = ctk.CTkFrame(self.body, fg_color="transparent")
        row.grid(row=0, column=0, sticky="ew", pady=(0, theme.GAP))
        row.grid_columnconfigure(2, weight=1)
        self.first = Choice(row, [AS_THE_BOT_WORDS], self._chosen, width=CHOICE_WIDTH)
        self.first.grid(row=0, column=0, padx=(0, theme.GAP))
        self.second = Choice(row, [NOBODY_WORDS], self._chosen, width=CHOICE_WIDTH)
        self.second.grid(row=0, column=1)
        self.regenerate = theme.secondary(row, "Regenerate", self._again, width=100)
        self.regenerate.grid(row=0, column=3, padx=theme.GAP)
        self.clear = theme.secondary(row, "Clear", self._clear, width=70)
        self.clear.grid(row=0, column=4)

    def _make_panes(self) -> None:
        """The second one is made when somebody talks there."""
        self._place = ctk.CTkFrame(self.body, fg_color="transparent")
        self._place.grid(row=1, column=0, sticky="nsew")
        self._place.grid_rowconfigure(1, weight=1)
        self.panes: list[ReadingText] = []
        self._heads: list[Any] = []
        self._set_panes(1)

    def _set_panes(self, count: int) -> None:
        while len(self.panes) > count:
            self.panes.pop().destroy()
            self._heads.pop().destroy()
        while len(self.panes) < count:
            side = len(self.panes)
            pane, head = ReadingText(self._place, KINDS), theme.label(self._place, "", "bold")
            pane.grid(row=1, column=side, sticky="nsew", padx=(theme.GAP if side else 0, 0))
            self.panes.append(pane)
            self._heads.append(head)
        for side in range(2):
            shown = side < count
            self._place.grid_columnconfigure(side, weight=int(shown), uniform="s" if shown else "")
        for side, head in enumerate(self._heads):
            if count > 1:
                head.grid(row=0, column=side, sticky="w", padx=(theme.GAP if side else 0, 0))
            else:
                head.grid_forget()

    def _make_entry(self) -> None:
        self.working = Working(
            self.body, self.app.ui, self.model.stop, row=2, column=0, pady=(theme.GAP, 0)
        )
        row = ctk.CTkFrame(self.body, fg_color="transparent")
        row.grid(row=3, column=0, sticky="ew", pady=(theme.GAP, 0))
        row.grid_columnconfigure(0, weight=1)
        self.entry = ctk.CTkEntry(
            row,
            placeholder_text="Write a line and press Enter",
            fg_color=theme.CARD,
            border_color=theme.LINE,
            border_width=1,
            text_color=theme.TEXT,
            placeholder_text_color=theme.MUTED,
            font=theme.font(),
            height=34,
        )
        self.entry.grid(row=0, column=0, sticky="ew", padx=(0, theme.GAP))
        for key in ("<Return>", "<KP_Enter>"):
            self.entry.bind(key, lambda event: self._say())
        self.entry.bind("<FocusIn>", lambda event: self._ring(theme.ACCENT), add="+")
        self.entry.bind("<FocusOut>", lambda event: self._ring(theme.LINE), add="+")
        self.send = theme.primary(row, "Send", self._say, width=80, height=34)
        self.send.grid(row=0, column=1)

    def _ring(self, colour: tuple[str, str]) -> None:
        if self.is_alive:
            self.entry.configure(border_color=colour)

    # -- what the user does ----------------------------------------------------------------

    def _say(self) -> None:
        if self.model.say(self.entry.get()):
            self.entry.delete(0, "end")

    def _again(self) -> None:
        self.model.again()

    def _clear(self) -> None:
        self.model.clear()
        self.entry.focus_set()

    def _chosen(self, value: str) -> None:
        first = self._names.get(self.first.get(), AS_THE_BOT)
        second = self._names.get(self.second.get())
        self.model.choose((first,) if second is None or second == first else (first, second))
        self._offer()

    # -- what is shown ---------------------------------------------------------------------

    def _read_versions(self) -> None:
        database = self.app.home.database
        self.app.ui.run(lambda: readonly.model_versions(database), self._know, self._unreadable)

    def _know(self, versions: list[ModelVersion]) -> None:
        if not self.is_alive:
            return
        self._names = {AS_THE_BOT_WORDS: AS_THE_BOT}
        self._names |= {version.version_id: version.version_id for version in reversed(versions)}
        self.model.forget_loaded()
        self._offer()

    def _offer(self) -> None:
        """What may be chosen: beside a version any other one."""
        first = self.first.get()
        self.first.configure(values=list(self._names) or [AS_THE_BOT_WORDS])
        others = [name for name in self._names if name != first]
        self.second.configure(values=[NOBODY_WORDS, *others])
        if self.second.get() not in others:
            self.second.set(NOBODY_WORDS)

    def _show(self) -> None:
        if not self.is_alive:
            return
        model = self.model
        self._set_panes(len(model.versions))
        persona = self.app.settings.text("persona_name")
        for side, (pane, head) in enumerate(zip(self.panes, self._heads, strict=True)):
            head.configure(text=model.versions[side] or AS_THE_BOT_WORDS)
            pane.show(pieces_of(model.exchanges, side, persona) or [self._hint()])
        for button, may in (
            (self.regenerate, model.can_ask_again),
            (self.clear, bool(model.exchanges)),
            (self.send, not model.is_busy),
        ):
            enable(button, may)
        waiting = "A reply is being written." if model.is_busy else ""
        self.working.show(model.loading or waiting)

    def _hint(self) -> Piece:
        how = (
            "The running bot answers, as it would on Discord."
            if self.app.is_online and AS_THE_BOT in self.model.versions
            else "The model is loaded when you send the first line."
        )
        return (
            f"Write a line below to try the bot out, without Discord. {how} Below each reply "
            "stands why it spoke, what it remembered and how long it took. Nothing said here is "
            "learned.\n",
            "hint",
        )

    def _complain(self, what: str, why: str) -> None:
        if self.is_alive:
            self.shell.show_error(what, why, "Try again", self._retry)

    def _retry(self) -> None:
        if self.is_alive:
            self.model.again()

    def _unreadable(self, error: Exception) -> None:
        if self.is_alive:
            self.shell.show_error(
                "The list of models cannot be read.", str(error), "Try again", self._read_versions
            )

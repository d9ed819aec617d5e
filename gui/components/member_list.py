"""Members on the page Data: found by name, excluded, opted in or out, forgotten; and who is learned
from of all of them."""

from __future__ import annotations

from typing import Any

import customtkinter as ctk

from gui import theme
from gui.components.controls import entry, menu
from gui.components.data_lists import Acts, DataList
from gui.components.enabling import enable
from gui.components.keyboard import reachable
from gui.components.table import Column, Row, Table
from gui.components.tooltip import Tooltip
from gui.models.consent_model import MODE_WORDS, SETTING, ConsentModel
from gui.models.data_model import (
    MOST_MEMBERS,
    DataModel,
    member_cells,
    member_order,
    member_tone,
)
from gui.ui_thread import UiThread
from storage.settings import find

SEARCH_AFTER_MS = 250
WORDS_WRAP, HELP_WRAP = 370, 650
COLUMNS = (
    Column("Member", 160, stretches=True),
    Column("Account", 150),
    Column("Messages", 95, is_number=True),
    Column("Learning", 110),
    Column("Excluded", 85, largest_first=True),
)
NO_MEMBERS = "Nobody is known yet. Members come with the first import, fetch or message."
NOT_FOUND = "Nobody is called so."
TOOLTIPS = {
    "exclude": "An excluded member is not read, answered, recalled or learned from. A model that "
    "was trained before keeps what it learned until it is trained again.",
    "opt_in": "Keep that this member said yes to being learned from.",
    "opt_out": "Keep that this member said no: what they say is answered, and neither recalled "
    "nor learned from.",
    "forget": "Erase what this member said, everywhere under this home, for good. You are asked "
    "before, and see what goes.",
}


class MemberList(DataList):
    """The card above says who is learned from; the buttons below act on the chosen member."""

    def __init__(
        self,
        body: Any,
        head: Any,
        model: DataModel,
        ui: UiThread,
        consent: ConsentModel,
        acts: Acts,
    ) -> None:
        self._consent = consent
        self._acts = acts
        super().__init__(body, head, model, ui)

    def make(self, body: Any) -> Table:
        self._timer = ""
        self.search = entry(self.actions, "Find a member", width=200)
        for event_name in ("<Key>", "<<Paste>>", "<<Cut>>"):
            self.search.bind(event_name, lambda event: self._typed(), add="+")
        self.search.bind("<Escape>", lambda event: self._clear(), add="+")
        self.search.grid(row=0, column=0)
        self.above = self.card = ConsentCard(body, self._consent)
        table = Table(
            body,
            COLUMNS,
            on_select=lambda row_id: self._show_chosen(),
            empty=NO_MEMBERS,
            visible_rows=4,
        )
        table.sort(2, descending=True)
        self.below = ctk.CTkFrame(body, fg_color="transparent")
        self._make_buttons(self.below)
        return table

    def _make_buttons(self, row: Any) -> None:
        self.exclude = theme.secondary(row, "Exclude", self._toggle, width=110)
        self.opt_in = theme.secondary(row, "Opt in", lambda: self._set_consent(True), width=80)
        self.opt_out = theme.secondary(row, "Opt out", lambda: self._set_consent(False), width=80)
        self.forget = theme.danger(row, "Forget...", self._ask_to_forget, width=90)
        row.grid_columnconfigure(3, weight=1)
        for column, name in enumerate(TOOLTIPS):
            button = getattr(self, name)
            is_last = name == "forget"
            button.grid(row=0, column=column + is_last, padx=(0, 0 if is_last else theme.GAP))
            Tooltip(reachable(button), TOOLTIPS[name])

    def show(self) -> None:
        members = self.model.stored.members
        self.table.say_empty(NOT_FOUND if self.model.search else NO_MEMBERS)
        self.table.show(
            [
                Row(str(one.member_id), member_cells(one), member_order(one), member_tone(one))
                for one in members
            ]
        )
        is_cut = len(members) == MOST_MEMBERS
        words = f"These are the {MOST_MEMBERS:,} who said most; a search finds the others."
        self.say(words if is_cut else "")
        self.card.show()
        self._show_chosen()

    def reload(self) -> None:
        self._consent.count()

    def hide(self) -> None:
        super().hide()
        self._cancel_timer()

    def _show_chosen(self) -> None:
        member = self.model.member(self.table.selected)
        excluded = member is not None and member.is_excluded
        self.exclude.configure(text="Include again" if excluded else "Exclude")
        is_free = member is not None and not self.model.is_busy
        is_person = member is not None and not member.is_bot
        consent = member.consent if member is not None else ""
        enable(self.exclude, is_free)
        enable(self.opt_in, is_free and is_person and consent != "opted_in")
        enable(self.opt_out, is_free and is_person and consent != "opted_out")
        enable(self.forget, is_free and self._acts.is_free)

    def _toggle(self) -> None:
        member = self.model.member(self.table.selected)
        if member is not None:
            self.model.set_excluded(member, not member.is_excluded)

    def _set_consent(self, may_learn: bool) -> None:
        member = self.model.member(self.table.selected)
        if member is not None:
            self.model.set_consent(member, may_learn)

    def _ask_to_forget(self) -> None:
        member = self.model.member(self.table.selected)
        if member is not None:
            self._acts.forget(member)

    def _typed(self) -> None:
        """The search follows when the typing rests."""
        self._cancel_timer()
        self._timer = self.ui.after(SEARCH_AFTER_MS, self._look)

    def _look(self) -> None:
        self._timer = ""
        if self.search.winfo_exists():
            self.model.look_for(self.search.get().strip())

    def _clear(self) -> None:
        self.search.delete(0, "end")
        self._typed()

    def _cancel_timer(self) -> None:
        if self._timer:
            self.ui.cancel(self._timer)
            self._timer = ""


class ConsentCard(ctk.CTkFrame):
    """How many may be learned from, and the home's mode."""

    def __init__(self, parent: Any, model: ConsentModel) -> None:
        super().__init__(
            parent,
            fg_color=theme.CARD,
            border_color=theme.LINE,
            border_width=1,
            corner_radius=theme.RADIUS,
        )
        self._model = model
        self.grid_columnconfigure(0, weight=1)
        self.words = theme.label(self, "", wraplength=WORDS_WRAP)
        self.words.grid(row=0, column=0, sticky="w", padx=theme.PAD, pady=(theme.GAP, 0))
        theme.label(self, "Learn from").grid(row=0, column=1, pady=(theme.GAP, 0))
        self.mode = menu(self, list(MODE_WORDS.values()), self._chosen, width=190)
        self.mode.grid(row=0, column=2, padx=(theme.GAP, theme.PAD), pady=(theme.GAP, 0))
        Tooltip(self.mode, find(SETTING).help)
        self.help = theme.muted(self, "", wraplength=HELP_WRAP)
        self.help.grid(
            row=1, column=0, columnspan=3, sticky="w", padx=theme.PAD, pady=(0, theme.GAP)
        )

    def show(self) -> None:
        """What the model has now."""
        model = self._model
        self.words.configure(text=model.words)
        self.help.configure(text=model.help)
        self.mode.set(MODE_WORDS[model.mode])
        self.mode.configure(state="disabled" if model.is_setting else "normal")

    def _chosen(self, words: str) -> None:
        self._model.set_mode(next(mode for mode, shown in MODE_WORDS.items() if shown == words))

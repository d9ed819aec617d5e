"""The two lists of the page Data, each with what may be done with the chosen row."""

from __future__ import annotations

from typing import Any

import customtkinter as ctk

from gui import theme
from gui.components.controls import entry
from gui.components.enabling import enable
from gui.components.keyboard import reachable
from gui.components.table import Column, Row, Table
from gui.components.tooltip import Tooltip
from gui.models.data_model import (
    MOST_MEMBERS,
    DataModel,
    channel_cells,
    channel_order,
    channel_tone,
    member_cells,
    member_order,
)
from gui.ui_thread import UiThread

SEARCH_AFTER_MS = 250
CHANNEL_COLUMNS = (
    Column("Channel", 180, stretches=True),
    Column("Messages", 95, is_number=True),
    Column("First day", 95, largest_first=True),
    Column("Last day", 95, largest_first=True),
    Column("Read live", 95, largest_first=True),
    Column("Learned from", 105, largest_first=True),
)
MEMBER_COLUMNS = (
    Column("Member", 160, stretches=True),
    Column("Account", 130),
    Column("Messages", 95, is_number=True),
    Column("Excluded", 85, largest_first=True),
    Column("Note", 150),
)
NO_CHANNELS = (
    "No channel is known yet. Import files or fetch from Discord above; channels that the bot "
    "reads live are chosen on the Setup page."
)
NO_MEMBERS = "Nobody is known yet. Members come with the first import, fetch or message."
NOT_FOUND = "Nobody is called so."


class _List:
    """A table, the things beside the choice of the list, and a line below."""

    def __init__(self, body: Any, head: Any, model: DataModel, ui: UiThread) -> None:
        self.model = model
        self.ui = ui
        self.actions = ctk.CTkFrame(head, fg_color="transparent")
        self.table = self.make(body)
        self.line = theme.muted(body, "", wraplength=680)
        self._line_row = 0

    def make(self, body: Any) -> Table:
        raise NotImplementedError

    def show(self) -> None:
        """What the model has now."""
        raise NotImplementedError

    def place(self, row: int) -> None:
        """Into sight; the line's place is the next row's."""
        self.actions.grid(row=0, column=2, sticky="e")
        self.table.grid(row=row, column=0, sticky="nsew")
        self._line_row = row + 1

    def hide(self) -> None:
        for widget in (self.actions, self.table, self.line):
            widget.grid_forget()

    def say(self, words: str) -> None:
        """Below the table; "" takes the line away."""
        self.line.configure(text=words)
        if words:
            self.line.grid(row=self._line_row, column=0, sticky="w")
        else:
            self.line.grid_forget()


class ChannelList(_List):
    """Channels: read live or not, learned from or not."""

    def make(self, body: Any) -> Table:
        self.live = theme.secondary(self.actions, "Read live", self._toggle_live, width=130)
        self.allow = theme.secondary(self.actions, "Learn from it", self._toggle_allow, width=150)
        self.live.grid(row=0, column=0, padx=(0, theme.GAP))
        self.allow.grid(row=0, column=1)
        for button, text in (
            (self.live, "Whether the bot reads and answers in this channel and its threads."),
            (
                self.allow,
                "What is said in a channel that is not learned from is not stored, answered, "
                "recalled or trained on. What was imported of it stays stored.",
            ),
        ):
            Tooltip(reachable(button), text)
        table = Table(
            body,
            CHANNEL_COLUMNS,
            on_select=lambda row_id: self._show_chosen(),
            empty="What is stored is being read.",
            visible_rows=4,
        )
        table.sort(1, descending=True)
        return table

    def show(self) -> None:
        model = self.model
        if model.is_read:
            self.table.say_empty(NO_CHANNELS)
        self.table.show(
            [
                Row(
                    str(one.channel_id),
                    channel_cells(one, model),
                    channel_order(one, model),
                    channel_tone(one, model),
                )
                for one in model.channels
            ]
        )
        self.say(model.overridden)
        self._show_chosen()

    def _show_chosen(self) -> None:
        model, channel = self.model, self.model.channel(self.table.selected)
        is_live = channel is not None and model.is_live(channel)
        is_allowed = channel is None or channel.is_allowed
        self.live.configure(text="Stop reading live" if is_live else "Read live")
        self.allow.configure(text="Do not learn from it" if is_allowed else "Learn from it")
        is_free = channel is not None and not model.is_busy
        own_switch = channel is None or not model.is_live_by_parent(channel)
        enable(self.live, is_free and own_switch and not model.overridden)
        # A channel of which nothing was said yet is in no list that could be changed.
        enable(self.allow, is_free and channel in model.stored.channels)

    def _toggle_live(self) -> None:
        channel = self.model.channel(self.table.selected)
        if channel is not None:
            self.model.set_live(channel, not self.model.is_live(channel))

    def _toggle_allow(self) -> None:
        channel = self.model.channel(self.table.selected)
        if channel is not None:
            self.model.set_allowed(channel, not channel.is_allowed)


class MemberList(_List):
    """Members: found by name, excluded or not."""

    def make(self, body: Any) -> Table:
        self._timer = ""
        self.search = entry(self.actions, "Find a member", width=200)
        for event_name in ("<Key>", "<<Paste>>", "<<Cut>>"):
            self.search.bind(event_name, lambda event: self._typed(), add="+")
        self.search.bind("<Escape>", lambda event: self._clear(), add="+")
        self.search.grid(row=0, column=0, padx=(0, theme.GAP))
        self.exclude = theme.secondary(self.actions, "Exclude", self._toggle, width=110)
        self.exclude.grid(row=0, column=1)
        Tooltip(
            reachable(self.exclude),
            "An excluded member is not read, answered, recalled or learned from. A model that was "
            "trained before keeps what it learned until it is trained again.",
        )
        table = Table(
            body,
            MEMBER_COLUMNS,
            on_select=lambda row_id: self._show_chosen(),
            empty=NO_MEMBERS,
            visible_rows=4,
        )
        table.sort(2, descending=True)
        return table

    def show(self) -> None:
        members = self.model.stored.members
        self.table.say_empty(NOT_FOUND if self.model.search else NO_MEMBERS)
        self.table.show(
            [
                Row(
                    str(one.member_id),
                    member_cells(one),
                    member_order(one),
                    "warn" if one.is_excluded else "muted" if one.is_bot else "",
                )
                for one in members
            ]
        )
        is_cut = len(members) == MOST_MEMBERS
        words = f"These are the {MOST_MEMBERS:,} who said most; a search finds the others."
        self.say(words if is_cut else "")
        self._show_chosen()

    def hide(self) -> None:
        super().hide()
        self._cancel_timer()

    def _show_chosen(self) -> None:
        member = self.model.member(self.table.selected)
        excluded = member is not None and member.is_excluded
        self.exclude.configure(text="Include again" if excluded else "Exclude")
        enable(self.exclude, member is not None and not self.model.is_busy)

    def _toggle(self) -> None:
        member = self.model.member(self.table.selected)
        if member is not None:
            self.model.set_excluded(member, not member.is_excluded)

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

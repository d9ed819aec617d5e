"""The lists of the page Data, each with what may be done with the chosen row; channels are here."""

from __future__ import annotations

from typing import Any, Protocol

import customtkinter as ctk

from gui import theme
from gui.components.enabling import enable
from gui.components.keyboard import reachable
from gui.components.table import Column, Row, Table
from gui.components.tooltip import Tooltip
from gui.models.backups_model import BackupRow
from gui.models.chore import Job
from gui.models.data_model import DataModel, channel_cells, channel_order, channel_tone
from gui.ui_thread import UiThread
from storage.readonly import MemberRow

LINE_WRAP = 680
CHANNEL_COLUMNS = (
    Column("Channel", 180, stretches=True),
    Column("Messages", 95, is_number=True),
    Column("First day", 95, largest_first=True),
    Column("Last day", 95, largest_first=True),
    Column("Read live", 95, largest_first=True),
    Column("Learned from", 105, largest_first=True),
)
NO_CHANNELS = (
    "No channel is known yet. Import files or fetch from Discord above; channels that the bot "
    "reads live are chosen on the Setup page."
)


class Acts(Protocol):
    """What a list asks of the page around it."""

    @property
    def is_free(self) -> bool:
        """Whether nothing long is being done, so that something may begin."""

    def begin(self, job: Job) -> None:
        """Do something that takes long."""

    def forget(self, member: MemberRow) -> None:
        """Ask, and forget a member."""

    def restore(self, backup: BackupRow, job: Job) -> None:
        """Ask, and restore a backup."""

    def open_backups(self) -> None:
        """Show their folder."""


class DataList:
    """A table, things beside the choice of the list, above and below the table, and a line."""

    def __init__(self, body: Any, head: Any, model: DataModel, ui: UiThread) -> None:
        self.model = model
        self.ui = ui
        self.actions = ctk.CTkFrame(head, fg_color="transparent")
        self.above: Any = None
        self.below: Any = None
        self.table = self.make(body)
        self.line = theme.muted(body, "", wraplength=LINE_WRAP)
        self._line_row = 0

    def make(self, body: Any) -> Table:
        """Also sets `above` and `below` where there is something."""
        raise NotImplementedError

    def show(self) -> None:
        """What the model has now."""
        raise NotImplementedError

    def reload(self) -> None:
        """Read anew what only this list shows: it has come into sight, or something was changed."""

    def place(self, row: int) -> None:
        """Into sight: four rows from `row` on; the table's is the second."""
        self.actions.grid(row=0, column=2, sticky="e")
        if self.above is not None:
            self.above.grid(row=row, column=0, sticky="ew", pady=(0, theme.GAP))
        self.table.grid(row=row + 1, column=0, sticky="nsew")
        if self.below is not None:
            self.below.grid(row=row + 2, column=0, sticky="ew", pady=(theme.GAP, 0))
        self._line_row = row + 3
        self.reload()

    def hide(self) -> None:
        for widget in (self.actions, self.above, self.table, self.below, self.line):
            if widget is not None:
                widget.grid_forget()

    def say(self, words: str) -> None:
        """Below all; "" takes the line away."""
        self.line.configure(text=words)
        if words:
            self.line.grid(row=self._line_row, column=0, sticky="w")
        else:
            self.line.grid_forget()


class ChannelList(DataList):
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

"""Backups on the page Data: made now, checked, restored, and how often the bot makes one."""

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
from gui.models.backups_model import (
    EVERY,
    EVERY_WORDS,
    BackupRow,
    BackupsModel,
    backup_cells,
    backup_order,
    check_job,
    create_job,
    days_of,
    every_words,
    restore_job,
    totals_words,
)
from gui.models.data_model import DataModel
from gui.ui_thread import UiThread
from storage.settings import find

COLUMNS = (
    Column("Made", 130, stretches=True, largest_first=True),
    Column("Size", 85, is_number=True),
    Column("Messages", 95, is_number=True),
    Column("Model", 170),
    Column("Encrypted", 85, largest_first=True),
    Column("Checked", 130, largest_first=True),
)
NONE_YET = (
    "There is no backup yet. One holds messages, members, settings and the model that answers; not "
    "the bot's token."
)
READING = "The list of backups is being read."


class BackupList(DataList):
    """The buttons beside the choice act on the chosen backup; the interval stands below."""

    def __init__(
        self,
        body: Any,
        head: Any,
        model: DataModel,
        ui: UiThread,
        backups: BackupsModel,
        acts: Acts,
    ) -> None:
        self._backups = backups
        self._acts = acts
        super().__init__(body, head, model, ui)

    def make(self, body: Any) -> Table:
        self.create = theme.secondary(
            self.actions, "Back up now", lambda: self._acts.begin(create_job()), width=110
        )
        self.check = theme.secondary(self.actions, "Check", self._check, width=70)
        self.restore = theme.secondary(self.actions, "Restore...", self._ask, width=90)
        for column, (button, text) in enumerate(
            (
                (
                    self.create,
                    "Make a backup and check it; the bot may run meanwhile. The first one takes "
                    "longest, as it copies the model.",
                ),
                (self.check, "Restore the chosen backup into a scratch folder, and compare."),
                (
                    self.restore,
                    "Put the chosen backup in the place of what is there. The bot must be stopped; "
                    "you are asked before.",
                ),
            )
        ):
            button.grid(row=0, column=column, padx=(theme.GAP if column else 0, 0))
            Tooltip(reachable(button), text)
        table = Table(
            body,
            COLUMNS,
            on_select=lambda row_id: self._show_chosen(),
            empty=READING,
            visible_rows=4,
        )
        table.sort(0, descending=True)
        self.below = ctk.CTkFrame(body, fg_color="transparent")
        self._make_below(self.below)
        return table

    def _make_below(self, row: Any) -> None:
        row.grid_columnconfigure(2, weight=1)
        theme.label(row, "The bot makes one by itself").grid(row=0, column=0)
        self.every = menu(row, list(EVERY_WORDS.values()), self._every_chosen, width=140)
        self.every.grid(row=0, column=1, padx=theme.GAP)
        Tooltip(self.every, find(EVERY).help)
        self.folder = theme.secondary(row, "Open the folder", self._acts.open_backups, width=130)
        self.folder.grid(row=0, column=3)
        Tooltip(
            reachable(self.folder),
            "Where the backups lie, their models in a folder beside: copy all to another disk.",
        )
        self._asking = ctk.CTkFrame(row, fg_color="transparent")
        theme.label(self._asking, "This one is encrypted; its passphrase is").grid(row=0, column=0)
        self.passphrase = entry(self._asking, width=240, show="\u2022")
        self.passphrase.grid(row=0, column=1, padx=theme.GAP)
        for event_name in ("<Key>", "<<Paste>>", "<<Cut>>"):  # they come before the field changes
            self.passphrase.bind(
                event_name,
                lambda event: self.passphrase.after_idle(self._show_chosen),
                add="+",
            )

    def show(self) -> None:
        backups = self._backups
        if backups.is_read:
            self.table.say_empty(NONE_YET)
        self.table.show(
            [
                Row(
                    one.name,
                    backup_cells(one),
                    backup_order(one),
                    "bad" if one.is_damaged else "",
                )
                for one in backups.rows
            ]
        )
        self.every.set(every_words(backups.every_days))
        self.every.configure(state="disabled" if backups.is_setting else "normal")
        self.say(totals_words(backups.rows))
        self._show_chosen()

    def reload(self) -> None:
        self._backups.reload()

    def hide(self) -> None:
        super().hide()
        self.passphrase.delete(0, "end")

    @property
    def _chosen(self) -> BackupRow | None:
        return self._backups.find(self.table.selected)

    def _show_chosen(self) -> None:
        if not self.passphrase.winfo_exists():
            return
        chosen = self._chosen
        may = self._acts.is_free
        is_locked = chosen is not None and chosen.is_encrypted
        is_open = chosen is not None and (not is_locked or bool(self.passphrase.get()))
        enable(self.create, may)
        enable(self.check, may and is_open)
        enable(self.restore, may and is_open and chosen is not None and not chosen.is_damaged)
        if not is_locked:
            self._asking.grid_forget()
            self.passphrase.delete(0, "end")
        elif not self._asking.winfo_manager():
            self._asking.grid(row=1, column=0, columnspan=4, sticky="w", pady=(theme.GAP, 0))

    def _check(self) -> None:
        if (chosen := self._chosen) is not None:
            self._acts.begin(check_job(chosen, self._taken(chosen)))

    def _ask(self) -> None:
        if (chosen := self._chosen) is not None:
            self._acts.restore(chosen, restore_job(chosen, self._taken(chosen)))

    def _taken(self, chosen: BackupRow) -> str:
        """The passphrase, which does not stay in its field."""
        given = str(self.passphrase.get()) if chosen.is_encrypted else ""
        self.passphrase.delete(0, "end")
        self._show_chosen()
        return given

    def _every_chosen(self, words: str) -> None:
        self._backups.set_every(days_of(words))

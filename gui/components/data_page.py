"""Data: what is stored of the community, whose of it counts, and the ways to bring more of it."""

from __future__ import annotations

from pathlib import Path
from tkinter import filedialog
from typing import Any

import customtkinter as ctk

from gui import theme
from gui.components.data_lists import ChannelList, MemberList
from gui.components.keyboard import reachable, reachable_all
from gui.components.page import Page
from gui.components.run_card import RunCard
from gui.components.tooltip import Tooltip
from gui.models.data_model import CHANNEL_IDS, DataModel, summary_words
from gui.models.history_run import HistoryRun
from gui.models.outlasting import one_of

CHANNELS, MEMBERS = "Channels", "Members"
SETUP = "Setup"
NOTHING = "Nothing is stored yet. Import files, or fetch from Discord what was said there."
EXPORT_FILES = [("Exports of DiscordChatExporter", "*.json *.json.gz *.gz"), ("All files", "*")]


class DataPage(Page):
    """Binds DataModel and the window's HistoryRun to two lists and a card."""

    title = "Data"

    def build(self) -> None:
        self.model = DataModel(self.app, self._show, self._fail, self._say)
        self.run = one_of(self.app, HistoryRun)
        self.body.grid_columnconfigure(0, weight=1)
        self.body.grid_rowconfigure(3, weight=1)
        self._make_sources()
        self.summary = theme.muted(self.body, "What is stored is being read.")
        self.summary.grid(row=0, column=0, sticky="w", pady=(0, theme.GAP))
        self._make_card()
        self._make_choice()
        self._lists: dict[str, Any] = {}
        self._choose(CHANNELS)
        self.at_end(self.run.watch(self._show_run))
        self.watch("data", lambda value: self.model.reload())
        self.watch("settings", lambda settings: self._show())
        self._show_run()
        self.model.reload()

    # -- widgets ------------------------------------------------------------------------------

    def _make_sources(self) -> None:
        """In the row of the title."""
        row = ctk.CTkFrame(self, fg_color="transparent")
        row.grid(row=0, column=0, sticky="e", padx=theme.PAD, pady=(theme.PAD, theme.GAP))
        row.lower(self.body)  # Tab comes here first
        self.import_files = theme.secondary(row, "Import files...", self._import_files, width=110)
        self.import_folder = theme.secondary(
            row, "Import a folder...", self._import_folder, width=130
        )
        self.fetch = theme.secondary(row, "Fetch from Discord", self._fetch, width=140)
        self._sources = (self.import_files, self.import_folder, self.fetch)
        for column, (button, text) in enumerate(
            (
                (self.import_files, "Files of DiscordChatExporter in JSON (.json or .json.gz)."),
                (self.import_folder, "A folder of such files; what lies below it is found too."),
                (
                    self.fetch,
                    "Everything that was said in the channels that are read live, with the bot's "
                    "token. The bot may run meanwhile. Next time only what is newer is asked for.",
                ),
            )
        ):
            reachable(button).grid(row=0, column=column, padx=(theme.GAP if column else 0, 0))
            Tooltip(button, text)

    def _make_card(self) -> None:
        self.card = RunCard(self.body, row=1, column=0, pady=(0, theme.GAP))
        self.pause = self.card.button("Pause", self._pause_or_go_on)
        self.cancel = self.card.button("Cancel", self._cancel_or_close)

    def _make_choice(self) -> None:
        row = self._head = ctk.CTkFrame(self.body, fg_color="transparent")
        row.grid(row=2, column=0, sticky="ew", pady=(0, theme.GAP))
        row.grid_columnconfigure(1, weight=1)
        self.choice = reachable_all(
            ctk.CTkSegmentedButton(
                row,
                values=[CHANNELS, MEMBERS],
                font=theme.font(),
                border_width=2,
                fg_color=theme.HOVER,
                unselected_color=theme.HOVER,
                unselected_hover_color=theme.LINE,
                selected_color=theme.CARD,
                selected_hover_color=theme.CARD,
                text_color=theme.TEXT,
                command=self._choose,
            )
        )
        self.choice.set(CHANNELS)
        self.choice.grid(row=0, column=0, sticky="w")

    def _choose(self, name: str) -> None:
        """Show the list of channels or of members; each is made when it is first wanted."""
        if name not in self._lists:
            kind = ChannelList if name == CHANNELS else MemberList
            self._lists[name] = kind(self.body, self._head, self.model, self.app.ui)
        for other, shown in self._lists.items():
            if other != name:
                shown.hide()
        self.list = self._lists[name]
        self.list.place(row=3)
        self.list.show()

    # -- what the user does -------------------------------------------------------------------

    def _import_files(self) -> None:
        chosen = filedialog.askopenfilenames(
            parent=self.winfo_toplevel(),
            title="Which exports shall be imported?",
            filetypes=EXPORT_FILES,
        )
        if chosen and self.is_alive:
            self.run.import_paths(self.app, [Path(file) for file in chosen])

    def _import_folder(self) -> None:
        chosen = filedialog.askdirectory(
            parent=self.winfo_toplevel(), title="Which folder holds the exports?", mustexist=True
        )
        if chosen and self.is_alive:
            self.run.import_paths(self.app, [Path(chosen)])

    def _fetch(self) -> None:
        if self.app.settings.ids(CHANNEL_IDS) or self.model.overridden:
            self.run.fetch(self.app)
        else:
            self.shell.show_error(
                "There is nothing to fetch yet.",
                "No channel is read live. Choose some on the Setup page, or switch one on below.",
                SETUP,
                lambda: self.shell.open_page(SETUP),
            )

    def _pause_or_go_on(self) -> None:
        if self.run.state == "paused":
            self.run.go_on(self.app)
        else:
            self.run.pause()

    def _cancel_or_close(self) -> None:
        if self.run.is_busy or self.run.state == "paused":
            self.run.cancel()
        else:
            self.run.dismiss()

    # -- what is shown ------------------------------------------------------------------------

    def _show(self) -> None:
        if not self.is_alive:
            return
        if self.model.is_read:
            words = summary_words(self.model.stored.counts) or NOTHING
            self.summary.configure(text=words)
        self.list.show()

    def _show_run(self) -> None:
        if not self.is_alive:
            return
        run = self.run
        going = run.state == "running"
        self._set_buttons()
        if run.failure:
            failure, run.failure = run.failure, ""
            what = "The fetch did not come to its end." if run.is_fetch else "The import failed."
            self.shell.show_error(what, failure, "Try again", lambda: run.go_on(self.app))
        share = run.share if run.is_busy or run.state == "paused" else None
        tone = theme.ACCENT if going else theme.WARN if run.state == "paused" else theme.LINE
        self.card.show(run.words, share, tone=tone)

    def _set_buttons(self) -> None:
        run = self.run
        for button in self._sources:
            button.configure(state="disabled" if run.is_busy else "normal")
        paused, going = run.state == "paused", run.state == "running"
        self.pause.configure(text="Go on" if paused else "Pause")
        self.card.offer(self.pause, going or paused)
        self.cancel.configure(
            text="Cancel" if run.is_busy or paused else "Close",
            state="normal" if run.state not in ("pausing", "cancelling") else "disabled",
        )

    def _fail(self, what: str, why: str) -> None:
        if self.is_alive:
            self.shell.show_error(what, why, "Look again", self.model.reload)

    def _say(self, line: str) -> None:
        if self.is_alive:
            self.shell.notify(line)

"""Data: what is stored of the community, whose of it counts, ways to bring more of it, backups."""

from __future__ import annotations

from pathlib import Path
from tkinter import filedialog
from typing import Any

import customtkinter as ctk

from gui import theme
from gui.components.backup_list import BackupList
from gui.components.data_lists import ChannelList, DataList
from gui.components.keyboard import reachable, reachable_all
from gui.components.member_list import MemberList
from gui.components.page import Page
from gui.components.run_card import RunCard
from gui.components.tooltip import Tooltip
from gui.models.backups_model import (
    RESTORE_DETAILS,
    BackupRow,
    BackupsModel,
    restore_question,
)
from gui.models.chore import Chore, Job
from gui.models.consent_model import ConsentModel, forget_details, forget_job, forget_question
from gui.models.data_model import CHANNEL_IDS, DataModel, summary_words
from gui.models.history_run import HistoryRun
from gui.models.outlasting import one_of
from gui.opening import open_folder
from gui.supervision import State
from storage.readonly import MemberRow

CHANNELS, MEMBERS, BACKUPS = "Channels", "Members", "Backups"
LIST_ROW = 4
"""Of the body: a list takes four rows from here, and the choice of the list stands above."""
CHORE_WRAP = 540
"""Pixels: there is one button beside the words."""
IDLE = (State.STOPPED, State.FAILED)
SETUP = "Setup"
NOTHING = "Nothing is stored yet. Import files, or fetch from Discord what was said there."
EXPORT_FILES = [("Exports and data packages", "*.json *.json.gz *.gz *.zip"), ("All files", "*")]


class DataPage(Page):
    """Binds DataModel and what goes with it to three lists, HistoryRun and Chore to a card each."""

    title = "Data"

    def build(self) -> None:
        self.model = DataModel(self.app, self._show, self._fail, self._say)
        self.consent = ConsentModel(self.app, self._show, self._refuse)
        self.backups = BackupsModel(self.app, self._show, self._refuse)
        self.run = one_of(self.app, HistoryRun)
        self.chore = one_of(self.app, Chore)
        self.body.grid_columnconfigure(0, weight=1)
        self.body.grid_rowconfigure(LIST_ROW + 1, weight=1)
        self._make_sources()
        self.summary = theme.muted(self.body, "What is stored is being read.")
        self.summary.grid(row=0, column=0, sticky="w", pady=(0, theme.GAP))
        self._make_cards()
        self._make_choice()
        self._was_free = True
        self._lists: dict[str, DataList] = {}
        self._choose(CHANNELS)
        self.at_end(self.run.watch(self._show_run))
        self.at_end(self.chore.watch(self._show_chore))
        self.watch("data", lambda value: self._reload())
        self.watch("settings", lambda settings: self._show())
        self._show_run()
        self._show_chore()
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
                (
                    self.import_files,
                    "Files of DiscordChatExporter in JSON, or Discord's own data package (.zip).",
                ),
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

    def _make_cards(self) -> None:
        self.card = RunCard(self.body, row=1, column=0, pady=(0, theme.GAP))
        self.pause = self.card.button("Pause", self._pause_or_go_on)
        self.cancel = self.card.button("Cancel", self._cancel_or_close)
        self.chore_card = RunCard(self.body, wrap=CHORE_WRAP, row=2, column=0, pady=(0, theme.GAP))
        self.stop = self.chore_card.button("Stop", self.chore.stop)
        self.close = self.chore_card.button("Close", self.chore.dismiss)

    def _make_choice(self) -> None:
        row = self._head = ctk.CTkFrame(self.body, fg_color="transparent")
        row.grid(row=LIST_ROW - 1, column=0, sticky="ew", pady=(0, theme.GAP))
        row.grid_columnconfigure(1, weight=1)
        self.choice = reachable_all(
            ctk.CTkSegmentedButton(
                row,
                values=[CHANNELS, MEMBERS, BACKUPS],
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
        """Show a list; each is made when it is first wanted."""
        if name not in self._lists:
            self._lists[name] = self._made(name)
        for other, shown in self._lists.items():
            if other != name:
                shown.hide()
        self.list: Any = self._lists[name]
        self.list.place(row=LIST_ROW)
        self.list.show()

    def _made(self, name: str) -> DataList:
        usual = (self.body, self._head, self.model, self.app.ui)
        if name == CHANNELS:
            return ChannelList(*usual)
        if name == MEMBERS:
            return MemberList(*usual, self.consent, self)
        return BackupList(*usual, self.backups, self)

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

    # -- what a list asks for (gui.components.data_lists.Acts) ---------------------------------

    @property
    def is_free(self) -> bool:
        return not self.chore.is_busy and not self.run.is_busy

    def begin(self, job: Job) -> None:
        if self.is_free:
            self.chore.begin(self.app, job)

    def forget(self, member: MemberRow) -> None:
        def ask(view: dict[str, Any]) -> None:
            if self.is_alive:
                self.shell.confirm(
                    forget_question(member),
                    "Forget for good",
                    lambda: self.begin(forget_job(member)),
                    forget_details(view),
                )

        self.model.look_up(member, ask)
        self.list.say("What is stored of them is being looked up.")

    def restore(self, backup: BackupRow, job: Job) -> None:
        if self.app.snapshot.state not in IDLE:
            self.shell.show_error(
                "The bot runs.",
                "A backup can be restored while the bot is stopped.",
                "Stop the bot",
                self.app.supervisor.stop,
            )
            return
        self.shell.confirm(
            restore_question(backup), "Restore", lambda: self.begin(job), RESTORE_DETAILS
        )

    def open_backups(self) -> None:
        def failed(reason: str) -> None:
            self.app.ui.enqueue(self._refuse, "The folder was not opened.", reason)

        open_folder(self.app.home.backups, failed)

    # -- what is shown ------------------------------------------------------------------------

    def _show(self) -> None:
        if not self.is_alive:
            return
        if self.model.is_read:
            words = summary_words(self.model.stored.counts) or NOTHING
            self.summary.configure(text=words)
        self.list.show()

    def _reload(self) -> None:
        self.model.reload()
        self.list.reload()

    def _show_chore(self) -> None:
        if not self.is_alive:
            return
        chore = self.chore
        if chore.failure:
            failure, chore.failure = chore.failure, None
            self.shell.show_error(*failure)
        self._set_buttons()
        self.chore_card.offer(self.stop, chore.is_busy and chore.may_stop)
        self.chore_card.offer(self.close, not chore.is_busy)
        share = chore.share if chore.is_busy else None
        self.chore_card.show(chore.words, share, tone=theme.ACCENT if chore.is_busy else theme.LINE)

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
        is_free = self.is_free
        if is_free != self._was_free:
            self._was_free = is_free
            self.list.show()
        for button in self._sources:
            button.configure(state="normal" if is_free else "disabled")
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

    def _refuse(self, what: str, why: str) -> None:
        if self.is_alive:
            self.shell.show_error(what, why)

    def _say(self, line: str) -> None:
        if self.is_alive:
            self.shell.notify(line)

"""Training: what is learned from, the training while it runs, and what came of earlier ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import customtkinter as ctk

from gui import theme
from gui.components.enabling import enable
from gui.components.keyboard import reachable
from gui.components.page import Page
from gui.components.scroll_area import ScrollArea
from gui.components.table import Column, Row, Table
from gui.components.tooltip import Tooltip
from gui.components.training_cards import PackagesCard, ProgressCard, SourceCard
from gui.models.models_model import ModelsModel
from gui.models.outlasting import one_of
from gui.models.training_model import NO_REPORT, TrainingModel, run_cells, run_order
from gui.models.training_packages import PackagesRun
from gui.models.training_run import TrainingRun
from gui.opening import open_file

COLUMNS = (
    Column("Name", 190, stretches=True),
    Column("Made", 125, largest_first=True),
    Column("Examples", 85, is_number=True),
    Column("Steps", 65, is_number=True),
    Column("Loss", 105),
    Column("State", 105),
)
EMPTY = "Nothing was trained yet."
PLAYGROUND = "Playground"
DATA = "Data"


class TrainingPage(Page):
    """Binds TrainingModel and the window's TrainingRun to the cards."""

    title = "Training"

    def build(self) -> None:
        self.model = TrainingModel(self.app, self._show, self._fail)
        self.models = ModelsModel(self.app, self._show, self._fail, self._say)
        self.run = one_of(self.app, TrainingRun)
        self.packages = one_of(self.app, PackagesRun)
        self._make_actions()
        self.body.grid_columnconfigure(0, weight=1)
        self.body.grid_rowconfigure(0, weight=1)
        area = ScrollArea(self.body)
        area.grid(row=0, column=0, sticky="nsew")
        self._make_cards(area.inner)
        self.at_end(self.run.watch(self._show_run))
        self.at_end(self.packages.watch(self._show_packages))
        self.watch("data", lambda value: self.model.reload())
        self.watch("settings", lambda settings: self.model.reload())  # consent_mode is one
        self._show()
        self._show_run()
        self.model.reload()

    # -- widgets ------------------------------------------------------------------------------

    def _make_actions(self) -> None:
        """In the row of the title."""
        row = ctk.CTkFrame(self, fg_color="transparent")
        row.grid(row=0, column=0, sticky="e", padx=theme.PAD, pady=(theme.PAD, theme.GAP))
        row.lower(self.body)  # Tab comes here first
        self.cancel = reachable(theme.secondary(row, "Cancel", self.run.cancel, width=80))
        self.report = reachable(
            theme.secondary(row, "Show the report", self._report, width=130, state="disabled")
        )
        self.report.grid(row=0, column=1, padx=(0, theme.GAP))
        Tooltip(
            self.report,
            "What the newest training set was made of, in pictures, and some of its examples: a "
            "page in your browser. It quotes members.",
        )
        self.train = reachable(theme.primary(row, "Train the demo model", self._train, width=170))
        self.train.grid(row=0, column=2)
        Tooltip(
            self.train,
            "Fine-tunes the small model that comes with Mynah: some minutes on a laptop. The bot "
            "may run meanwhile, and you may look at other pages.",
        )

    def _make_cards(self, inner: Any) -> None:
        inner.grid_columnconfigure(0, weight=1)
        inner.grid_rowconfigure(2, weight=3)
        inner.grid_rowconfigure(3, weight=1)
        self.source = SourceCard(inner, self._show_buttons, lambda: self.shell.open_page(DATA))
        self.source.grid(row=0, column=0, sticky="ew")
        self.packages_card = PackagesCard(inner, lambda: self.packages.start(self.app), self._leave)
        self.progress = ProgressCard(inner, self._try, self._deploy)
        self.progress.grid(row=2, column=0, sticky="nsew", pady=theme.GAP)
        self.table = Table(inner, COLUMNS, empty="It is being read.", visible_rows=3)
        self.table.sort(1, descending=True)
        self.table.grid(row=3, column=0, sticky="nsew")

    # -- what the user does -------------------------------------------------------------------

    def _train(self) -> None:
        ground = self.source.ground if self.model.needs_ground else ""
        if not self.model.why_not(ground):
            self.run.start(self.app, ground)

    def _report(self) -> None:
        self.model.show_report(
            lambda page: open_file(
                Path(page), lambda why: self.app.ui.enqueue(self._fail, NO_REPORT, why)
            )
        )

    def _leave(self) -> None:
        self.packages.cancel()

    def _try(self) -> None:
        self.shell.open_page(PLAYGROUND)

    def _deploy(self) -> None:
        self.models.deploy(self.run.version)

    # -- what is shown ------------------------------------------------------------------------

    def _show(self) -> None:
        if not self.is_alive:
            return
        stored = self.model.stored
        self.source.show(self.model)
        self._show_packages()
        if self.model.is_read:
            self.table.say_empty(EMPTY)
        self.table.show(
            [
                Row(str(n), run_cells(run, stored), run_order(run, stored), self._tone(run))
                for n, run in enumerate(stored.runs)
            ]
        )
        self._show_run()

    def _tone(self, run: Any) -> str:
        version = self.model.stored.version_of(run)
        if version is None:
            return "muted"
        return "good" if version.status == "deployed" else ""

    def _show_run(self) -> None:
        if not self.is_alive:
            return
        run = self.run
        if run.failure:
            failure, run.failure = run.failure, ""
            self.shell.show_error(
                "The training did not come to its end.", failure, "Try again", self._train
            )
        status = self.model.stored.status_of(run.version)
        self.progress.show(run, is_deployed=status == "deployed", is_busy=bool(self.models.doing))
        self._show_buttons()

    def _show_packages(self) -> None:
        if not self.is_alive:
            return
        if self.packages.failure:
            failure, self.packages.failure = self.packages.failure, ""
            self.shell.show_error(
                "The packages were not installed.",
                failure,
                "Try again",
                lambda: self.packages.start(self.app),
            )
        if self.model.stored.missing or self.packages.is_busy:
            self.packages_card.grid(row=1, column=0, sticky="ew", pady=(theme.GAP, 0))
            self.packages_card.show(self.packages.is_busy, self.packages.said)
        else:
            self.packages_card.grid_forget()

    def _show_buttons(self) -> None:
        if not self.is_alive:
            return
        run = self.run
        if run.is_busy:
            self.cancel.grid(row=0, column=0, padx=(0, theme.GAP))
        else:
            self.cancel.grid_forget()
        enable(self.cancel, run.state == "running")
        enable(self.report, self.model.stored.has_set and not self.model.is_reporting)
        enable(self.train, not run.is_busy and not self.model.why_not(self.source.ground))

    def _fail(self, what: str, why: str) -> None:
        if self.is_alive:
            self.shell.show_error(what, why, "Look again", self.model.reload)

    def _say(self, line: str) -> None:
        if self.is_alive:
            self.shell.notify(line)

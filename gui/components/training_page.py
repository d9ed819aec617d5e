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
from gui.components.training_cards import Made, PackagesCard, ProgressCard, SourceCard
from gui.components.training_profile import BaseCard, ProfileCard
from gui.models.base_run import BaseRun
from gui.models.models_model import ModelsModel
from gui.models.outlasting import one_of
from gui.models.training_model import (
    NO_REPORT,
    TrainingModel,
    report_of,
    run_cells,
    run_order,
    score_words,
)
from gui.models.training_packages import PackagesRun
from gui.models.training_run import TrainingRun
from gui.opening import open_file, open_url

COLUMNS = (
    Column("Name", 150, stretches=True),
    Column("Made", 125, largest_first=True),
    Column("Examples", 85, is_number=True),
    Column("Steps", 65, is_number=True),
    Column("Loss", 105),
    Column("Score", 60, is_number=True),
    Column("State", 105),
)
EMPTY = "Nothing was trained yet."
PLAYGROUND = "Playground"
DATA = "Data"
MODELS = "Models"


class TrainingPage(Page):
    """Binds TrainingModel and the window's TrainingRun to the cards."""

    title = "Training"

    def build(self) -> None:
        self.model = TrainingModel(self.app, self._show, self._fail)
        self.models = ModelsModel(self.app, self._show, self._fail, self._say)
        self.run = one_of(self.app, TrainingRun)
        self.packages = one_of(self.app, PackagesRun)
        self.bases = one_of(self.app, BaseRun)
        self._make_actions()
        self.body.grid_columnconfigure(0, weight=1)
        self.body.grid_rowconfigure(0, weight=1)
        area = ScrollArea(self.body)
        area.grid(row=0, column=0, sticky="nsew")
        self._make_cards(area.inner)
        self.at_end(self.run.watch(self._show_run))
        self.at_end(self.packages.watch(self._show_packages))
        self.at_end(self.bases.watch(self._show_base))
        self.watch("data", lambda value: self.model.reload())
        self.watch("settings", lambda settings: self.model.reload())  # two are shown
        self._show()
        self._show_run()
        self.model.reload()

    # -- widgets ------------------------------------------------------------------------------

    def _make_actions(self) -> None:
        """In the row of the title."""
        row = ctk.CTkFrame(self, fg_color="transparent")
        row.grid(row=0, column=0, sticky="e", padx=theme.PAD, pady=(theme.PAD, theme.GAP))
        row.lower(self.body)  # Tab comes here first
        self.cancel = reachable(theme.secondary(row, "Stop", self.run.cancel, width=80))
        self.report = reachable(
            theme.secondary(row, "Show the examples", self._report, width=140, state="disabled")
        )
        self.report.grid(row=0, column=1, padx=(0, theme.GAP))
        Tooltip(
            self.report,
            "What the newest training set was made of, in pictures, and some of its examples: a "
            "page in your browser. It quotes members.",
        )
        self.train = reachable(theme.primary(row, "Train", self._train, width=100))
        self.train.grid(row=0, column=2)
        Tooltip(
            self.train,
            "Prepares the examples, trains with the chosen profile, and judges what comes of it. "
            "Stopped, or failed, it goes on from there the next time. You may look at other pages.",
        )

    def _make_cards(self, inner: Any) -> None:
        inner.grid_columnconfigure(0, weight=1)
        inner.grid_rowconfigure(4, weight=3)
        inner.grid_rowconfigure(5, weight=1)
        self.profile = ProfileCard(inner, self.model.choose)
        self.profile.grid(row=0, column=0, sticky="ew", pady=(0, theme.GAP))
        place: dict[str, Any] = {"row": 1, "column": 0, "pady": (0, theme.GAP)}
        self.base = BaseCard(inner, self.bases, get=self._get_base, read=self._read, **place)
        self.source = SourceCard(inner, self._show_buttons, lambda: self.shell.open_page(DATA))
        self.source.grid(row=2, column=0, sticky="ew")
        self.packages_card = PackagesCard(inner, lambda: self.packages.start(self.app), self._leave)
        self.progress = ProgressCard(
            inner,
            report=self._judged,
            attempt=lambda: self.shell.open_page(PLAYGROUND),
            deploy=lambda: self.models.deploy(self.run.version),
            to_models=lambda: self.shell.open_page(MODELS),
        )
        self.progress.grid(row=4, column=0, sticky="nsew", pady=theme.GAP)
        self.table = Table(inner, COLUMNS, empty="It is being read.", visible_rows=3)
        self.table.sort(1, descending=True)
        self.table.grid(row=5, column=0, sticky="nsew")

    # -- what the user does -------------------------------------------------------------------

    def _train(self) -> None:
        ground = self.source.ground if self.model.needs_ground else ""
        if not self.model.why_not(ground):
            self.run.start(self.app, self.model.profile, ground)

    def _report(self) -> None:
        self.model.show_report(lambda page: self._open(Path(page)))

    def _judged(self) -> None:
        """How the model did, as a page in the browser."""
        page = report_of(self.app.home, self.run.version)
        if page is None:
            self._fail(NO_REPORT, "It is no longer there.")
        else:
            self._open(page)

    def _open(self, page: Path) -> None:
        open_file(page, lambda why: self.app.ui.enqueue(self._fail, NO_REPORT, why))

    def _read(self, address: str) -> None:
        open_url(address, lambda why: self.app.ui.enqueue(self._say, why))

    def _get_base(self, base: str, accepts: bool) -> None:
        self.bases.start(self.app, base, accepts=accepts)

    def _leave(self) -> None:
        self.packages.cancel()

    # -- what is shown ------------------------------------------------------------------------

    def _show(self) -> None:
        if not self.is_alive:
            return
        stored = self.model.stored
        self.source.show(self.model)
        self._show_packages()
        if not self.model.profile.has_base:
            self.bases.look(self.app)
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
        self.progress.show(run, self._made, is_busy=bool(self.models.doing))
        self._show_base()

    @property
    def _made(self) -> Made:
        """Of the last training."""
        listing = self.model.stored.listing
        version = listing.find(self.run.version)
        return Made(
            score_words(listing, version),
            report_of(self.app.home, self.run.version) is not None,
            version is not None and version.status == "deployed",
            version is not None and not listing.refusal(version) and not version.is_barred,
        )

    def _show_base(self) -> None:
        if not self.is_alive:
            return
        if self.bases.failure:
            failure, self.bases.failure = self.bases.failure, ""
            self.shell.show_error(
                "The base was not downloaded.", failure, "Look again", self.model.reload
            )
        profile = self.model.profile
        self.base.show("" if profile.has_base else profile.base)
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
        self.profile.show(self.model.stored.profiles, self.model.profile, not run.is_busy)
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

"""Home: how the bot is, what starts and stops it, how it talks, and how it has been doing."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import customtkinter as ctk

from gui import theme
from gui.app_model import sentence_of
from gui.components.cells import Cells, Column
from gui.components.home_charts import ChartsCard
from gui.components.home_controls import ControlsCard
from gui.components.home_state import StateCard
from gui.components.keyboard import reachable
from gui.components.page import Page
from gui.components.scroll_area import ScrollArea
from gui.components.tooltip import Tooltip
from gui.doctor_report import doctor_report
from gui.models import home_model
from gui.models.home_model import MEMORY_EVERY_MS, Period, Stored, model_of
from gui.models.serving_words import model_line
from gui.models.trouble import Mend, Trouble, silence_of, trouble_of
from gui.opening import PORTAL, open_folder, open_url
from storage.paths import DEMO_BASE_DIR
from storage.settings import Settings

TICK_MS = 1_000
STORED_EVERY_MS = 60_000
SOON_S = 15.0
"""How soon what is stored is read again after the bot counted something new."""

_PAGES = {
    Mend.ENTER_TOKEN: "Setup",
    Mend.CHOOSE_CHANNELS: "Setup",
    Mend.CHOOSE_MODEL: "Models",
    Mend.SETTINGS: "Settings",
    Mend.REHEARSE: "Rehearsal",
}


class HomePage(Page):
    """Binds what home_model says to the cards."""

    title = "Home"

    def build(self) -> None:
        self.model = model_of(self.app)
        self.stored: Stored | None = None
        self._read_at_s = 0.0
        self._make_actions()
        self.body.grid_rowconfigure(0, weight=1)
        self.body.grid_columnconfigure(0, weight=1)
        self.area = ScrollArea(self.body)
        self.area.grid(row=0, column=0, sticky="nsew")
        self._make_cards(self.area.inner)
        self.watch("snapshot", lambda snapshot: self._show_state())
        self.watch("snapshot", lambda snapshot: self._note_start())
        self.watch("stats", self._show_stats)
        self.watch("settings", self._show_settings)
        self.every(TICK_MS, self._show_state)
        self.every(STORED_EVERY_MS, self.read)
        self.every(MEMORY_EVERY_MS, self._show_memory)
        self.at_end(self.controls.flush)
        self._was_online = self.app.is_online
        self._show_settings(self.app.settings)
        self._show_state()
        self._show_figures()
        self._show_memory()
        self.read()

    def _make_actions(self) -> None:
        """In the row of the title."""
        row = ctk.CTkFrame(self, fg_color="transparent")
        row.grid(row=0, column=0, sticky="e", padx=theme.PAD, pady=(theme.PAD, theme.GAP))
        home = self.app.home
        self.open_data, self.open_logs, self.report = (
            reachable(theme.secondary(row, text, act, width=10))
            for text, act in (
                ("Open data folder", lambda: self._open(home.data_storage)),
                ("Open logs folder", lambda: self._open(home.logs)),
                ("Report a problem", self.make_report),
            )
        )
        for column, button in enumerate((self.open_data, self.open_logs, self.report)):
            button.grid(row=0, column=column, padx=(theme.GAP if column else 0, 0))
        Tooltip(
            self.report,
            "Copies a report on this computer and on Mynah, to paste into a bug report. It names "
            "nobody and holds no message.",
        )

    def _make_cards(self, inner: Any) -> None:
        inner.grid_columnconfigure((0, 1), weight=1, uniform="halves")
        inner.grid_rowconfigure(2, weight=1)
        supervisor = self.app.supervisor
        self.state_card = StateCard(
            inner,
            start=supervisor.start,
            stop=supervisor.stop,
            restart=supervisor.restart,
            force_stop=self._ask_force_stop,
            mend=self._mend,
        )
        self.state_card.card.grid(row=0, column=0, columnspan=2, sticky="ew")
        self.controls = ControlsCard(
            inner, self.model, self.app.ui, self.app.set_setting, self._refused
        )
        half = theme.GAP // 2
        self.controls.card.grid(row=1, column=0, sticky="nsew", padx=(0, half), pady=theme.GAP)
        self._make_figures(inner)
        self.charts = ChartsCard(inner, self.model.period, self._choose)
        self.charts.card.grid(row=2, column=0, columnspan=2, sticky="nsew")

    def _make_figures(self, inner: Any) -> None:
        card = theme.card(inner)
        card.grid_columnconfigure(0, weight=1)
        card.grid(row=1, column=1, sticky="nsew", padx=(theme.GAP // 2, 0), pady=theme.GAP)
        cells = [Column(0.52, is_name=True), *(Column(0.16, anchor="e") for _ in range(3))]
        self.figures = Cells(card, cells, rows=8, heads=True)
        self.figures.grid(row=0, column=0, sticky="ew", padx=theme.PAD, pady=(10, theme.GAP))

    # -- showing --------------------------------------------------------------------------------

    def _show_state(self) -> None:
        """Once a second, for countdown, uptime and memory; what is the same is not drawn again."""
        snapshot = self.app.supervisor.snapshot()
        stats = self.app.stats
        self.state_card.show(
            snapshot,
            trouble_of(snapshot, stats) or silence_of(snapshot, self.app.may_speak),
            home_model.buttons(snapshot),
            home_model.facts(
                snapshot,
                stats,
                self.stored.last if self.stored else None,
                time.time() * 1000,
            ),
            model_line(snapshot, stats, self._model_name()),
        )

    def _model_name(self) -> str:
        """What would answer, while no bot runs that says it itself."""
        if server := self.app.settings.text("model_url").strip():
            return server
        path = self.app.settings.text("model_path").strip()
        if path:
            return path.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".gguf")
        return (self.stored.deployed if self.stored else "") or DEMO_BASE_DIR.name

    def _note_start(self) -> None:
        """Figures come from the bot while it runs, else from what is stored."""
        if self.app.is_online != self._was_online:
            self._was_online = self.app.is_online
            self.read()

    def _show_stats(self, stats: dict[str, Any]) -> None:
        self._show_state()
        self._show_figures()
        if stats and time.monotonic() - self._read_at_s > SOON_S:
            self.read()

    def _show_figures(self) -> None:
        figures = self.app.stats.get("statistics") or (self.stored and self.stored.figures) or {}
        self.figures.show(home_model.figure_rows(figures))

    def _show_settings(self, settings: Settings) -> None:
        self.controls.show(settings)
        self._show_state()

    def _show_memory(self) -> None:
        self.charts.show_memory(self.model.memory, time.time() * 1000)

    # -- reading --------------------------------------------------------------------------------

    def read(self) -> None:
        """What is stored, on a worker."""
        self._read_at_s = time.monotonic()
        path, period = self.app.home.database, self.model.period
        with_figures = not self.app.stats.get("statistics")
        self.app.ui.run(
            lambda: home_model.read_stored(path, period, with_figures),
            self._show_stored,
            self._unreadable,
        )

    def _show_stored(self, stored: Stored) -> None:
        if not self.is_alive or stored.period is not self.model.period:
            return
        if stored.figures is None and self.stored is not None:
            stored = replace(stored, figures=self.stored.figures)
        self.stored = stored
        self.charts.show(stored)
        self._show_figures()
        self._show_state()

    def _unreadable(self, error: Exception) -> None:
        if self.is_alive:
            self.shell.show_error(
                "The figures could not be read.", sentence_of(error), "Try again", self.read
            )

    # -- what the user does ---------------------------------------------------------------------

    def _choose(self, period: Period) -> None:
        self.model.period = period
        self.read()

    def _ask_force_stop(self) -> None:
        self.shell.confirm(
            "Stop the bot by force? A reply that it is writing is lost.",
            "Force stop",
            self.app.supervisor.force_stop,
        )

    def _refused(self, sentence: str) -> None:
        self.shell.show_error("The setting was not stored.", sentence)
        self.app.refresh_settings()

    def _mend(self, trouble: Trouble) -> None:
        if trouble.mend in _PAGES:
            self.shell.open_page(_PAGES[trouble.mend])
        elif trouble.mend is Mend.LOGS:
            self._open(self.app.home.logs)
        elif trouble.mend is Mend.TRY_NOW:
            self.app.supervisor.start()
        else:
            open_url(trouble.url or PORTAL, self._not_opened)

    def _open(self, folder: Any) -> None:
        open_folder(folder, self._not_opened)

    def _not_opened(self, sentence: str) -> None:
        """On a thread of its own."""
        self.app.ui.enqueue(self.shell.show_error, "It could not be opened.", sentence)

    def make_report(self) -> None:
        """The doctor's, onto the clipboard."""
        self.report.configure(state="disabled", text="Making the report")
        home, root = self.app.home, self.winfo_toplevel()  # another page may be open by then
        self.app.ui.run(
            lambda: doctor_report(home), lambda report: self._copy(root, report), self._no_report
        )

    def _copy(self, root: Any, report: str) -> None:
        root.clipboard_clear()
        root.clipboard_append(report)
        self.shell.notify("The report is on the clipboard: paste it into your bug report.")
        self._report_ended()

    def _no_report(self, error: Exception) -> None:
        self.shell.show_error(
            "There is no report.", sentence_of(error), "Try again", self.make_report
        )
        self._report_ended()

    def _report_ended(self) -> None:
        if self.is_alive:
            self.report.configure(state="normal", text="Report a problem")

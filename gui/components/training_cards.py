"""The cards of the page Training: what is learned from, missing packages, the training itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import customtkinter as ctk

from gui import theme
from gui.components.chart import Chart
from gui.components.controls import entry
from gui.components.enabling import enable
from gui.components.keyboard import reachable
from gui.models import training_packages
from gui.models.plot import Series
from gui.models.training_model import DECLARE, RULE_21, TrainingModel
from gui.models.training_run import DONE, FAILED, KEPT, STAGE_WORDS, STAGES, TrainingRun

WRAP_PX = 650
CHART_HEIGHT = 130
STAGES_A_ROW = 4
PENDING, NOW = ("\u25cb", theme.MUTED), ("\u25cf", theme.TEXT)
LEFT_OUT = ("\u2013", theme.MUTED)
MARKS = {
    DONE: ("\u2713", theme.GOOD),
    KEPT: ("\u2713", theme.GOOD),
    FAILED: ("\u2717", theme.BAD),
}
"""Before a stage that is over, by what became of it, and in which colour."""


def _card(parent: Any) -> dict[str, Any]:
    return {
        "master": parent,
        "fg_color": theme.CARD,
        "border_color": theme.LINE,
        "border_width": 1,
        "corner_radius": theme.RADIUS,
    }


class SourceCard(ctk.CTkFrame):
    """What would be learned from; the declaration, where one is asked for."""

    def __init__(
        self, parent: Any, typed: Callable[[], object], to_data: Callable[[], object]
    ) -> None:
        """`typed` is called at each key in the field, `to_data` opens the page of the data."""
        super().__init__(**_card(parent))
        self.grid_columnconfigure(0, weight=1)
        self._words = theme.label(self, "", wraplength=WRAP_PX)
        self._words.grid(row=0, column=0, sticky="w", padx=theme.PAD, pady=theme.GAP)
        self.to_data = reachable(theme.secondary(self, "Open Data", to_data, width=100))
        self._asking = ctk.CTkFrame(self, fg_color="transparent")
        self._asking.grid_columnconfigure(1, weight=1)
        theme.muted(self._asking, f"{RULE_21} {DECLARE}", wraplength=WRAP_PX).grid(
            row=0, column=0, columnspan=2, sticky="w"
        )
        theme.label(self._asking, "Your ground").grid(row=1, column=0, sticky="w", pady=theme.GAP)
        self.field = entry(self._asking, 'Such as "open data, CC-BY-4.0"')
        self.field.grid(row=1, column=1, sticky="ew", padx=(theme.GAP, 0), pady=theme.GAP)
        for event_name in ("<Key>", "<<Paste>>", "<<Cut>>"):  # they come before the field changes
            self.field.bind(event_name, lambda event: self.after_idle(typed), add="+")

    @property
    def ground(self) -> str:
        """What was typed."""
        return str(self.field.get()).strip()

    def show(self, model: TrainingModel) -> None:
        self._words.configure(text=model.source_words)
        if model.needs_ground:
            self._asking.grid(row=1, column=0, sticky="ew", padx=theme.PAD, pady=(0, 4))
        else:
            self._asking.grid_forget()
        if model.is_read and not model.stored.learnable.messages:
            self.to_data.grid(row=0, column=1, padx=theme.PAD, pady=theme.GAP)
        else:
            self.to_data.grid_forget()

    @property
    def words(self) -> str:
        return str(self._words.cget("text"))


class PackagesCard(ctk.CTkFrame):
    """The training packages are missing: what they are, and a button that gets them."""

    def __init__(
        self, parent: Any, install: Callable[[], object], leave: Callable[[], object]
    ) -> None:
        super().__init__(**{**_card(parent), "border_color": theme.WARN})
        self.grid_columnconfigure(0, weight=1)
        self._words = theme.label(self, training_packages.NEED, wraplength=WRAP_PX - 150)
        self._words.grid(row=0, column=0, sticky="w", padx=theme.PAD, pady=theme.GAP)
        self._said = theme.muted(self, "", wraplength=WRAP_PX - 150)
        self.install = reachable(theme.secondary(self, "Install them", install, width=120))
        self.leave = reachable(theme.secondary(self, "Stop", leave, width=120))

    def show(self, is_busy: bool, said: str) -> None:
        shown, hidden = (self.leave, self.install) if is_busy else (self.install, self.leave)
        # Not grid_remove: CustomTkinter brings what that took away back when the scaling changes.
        hidden.grid_forget()
        shown.grid(row=0, column=1, rowspan=2, padx=theme.PAD, pady=theme.GAP)
        self._said.configure(text=said)
        if said:
            self._said.grid(row=1, column=0, sticky="w", padx=theme.PAD, pady=(0, theme.GAP))
        else:
            self._said.grid_forget()


@dataclass(frozen=True)
class Made:
    """What is known of the model that came of the training."""

    score: str = ""
    """In words; "" where it was not judged."""
    has_report: bool = False
    is_deployed: bool = False
    may_answer: bool = True
    """Whether nothing that is asked of it lacks."""


class ProgressCard(ctk.CTkFrame):
    """The stages, how far the present one is, the loss, and what may be done at the end."""

    def __init__(
        self,
        parent: Any,
        *,
        report: Callable[[], object],
        attempt: Callable[[], object],
        deploy: Callable[[], object],
        to_models: Callable[[], object],
    ) -> None:
        """The buttons' work at the end."""
        super().__init__(**_card(parent))
        self.grid_columnconfigure(0, weight=1)
        self.grid_rowconfigure(4, weight=1)
        self._make_stages()
        self._words = theme.label(self, "", wraplength=WRAP_PX)
        self._words.grid(row=2, column=0, sticky="w", padx=theme.PAD)
        self._remarks = theme.muted(self, "", wraplength=WRAP_PX)
        self._bar = ctk.CTkProgressBar(
            self, height=6, progress_color=theme.ACCENT, fg_color=theme.LINE
        )
        self.chart = Chart(
            self,
            "Loss while fine-tuning, nats a token",
            empty="The loss is drawn here while a model is trained.",
            height=CHART_HEIGHT,
        )
        self.chart.grid(row=4, column=0, sticky="nsew", padx=4, pady=theme.GAP)
        self._ended = ctk.CTkFrame(self, fg_color="transparent")
        self._score = theme.label(self._ended, "")
        self._score.grid(row=0, column=0, columnspan=4, sticky="w")
        self.report = theme.secondary(self._ended, "Show the report", report, width=130)
        self.attempt = theme.secondary(self._ended, "Try it in the playground", attempt, width=180)
        self.deploy = theme.secondary(self._ended, "Deploy", deploy, width=90)
        self.to_models = theme.secondary(self._ended, "Open Models", to_models, width=110)
        for column, button in enumerate((self.report, self.attempt, self.deploy, self.to_models)):
            button.grid(row=1, column=column, padx=(0, theme.GAP))

    def _make_stages(self) -> None:
        row = ctk.CTkFrame(self, fg_color="transparent")
        row.grid(row=0, column=0, sticky="w", padx=theme.PAD, pady=(theme.GAP, 0))
        self.stages = {}
        for number, stage in enumerate(STAGES):
            self.stages[stage] = theme.muted(row, f"{PENDING[0]} {STAGE_WORDS[stage]}")
            self.stages[stage].grid(
                row=number // STAGES_A_ROW,
                column=number % STAGES_A_ROW,
                sticky="w",
                padx=(0, 2 * theme.PAD),
            )

    def show(self, run: TrainingRun, made: Made, *, is_busy: bool) -> None:
        """As it stands; `is_busy`: whether it is being deployed just now."""
        for stage, label in self.stages.items():
            mark, colour = PENDING
            if stage in run.ended:
                mark, colour = MARKS.get(run.ended[stage], LEFT_OUT)
            elif run.is_busy and stage == run.stage:
                mark, colour = NOW
            text = f"{mark} {STAGE_WORDS[stage]}"
            if label.cget("text") != text:
                label.configure(text=text, text_color=colour)
        self._words.configure(text=run.words or "Nothing is being trained now.")
        self._show_remarks(" ".join(run.remarks))
        self._show_bar(run.share if run.is_busy else None)
        series = Series("loss", tuple(run.points), theme.ACCENT)
        end = float(max(run.steps, 1))
        self.chart.show([series], (0.0, end), is_time=False)
        if run.version and not run.is_busy:
            self._ended.grid(row=5, column=0, sticky="w", padx=theme.PAD, pady=(0, theme.GAP))
            self._show_made(made, is_busy)
        else:
            self._ended.grid_forget()

    def _show_made(self, made: Made, is_busy: bool) -> None:
        tone = theme.TEXT if made.may_answer else theme.WARN
        self._score.configure(text=made.score or "It was not judged.", text_color=tone)
        enable(self.report, made.has_report)
        enable(self.deploy, made.may_answer and not made.is_deployed and not is_busy)
        words = "Being tried out" if is_busy else "Deployed" if made.is_deployed else "Deploy"
        self.deploy.configure(text=words)

    def _show_remarks(self, remarks: str) -> None:
        if self._remarks.cget("text") != remarks:
            self._remarks.configure(text=remarks)
        if remarks:
            self._remarks.grid(row=1, column=0, sticky="w", padx=theme.PAD)
        else:
            self._remarks.grid_forget()

    def _show_bar(self, share: float | None) -> None:
        if share is None:
            self._bar.grid_forget()
            return
        self._bar.set(share)
        if not self._bar.winfo_manager():
            self._bar.grid(row=3, column=0, sticky="ew", padx=theme.PAD, pady=(4, 0))

    @property
    def words(self) -> str:
        return str(self._words.cget("text"))

    @property
    def score(self) -> str:
        return str(self._score.cget("text"))

"""A rehearsal to look at and to answer: on its page, and in the setup's step.

What to rehearse, how far it is, when it would have spoken, and the moments themselves. Tk's thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import customtkinter as ctk

from gui import theme
from gui.app_model import AppModel
from gui.components.chart import Chart
from gui.components.choice import Choice
from gui.components.enabling import enable
from gui.components.keyboard import reachable, reachable_all
from gui.components.moment_card import Look
from gui.components.page import Shell
from gui.components.rehearsal_cards import FitCard, SourceCard
from gui.components.run_card import RunCard
from gui.components.timeline import Timeline
from gui.components.tooltip import Tooltip
from gui.models.plot import Series
from gui.models.rehearsal_model import (
    ACCEPT_DETAILS,
    FILTERS,
    RehearsalModel,
    rehearsal_name,
)
from gui.models.rehearsal_words import MEANINGS, hours_of
from gui.models.words import many
from storage.readonly import Moment

READ_EVERY_MS = 3_000
CHART_HEIGHT = 84
WRAP_PX, SUMMARY_PX = 660, 170
SILENT = "It listens and rehearses, it does not speak in public yet."
SPEAKS = "It speaks in public."

Fail = Callable[..., object]
"""(what, why, mend, act), as `Shell.show_error` takes them."""


class RehearsalView(ctk.CTkFrame):
    """Binds RehearsalModel to its parts; `grid` it with sticky="nsew"."""

    def __init__(
        self,
        parent: Any,
        app: AppModel,
        shell: Shell,
        fail: Fail,
        *,
        is_step: bool = False,
        changed: Callable[[], object] = lambda: None,
    ) -> None:
        """`is_step`: smaller, without the chart and with a button that is not the main one.
        `changed` hears what the model's does."""
        super().__init__(parent, fg_color="transparent")
        self.app, self._shell, self._fail = app, shell, fail
        self._changed = changed
        self.model = RehearsalModel(app, self._show, self._failed)
        self._shown_fit: Any = None
        self._fit_card: FitCard | None = None
        self._ends: list[Callable[[], object]] = []
        self.grid_columnconfigure(0, weight=1)
        self.grid_rowconfigure(6, weight=1)
        self._make_top(theme.secondary if is_step else theme.primary)
        self._make_head()
        self.chart: Chart | None = None if is_step else self._made_chart()
        self.timeline = Timeline(
            self,
            look=self._look,
            on_answer=self.model.answer,
            on_undo=self.undo,
            on_seen=self.model.note_seen,
            height=150 if is_step else 220,
        )
        self.timeline.grid(row=6, column=0, sticky="nsew")
        self._watch()
        self._show_run()
        self.model.reload()

    def _watch(self) -> None:
        app, model = self.app, self.model
        self._ends += [
            model.run.watch(self._show_run),
            model.answers.watch(self._show_answers),
            app.watch("data", lambda value: model.reload()),
            app.watch("settings", lambda settings: self._show()),
            app.watch("snapshot", lambda snapshot: self._show()),
            app.ui.every(READ_EVERY_MS, lambda: model.reload() if model.grows else None),
        ]

    def destroy(self) -> None:
        for end in self._ends:
            end()
        self._ends.clear()
        super().destroy()

    # -- widgets ----------------------------------------------------------------------------------

    def make_actions(self, parent: Any) -> Any:
        """The buttons for what follows from the answers; the caller grids their frame."""
        row = ctk.CTkFrame(parent, fg_color="transparent")
        self.fit = reachable(
            theme.secondary(row, "Fit to my answers", self.model.look_for_fit, width=140)
        )
        Tooltip(
            self.fit,
            "Looks for the rate and the threshold at which it would do as you answered, and shows "
            "what would change. Nothing is set before you say so.",
        )
        self.speak = reachable(theme.secondary(row, "Let it speak", self._ask, width=120))
        self.fit.grid(row=0, column=0, padx=(0, theme.GAP))
        self.speak.grid(row=0, column=1)
        self._show()
        return row

    def _make_top(self, make: Callable[..., Any]) -> None:
        self.words = theme.muted(self, "", wraplength=WRAP_PX)
        self.words.grid(row=0, column=0, sticky="ew", pady=(0, 4))
        self.source = SourceCard(self, self.model.start, self._show_source, make)
        self.source.grid(row=1, column=0, sticky="ew")
        self.card = RunCard(self, row=2, column=0, pady=(theme.GAP, 0))
        self.stop = self.card.button("Stop", self.model.run.stop)
        self.close = self.card.button("Close", self.model.run.dismiss)

    def _make_head(self) -> None:
        row = ctk.CTkFrame(self, fg_color="transparent")
        row.grid(row=4, column=0, sticky="ew", pady=theme.GAP)
        row.grid_columnconfigure(2, weight=1)
        self._ids: dict[str, int] = {}
        self.which = Choice(row, [""], self._choose, width=190)
        self.filter = reachable_all(
            ctk.CTkSegmentedButton(
                row,
                values=list(FILTERS),
                font=theme.font(),
                border_width=2,
                fg_color=theme.HOVER,
                unselected_color=theme.HOVER,
                unselected_hover_color=theme.LINE,
                selected_color=theme.CARD,
                selected_hover_color=theme.CARD,
                text_color=theme.TEXT,
                command=self.model.choose_filter,
            )
        )
        self.filter.set(self.model.filter)
        self.filter.grid(row=0, column=1, padx=(0, theme.GAP))
        self.summary = theme.muted(row, "", wraplength=SUMMARY_PX)
        self.summary.grid(row=0, column=2, sticky="w")
        self.back = reachable(theme.secondary(row, "Undo", self.undo, width=60))
        self.back.grid(row=0, column=3)
        Tooltip(self.back, f"{MEANINGS} Keys: 1, 2, 3 or y, n, t; the arrows move, u takes back.")

    def _made_chart(self) -> Chart:
        chart = Chart(
            self,
            "Where it would have spoken",
            empty="When it would have spoken is drawn here.",
            height=CHART_HEIGHT,
        )
        chart.grid(row=5, column=0, sticky="ew", pady=(0, theme.GAP))
        return chart

    # -- what the user does -----------------------------------------------------------------------

    def undo(self) -> str:
        """The last answer."""
        row_id = self.model.undo()
        if row_id is not None:
            self.timeline.cards.choose_row(row_id)
        return "break"

    def _choose(self, name: str) -> None:
        self.which.set(name)
        self.model.choose(self._ids.get(name))

    def _ask(self) -> None:
        """Before it speaks; silencing it needs no question."""
        model = self.model
        if model.speaks:
            model.silence()
            return
        details = ACCEPT_DETAILS
        if model.is_doubtful:
            details = f"Most of what you answered was not a yes. {details}"
        self._shell.confirm(model.accept_question, "Let it speak", model.accept, details)

    # -- what is shown ----------------------------------------------------------------------------

    @property
    def is_alive(self) -> bool:
        return bool(self.winfo_exists())

    def _show(self) -> None:
        if not self.is_alive or not hasattr(self, "timeline"):
            return
        model = self.model
        self.timeline.say_empty(model.empty_words)
        self.timeline.show(model.shown)
        self.source.offer(model.channel_names, model.first_day)
        self._show_source()
        self._show_choice()
        self._show_figures()
        self._show_fit()
        self._show_actions()
        self._changed()

    def _show_source(self) -> None:
        self.source.show(self.model.why_not_start(*self.source.chosen[1:]))

    def _show_choice(self) -> None:
        rehearsals, shown = self.model.stored.rehearsals, self.model.stored.shown
        self._ids = {rehearsal_name(one): one.rehearsal_id for one in rehearsals}
        if shown is None:
            self.which.grid_forget()
            return
        if not self.which.winfo_manager():
            self.which.grid(row=0, column=0, padx=(0, theme.GAP))
        if list(self.which.cget("values")) != list(self._ids):
            self.which.configure(values=list(self._ids))
        if self.which.get() != rehearsal_name(shown):
            self.which.set(rehearsal_name(shown))

    def _show_figures(self) -> None:
        model = self.model
        words = model.summary_words
        if model.answers.unstored:
            words += f" {model.answers.unstored} not stored yet."
        _put(self.summary, words)
        enable(self.back, model.can_undo)
        if self.chart is not None:
            self._show_chart(self.chart)

    def _show_chart(self, chart: Chart) -> None:
        places = tuple(one.at_ms for one in self.model.spoken)
        if places != getattr(self, "_charted", None):
            self._charted = places
            bucket_ms, points, span = hours_of(self.model.stored.moments)
            each = "by hour" if bucket_ms == 3_600_000 else "by day"
            series = Series("moments", points, theme.ACCENT, bucket_ms)
            chart.show([series], span, title=f"Where it would have spoken, {each}")

    def _show_fit(self) -> None:
        """The card is made anew for another result."""
        model = self.model
        if model.fit is not self._shown_fit:
            self._shown_fit = model.fit
            if self._fit_card is not None:
                self._fit_card.destroy()
                self._fit_card = None
            if model.fit is not None:
                self._fit_card = FitCard(self, model.fit, model.apply_fit, model.leave_fit)
                self._fit_card.grid(row=3, column=0, sticky="ew", pady=(theme.GAP, 0))
        if self._fit_card is not None:
            self._fit_card.show(bool(model.doing))

    def _show_actions(self) -> None:
        model = self.model
        why = "" if model.speaks else model.why_not_accept
        is_before = model.stored.shown is None or model.run.is_busy
        parts = [SPEAKS if model.speaks else SILENT, model.hint if is_before else why]
        _put(self.words, " ".join(part for part in parts if part))
        if hasattr(self, "speak"):
            enable(self.fit, not model.why_not_fit and model.fit is None)
            enable(self.speak, not why and not model.doing)
            _put(self.speak, "Silence again" if model.speaks else "Let it speak")

    def _show_run(self) -> None:
        if not self.is_alive:
            return
        run = self.model.run
        if run.failure:
            failure, run.failure = run.failure, ""
            self._fail("The rehearsal did not come to its end.", failure, "Look again", self._again)
        self.model.follow_run()
        self.card.offer(self.stop, run.is_busy)
        enable(self.stop, run.state == "running")
        self.card.offer(self.close, not run.is_busy)
        tone = theme.ACCENT if run.is_busy else theme.LINE
        self.card.show(run.words, run.share if run.is_busy else None, tone=tone)
        self._show()

    def _show_answers(self) -> None:
        if not self.is_alive:
            return
        answers = self.model.answers
        if answers.failure:
            failure, answers.failure = answers.failure, ""
            what = f"{many(answers.unstored, 'answer')} could not be stored yet."
            self._fail(what, failure, "Try again", self.model.send_again)
        self._show()

    def _again(self) -> None:
        self.model.reload()

    def _look(self, moment: Moment) -> Look:
        return Look(self.model.answer_of(moment), self.model.answers.is_stored(moment.row_id))

    def _failed(self, what: str, why: str) -> None:
        if self.is_alive:
            self._fail(what, why, "Look again", self.model.reload)


def _put(widget: Any, text: str) -> None:
    """What is the same is not drawn again."""
    if widget.cget("text") != text:
        widget.configure(text=text)

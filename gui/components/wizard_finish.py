"""Setup, step 8: what was chosen, and the start of the bot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gui import theme
from gui.components.wizard_step import TEXT_PX, Step
from gui.models.wizard_model import StepName, step_that_mends, summary, without_commands
from gui.snapshot import Snapshot
from gui.state_words import colour_of, words_for
from gui.supervision import State

VALUE_PX = 440


class FinishStep(Step):
    """A line for each choice with a button that changes it; Next starts the bot."""

    name = StepName.FINISH
    heading = "Ready to start"
    text = "This is what you have chosen."
    next_text = "Start the bot"

    def build(self) -> None:
        self._is_starting = False
        self._pid_before: int | None = None
        self.values: dict[str, Any] = {}
        card = theme.card(self)
        card.grid(row=2, column=0, sticky="ew")
        card.grid_columnconfigure(1, weight=1)
        for place, (name, value, step) in enumerate(self._summary()):
            theme.muted(card, name, width=80).grid(
                row=place, column=0, sticky="nw", padx=theme.PAD, pady=6
            )
            self.values[name] = theme.label(card, value, wraplength=VALUE_PX)
            self.values[name].grid(row=place, column=1, sticky="w", pady=6)
            theme.secondary(
                card,
                "Change",
                self._leading_to(step),
                width=76,
                height=26,
            ).grid(row=place, column=2, padx=theme.PAD, pady=5)
        self.status = theme.label(self, "", wraplength=TEXT_PX)
        self.status.grid(row=4, column=0, sticky="ew", pady=(theme.GAP, 0))
        theme.muted(
            self,
            "The bot goes on when this window is closed. Reading the history of the channels and "
            "training on it come later, on the pages Data and Training. What it would have said is "
            "on the page Rehearsal.",
            wraplength=TEXT_PX,
        ).grid(row=3, column=0, sticky="ew", pady=(theme.PAD, 0))
        self.watch("settings", lambda settings: self._show_values())
        self.watch("snapshot", self._show_state)
        if self.app.is_online:
            self.status.configure(text="The bot runs already; it is restarted with these choices.")

    def commit(self, done: Callable[[], object]) -> None:
        """Start it, or start it anew: what was chosen counts from the next start on."""
        snapshot = self.app.snapshot
        self._pid_before = snapshot.pid if self.app.is_online else None
        self._is_starting = True
        self.wizard.allow_next(False)
        self.status.configure(text="Starting \u2026", text_color=theme.MUTED)
        if self.app.is_online:
            self.app.supervisor.restart()
        else:
            self.app.supervisor.start()

    def _summary(self) -> list[tuple[str, str, StepName]]:
        return summary(self.wizard.progress, self.app.settings)

    def _leading_to(self, step: StepName) -> Callable[[], object]:
        return lambda: self.wizard.go(step)

    def _show_values(self) -> None:
        for name, value, _ in self._summary():
            self.values[name].configure(text=value)

    def _show_state(self, snapshot: Snapshot) -> None:
        if not self._is_starting:
            return
        self.status.configure(
            text=f"\u25cf {words_for(snapshot)}".rstrip() + ".", text_color=colour_of(snapshot)
        )
        if snapshot.state is State.FAILED:
            self._failed(snapshot.reason)
        elif snapshot.state is State.WAITING:
            self.wizard.fail("The bot could not start yet.", snapshot.reason)
        elif snapshot.phase == "online" and snapshot.pid != self._pid_before:
            self._online()

    def _online(self) -> None:
        self._is_starting = False
        account = self.wizard.progress.account
        name = account.name if account else "The bot"
        shell = self.wizard.shell
        self.wizard.keep(replace(self.wizard.progress, is_done=True))
        shell.open_page("Home")
        shell.notify(f"{name} is online.")

    def _failed(self, said: str) -> None:
        """The card's button leads to the step that mends it."""
        reason = without_commands(said)
        self._is_starting = False
        self.status.configure(text="")
        self.wizard.allow_next(True)
        step = step_that_mends(reason)
        if step is None:
            self.wizard.fail("The bot could not start.", reason)
        else:
            self.wizard.fail(
                "The bot could not start.",
                reason,
                f"Go to {step.value}",
                self._leading_to(step),
            )

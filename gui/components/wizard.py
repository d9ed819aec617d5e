"""Setup: eight steps from a token to a running bot, left and gone on with at any of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import customtkinter as ctk

from gui import theme
from gui.components.page import Page
from gui.components.wizard_admins import AdminsStep
from gui.components.wizard_channels import ChannelsStep
from gui.components.wizard_finish import FinishStep
from gui.components.wizard_invite import InviteStep
from gui.components.wizard_keys import focus_on, reach_all
from gui.components.wizard_model_choice import ModelStep
from gui.components.wizard_rehearsal import RehearsalStep
from gui.components.wizard_step import Step, failure_card
from gui.components.wizard_token import TokenStep
from gui.components.wizard_welcome import WelcomeStep
from gui.models import wizard_model
from gui.models.wizard_model import Progress, StepName
from storage import readonly, settings

STEPS: dict[StepName, type[Step]] = {
    step.name: step
    for step in (
        WelcomeStep,
        TokenStep,
        InviteStep,
        ChannelsStep,
        AdminsStep,
        ModelStep,
        RehearsalStep,
        FinishStep,
    )
}


class WizardPage(Page):
    """The page "Setup": the steps' names above, one step, Back and Next below it."""

    title = "Setup"

    def build(self) -> None:
        self.progress = Progress()
        self.step: Step | None = None
        self._failure: Any = None
        self._is_saving = self._is_unsaved = False
        self._is_allowed = True
        self._was_online = self.app.is_online
        self._wanted, self.app.wanted_step = self.app.wanted_step, ""
        self.body.grid_columnconfigure(0, weight=1)
        self.body.grid_rowconfigure(2, weight=1)
        self._make_strip()
        self._make_foot()
        self.watch("settings", lambda settings: self._show_strip())
        self.watch("snapshot", lambda snapshot: self._note_bot())
        self.at_end(lambda: self.step.leave() if self.step is not None else None)
        self.app.ui.run(self._read, self._begin, self._unreadable)

    # -- what steps ask (gui.components.wizard_step.Wizard) -------------------------------------

    def keep(self, progress: Progress) -> None:
        self.progress = progress
        self._show_strip()
        self._is_unsaved = True
        self._save()

    def go(self, step: StepName) -> None:
        self._open(step)
        self.keep(self.progress)

    def _open(self, step: StepName) -> None:
        """Show it. Kept only by `go`: who merely looks at the setup has not begun it."""
        if self.step is not None:
            self.step.leave()
        self.clear_failure()
        self._is_allowed = True
        self.next.configure(text=STEPS[step].next_text)
        self.back.configure(state="disabled" if step is StepName.WELCOME else "normal")
        self.progress = replace(self.progress, step=step)
        self._show_strip()
        self.step = STEPS[step](self.body, self)
        self.step.grid(row=2, column=0, sticky="nsew", pady=(theme.GAP, 0))
        reach_all(self.step)
        self._foot.lift()  # Tab goes through the step first
        self._paint_next()
        self._take_focus()

    def allow_next(self, is_allowed: bool) -> None:
        self._is_allowed = is_allowed
        self._paint_next()

    def fail(
        self, what: str, why: str, mend: str = "", act: Callable[[], object] | None = None
    ) -> None:
        self.clear_failure()
        self._paint_next()

        def mended() -> None:
            self.clear_failure()
            if act is not None:
                act()

        self._failure = failure_card(self.body, what, why, mend, mended if act else None)
        self._failure.grid(row=1, column=0, sticky="ew", pady=(theme.GAP, 0))
        reach_all(self._failure)

    def clear_failure(self) -> None:
        if self._failure is not None:
            self._failure.destroy()
            self._failure = None

    # -- the frame around ---------------------------------------------------------------------

    def _make_strip(self) -> None:
        strip = ctk.CTkFrame(self.body, fg_color="transparent")
        strip.grid(row=0, column=0, sticky="ew")
        self.steps: dict[StepName, Any] = {}
        for column, name in enumerate(StepName):
            button = ctk.CTkButton(
                strip,
                text=f"{name.number} {name.value}",
                width=20,
                height=28,
                corner_radius=theme.RADIUS,
                fg_color="transparent",
                hover_color=theme.HOVER,
                text_color_disabled=theme.MUTED,
                font=theme.font(),
                state="disabled",
                command=lambda name=name: self.go(name),
            )
            strip.grid_columnconfigure(column, weight=1)
            button.grid(row=0, column=column, sticky="ew", padx=1)
            self.steps[name] = button
        reach_all(strip)

    def _make_foot(self) -> None:
        self._foot = foot = ctk.CTkFrame(self.body, fg_color="transparent")
        foot.grid(row=3, column=0, sticky="ew", pady=(theme.GAP, 0))
        foot.grid_columnconfigure(1, weight=1)
        self.back = theme.secondary(foot, "Back", lambda: self._move(-1), width=100)
        self.back.grid(row=0, column=0)
        theme.muted(foot, "You can stop at any time and go on here later.").grid(
            row=0, column=1, sticky="w", padx=theme.PAD
        )
        self.next = theme.primary(foot, "Next", self._commit, width=140)
        self.next.grid(row=0, column=2)
        reach_all(foot)

    def _note_bot(self) -> None:
        """A bot that has come online, or gone, opens other steps."""
        if self._was_online != self.app.is_online:
            self._was_online = self.app.is_online
            self._show_strip()

    def _show_strip(self) -> None:
        furthest = self.progress.furthest(self.app.settings, self.app.is_online)
        for name, button in self.steps.items():
            is_here = name is self.progress.step
            can_go = is_here or name.number <= max(furthest.number, self.progress.step.number)
            button.configure(
                state="normal" if can_go else "disabled",
                fg_color=theme.HOVER if is_here else "transparent",
                text_color=theme.TEXT if can_go else theme.MUTED,
                font=theme.font("bold" if is_here else "body"),
            )

    def _paint_next(self) -> None:
        """The one accented button, but only while it can be pressed."""
        self.next.configure(
            state="normal" if self._is_allowed else "disabled",
            fg_color=theme.ACCENT if self._is_allowed else theme.LINE,
            text_color_disabled=theme.MUTED,
        )

    def _take_focus(self) -> None:
        assert self.step is not None
        wanted = self.step.first_focus()
        if wanted is not None:
            focus_on(wanted)
        elif self._is_allowed:
            focus_on(self.next)

    def _commit(self) -> None:
        """Next was pressed: the step stores what was chosen first."""
        assert self.step is not None
        self.clear_failure()
        self.next.configure(state="disabled")
        self.step.commit(lambda: self._move(1))

    def _move(self, by: int) -> None:
        self.go(self.progress.step.moved(by))

    # -- how far it has come ------------------------------------------------------------------

    def _read(self) -> tuple[Progress, settings.Settings]:
        stored = settings.load(readonly.read_config(self.app.home.database))[0]
        return wizard_model.load(self.app.home), stored

    def _begin(self, found: tuple[Progress, settings.Settings]) -> None:
        if not self.is_alive:
            return
        self.progress, self.app.settings = found
        if self._wanted:
            self._open(StepName(self._wanted))
            return
        step = StepName.WELCOME if self.progress.is_done else self.progress.step
        furthest = self.progress.furthest(self.app.settings, self.app.is_online)
        self._open(step if step.number <= furthest.number else furthest)

    def _unreadable(self, error: Exception) -> None:
        if self.is_alive:
            self._open(StepName.WELCOME)
            self.fail("What was set up before cannot be read.", str(error))

    def _save(self) -> None:
        """On a worker; what changes meanwhile is saved after it."""
        if self._is_saving or not self._is_unsaved:
            return
        self._is_saving, self._is_unsaved = True, False
        home, progress = self.app.home, self.progress

        def saved(result: object) -> None:
            self._is_saving = False
            self._save()

        self.app.ui.run(lambda: wizard_model.save(home, progress), saved, self._unsaved)

    def _unsaved(self, error: Exception) -> None:
        self._is_saving = False
        if self.is_alive:
            self.shell.notify(f"How far the setup has come could not be saved ({error}).")

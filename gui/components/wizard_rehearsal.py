"""Setup, step 7: what it would have said, before anybody hears it.

Put off, it starts in silence: nobody's bot speaks in public before its owner has seen that.
"""

from __future__ import annotations

from dataclasses import replace

from gui import theme
from gui.components.enabling import enable
from gui.components.keyboard import reachable
from gui.components.rehearsal_view import RehearsalView
from gui.components.wizard_step import Step, row
from gui.models.rehearsal_model import SPEAKS
from gui.models.wizard_model import StepName

LATER = "Later: listen in silence"


class RehearsalStep(Step):
    """The rehearsal as on its page, smaller; Next once it may speak, or once that is put off."""

    name = StepName.REHEARSAL
    heading = "What it would have said"

    def build(self) -> None:
        self.grid_rowconfigure(2, weight=1)
        self.view = RehearsalView(
            self,
            self.app,
            self.wizard.shell,
            self.wizard.fail,
            is_step=True,
            changed=self._settle,
        )
        self.view.grid(row=2, column=0, sticky="nsew")
        foot = row(self)
        foot.grid(row=3, column=0, sticky="ew", pady=(theme.GAP, 0))
        foot.grid_columnconfigure(0, weight=1)
        self.later = reachable(theme.secondary(foot, LATER, self._put_off, width=170))
        self.later.grid(row=0, column=0, sticky="w")
        self.view.make_actions(foot).grid(row=0, column=1, sticky="e")
        self._settle()

    def _put_off(self) -> None:
        """It listens in silence, and says so on Home and in the last step."""
        self.wizard.keep(replace(self.wizard.progress, rehearses_later=True))
        self.wizard.go(self.name.moved(1))

    def _settle(self) -> None:
        """Never passed over by Next alone: it was let speak, or put off."""
        speaks = self.app.settings.switch(SPEAKS)
        if hasattr(self, "later"):
            enable(self.later, not speaks)
        self.wizard.allow_next(speaks or self.wizard.progress.rehearses_later)

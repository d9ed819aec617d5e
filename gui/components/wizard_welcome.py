"""Setup, step 1: what Mynah is and what Discord allows."""

from __future__ import annotations

from gui import theme
from gui.components.wizard_step import Step
from gui.models.wizard_model import StepName

SENTENCES = (
    "Mynah is a bot for your Discord server that learns from what is said there to talk like one "
    "of its regulars; everything stays on this computer.",
    "It reads and answers only in the channels that you list, and it stores nothing of the others.",
    "Discord's rules (Developer Policy, rule 21) forbid training a model on messages that come "
    "through its interface without Discord's permission, so Mynah remembers and quotes them but "
    "trains on them only after you have declared on what ground you may.",
    "Tell your members that Mynah reads along; whoever does not want to be remembered or learned "
    "from is left out of both as soon as you exclude them.",
    "The next seven steps take about five minutes: you need a Discord account and a server on "
    "which you may manage the settings.",
)


class WelcomeStep(Step):
    """Five sentences."""

    name = StepName.WELCOME
    heading = "A bot that talks like your community"
    next_text = "Begin"

    def build(self) -> None:
        card = theme.card(self)
        card.grid(row=2, column=0, sticky="ew", pady=theme.GAP)
        card.grid_columnconfigure(1, weight=1)
        last = len(SENTENCES) - 1
        for row, sentence in enumerate(SENTENCES):
            above = theme.PAD if row == 0 else 7
            below = theme.PAD if row == last else 7
            theme.label(card, str(row + 1), "bold", text_color=theme.ACCENT, height=1).grid(
                row=row, column=0, sticky="n", padx=(theme.PAD, 0), pady=(above, below)
            )
            theme.label(card, sentence, wraplength=620, height=1).grid(
                row=row, column=1, sticky="w", padx=theme.PAD, pady=(above, below)
            )

"""Setup, step 3: the link that lets the bot in, and waiting until it is on a server."""

from __future__ import annotations

from typing import Any

from gui import theme
from gui.components.wizard_step import TEXT_PX, Step, entry, row
from gui.models.wizard_discord import servers_of
from gui.models.wizard_model import StepName

LOOK_EVERY_S = 3


class InviteStep(Step):
    """The link, and what Discord says meanwhile."""

    name = StepName.INVITE
    heading = "Invite the bot to your server"
    text = (
        "Open this link, choose your server and press Authorise. That takes the right Manage "
        "Server; whoever has it can do it for you with the same link."
    )

    def build(self) -> None:
        account = self.wizard.progress.account
        self.url = account.invite_url if account else ""
        line = row(self)
        line.grid(row=2, column=0, sticky="ew", pady=(0, theme.GAP))
        line.grid_columnconfigure(0, weight=1)
        self.field = entry(line)
        self.field.insert(0, self.url)
        self.field.configure(state="readonly")
        self.field.grid(row=0, column=0, sticky="ew")
        self.copy_link = theme.secondary(line, "Copy", lambda: self.copy(self.url), width=80)
        self.open_link = theme.primary(line, "Open", lambda: self.open_page(self.url), width=90)
        for column, button in enumerate((self.copy_link, self.open_link), start=1):
            button.grid(row=0, column=column, padx=(theme.GAP, 0))
        theme.muted(
            self,
            "The link asks for the least that Mynah needs: see channels, write messages, also in "
            "threads, and read what was said before.",
            wraplength=TEXT_PX,
        ).grid(row=3, column=0, sticky="ew")
        card = theme.card(self)
        card.grid(row=4, column=0, sticky="ew", pady=theme.PAD)
        card.grid_columnconfigure(0, weight=1)
        self.status = theme.label(card, "", wraplength=TEXT_PX - 40)
        self.status.grid(row=0, column=0, sticky="ew", padx=theme.PAD, pady=theme.PAD)
        self.wizard.allow_next(False)
        self._look()

    def first_focus(self) -> Any:
        return self.open_link

    def _look(self) -> None:
        self._say("Asking Discord \u2026", theme.MUTED)
        self.look(
            "check_discord.py",
            "servers",
            "--watch",
            str(LOOK_EVERY_S),
            done=lambda answer: None,
            failed=self._failed,
            on_line=self._seen,
            on_said=self.while_alive(lambda sentence: self._say(sentence, theme.WARN)),
        )

    def _seen(self, answer: dict[str, Any]) -> None:
        names = [server.name for server in servers_of(answer)]
        if names:
            self._say(f"\u25cf The bot is on {_listed(names)}.", theme.GOOD)
        else:
            self._say("\u25cb Waiting until the bot is on a server \u2026", theme.MUTED)
        self.wizard.allow_next(bool(names))

    def _failed(self, reason: str) -> None:
        self._say("", theme.MUTED)
        self.wizard.allow_next(False)
        if "token" in reason:
            self.wizard.fail(
                "Discord refuses the token.",
                reason,
                "Change it",
                lambda: self.wizard.go(StepName.TOKEN),
            )
        else:
            self.wizard.fail("Discord could not be asked.", reason, "Try again", self._look)

    def _say(self, text: str, colour: tuple[str, str]) -> None:
        self.status.configure(text=text, text_color=colour)


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

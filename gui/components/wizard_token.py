"""Setup, step 2: the bot's token, whose it is, and whether what Mynah needs is switched on."""

from __future__ import annotations

import os
import tkinter
from contextlib import suppress
from dataclasses import replace
from typing import Any

from gui import theme
from gui.child_process import TOKEN_VARIABLE
from gui.components.wizard_account import AccountCard
from gui.components.wizard_step import TEXT_PX, Step, entry, row
from gui.models.wizard_discord import PORTAL, account_of
from gui.models.wizard_model import StepName

HIDDEN = "\u2022"


class TokenStep(Step):
    """A field, its check, and the account that it belongs to."""

    name = StepName.TOKEN
    heading = "The bot's token"
    text = (
        "A token is the password of a bot. Make an application in Discord's Developer Portal, open "
        "its Bot page, press Reset Token and copy what is shown. Mynah keeps it in this computer's "
        "keyring, or in a file that only you can read."
    )

    def build(self) -> None:
        line = row(self)
        line.grid(row=2, column=0, sticky="ew", pady=(0, theme.GAP))
        line.grid_columnconfigure(1, weight=1)
        theme.label(line, "Token").grid(row=0, column=0, padx=(0, theme.GAP))
        self.field = entry(line, show=HIDDEN)
        self.field.grid(row=0, column=1, sticky="ew")
        self.field.bind("<Return>", lambda event: self._check())
        self.show = theme.secondary(line, "Show", self._toggle, width=70)
        self.paste = theme.secondary(line, "Paste", self._paste, width=70)
        self.check = theme.primary(line, "Check", self._check, width=90)
        for column, button in enumerate((self.show, self.paste, self.check), start=2):
            button.grid(row=0, column=column, padx=(theme.GAP, 0))
        below = row(self)
        below.grid(row=3, column=0, sticky="ew")
        self.portal = theme.secondary(
            below, "Open the Developer Portal", lambda: self.open_page(PORTAL)
        )
        self.portal.grid(row=0, column=0)
        self.status = theme.muted(below, "", wraplength=TEXT_PX - 220)
        self.status.grid(row=0, column=1, padx=theme.PAD)
        self.account = AccountCard(self, self.open_page, self._check_kept)
        self._show_account("")
        self._look_for_one()

    def first_focus(self) -> Any:
        return None if self.wizard.progress.is_token_good else self.field

    # -- the field ----------------------------------------------------------------------------

    def _toggle(self) -> None:
        is_hidden = self.field.cget("show") == HIDDEN
        self.field.configure(show="" if is_hidden else HIDDEN)
        self.show.configure(text="Hide" if is_hidden else "Show")

    def _paste(self) -> None:
        with suppress(tkinter.TclError):  # an empty clipboard, or a picture
            text = self.clipboard_get()
            self.field.delete(0, "end")
            self.field.insert(0, text.strip())

    # -- the check ----------------------------------------------------------------------------

    def _look_for_one(self) -> None:
        """A token may be kept already: by an earlier setup, or by scripts/manage_token.py."""
        if not self.wizard.progress.token_place:
            self.status.configure(text="Looking whether a token is kept already \u2026")

        def found(answer: dict[str, Any]) -> None:
            place = answer["places"][0]
            self.wizard.keep(replace(self.wizard.progress, token_place=place))
            self._check_kept()

        def none(reason: str) -> None:
            self.status.configure(text=self._from_environment())
            self.wizard.keep(replace(self.wizard.progress, token_place="", account=None))
            self._show_account("")

        self.look("manage_token.py", "where", "--json", done=found, failed=none)

    def _check(self) -> None:
        """Of what is typed; what is good is kept."""
        text = self.field.get().strip()
        if not text:
            self.status.configure(text="Paste the token first.")
            self.field.focus_set()
            return
        self._begin_check("Asking Discord \u2026")

        def good(answer: dict[str, Any]) -> None:
            self.app.run_script(
                "manage_token.py",
                "set",
                "--json",
                stdin=f"{text}\n",
                done=self.while_alive(lambda kept: self._kept(answer, kept["kept_in"])),
                failed=self.while_alive(self._not_kept),
            )

        self.look("check_discord.py", "token", stdin=f"{text}\n", done=good, failed=self._refused)

    def _check_kept(self) -> None:
        """Of the token that is kept: once more, or when the setup goes on."""
        self._begin_check("Asking Discord about the token that is kept \u2026")
        place = self.wizard.progress.token_place

        def good(answer: dict[str, Any]) -> None:
            self._kept(answer, place)

        self.look("check_discord.py", "token", done=good, failed=self._kept_refused)

    def _begin_check(self, text: str) -> None:
        self.wizard.clear_failure()
        self.check.configure(state="disabled")
        self.status.configure(text=text)

    def _kept(self, answer: dict[str, Any], place: str) -> None:
        self.check.configure(state="normal")
        self.field.delete(0, "end")
        kept = replace(self.wizard.progress, account=account_of(answer), token_place=place)
        self.wizard.keep(kept)
        self.status.configure(text=self._from_environment())
        self._show_account(answer["avatar_png_base64"] or "")

    def _refused(self, reason: str) -> None:
        self.check.configure(state="normal")
        self.status.configure(text="")
        self.field.focus_set()
        if "does not accept" in reason:
            self.wizard.fail(
                "This is not the bot's token.",
                reason,
                "Open the portal",
                lambda: self.open_page(PORTAL),
            )
        else:
            self.wizard.fail("The token could not be checked.", reason, "Try again", self._check)

    def _kept_refused(self, reason: str) -> None:
        self.check.configure(state="normal")
        self.status.configure(text="")
        self.wizard.fail(
            "The token that is kept could not be checked.", reason, "Try again", self._check_kept
        )

    def _not_kept(self, reason: str) -> None:
        self._refused(reason)

    def _show_account(self, picture_base64: str) -> None:
        progress = self.wizard.progress
        if progress.account is None:
            self.account.grid_forget()
        else:
            self.account.show(progress.account, progress.token_place, picture_base64)
            self.account.grid(row=4, column=0, sticky="ew", pady=theme.PAD)
        self.wizard.allow_next(progress.is_token_good)

    def _from_environment(self) -> str:
        if not os.environ.get(TOKEN_VARIABLE):
            return ""
        return f"Mynah was started with {TOKEN_VARIABLE}: the bot uses that token before any other."

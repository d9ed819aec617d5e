"""The bot's account as Discord knows it: picture, name, and what is not switched on yet."""

from __future__ import annotations

import tkinter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import customtkinter as ctk

from gui import theme
from gui.components.wizard_step import row
from gui.models.wizard_discord import BotAccount

SIDE_PX = 64


class AccountCard(ctk.CTkFrame):
    """A card with the account, and two buttons where an intent is missing."""

    def __init__(
        self, parent: Any, open_page: Callable[[str], object], check_again: Callable[[], object]
    ) -> None:
        super().__init__(
            parent,
            fg_color=theme.CARD,
            corner_radius=theme.RADIUS,
            border_width=1,
            border_color=theme.LINE,
        )
        self._account: BotAccount | None = None
        self._png = ""
        self._picture: Any = None
        self.grid_columnconfigure(1, weight=1)
        self._canvas = tkinter.Canvas(self, highlightthickness=0, borderwidth=0)
        self._canvas.grid(row=0, column=0, rowspan=2, padx=theme.PAD, pady=theme.PAD, sticky="n")
        self.name = theme.label(self, "", "heading")
        self.name.grid(row=0, column=1, sticky="sw", pady=(theme.PAD, 0))
        self.says = theme.label(self, "", wraplength=520)
        self.says.grid(row=1, column=1, sticky="nw", pady=(0, theme.GAP), padx=(0, theme.PAD))
        self._buttons = row(self)
        self.portal = theme.primary(
            self._buttons,
            "Open its Bot page",
            lambda: open_page(self._account.portal_page) if self._account else None,
        )
        self.again = theme.secondary(self._buttons, "Check again", check_again)
        self.portal.grid(row=0, column=0, padx=(0, theme.GAP))
        self.again.grid(row=0, column=1)

    def show(self, account: BotAccount, token_place: str, png_base64: str) -> None:
        """Show this account; the picture is a PNG in base64, "" for none."""
        self._account = account
        self._png = png_base64
        self.name.configure(text=account.name)
        missing = " and the ".join(account.missing)
        if missing:
            self.says.configure(
                text=f"Without the {missing} Discord lets Mynah see no words and no names. Open "
                "the bot's page, switch on what is missing under Privileged Gateway Intents, press "
                "Save Changes there, and check again.",
                text_color=theme.WARN,
            )
            self._buttons.grid(row=2, column=1, sticky="w", pady=(0, theme.PAD))
        else:
            self.says.configure(
                text=f"The token is good and all that Mynah needs is switched on. It is kept in "
                f"{token_place}.",
                text_color=theme.GOOD,
            )
            self._buttons.grid_forget()
        self._paint_picture()

    def _paint_picture(self) -> None:
        """The picture, else the first letter on a disc."""
        canvas, side = self._canvas, self._px(SIDE_PX)
        colour = self._apply_appearance_mode
        canvas.configure(width=side, height=side, background=colour(theme.CARD))
        canvas.delete("all")
        self._picture = _picture(canvas, self._png, side) if self._png else None
        if self._picture is not None:
            canvas.create_image(side / 2, side / 2, image=self._picture)
        elif self._account is not None:
            canvas.create_oval(1, 1, side - 2, side - 2, fill=colour(theme.ACCENT), width=0)
            canvas.create_text(
                side / 2,
                side / 2,
                text=self._account.name[:1].upper(),
                fill=colour(theme.ON_ACCENT),
                font=self._apply_font_scaling(theme.font("title")),
            )

    def destroy(self) -> None:
        """Its picture goes now, on Tk's thread: the garbage collector runs in any."""
        super().destroy()
        self._picture = None

    def _set_appearance_mode(self, mode_string: str) -> None:
        super()._set_appearance_mode(mode_string)
        self._paint_picture()

    def _set_scaling(self, *args: Any, **kwargs: Any) -> None:
        super()._set_scaling(*args, **kwargs)
        self._paint_picture()

    def _px(self, at_100: float) -> int:
        return round(self._apply_widget_scaling(at_100))


def _picture(canvas: tkinter.Misc, png_base64: str, side: int) -> Any:
    """Made about as large as `side`; None where Tk cannot read it."""
    with suppress(tkinter.TclError):
        whole = tkinter.PhotoImage(master=canvas, data=png_base64)
        return whole.subsample(max(1, round(whole.width() / side)))
    return None

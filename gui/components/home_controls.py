"""The card on Home that changes at once how the bot talks: three sliders and a switch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import customtkinter as ctk

from gui import theme
from gui.components.keyboard import reachable
from gui.components.slider import Slider
from gui.components.tooltip import Tooltip
from gui.models.home_model import HomeModel
from gui.models.quick_setting import Clock, QuickSetting, Send
from storage.settings import Settings, find

RATE, TEMPERATURE, LENGTH = "response_rate", "temperature", "max_reply_tokens"

_SLIDERS: tuple[tuple[str, str, float, Callable[[float], str]], ...] = (
    (RATE, "Response rate", 0.01, lambda value: f"{value:.2f}"),
    (TEMPERATURE, "Temperature", 0.01, lambda value: f"{value:.2f}"),
    (LENGTH, "Longest reply", 10, lambda value: f"{value:.0f} tokens"),
)


class ControlsCard:
    """Shows what is stored; what is moved is stored a moment later."""

    def __init__(
        self,
        parent: Any,
        model: HomeModel,
        clock: Clock,
        send: Send,
        complain: Callable[[str], object],
    ) -> None:
        self._model = model
        self.card = theme.card(parent)
        self.card.grid_columnconfigure(1, weight=1)
        theme.label(self.card, "How it talks", "heading").grid(
            row=0, column=0, columnspan=3, sticky="w", padx=theme.PAD, pady=(10, 4)
        )
        self.quick = {name: QuickSetting(name, clock, send, complain) for name, _, _, _ in _SLIDERS}
        self.sliders = {
            name: self._make_slider(row, name, title, step, written)
            for row, (name, title, step, written) in enumerate(_SLIDERS, start=1)
        }
        self._make_switch(len(_SLIDERS) + 1)
        for row in range(1, len(_SLIDERS) + 2):
            self.card.grid_rowconfigure(row, weight=1)
        self.show(Settings())

    def _make_slider(
        self, row: int, name: str, title: str, step: float, written: Callable[[float], str]
    ) -> Slider:
        setting = find(name)
        assert setting.low is not None
        assert setting.high is not None
        return Slider(
            self.card,
            row,
            title,
            low=setting.low,
            high=setting.high,
            step=step,
            written=written,
            moved=lambda value: self._moved(name, value),
            tooltip=setting.help,
        )

    def _make_switch(self, row: int) -> None:
        self.switch = reachable(
            ctk.CTkSwitch(
                self.card,
                text="Only when addressed",
                font=theme.font(),
                text_color=theme.TEXT,
                fg_color=theme.LINE,
                progress_color=theme.ACCENT,
                button_color=theme.MUTED,
                button_hover_color=theme.TEXT,
                command=self._switched,
            )
        )
        self.switch.grid(
            row=row, column=0, columnspan=3, sticky="w", padx=theme.PAD, pady=(2, theme.GAP)
        )
        Tooltip(
            self.switch,
            "It then answers those who mention it, name it or reply to it, and nobody else. "
            "That is a response rate of 0; switched off, the rate is what it was before.",
        )

    # -- what is stored -------------------------------------------------------------------------

    def show(self, settings: Settings) -> None:
        """What is stored now; a slider that the user has just moved stays where it is."""
        self._model.note_rate(settings.number(RATE))
        for name, slider in self.sliders.items():
            if not self.quick[name].is_pending:
                slider.set(settings.number(name))
        self._show_switch()

    def flush(self) -> None:
        """Before the page is left: what was moved is stored without waiting."""
        for quick in self.quick.values():
            quick.flush()

    # -- what the user does ---------------------------------------------------------------------

    def _moved(self, name: str, value: float) -> None:
        self.quick[name].want(value)
        if name == RATE:
            self._show_switch()

    def _switched(self) -> None:
        rate = 0.0 if self.switch.get() else self._model.rate_before
        self.sliders[RATE].set(rate)
        self.quick[RATE].want(rate)

    def _show_switch(self) -> None:
        wanted = self.sliders[RATE].value == 0
        if bool(self.switch.get()) != wanted:
            self.switch.select() if wanted else self.switch.deselect()

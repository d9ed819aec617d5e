"""On the page Training: which profile is trained with, and getting the base that it trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import customtkinter as ctk

from gui import theme
from gui.components.choice import Choice
from gui.components.run_card import RunCard
from gui.models.base_run import BaseRun
from gui.models.training_profiles import TrainingProfile

CHOICE_PX = 130
WRAP_PX = 430


class ProfileCard(ctk.CTkFrame):
    """The choice, and a line on what is chosen."""

    def __init__(self, parent: Any, choose: Callable[[str], object]) -> None:
        """`choose` gets the profile's key."""
        super().__init__(
            parent,
            fg_color=theme.CARD,
            border_color=theme.LINE,
            border_width=1,
            corner_radius=theme.RADIUS,
        )
        self.grid_columnconfigure(2, weight=1)
        theme.label(self, "Profile").grid(row=0, column=0, padx=theme.PAD, pady=theme.GAP)
        self.choice = Choice(self, [""], choose, width=CHOICE_PX)
        self.choice.grid(row=0, column=1, pady=theme.GAP)
        self._about = theme.muted(self, "", wraplength=WRAP_PX)
        self._about.grid(row=0, column=2, sticky="w", padx=theme.PAD, pady=theme.GAP)

    def show(
        self, profiles: tuple[TrainingProfile, ...], chosen: TrainingProfile, is_free: bool
    ) -> None:
        """`is_free`: whether another one can be chosen now."""
        keys = [profile.key for profile in profiles] or [chosen.key]
        if self.choice.cget("values") != keys:
            self.choice.configure(values=keys)
        self.choice.set(chosen.key)
        state = "normal" if is_free else "disabled"
        if self.choice.cget("state") != state:
            self.choice.configure(state=state)
        if self._about.cget("text") != chosen.about:
            self._about.configure(text=chosen.about)

    @property
    def words(self) -> str:
        return str(self._about.cget("text"))


class BaseCard:
    """The chosen profile's base is missing: what it is, its licence, and a button that gets it."""

    def __init__(
        self,
        parent: Any,
        run: BaseRun,
        *,
        get: Callable[[str, bool], object],
        read: Callable[[str], object],
        **place: Any,
    ) -> None:
        """`get` gets the base and whether its licence was accepted, `read` the licence's page."""
        self._run, self._get, self._read = run, get, read
        self._base = ""
        self.card = RunCard(parent, **place)
        self.licence = self.card.button("Its licence", self._open, width=90)
        self.get = self.card.button("Download", self._press, width=160)
        self.leave = self.card.button("Stop", run.cancel)

    def show(self, base: str) -> None:
        """The base that is missing; "" where none is, and what is being downloaded is shown."""
        run = self._run
        self._base = run.base or base
        offer = run.offers.get(self._base)
        self.card.show(
            run.words(self._base) if self._base else "",
            run.share if run.base else None,
            tone=theme.LINE if run.base else theme.WARN,
        )
        if offer is not None:
            words = "I accept the licence" if offer.must_be_accepted else "Download"
            self.get.configure(text="Go on" if offer.has_part else words)
        self.card.offer(self.licence, not run.base)
        self.card.offer(self.get, not run.base)
        self.card.offer(self.leave, bool(run.base))

    def _press(self) -> None:
        offer = self._run.offers.get(self._base)
        if offer is not None:
            self._get(offer.base, offer.must_be_accepted)

    def _open(self) -> None:
        offer = self._run.offers.get(self._base)
        if offer is not None:
            self._read(offer.licence_url)

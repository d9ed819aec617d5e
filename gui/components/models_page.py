"""Models: the versions that are there, which one answers, and what may be done with each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tkinter import filedialog
from typing import Any

import customtkinter as ctk

from gui import theme
from gui.components.enabling import enable
from gui.components.keyboard import reachable
from gui.components.page import Page
from gui.components.reading_text import Kind, ReadingText
from gui.components.table import Column, Row, Table
from gui.components.tainted_card import TaintedCard
from gui.components.tooltip import Tooltip
from gui.components.working import Working
from gui.models.model_listing import (
    barred,
    cells_of,
    details_of,
    order_of,
    tainted_words,
    tone_of,
)
from gui.models.models_model import ModelsModel
from gui.models.serving_words import is_changing, now_words, serving_of
from gui.models.wizard_model import StepName
from gui.supervision import State

COLUMNS = (
    Column("Name", 210, stretches=True),
    Column("Kind", 70),
    Column("Status", 115),
    Column("Size", 80, is_number=True),
    Column("Made", 130, largest_first=True),
    Column("Trained on", 120),
)
EMPTY = (
    "There is no model of your own yet. The small base that ships with Mynah answers until you "
    "train one on the Training page or get another one on the Setup page."
)
KINDS = {
    "name": Kind(theme.MUTED, "small", above_px=2),
    "value": Kind(theme.TEXT, "small"),
    "hint": Kind(theme.MUTED),
}
LEAST_LIST_PX = 110
LOOK_EVERY_MS = 1_000
"""How often the bot is asked what it is at, while it changes its model."""
SETUP = "Setup"
GGUF_FILES = [("Models (GGUF)", "*.gguf"), ("All files", "*")]


class ModelsPage(Page):
    """The list, its buttons, and the details of the chosen version."""

    title = "Models"

    def build(self) -> None:
        self._answers: object = serving_of(self.app.stats).get("name")
        self.model = ModelsModel(self.app, self._show, self._fail, self._say, self._offer_restart)
        self.body.grid_columnconfigure(0, weight=1)
        # The list keeps some rows also where cards take the room.
        self.body.grid_rowconfigure(4, weight=4, minsize=LEAST_LIST_PX)
        self._make_buttons()
        self._make_own_file()
        self.tainted = TaintedCard(
            self.body, self.model.use_tainted, row=2, column=0, pady=(0, theme.GAP)
        )
        self.serving = theme.muted(self.body, wraplength=440)
        self.body.bind("<Configure>", self._wrap, add="+")
        self.table = Table(
            self.body,
            COLUMNS,
            on_select=lambda version_id: self._show_chosen(),
            on_open=lambda version_id: self._toggle_details(),
            empty="The list is being read.",
        )
        self.table.sort(4, descending=True)
        self.table.grid(row=4, column=0, sticky="nsew")
        self.details = ReadingText(self.body, KINDS, lines=10)
        self.working = Working(
            self.body, self.app.ui, self.model.stop, row=6, column=0, pady=(theme.GAP, 0)
        )
        self._make_reachable()
        self.watch("data", lambda value: self.model.reload())
        self.watch("settings", lambda settings: self._show())
        self.watch("snapshot", lambda snapshot: self._show_chosen())
        self.watch("snapshot", lambda snapshot: self._show_serving())
        self.watch("stats", self._take_stats)
        self.every(LOOK_EVERY_MS, self._look)
        self.model.reload()
        self._show()

    # -- widgets ------------------------------------------------------------------------------

    def _make_buttons(self) -> None:
        row = ctk.CTkFrame(self.body, fg_color="transparent")
        row.grid(row=0, column=0, sticky="ew", pady=(0, theme.GAP))
        row.grid_columnconfigure(4, weight=1)
        self.deploy = theme.primary(row, "Deploy", self._deploy, width=80)
        self.roll_back = theme.secondary(row, "Roll back", self._roll_back, width=90)
        self.verify = theme.secondary(row, "Verify", self._verify, width=70)
        self.show_details = theme.secondary(row, "Show details", self._toggle_details, width=110)
        self.use_file = theme.secondary(row, "Use a GGUF file", self._choose_file, width=130)
        self.get_another = theme.secondary(row, "Get another model", self._get_another, width=140)
        left = (self.deploy, self.roll_back, self.verify, self.show_details)
        for column, button in enumerate(left):
            button.grid(row=0, column=column, padx=(0, theme.GAP))
        self.use_file.grid(row=0, column=5, padx=(0, theme.GAP))
        self.get_another.grid(row=0, column=6)
        for button, text in (
            (
                self.deploy,
                "Check the chosen model's file and let it answer from now on. A running bot stays "
                "online; what answered before goes on where the new one cannot.",
            ),
            (self.roll_back, "Let the model that answered before answer again."),
            (self.verify, "Compare the chosen file with what was registered; without a choice all"),
            (self.use_file, "Answer with a model file of your own instead of the list's."),
            (self.get_another, "Download a model or name a server, on the Setup page."),
        ):
            Tooltip(button, text)

    def _make_own_file(self) -> None:
        """A card while the user's own file or server answers instead of the deployed version."""
        self.own_file = theme.card(self.body, border_color=theme.WARN)
        self.own_file.grid_columnconfigure(0, weight=1)
        self._own_words = theme.label(self.own_file, "", wraplength=440)
        self._own_words.grid(row=0, column=0, sticky="w", padx=theme.PAD, pady=theme.GAP)
        self.use_deployed = theme.secondary(
            self.own_file, "Use the deployed model", self.model.use_deployed, width=170
        )
        self.use_deployed.grid(row=0, column=1, padx=theme.PAD, pady=theme.GAP)

    def _make_reachable(self) -> None:
        buttons = (self.deploy, self.roll_back, self.verify, self.show_details, self.use_file)
        for button in (*buttons, self.get_another, self.use_deployed):
            reachable(button)

    # -- what the user does -------------------------------------------------------------------

    def _deploy(self) -> None:
        chosen = self.table.selected
        if chosen is None:
            return
        if self.model.server or self.model.own_file:
            own = "The model server" if self.model.server else "Your own file"
            self.shell.confirm(
                f"Deploy {chosen}? {own} answers now; it would no longer be used.",
                "Deploy and use it",
                lambda: self.model.deploy_and_use(chosen),
            )
        else:
            self.model.deploy(chosen)

    def _roll_back(self) -> None:
        self.shell.confirm(
            "Let the model that was deployed before answer again?",
            "Roll back",
            self.model.roll_back,
        )

    def _verify(self) -> None:
        self.model.verify([self.table.selected] if self.table.selected else [])

    def _toggle_details(self) -> None:
        if self.details.winfo_manager():
            self.details.grid_forget()
            self.body.grid_rowconfigure(5, weight=0)
        else:
            self.body.grid_rowconfigure(5, weight=1)
            self.details.grid(row=5, column=0, sticky="nsew", pady=(theme.GAP, 0))
        self._show_chosen()

    def _choose_file(self) -> None:
        """The file dialog of the system."""
        before = Path(self.model.own_file).parent if self.model.own_file else self.app.home.models
        chosen = filedialog.askopenfilename(
            parent=self.winfo_toplevel(),
            title="Which model file shall answer?",
            initialdir=str(before),
            filetypes=GGUF_FILES,
        )
        if chosen and self.is_alive:
            self.model.use_file(Path(chosen))

    def _get_another(self) -> None:
        self.app.wanted_step = StepName.MODEL.value
        self.shell.open_page(SETUP)

    # -- what is shown ------------------------------------------------------------------------

    @property
    def _bot_runs(self) -> bool:
        return self.app.snapshot.state not in (State.STOPPED, State.FAILED)

    def _show(self) -> None:
        if not self.is_alive:
            return
        listing = self.model.listing
        if self.model.is_read:
            self.table.say_empty(EMPTY)
        self.table.show(
            [
                Row(v.version_id, cells_of(v, listing), order_of(v, listing), tone_of(v, listing))
                for v in listing.versions
            ]
        )
        server, file = self.model.server, self.model.own_file
        if server or file:
            own = f"The model server {server}" if server else f"{Path(file).name}, your own file,"
            deployed = self.model.deployed_words
            self._own_words.configure(text=f"{own} answers instead of {deployed}.")
            self.use_deployed.configure(text=f"Use {deployed}")
            self.own_file.grid(row=1, column=0, sticky="ew", pady=(0, theme.GAP))
        else:
            self.own_file.grid_forget()
        self._show_serving()
        self._show_chosen()

    def _take_stats(self, stats: Mapping[str, Any]) -> None:
        if serving_of(stats).get("name") != self._answers:
            self._answers = serving_of(stats).get("name")
            self.model.reload()  # somebody else may have deployed it
        self._show_serving()

    def _look(self) -> None:
        if self.app.is_online and (self.model.doing or is_changing(self.app.stats)):
            self.app.refresh_stats()

    def _show_serving(self) -> None:
        """What answers just now, how fast, and what is being done about it."""
        if not self.is_alive:
            return
        words = now_words(self.app.snapshot, self.app.stats)
        if self.serving.cget("text") != words:
            self.serving.configure(text=words)
        if words and not self.serving.winfo_manager():
            self.serving.grid(row=3, column=0, sticky="ew", pady=(0, theme.GAP))
        elif not words:
            self.serving.grid_forget()
        self.working.show(self.model.doing)
        enable(self.working.stop, self.model.can_stop)

    def _wrap(self, event: Any) -> None:
        self.serving.configure(wraplength=int(self._reverse_widget_scaling(event.width)) - 10)

    def _show_chosen(self) -> None:
        """The buttons and the details of the chosen version."""
        if not self.is_alive:
            return
        chosen = self.model.listing.find(self.table.selected)
        is_free = not self.model.doing
        for button, may in (
            (
                self.deploy,
                is_free
                and chosen is not None
                and chosen.status != "deployed"
                and not chosen.is_barred,
            ),
            (self.roll_back, is_free and self.model.can_roll_back),
            (self.verify, is_free and bool(self.model.listing.versions)),
            (self.show_details, bool(self.model.listing.versions)),
            (self.use_file, is_free),
            (self.use_deployed, is_free),
        ):
            enable(button, may)
        versions = self.model.listing.versions
        self.tainted.show(tainted_words(versions), barred(versions, self.table.selected), is_free)
        shown = bool(self.details.winfo_manager())
        self.show_details.configure(text="Hide details" if shown else "Show details")
        if shown and chosen is None:
            self.details.show([("Choose a model in the list above.", "hint")], to_end=False)
        elif shown and chosen is not None:
            pairs = details_of(chosen, self.model.listing, self.app.home)
            pieces = [
                piece
                for name, value in pairs
                for piece in ((f"{name}: ", "name"), (f"{value}\n", "value"))
            ]
            self.details.show(pieces, to_end=False)

    def _fail(self, what: str, why: str) -> None:
        if self.is_alive:
            self.shell.show_error(what, why, "Look again", self.model.reload)

    def _say(self, line: str) -> None:
        if self.is_alive:
            self.shell.notify(line)

    def _offer_restart(self) -> None:
        if self.is_alive and self._bot_runs:
            self.shell.confirm(
                "The bot is starting with the model from before. Restart it with this one?",
                "Restart",
                self.app.supervisor.restart,
            )

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
from gui.components.reason_card import NOT_PASSED, TAINTED, ReasonCard
from gui.components.table import Column, Row, Table
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
from gui.models.models_model import Comparison, ModelsModel, pruning_words
from gui.models.serving_words import is_changing, now_words, serving_of
from gui.models.wizard_model import StepName
from gui.opening import open_file
from gui.supervision import State

COLUMNS = (
    Column("Name", 190, stretches=True),
    Column("Status", 110),
    Column("Score", 60, is_number=True),
    Column("Leaks", 65),
    Column("Size", 75, is_number=True),
    Column("Made", 125, largest_first=True),
    Column("Trained on", 110),
)
MADE = 5
"""The column by which they stand at first."""
EMPTY = (
    "There is no model of your own yet. The small base that ships with Mynah answers until you "
    "train one on the Training page or get another one on the Setup page."
)
KINDS = {
    "name": Kind(theme.MUTED, "small", above_px=2),
    "value": Kind(theme.TEXT, "small"),
    "hint": Kind(theme.MUTED),
    "differs": Kind(theme.WARN, "small"),
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
        self._chosen = ("", "")
        """What is chosen, and what was before."""
        self._answers: object = serving_of(self.app.stats).get("name")
        self.model = ModelsModel(self.app, self._show, self._fail, self._say, self._offer_restart)
        self.body.grid_columnconfigure(0, weight=1)
        # The list keeps some rows also where cards take the room.
        self.body.grid_rowconfigure(5, weight=4, minsize=LEAST_LIST_PX)
        self._make_buttons()
        self._make_own_file()
        place: dict[str, Any] = {"column": 0, "pady": (0, theme.GAP)}
        use, force = self.model.use_tainted, self.model.deploy_forced
        self.tainted = ReasonCard(self.body, TAINTED, use, row=2, **place)
        self.not_passed = ReasonCard(self.body, NOT_PASSED, force, row=3, **place)
        self.serving = theme.muted(self.body, wraplength=440)
        self.body.bind("<Configure>", self._wrap, add="+")
        self.table = Table(
            self.body,
            COLUMNS,
            on_select=self._choose,
            on_open=lambda version_id: self._toggle_details(),
            empty="The list is being read.",
        )
        self.table.sort(MADE, descending=True)
        self.table.grid(row=5, column=0, sticky="nsew")
        self.details = ReadingText(self.body, KINDS, lines=10)
        self.working = Working(
            self.body, self.app.ui, self.model.stop, row=7, column=0, pady=(theme.GAP, 0)
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
        row.grid_columnconfigure(5, weight=1)
        self.deploy = theme.primary(row, "Deploy", self._deploy, width=80)
        self.roll_back = theme.secondary(row, "Roll back", self._roll_back, width=90)
        self.verify = theme.secondary(row, "Verify", self._verify, width=70)
        self.show_details = theme.secondary(row, "Show details", self._toggle_details, width=110)
        self.compare = theme.secondary(row, "Compare", self._compare, width=80)
        self.lineage = theme.secondary(row, "Lineage", self._open_lineage, width=80)
        left = (self.deploy, self.roll_back, self.verify, self.compare, self.show_details)
        for column, button in enumerate(left):
            button.grid(row=0, column=column, padx=(0, theme.GAP))
        self.lineage.grid(row=0, column=6, sticky="e")
        self._make_second_row(row)
        for button, text in (
            (
                self.deploy,
                "Check the chosen model's file and let it answer from now on. A running bot stays "
                "online; what answered before goes on where the new one cannot.",
            ),
            (self.roll_back, "Let the model that answered before answer again."),
            (self.verify, "Compare the chosen file with what was registered; without a choice all"),
            (
                self.compare,
                "The chosen model beside the one that was chosen before, or beside the one that "
                "answers: how they were made, and each figure of how they did.",
            ),
            (self.lineage, "Where each model came from and what became of it, as a page."),
            (self.prune, "Free disk space: see first what would go and how much it is."),
            (self.use_file, "Answer with a model file of your own instead of the list's."),
            (self.get_another, "Download a model or name a server, on the Setup page."),
        ):
            Tooltip(button, text)

    def _make_second_row(self, parent: Any) -> None:
        """What is seldom needed."""
        row = ctk.CTkFrame(parent, fg_color="transparent")
        row.grid(row=1, column=0, columnspan=7, sticky="ew", pady=(theme.GAP, 0))
        row.grid_columnconfigure(2, weight=1)
        self.use_file = theme.secondary(row, "Use a GGUF file", self._choose_file, width=130)
        self.get_another = theme.secondary(row, "Get another model", self._get_another, width=140)
        self.prune = theme.secondary(row, "Clear away...", self._prune, width=110)
        for column, button in enumerate((self.use_file, self.get_another)):
            button.grid(row=0, column=column, padx=(0, theme.GAP))
        self.prune.grid(row=0, column=3, sticky="e")

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
        first = (self.deploy, self.roll_back, self.verify, self.compare, self.show_details)
        second = (self.lineage, self.use_file, self.get_another, self.prune, self.use_deployed)
        for button in (*first, *second):
            reachable(button)

    # -- what the user does -------------------------------------------------------------------

    def _choose(self, version_id: str | None) -> None:
        if version_id is not None and version_id != self._chosen[0]:
            self._chosen = (version_id, self._chosen[0])
        self.model.comparison = None
        self._show_chosen()

    @property
    def _beside(self) -> str:
        """What the chosen one is compared with: what was chosen before, else what answers; ""
        where there is neither."""
        versions, (chosen, before) = self.model.listing, self._chosen
        answers = "" if versions.deployed is None else versions.deployed.version_id
        found = next((v for v in (before, answers) if v != chosen and versions.find(v)), "")
        return found if self.table.selected else ""

    def _compare(self) -> None:
        if self.table.selected and self._beside:
            self.model.compare(self._beside, self.table.selected)
            if not self.details.winfo_manager():
                self._toggle_details()

    def _prune(self) -> None:
        def planned(result: dict[str, Any]) -> None:
            question, details = pruning_words(result)
            if question:
                self.shell.confirm(question, "Clear away", self.model.prune, details)
            else:
                self._say("There is nothing to clear away.")

        self.model.plan_pruning(planned)

    def _open_lineage(self) -> None:
        def failed(sentence: str) -> None:
            self.app.ui.enqueue(self._say, sentence)

        self.model.lineage(lambda path: open_file(path, failed))

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
            self.body.grid_rowconfigure(6, weight=0)
        else:
            self.body.grid_rowconfigure(6, weight=1)
            self.details.grid(row=6, column=0, sticky="nsew", pady=(theme.GAP, 0))
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
            self.serving.grid(row=4, column=0, sticky="ew", pady=(0, theme.GAP))
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
        is_free, has_any = not self.model.doing, bool(self.model.listing.versions)
        refusal = self.model.listing.refusal(chosen) if chosen is not None else ""
        for button, may in (
            (
                self.deploy,
                is_free
                and chosen is not None
                and chosen.status != "deployed"
                and not chosen.is_barred
                and not refusal,
            ),
            (self.compare, is_free and bool(self._beside)),
            (self.lineage, is_free and has_any),
            (self.prune, is_free and has_any),
            (self.roll_back, is_free and self.model.can_roll_back),
            (self.verify, is_free and has_any),
            (self.show_details, has_any),
            (self.use_file, is_free),
            (self.use_deployed, is_free),
        ):
            enable(button, may)
        versions = self.model.listing.versions
        self.tainted.show(tainted_words(versions), barred(versions, self.table.selected), is_free)
        may = chosen is not None and not chosen.is_barred and chosen.pruned_at_ms is None
        name = chosen.version_id if chosen is not None else ""
        self.not_passed.show(refusal if may else "", name, is_free)
        shown = bool(self.details.winfo_manager())
        self.show_details.configure(text="Hide details" if shown else "Show details")
        if shown and self.model.comparison is not None:
            self.details.show(compared_pieces(self.model.comparison), to_end=False)
        elif shown and chosen is None:
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


def compared_pieces(comparison: Comparison) -> list[tuple[str, str]]:
    """Line by line: the name, then both values; what differs stands out."""
    pieces = [(f"{comparison.first} and {comparison.second}\n", "hint")]
    for name, first, second, differs in comparison.lines:
        kind = "differs" if differs else "value"
        both = f"{first} / {second}" if differs else first
        pieces += [(f"{name}: ", "name"), (f"{both}\n", kind)]
    return pieces

"""Setup, step 6, a model out of the catalogue: its list, the download, its progress."""

from __future__ import annotations

from typing import Any

import customtkinter as ctk

from gui import theme
from gui.components.table import Column, Row, Table
from gui.components.wizard_model_panels import Panel, Values
from gui.components.wizard_step import TEXT_PX, row
from gui.models.wizard_catalogue import FITS, Offer, offers_of, share_of
from gui.models.wizard_model import size_in_words
from gui.script_run import ScriptRun

SCRIPT = "download_model.py"
COLUMNS = (
    Column("Model", 190, stretches=True),
    Column("Licence", 110),
    Column("Size", 80, is_number=True),
    Column("Memory", 80, is_number=True),
    Column("On this computer", 130),
)


class DownloadPanel(Panel):
    """The catalogue. A download that is left goes on where it was."""

    def build(self) -> None:
        self.offers: dict[str, Offer] = {}
        self._paths: dict[str, str] = {}
        self._run: ScriptRun | None = None
        self.grid_rowconfigure(0, weight=1)
        self.table = Table(
            self,
            COLUMNS,
            on_select=lambda row_id: self._chosen(),
            on_open=lambda row_id: self._press(),
            empty="Reading the catalogue \u2026",
            visible_rows=3,
        )
        self.table.grid(row=0, column=0, sticky="nsew")
        line = row(self)
        line.grid(row=1, column=0, sticky="ew", pady=(theme.GAP, 0))
        line.grid_columnconfigure(1, weight=1)
        self.button = theme.secondary(line, "Download", self._press, width=110)
        self.button.grid(row=0, column=0)
        self.bar = ctk.CTkProgressBar(line, progress_color=theme.ACCENT, fg_color=theme.LINE)
        self.bar.set(0)
        self.status = theme.muted(line, "", wraplength=TEXT_PX - 140)
        self.status.grid(row=0, column=2, sticky="e", padx=(theme.GAP, 0))
        self.on_ready(False)
        self.button.configure(state="disabled")
        self.step.look(SCRIPT, "list", "--json", done=self._listed, failed=self._unlisted)

    def values(self) -> Values:
        return [("model_path", self._paths[self.table.selected or ""])]

    def model_name(self) -> str:
        offer = self.offers.get(self.table.selected or "")
        return offer.name if offer else ""

    # -- the list -----------------------------------------------------------------------------

    def _listed(self, answer: dict[str, Any]) -> None:
        if not self.winfo_exists():
            return
        self.offers = {offer.model_id: offer for offer in offers_of(answer)}
        self._paths = {one.model_id: one.path for one in self.offers.values() if one.path}
        self.table.show([_row(offer) for offer in self.offers.values()])
        stored = self.app.settings.text("model_path")
        here = [model_id for model_id, path in self._paths.items() if path == stored]
        good = [one.model_id for one in self.offers.values() if one.fit == "fits"]
        self.table.select(next(iter([*here, *good]), None))
        self._chosen()

    def _unlisted(self, reason: str) -> None:
        if self.winfo_exists():
            self.status.configure(text=reason, text_color=theme.BAD)

    def _chosen(self) -> None:
        if self._run is not None:
            return
        chosen = self.table.selected
        is_here = chosen in self._paths
        self.button.configure(state="normal" if chosen and not is_here else "disabled")
        self.status.configure(
            text="It is on this computer." if is_here else "", text_color=theme.GOOD
        )
        self.on_ready(is_here)

    # -- the download -------------------------------------------------------------------------

    def _press(self) -> None:
        if self._run is not None:
            self._run.cancel()
            return
        chosen = self.table.selected
        if chosen is None or chosen in self._paths:
            return
        self.step.wizard.clear_failure()
        self.button.configure(text="Pause")
        self.bar.grid(row=0, column=1, sticky="ew", padx=theme.GAP)
        self.status.configure(text="Beginning \u2026", text_color=theme.MUTED)
        self.on_ready(False)
        self._run = self.step.look(
            SCRIPT,
            "get",
            chosen,
            "--json",
            done=lambda result: self._got(chosen, result),
            failed=self._not_got,
            on_line=self._came,
        )
        if self._run is None:
            self._ended()

    def _came(self, line: dict[str, Any]) -> None:
        share = share_of(line)
        if share is not None and self.winfo_exists():
            self.bar.set(share)
            self.status.configure(
                text=f"{size_in_words(line['bytes'])} of {size_in_words(line['total'])}"
            )

    def _got(self, model_id: str, result: dict[str, Any]) -> None:
        if not self.winfo_exists():
            return
        self._paths[model_id] = str(result.get("path", ""))
        self._ended()
        self._chosen()

    def _not_got(self, reason: str) -> None:
        if not self.winfo_exists():
            return
        was_paused = self._run is not None and self._run.is_cancelled
        self._ended()
        self.button.configure(text="Go on")
        if was_paused:
            self.status.configure(text="Paused. It goes on where it was.", text_color=theme.MUTED)
        else:
            self.step.wizard.fail("The model was not downloaded.", reason, "Go on", self._press)

    def _ended(self) -> None:
        self._run = None
        self.button.configure(text="Download", state="normal")
        self.bar.grid_forget()


def _row(offer: Offer) -> Row:
    words, tone = FITS.get(offer.fit, (offer.fit or "not known", ""))
    size = size_in_words(offer.size_bytes) if offer.size_bytes else "?"
    memory = size_in_words(offer.memory_bytes) if offer.memory_bytes else "?"
    cells = (offer.name, offer.licence, size, memory, words)
    order = (offer.name, offer.licence, offer.size_bytes, offer.memory_bytes, words)
    return Row(offer.model_id, cells, order, tone if tone == "bad" else "")

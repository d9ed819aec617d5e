"""Setup, step 6, a model out of the catalogue: its list, the download, its progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import customtkinter as ctk

from gui import theme
from gui.components.table import Column, Row, Table
from gui.components.wizard_model_panels import Panel
from gui.components.wizard_step import TEXT_PX, row
from gui.models.wizard_catalogue import FITS, Offer, offers_of, share_of
from gui.models.wizard_model import size_in_words
from gui.script_run import ScriptRun

SCRIPT = "download_model.py"
COLUMNS = (
    Column("Model", 175, stretches=True),
    Column("Licence", 258),
    Column("Size", 72, is_number=True),
    Column("Memory", 72, is_number=True),
    Column("Fit", 85),
)


class DownloadPanel(Panel):
    """The catalogue. A download that is left goes on where it was."""

    def build(self) -> None:
        self.offers: dict[str, Offer] = {}
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
        line.grid_columnconfigure(2, weight=1)
        self.button = theme.secondary(line, "Download", self._press, width=110)
        self.button.grid(row=0, column=0)
        self.licence = theme.secondary(line, "Its licence", self._open_licence, width=100)
        self.licence.grid(row=0, column=1, padx=theme.GAP)
        self.bar = ctk.CTkProgressBar(line, progress_color=theme.ACCENT, fg_color=theme.LINE)
        self.bar.set(0)
        self.status = theme.muted(line, "", wraplength=TEXT_PX - 250)
        self.status.grid(row=0, column=3, sticky="e", padx=(theme.GAP, 0))
        self.on_ready(False)
        for button in (self.button, self.licence):
            button.configure(state="disabled")
        self.step.look(SCRIPT, "list", "--json", done=self._listed, failed=self._unlisted)

    def model_name(self) -> str:
        offer = self._offer()
        return offer.name if offer else ""

    def prepare(self, done: Callable[[], object]) -> None:
        """Deploy it: what is downloaded is a version of the registry, and one answers."""
        self.status.configure(text="Comparing it with its checksum \u2026", text_color=theme.MUTED)

        def failed(reason: str) -> None:
            self.step.wizard.fail("The model cannot be used.", reason)

        def known(result: dict[str, Any]) -> None:
            self.step.look(
                "6_manage_models.py",
                "deploy",
                result["version"],
                "--json",
                done=lambda answer: done(),
                failed=failed,
            )

        chosen = self.table.selected or ""
        self.step.look(SCRIPT, "get", chosen, "--json", done=known, failed=failed)

    # -- the list -----------------------------------------------------------------------------

    def _offer(self) -> Offer | None:
        return self.offers.get(self.table.selected or "")

    def _listed(self, answer: dict[str, Any]) -> None:
        if not self.winfo_exists():
            return
        self.offers = {offer.model_id: offer for offer in offers_of(answer)}
        self.table.show([_row(offer) for offer in self.offers.values()])
        here = [one.model_id for one in self.offers.values() if one.is_here]
        begun = [one.model_id for one in self.offers.values() if one.has_part]
        good = [one.model_id for one in self.offers.values() if one.fit == "fits"]
        self.table.select(next(iter([*here, *begun, *good]), None))
        self._chosen()

    def _unlisted(self, reason: str) -> None:
        if self.winfo_exists():
            self.status.configure(text=reason, text_color=theme.BAD)

    def _chosen(self) -> None:
        if self._run is not None:
            return
        offer = self._offer()
        is_here = offer is not None and offer.is_here
        self.button.configure(
            text="Go on" if offer is not None and offer.has_part and not is_here else "Download",
            state="normal" if offer is not None and not is_here else "disabled",
        )
        has_page = offer is not None and bool(offer.licence_url)
        self.licence.configure(state="normal" if has_page else "disabled")
        if is_here:
            self.status.configure(text="It is on this computer.", text_color=theme.GOOD)
        else:
            self.status.configure(text=offer.why if offer else "", text_color=theme.WARN)
        self.on_ready(is_here)

    def _open_licence(self) -> None:
        offer = self._offer()
        if offer is not None:
            self.step.open_page(offer.licence_url)

    # -- the download -------------------------------------------------------------------------

    def _press(self) -> None:
        if self._run is not None:
            self._run.cancel()
            return
        offer = self._offer()
        if offer is None or offer.is_here:
            return
        chosen = offer.model_id
        self.step.wizard.clear_failure()
        self.button.configure(text="Pause")
        self.bar.grid(row=0, column=2, sticky="ew")
        self.status.configure(text="Beginning \u2026", text_color=theme.MUTED)
        self.on_ready(False)
        self._run = self.step.look(
            SCRIPT,
            "get",
            chosen,
            "--json",
            done=lambda result: self._got(chosen, result["path"]),
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

    def _got(self, model_id: str, path: str) -> None:
        if not self.winfo_exists():
            return
        self.offers[model_id] = replace(self.offers[model_id], path=path, has_part=False)
        self._ended()
        self.table.select(model_id)
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

"""Setup, step 6: which model answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import customtkinter as ctk

from gui import theme
from gui.components.wizard_download import SCRIPT, DownloadPanel
from gui.components.wizard_keys import reach_all
from gui.components.wizard_model_panels import AddressPanel, BasePanel, FilePanel, Panel
from gui.components.wizard_step import Step
from gui.models.wizard_model import StepName
from storage import readonly
from storage.paths import PROGRAM_DIR
from storage.records import ModelVersion

KINDS: dict[str, tuple[str, type[Panel]]] = {
    "base": ("The small base that ships with Mynah", BasePanel),
    "file": ("A GGUF file on this computer", FilePanel),
    "address": ("A model server with an OpenAI-compatible address", AddressPanel),
    "download": ("A larger model, downloaded", DownloadPanel),
}


class ModelStep(Step):
    """A choice of kinds, and below it what the chosen kind needs."""

    name = StepName.MODEL
    heading = "Which model answers"
    text = "The model decides how well Mynah talks. You can change it at any time."

    def build(self) -> None:
        self.panel: Panel | None = None
        self.kind = ""
        self._is_deployed = False
        self.radios: dict[str, Any] = {}
        card = theme.card(self)
        card.grid(row=2, column=0, sticky="ew")
        card.grid_columnconfigure(0, weight=1)
        offered = self._offered()
        for place, kind in enumerate(offered):
            radio = ctk.CTkRadioButton(
                card,
                text=KINDS[kind][0],
                command=self._choosing(kind),
                font=theme.font(),
                text_color=theme.TEXT,
                fg_color=theme.ACCENT,
                hover_color=theme.ACCENT_HOVER,
                border_color=theme.MUTED,
                radiobutton_width=18,
                radiobutton_height=18,
                border_width_checked=5,
                border_width_unchecked=2,
            )
            above = 12 if place == 0 else 5
            below = 12 if kind == offered[-1] else 5
            radio.grid(row=place, column=0, sticky="w", padx=theme.PAD, pady=(above, below))
            self.radios[kind] = radio
        self.grid_rowconfigure(3, weight=1)
        self._choose(self._stored_kind())
        home = self.app.home
        self.app.ui.run(
            lambda: readonly.deployed_model(home.database),
            self.while_alive(self._name_deployed),
            lambda error: None,
        )

    def commit(self, done: Callable[[], object]) -> None:
        assert self.panel is not None
        values = self.panel.values()
        if "model_url" in self.app.settings and not any(name == "model_url" for name, _ in values):
            values.append(("model_url", ""))
        name = self.panel.model_name()
        if not name and self.kind == "base":
            name = str(self.radios["base"].cget("text"))
        stored = self.app.settings
        changed = [(one, text) for one, text in values if stored.text(one) != text]

        def prepared() -> None:
            self.wizard.keep(replace(self.wizard.progress, model_name=name))
            self.store(changed, done)

        self.panel.prepare(prepared)

    def _offered(self) -> list[str]:
        """What this copy of Mynah can do."""
        missing = set()
        if "model_url" not in self.app.settings:
            missing.add("address")
        if not (PROGRAM_DIR / "scripts" / SCRIPT).is_file():
            missing.add("download")
        return [kind for kind in KINDS if kind not in missing]

    def _stored_kind(self) -> str:
        if "model_url" in self.app.settings and self.app.settings.text("model_url"):
            return "address"
        return "file" if self.app.settings.text("model_path") else "base"

    def _name_deployed(self, version: ModelVersion | None) -> None:
        """A home in which a model was trained answers with that one."""
        self._is_deployed = version is not None
        if version is not None:
            self.radios["base"].configure(text=f"The deployed model: {version.version_id}")
            self._show_deployed()

    def _show_deployed(self) -> None:
        if self._is_deployed and isinstance(self.panel, BasePanel):
            self.panel.name_deployed()

    def _choosing(self, kind: str) -> Callable[[], object]:
        return lambda: self._choose(kind)

    def _choose(self, kind: str) -> None:
        """No variable of Tk's ties the radios: it would be freed by whichever thread collects."""
        for one, radio in self.radios.items():
            radio.select() if one == kind else radio.deselect()
        if kind != self.kind:
            self.kind = kind
            self._show()

    def _show(self) -> None:
        if self.panel is not None:
            self.panel.destroy()
        self.wizard.clear_failure()
        self.wizard.allow_next(False)
        self.panel = KINDS[self.kind][1](self, self.wizard.allow_next)
        self.panel.grid(row=3, column=0, sticky="nsew", pady=(theme.PAD, 0))
        reach_all(self.panel)
        self._show_deployed()

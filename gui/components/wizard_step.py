"""What every step of the setup is: a frame with a heading, made when it is come to, destroyed when
it is left. Tk's thread alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import customtkinter as ctk

from gui import theme
from gui.app_model import AppModel
from gui.components.page import Shell
from gui.models.wizard_model import Progress, StepName
from gui.opening import open_url
from gui.script_run import ScriptRun

TEXT_PX = 684
"""Width at which the explaining text is wrapped: the smallest window has room for it."""
CARD_TEXT_PX = 500


class Wizard(Protocol):
    """What a step may ask of the setup around it."""

    app: AppModel
    shell: Shell
    progress: Progress

    def keep(self, progress: Progress) -> None:
        """Remember how far it has come, here and in the home."""

    def go(self, step: StepName) -> None:
        """Leave this step for another one."""

    def allow_next(self, is_allowed: bool) -> None:
        """Whether this step has what the next one needs."""

    def fail(
        self, what: str, why: str, mend: str = "", act: Callable[[], object] | None = None
    ) -> None:
        """A card above the step; the one before goes."""

    def clear_failure(self) -> None:
        """Take the card away."""


class Step(ctk.CTkFrame):
    """One step. Subclasses make their widgets in `build`, below the heading and the text."""

    name = StepName.WELCOME
    heading = ""
    text = ""
    next_text = "Next"

    def __init__(self, parent: Any, wizard: Wizard) -> None:
        super().__init__(parent, fg_color="transparent")
        self.wizard = wizard
        self.app = wizard.app
        self._runs: list[ScriptRun] = []
        self._ends: list[Callable[[], object]] = []
        self.grid_columnconfigure(0, weight=1)
        theme.label(self, self.heading, "heading").grid(row=0, column=0, sticky="ew")
        if self.text:
            theme.label(self, self.text, wraplength=TEXT_PX).grid(
                row=1, column=0, sticky="ew", pady=(2, theme.GAP)
            )
        self.build()

    def build(self) -> None:
        """Make the widgets from row 2 on. Row by row they take what they need."""

    def first_focus(self) -> Any:
        """The widget that has the keyboard first; None: the button that goes on."""
        return None

    def commit(self, done: Callable[[], object]) -> None:
        """Store what was chosen, then `done()`; it stays here where that fails."""
        done()

    def leave(self) -> None:
        """End what was begun for this step alone, and destroy it."""
        for run in self._runs:
            run.cancel()
        for end in self._ends:
            end()
        self.destroy()

    @property
    def is_alive(self) -> bool:
        """Whether it is still there: an answer may come after it was left."""
        return bool(self.winfo_exists())

    def watch(self, topic: Any, call: Callable[[Any], object]) -> None:
        """Watch the model until the step is left."""
        self._ends.append(self.app.watch(topic, call))

    # -- scripts and settings ---------------------------------------------------------------

    def look(
        self,
        script: str,
        *arguments: str,
        done: Callable[[dict[str, Any]], object],
        failed: Callable[[str], object],
        on_line: Callable[[dict[str, Any]], object] = lambda line: None,
        **rest: Any,
    ) -> ScriptRun | None:
        """Run a script that may be stopped with the step; nothing is heard of it afterwards."""
        run = self.app.run_script(
            script,
            *arguments,
            done=self.while_alive(done),
            failed=self.while_alive(failed),
            on_line=self.while_alive(on_line),
            **rest,
        )
        if run is not None:
            self._runs.append(run)
        return run

    def store(self, values: list[tuple[str, str]], done: Callable[[], object]) -> None:
        """Store settings one after the other, then `done()`; a failure becomes a card."""
        if not values:
            done()
            return
        (name, text), *others = values

        def failed(reason: str) -> None:
            self.wizard.fail("Your choice could not be stored.", reason, "Try again", again)

        def again() -> None:
            self.store(values, done)

        self.app.set_setting(
            name,
            text,
            self.while_alive(lambda: self.store(others, done)),
            self.while_alive(failed),
        )

    def while_alive(self, call: Callable[..., object]) -> Callable[..., None]:
        """`call`, as long as the step is there."""

        def heard(*values: Any) -> None:
            if self.is_alive:
                call(*values)

        return heard

    def open_page(self, url: str) -> None:
        """Show a web page in the browser."""

        def failed(sentence: str) -> None:
            self.app.ui.enqueue(self.wizard.shell.notify, f"{sentence} The address is: {url}")

        open_url(url, failed)

    def copy(self, text: str) -> None:
        """Into the clipboard."""
        self.clipboard_clear()
        self.clipboard_append(text)
        self.wizard.shell.notify("The link is copied.")


def row(parent: Any) -> Any:
    """A place for widgets side by side."""
    return ctk.CTkFrame(parent, fg_color="transparent")


def entry(parent: Any, **rest: Any) -> Any:
    """A field for a line of text."""
    options = {
        "fg_color": theme.CARD,
        "border_color": theme.LINE,
        "text_color": theme.TEXT,
        "placeholder_text_color": theme.MUTED,
        "corner_radius": theme.RADIUS,
        "border_width": 1,
        **rest,
    }
    made = ctk.CTkEntry(parent, font=theme.font(), **options)
    made.bind("<FocusIn>", lambda event: made.configure(border_color=theme.ACCENT), add="+")
    made.bind("<FocusOut>", lambda event: made.configure(border_color=theme.LINE), add="+")
    return made


def failure_card(
    parent: Any, what: str, why: str, mend: str, act: Callable[[], object] | None
) -> Any:
    """What happened, why, and the button that mends it."""
    card = theme.card(parent, border_color=theme.BAD)
    card.grid_columnconfigure(0, weight=1)
    theme.label(card, what, "bold", text_color=theme.BAD, wraplength=CARD_TEXT_PX).grid(
        row=0, column=0, sticky="w", padx=theme.PAD, pady=(theme.GAP, 0)
    )
    theme.label(card, why, wraplength=CARD_TEXT_PX).grid(
        row=1, column=0, sticky="w", padx=theme.PAD, pady=(0, theme.GAP)
    )
    if act is not None:
        theme.primary(card, mend, act, width=120).grid(
            row=0, column=1, rowspan=2, padx=theme.PAD, pady=theme.GAP
        )
    return card

"""The card on Home that says how the bot is, starts and stops it, and says what mends it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gui import theme
from gui.components.cells import Cells, Column
from gui.components.keyboard import reachable
from gui.models.home_model import Buttons
from gui.models.trouble import Mend, Trouble
from gui.snapshot import Snapshot
from gui.state_words import colour_of, words_for

BUTTON_WIDTH = 92
LONGEST_WHY = 300
NAME_WIDTH = 72
BUTTONS_WIDTH = 4 * BUTTON_WIDTH + 3 * theme.GAP + theme.PAD


class StateCard:
    """State, reason, four buttons, five facts and a line on the model; and the trouble with its
    button where there is one.

    `mend` is called with the trouble whose button was pressed.
    """

    def __init__(
        self,
        parent: Any,
        *,
        start: Callable[[], object],
        stop: Callable[[], object],
        restart: Callable[[], object],
        force_stop: Callable[[], object],
        mend: Callable[[Trouble], object],
    ) -> None:
        self.card = theme.card(parent)
        self.card.grid_columnconfigure(0, weight=1)
        self.words = theme.label(self.card, "", "heading")
        self.words.grid(row=0, column=0, sticky="w", padx=theme.PAD, pady=(12, 8))
        self.start, self.stop, self.restart, self.force_stop = (
            reachable(make(self.card, text, act, width=BUTTON_WIDTH))
            for make, text, act in (
                (theme.primary, "Start", start),
                (theme.secondary, "Stop", stop),
                (theme.secondary, "Restart", restart),
                (theme.danger, "Force stop", force_stop),
            )
        )
        made = (self.start, self.stop, self.restart, self.force_stop)
        for column, button in enumerate(made, start=1):
            last = column == len(made)
            right = theme.PAD if last else theme.GAP
            button.grid(row=0, column=column, padx=(0, right), pady=(12, 8))
        self.reason = theme.muted(self.card, height=20)
        self._make_trouble(mend)
        name = Column(width=NAME_WIDTH, is_name=True)
        self.facts = Cells(self.card, [name, Column(0.5), name, Column(0.5)], rows=3)
        self.facts.grid(row=3, column=0, columnspan=5, sticky="ew", padx=theme.PAD)
        self.model = Cells(self.card, [name, Column(1.0)], rows=1)
        self.model.grid(
            row=4, column=0, columnspan=5, sticky="ew", padx=theme.PAD, pady=(0, theme.GAP)
        )
        self.card.bind("<Configure>", self._wrap)

    def _make_trouble(self, mend: Callable[[Trouble], object]) -> None:
        self.shown_trouble: Trouble | None = None
        self.trouble = theme.card(self.card)
        self.trouble.grid_columnconfigure(0, weight=1)
        self.what = theme.label(self.trouble, "", "bold", height=20)
        self.what.grid(row=0, column=0, sticky="w", padx=12, pady=(4, 0))
        self.why = theme.label(self.trouble, "", "small", height=20)
        self.why.grid(row=1, column=0, sticky="w", padx=12, pady=(0, 4))

        def pressed() -> None:
            if self.shown_trouble is not None:
                mend(self.shown_trouble)

        self.mend = reachable(theme.secondary(self.trouble, "", pressed, width=BUTTON_WIDTH))
        self.mend.grid(row=0, column=1, rowspan=2, padx=12, pady=4)

    # -- showing ----------------------------------------------------------------------------------

    def show(
        self,
        snapshot: Snapshot,
        trouble: Trouble | None,
        buttons: Buttons,
        facts: Sequence[tuple[str, str]],
        model: str,
    ) -> None:
        """Everything anew; what did not change costs nothing. `model`: the line on it."""
        words = words_for(snapshot).split(": http")[0]
        _put(self.words, text=f"\u25cf  {words[:1].upper()}{words[1:]}")
        _put(self.words, text_color=colour_of(snapshot))
        self._show_reason("" if trouble else snapshot.reason)
        self._show_trouble(trouble)
        self._show_buttons(buttons)
        pairs = [*facts, ("", "")]
        self.facts.show([(*pairs[n], *pairs[n + 1]) for n in range(0, len(pairs) - 1, 2)])
        self.model.show([("Model", model)])

    def _show_buttons(self, buttons: Buttons) -> None:
        for button, can in (
            (self.start, buttons.start),
            (self.stop, buttons.stop),
            (self.restart, buttons.restart),
            (self.force_stop, buttons.force_stop),
        ):
            _put(button, state="normal" if can else "disabled")
        _put(self.start, fg_color=theme.ACCENT if buttons.start else theme.LINE)
        _put(self.force_stop, border_color=theme.BAD if buttons.force_stop else theme.LINE)

    def _show_reason(self, reason: str) -> None:
        _put(self.reason, text=_short(reason))
        if reason and not self.reason.winfo_manager():
            self.reason.grid(
                row=1, column=0, columnspan=5, sticky="w", padx=theme.PAD, pady=(0, theme.GAP)
            )
        elif not reason and self.reason.winfo_manager():
            self.reason.grid_forget()

    def _show_trouble(self, trouble: Trouble | None) -> None:
        if trouble == self.shown_trouble:
            return
        self.shown_trouble = trouble
        if trouble is None:
            self.trouble.grid_forget()
            return
        colour = theme.BAD if trouble.is_bad else theme.WARN
        self.trouble.configure(border_color=colour)
        self.what.configure(text=trouble.what, text_color=colour)
        self.why.configure(text=_short(trouble.why))
        can_mend = trouble.mend is not Mend.INVITE or bool(trouble.url)
        self.mend.configure(text=trouble.mend.value, state="normal" if can_mend else "disabled")
        self.trouble.grid(
            row=2, column=0, columnspan=5, sticky="ew", padx=theme.PAD, pady=(0, theme.GAP)
        )

    def _wrap(self, event: Any) -> None:
        width = int(self.card._reverse_widget_scaling(event.width))
        beside = width - BUTTONS_WIDTH - 2 * theme.PAD - 10
        _put(self.words, wraplength=max(beside, 150))
        _put(self.reason, wraplength=max(width - 2 * theme.PAD, 200))
        _put(self.why, wraplength=max(width - 270, 200))


def _put(widget: Any, **wanted: Any) -> None:
    """Configure what is another: redrawing is the dear part."""
    changed = {name: value for name, value in wanted.items() if widget.cget(name) != value}
    if changed:
        widget.configure(**changed)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_WHY else text[: LONGEST_WHY - 1].rstrip() + "\u2026"

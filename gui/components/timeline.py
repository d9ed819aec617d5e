"""The moments of a rehearsal one below the other, on one canvas that draws only what is in sight.

    timeline = Timeline(parent, look=self._look, on_answer=self._answer, on_seen=self._seen)
    timeline.show(moments)
    timeline.refresh(row_id)           # another answer

A place is the first card and how far of it is above the edge: how high the others are need not be
known. Keys: arrows, Page Up and Down, Home and End move; 1 2 3 or y n t answer; u takes back. Tk's
thread alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import customtkinter as ctk

from gui import theme
from gui.components.drawn import Drawn
from gui.components.moment_card import ANSWER, BETWEEN, Look, MomentCard
from gui.components.scroll_bar import ScrollBar
from gui.models.rehearsal_words import NO, TOO_MUCH, YES
from storage.readonly import Moment

WHEEL_PX = 60
ANSWER_KEYS = {"1": YES, "2": NO, "3": TOO_MUCH, "y": YES, "n": NO, "t": TOO_MUCH}
UNDO_KEYS = ("u", "BackSpace", "Control-z")


class Timeline(ctk.CTkFrame):
    """The widget; `grid` it with sticky="nsew"."""

    def __init__(
        self,
        parent: Any,
        *,
        look: Callable[[Moment], Look],
        on_answer: Callable[[Moment, str], object],
        on_undo: Callable[[], object],
        on_seen: Callable[[set[int]], object],
        height: int = 220,
    ) -> None:
        """`look` says how a moment was answered; `on_seen` hears the rows that were in sight to
        their end; `height` is the least one, in pixels at 100 %."""
        super().__init__(parent, fg_color="transparent")
        self.grid_columnconfigure(0, weight=1)
        self.grid_rowconfigure(0, weight=1)
        self.cards = Cards(self, look, on_answer, on_undo, on_seen, height)
        self.cards.grid(row=0, column=0, sticky="nsew")
        self._bar = ScrollBar(self, self.cards.yview, ground=theme.GROUND)
        self._bar.grid(row=0, column=1, sticky="ns", padx=(4, 0))
        self.cards.tell_place = self._bar.set
        self._nothing = theme.muted(self, "", justify="center", anchor="center", wraplength=440)

    def show(self, moments: Sequence[Moment]) -> None:
        """Show these instead; the chosen one stays chosen where it is among them."""
        self.cards.show(moments)
        if moments:
            self._nothing.place_forget()
        else:
            self._nothing.place(relx=0.5, rely=0.5, anchor="center")

    def say_empty(self, text: str) -> None:
        """What stands there while there is nothing to show."""
        if self._nothing.cget("text") != text:
            self._nothing.configure(text=text)

    def refresh(self, row_id: int | None = None) -> None:
        """How this one looks has changed; None: any may have."""
        self.cards.refresh(row_id)


class Cards(Drawn):
    """The canvas."""

    def __init__(
        self,
        parent: Any,
        look: Callable[[Moment], Look],
        on_answer: Callable[[Moment, str], object],
        on_undo: Callable[[], object],
        on_seen: Callable[[set[int]], object],
        height: int,
    ) -> None:
        self._look, self._on_answer = look, on_answer
        self._on_undo, self._on_seen = on_undo, on_seen
        self.tell_place: Callable[[float, float], object] = lambda first, last: None
        self._moments: tuple[Moment, ...] = ()
        self._first, self._above = 0, 0
        """The topmost card in sight, and how many pixels of it are above the edge."""
        self._drawn: dict[int, tuple[int, int, Look]] = {}
        """(top, height, look) of each card on the canvas, by place."""
        self._chosen = 0
        self._has_focus = False
        super().__init__(parent, 200, height, theme.GROUND, keys=True)
        self.canvas.configure(confine=False)
        self._listen()

    @property
    def chosen(self) -> Moment | None:
        """The one that keys answer."""
        return self._moments[self._chosen] if self._moments else None

    @property
    def in_sight(self) -> tuple[Moment, ...]:
        """What is on the canvas, for tests."""
        return tuple(self._moments[place] for place in sorted(self._drawn))

    # -- what is shown ----------------------------------------------------------------------------

    def show(self, moments: Sequence[Moment]) -> None:
        if moments is self._moments or tuple(moments) == self._moments:
            self.refresh(None)
            return
        chosen = self.chosen
        was_at = self._moments[self._first].row_id if self._moments else None
        self._moments = tuple(moments)
        places = {one.row_id: place for place, one in enumerate(self._moments)}
        self._chosen = places.get(chosen.row_id, 0) if chosen else 0
        if was_at not in places:
            self._above = 0
        self._first = places.get(was_at, 0) if was_at is not None else 0
        self.repaint()

    def refresh(self, row_id: int | None) -> None:
        """Draw again what looks otherwise now."""
        for place, (top, _, look) in list(self._drawn.items()):
            moment = self._moments[place]
            if row_id in (None, moment.row_id) and self._look_of(place) != look:
                self._erase(place)
                self._add(place, top)
        self._fill()

    def paint(self) -> None:
        self._drawn.clear()
        self._has_focus = self.canvas.focus_get() is self.canvas
        self._fill()

    def _frame_focus(self) -> None:
        """The chosen card has the frame."""

    def choose(self, place: int, *, to_sight: bool = True) -> None:
        """Choose one, and bring it into sight."""
        if not self._moments:
            return
        before, self._chosen = self._chosen, min(max(place, 0), len(self._moments) - 1)
        for one in (before, self._chosen):
            if one < len(self._moments):
                self.refresh(self._moments[one].row_id)
        if to_sight:
            self._bring(self._chosen)

    def choose_row(self, row_id: int) -> None:
        """The same by the row's id; nothing where it is not shown."""
        for place, one in enumerate(self._moments):
            if one.row_id == row_id:
                self.choose(place)

    def _look_of(self, place: int) -> Look:
        given = self._look(self._moments[place])
        return replace(given, is_chosen=place == self._chosen, has_focus=self._has_focus)

    # -- drawing ----------------------------------------------------------------------------------

    def _add(self, place: int, top: int) -> int:
        """Draw a card there; gives its height with the gap below it."""
        look, tag = self._look_of(place), f"card{place}"
        card = MomentCard(self, tag, self._moments[place], look, self.seen_width)
        self.canvas.move(tag, 0, top)
        height = card.height + self.px(BETWEEN)
        self._drawn[place] = (top, height, look)
        return height

    def _erase(self, place: int) -> None:
        self.canvas.delete(f"card{place}")
        self._drawn.pop(place, None)

    def _put(self, place: int, top: int) -> int:
        """A card at its place, drawn only where it is not there yet; gives its height."""
        if place not in self._drawn:
            return self._add(place, top)
        at, height, look = self._drawn[place]
        if at != top:
            self.canvas.move(f"card{place}", 0, top - at)
            self._drawn[place] = (top, height, look)
        return height

    def _fill(self) -> None:
        """Draw what is in sight, and nothing else."""
        if not self._moments or self.seen_width <= 1:
            return
        last, bottom = self._lay()
        if bottom < self.seen_height and (self._first or self._above):
            self._above -= self.seen_height - bottom
            self._settle()
            last, _ = self._lay()
        for place in [one for one in self._drawn if not self._first <= one <= last]:
            self._erase(place)
        self._tell(last)

    def _lay(self) -> tuple[int, int]:
        """From the first card down to the lower edge; the last place and its bottom."""
        self._settle()
        place, y = self._first, -self._above
        while True:
            y += self._put(place, y)
            if y >= self.seen_height or place + 1 >= len(self._moments):
                return place, y
            place += 1

    def _settle(self) -> None:
        """Have `_above` within the first card."""
        while self._above < 0 and self._first > 0:
            self._first -= 1
            self._above += self._put(self._first, 0)
        self._above = max(self._above, 0) if self._first == 0 else self._above
        while self._first + 1 < len(self._moments):
            height = self._put(self._first, -self._above)
            if self._above < height:
                break
            self._above -= height
            self._first += 1

    def _tell(self, last: int) -> None:
        """The bar's place, in cards; and which are in sight to their end."""
        count = len(self._moments)
        top, height, _ = self._drawn[self._first]
        begin = self._first - top / height
        top, height, _ = self._drawn[last]
        end = last + min((self.seen_height - top) / height, 1.0)
        self.tell_place(begin / count, end / count)
        if self.canvas.winfo_viewable():
            room = self.seen_height + self.px(BETWEEN)
            self._on_seen(
                {
                    self._moments[place].row_id
                    for place, (top, height, _) in self._drawn.items()
                    if 0 < top + height <= room
                }
            )

    # -- moving -----------------------------------------------------------------------------------

    def scroll(self, by_px: int) -> None:
        """Down, or up where it is negative; in pixels of the screen."""
        self._above += by_px
        self._fill()

    def yview(self, action: str, amount: Any, what: str = "units") -> None:
        """The bar is dragged, or pressed beside its thumb."""
        if action != "moveto":
            step = self.seen_height if what == "pages" else self.px(WHEEL_PX)
            self.scroll(int(float(amount) * step))
            return
        place = min(max(float(amount), 0.0), 1.0) * len(self._moments)
        self._first = min(int(place), max(len(self._moments) - 1, 0))
        for drawn in list(self._drawn):
            self._erase(drawn)
        self._above = 0
        if self._moments:
            self._above = int((place - self._first) * self._put(self._first, 0))
        self._fill()

    def _bring(self, place: int) -> None:
        """A card into sight: its top, where it is higher than there is room."""
        if place not in self._drawn:
            is_below = place > self._first
            for drawn in list(self._drawn):
                self._erase(drawn)
            self._first, self._above = place, 0
            if is_below:
                self._above = self._put(place, 0) - self.px(BETWEEN) - self.seen_height
                self._above = min(self._above, 0)
            self._fill()
            return
        top, height, _ = self._drawn[place]
        over = top + height - self.px(BETWEEN) - self.seen_height
        if top < 0:
            self.scroll(top)
        elif over > 0:
            self.scroll(min(over, top))

    # -- events -----------------------------------------------------------------------------------

    def _listen(self) -> None:
        canvas = self.canvas
        for key, by in (("Up", -1), ("Down", 1), ("Left", -1), ("Right", 1)):
            canvas.bind(f"<{key}>", lambda _, by=by: self._moved(self._chosen + by))  # type: ignore[misc]
        canvas.bind("<Home>", lambda _: self._moved(0))
        canvas.bind("<End>", lambda _: self._moved(len(self._moments) - 1))
        canvas.bind("<Prior>", lambda _: self._paged(-1))
        canvas.bind("<Next>", lambda _: self._paged(1))
        for key, answer in ANSWER_KEYS.items():
            canvas.bind(f"<Key-{key}>", lambda _, answer=answer: self._by_key(answer))  # type: ignore[misc]
        for key in UNDO_KEYS:
            canvas.bind(f"<{key}>", lambda _: self._on_undo())
        canvas.bind("<Button-1>", self._pressed)
        canvas.bind("<Map>", lambda _: self._fill())  # only now they are in sight
        canvas.bind("<Button-4>", lambda _: self._turned(-1))
        canvas.bind("<Button-5>", lambda _: self._turned(1))
        canvas.bind("<MouseWheel>", lambda event: self._turned(-1 if event.delta > 0 else 1))

    def _moved(self, place: int) -> str:
        self.choose(place)
        return "break"

    def _paged(self, by: int) -> str:
        self.scroll(by * int(self.seen_height * 0.9))
        in_sight = sorted(self._drawn)
        if in_sight and self._chosen not in in_sight:
            self.choose(in_sight[0] if by > 0 else in_sight[-1], to_sight=False)
        return "break"

    def _turned(self, by: int) -> str:
        """Not further than there is something: then the page around it scrolls."""
        before = (self._first, self._above)
        self.scroll(by * self.px(WHEEL_PX))
        return "" if before == (self._first, self._above) else "break"

    def _by_key(self, answer: str) -> str:
        """Answer the chosen one, and go on to the next."""
        if self.chosen is not None and self._on_answer(self.chosen, answer):
            self.choose(self._chosen + 1)
        return "break"

    def _pressed(self, event: Any) -> str:
        self.canvas.focus_set()
        place = next(
            (one for one, (top, height, _) in self._drawn.items() if top <= event.y < top + height),
            None,
        )
        if place is None:
            return "break"
        self.choose(place, to_sight=False)
        if (answer := self._answer_at(event.x, event.y)) and self.chosen is not None:
            self._on_answer(self.chosen, answer)
        return "break"

    def _answer_at(self, x: int, y: int) -> str:
        """Of the button there, "" where none is."""
        for item in reversed(self.canvas.find_overlapping(x, y, x, y)):
            for tag in self.canvas.gettags(item):
                if tag.startswith(f"{ANSWER}:"):
                    return tag.removeprefix(f"{ANSWER}:")
        return ""

"""A list in columns: sorted by a click on a heading, chosen from by mouse or keyboard.

    table = Table(parent, [Column("Name", 200, stretches=True), Column("Size", 90, is_number=True)],
                  on_select=self._chosen, empty="There is nothing yet.")
    table.show([Row("7", ("seven", "7.0 MB"), order=("seven", 7_000_000), tone="good")])

One `ttk.Treeview`, which shows thousands of rows with the memory of one widget. Colours, fonts and
sizes follow theme and scaling. Tk's thread alone.

Keys: arrows, Home and End choose; Enter (or a double click) opens; Space presses; 1 to 9 sort by
that column, once more the other way round.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from tkinter import ttk
from typing import Any

import customtkinter as ctk

from gui import theme
from gui.components.scroll_bar import ScrollBar
from gui.components.table_style import STYLE, paint

NUMBER_GAP = "   "
_UP, _DOWN = " \u25b2", " \u25bc"

OnRow = Callable[[str], object]
"""Gets a row's id."""


@dataclass(frozen=True)
class Column:
    """One column. `width` is in pixels at 100 %."""

    title: str
    width: int = 110
    is_number: bool = False
    """Right-aligned, and as `largest_first`."""
    stretches: bool = False
    largest_first: bool = False
    """Whether a first click puts the largest on top: for dates, too."""


@dataclass(frozen=True)
class Row:
    """One row: what stands in the columns and, where that does not sort, what does."""

    row_id: str
    cells: tuple[str, ...]
    order: tuple[Any, ...] = ()
    """A value for each column, comparable within it; the cells themselves where empty."""
    tone: str = ""
    """muted, good, warn, bad or ""."""

    def value(self, column: int) -> Any:
        """What sorts it in a column."""
        return self.order[column] if self.order else self.cells[column].casefold()


class Table(ctk.CTkFrame):
    """The widget; `grid` it with sticky="nsew"."""

    def __init__(
        self,
        parent: Any,
        columns: Sequence[Column],
        *,
        on_select: Callable[[str | None], object] = lambda row_id: None,
        on_open: OnRow = lambda row_id: None,
        on_press: OnRow = lambda row_id: None,
        empty: str = "There is nothing here yet.",
        visible_rows: int = 6,
    ) -> None:
        """`on_select` hears each change of the choice, also to None; `empty` stands there while
        there are no rows; `visible_rows` is the least height."""
        super().__init__(
            parent,
            fg_color=theme.CARD,
            border_color=theme.LINE,
            border_width=1,
            corner_radius=theme.RADIUS,
        )
        self._columns = tuple(columns)
        self._on_select, self._on_open, self._on_press = on_select, on_open, on_press
        self._rows: dict[str, Row] = {}
        self._sorted_by: tuple[int, bool] | None = None
        self._told: str | None = None
        self.grid_columnconfigure(0, weight=1)
        self.grid_rowconfigure(0, weight=1)
        keys = [str(n) for n in range(len(self._columns))]
        self.tree = ttk.Treeview(
            self,
            columns=keys,
            show="headings",
            selectmode="browse",
            style=STYLE,
            height=visible_rows,
        )
        """For tests and for what is not said here."""
        self.tree.grid(row=0, column=0, sticky="nsew", padx=(2, 0), pady=2)
        self.bar = ScrollBar(self, self.tree.yview)
        self.bar.grid(row=0, column=1, sticky="ns", padx=(0, 2), pady=4)
        self.tree.configure(yscrollcommand=self.bar.set)
        self._nothing = theme.muted(self, empty, justify="center", anchor="center", wraplength=420)
        self._listen()
        self._paint()
        self._show_empty()

    # -- what is shown ------------------------------------------------------------------------

    def show(self, rows: Sequence[Row]) -> None:
        """Show these rows instead; the choice, the order and the place stay where they can."""
        chosen, place = self.selected, self.tree.yview()[0]
        self.tree.delete(*self.tree.get_children())
        self._rows = {row.row_id: row for row in rows}
        for row in self._rows.values():
            cells = [self._spaced(n, cell) for n, cell in enumerate(row.cells)]
            self.tree.insert("", "end", iid=row.row_id, values=cells, tags=(row.tone,))
        self._sort()
        if chosen in self._rows:
            self.tree.selection_set(chosen)
            self.tree.focus(chosen)
        self.tree.yview_moveto(place)
        self._show_empty()
        self._tell_choice()

    def say_empty(self, text: str) -> None:
        """What stands there while there are no rows."""
        self._nothing.configure(text=text)

    @property
    def selected(self) -> str | None:
        """The chosen row's id."""
        return next(iter(self.tree.selection()), None)

    @property
    def row_ids(self) -> tuple[str, ...]:
        """All ids in the order in which they stand."""
        return self.tree.get_children()

    def select(self, row_id: str | None) -> None:
        """Choose a row and bring it into sight; None takes the choice back."""
        if row_id is None or row_id not in self._rows:
            self.tree.selection_set(())
        else:
            self.tree.selection_set(row_id)
            self.tree.focus(row_id)
            self.tree.see(row_id)
        self._tell_choice()

    def sort(self, column: int, descending: bool) -> None:
        """Order the rows by a column, now and at each `show`."""
        self._sorted_by = (column, descending)
        self._sort()

    def _spaced(self, column: int, text: str) -> str:
        """Numbers end before the next column begins."""
        return text + NUMBER_GAP if self._columns[column].is_number else text

    # -- order ----------------------------------------------------------------------------------

    def _sort(self) -> None:
        if self._sorted_by is not None:
            column, descending = self._sorted_by
            rows = sorted(self._rows.values(), key=lambda row: row.value(column))
            for place, row in enumerate(reversed(rows) if descending else rows):
                self.tree.move(row.row_id, "", place)
        self._head()

    def _clicked(self, column: int) -> None:
        before = self._sorted_by
        if before is not None and before[0] == column:
            self.sort(column, not before[1])
        else:
            chosen = self._columns[column]
            self.sort(column, chosen.is_number or chosen.largest_first)

    def _head(self) -> None:
        for n, column in enumerate(self._columns):
            mark = ""
            if self._sorted_by is not None and self._sorted_by[0] == n:
                mark = _DOWN if self._sorted_by[1] else _UP
            self.tree.heading(
                str(n),
                text=self._spaced(n, column.title + mark),
                anchor="e" if column.is_number else "w",
                command=lambda n=n: self._clicked(n),
            )

    # -- events -----------------------------------------------------------------------------------

    def _listen(self) -> None:
        tree = self.tree
        tree.bind("<<TreeviewSelect>>", lambda event: self._tell_choice())
        tree.bind("<Return>", lambda event: self._with_choice(self._on_open))
        tree.bind("<KP_Enter>", lambda event: self._with_choice(self._on_open))
        tree.bind("<space>", lambda event: self._with_choice(self._on_press))
        tree.bind("<Double-1>", self._double_clicked)
        tree.bind("<Home>", lambda event: self._go(0))
        tree.bind("<End>", lambda event: self._go(-1))
        tree.bind("<FocusIn>", self._focused)
        tree.bind("<FocusOut>", lambda event: self.configure(border_color=theme.LINE))
        for n in range(min(9, len(self._columns))):
            tree.bind(f"<Key-{n + 1}>", lambda event, n=n: self._clicked(n))  # type: ignore[misc]

    def _focused(self, event: object) -> None:
        """The arrow keys begin at a row, which shows where they are."""
        self.configure(border_color=theme.ACCENT)
        if self._rows and not self.tree.focus():
            self.select(self.selected or self.row_ids[0])

    def _go(self, place: int) -> str:
        if self._rows:
            self.select(self.row_ids[place])
        return "break"

    def _double_clicked(self, event: Any) -> None:
        if self.tree.identify_region(event.x, event.y) == "cell":
            self._with_choice(self._on_open)

    def _with_choice(self, call: OnRow) -> str:
        row_id = self.selected or self.tree.focus()
        if row_id:
            call(row_id)
        return "break"

    def _tell_choice(self) -> None:
        """Once a change, whoever made it."""
        if self.selected != self._told:
            self._told = self.selected
            self._on_select(self._told)

    # -- looks ------------------------------------------------------------------------------------

    def _show_empty(self) -> None:
        if self._rows:
            self._nothing.place_forget()
        else:
            self._nothing.place(relx=0.5, rely=0.5, anchor="center")

    def _set_appearance_mode(self, mode_string: str) -> None:
        super()._set_appearance_mode(mode_string)
        self._paint()

    def _set_scaling(self, *args: Any, **kwargs: Any) -> None:
        super()._set_scaling(*args, **kwargs)
        self._paint()

    def _paint(self) -> None:
        """Colours, fonts and sizes as theme and scaling are now; one style for all tables."""
        paint(self.tree, self._apply_appearance_mode, self._apply_font_scaling, self._px)
        self._widen()

    def _widen(self) -> None:
        for n, column in enumerate(self._columns):
            self.tree.column(
                str(n),
                width=self._px(column.width),
                minwidth=self._px(min(column.width, 60)),
                stretch=column.stretches,
                anchor="e" if column.is_number else "w",
            )

    def _px(self, at_100: float) -> int:
        return round(self._apply_widget_scaling(at_100))

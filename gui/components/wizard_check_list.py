"""A list of things to tick, under headings: channels by category, people.

    ticks = CheckList(parent, on_change=self._changed, empty="There is nothing.")
    ticks.show([("Talk", [CheckRow(7, "# general"), CheckRow(8, "# staff", "Why not", True)])])
    ticks.checked                                  # a set of ids, of rows in sight or not

One `ttk.Treeview`, whatever its length. Space or Enter ticks the row on which the keyboard is, a
click any row; on a heading it ticks all that is below it. Tk's thread alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from tkinter import ttk
from typing import Any

import customtkinter as ctk

from gui import theme
from gui.components.wizard_check_marks import GAP_PX, SIDE_PX, box

STYLE = "Mynah.Ticks.Treeview"
ROW_PX = 28
INDENT_PX = 24
NOTE_PX = 250


@dataclass(frozen=True)
class CheckRow:
    """One thing. A note stands beside it; one that is `closed` cannot be ticked, only unticked."""

    row_id: int
    text: str
    note: str = ""
    closed: bool = False
    shown_ticked: bool = False
    """Drawn with a tick, whatever is chosen: it is so anyway."""


Group = tuple[str, Sequence[CheckRow]]
"""A heading ("": none) and its rows."""


class CheckList(ctk.CTkFrame):
    """The widget; `grid` it with sticky="nsew"."""

    def __init__(
        self, parent: Any, *, on_change: Callable[[], object], empty: str, visible_rows: int = 5
    ) -> None:
        """`on_change` is called when something was ticked by hand; `empty` stands in an empty
        list."""
        super().__init__(
            parent,
            fg_color=theme.CARD,
            border_color=theme.LINE,
            border_width=1,
            corner_radius=theme.RADIUS,
        )
        self.checked: set[int] = set()
        self._on_change = on_change
        self._groups: dict[str, tuple[str, list[CheckRow]]] = {}
        self._rows: dict[str, CheckRow] = {}
        self._boxes: dict[str, Any] = {}
        self._is_barred = False
        self.grid_columnconfigure(0, weight=1)
        self.grid_rowconfigure(0, weight=1)
        self.tree = ttk.Treeview(
            self,
            columns=("note",),
            show="tree",
            selectmode="browse",
            style=STYLE,
            height=visible_rows,
        )
        self.tree.grid(row=0, column=0, sticky="nsew", padx=(theme.GAP, 4), pady=4)
        self._bar = ctk.CTkScrollbar(self, command=self.tree.yview, width=14, height=20)
        self.tree.configure(yscrollcommand=self._scrolled)
        self._nothing = theme.muted(self, empty, justify="center", anchor="center", wraplength=420)
        self._listen()
        self._paint()
        self.show([])

    def show(self, groups: Sequence[Group]) -> None:
        """Show these instead; what is ticked stays so, the keyboard's place too where it can."""
        place = self.tree.focus()
        self.tree.delete(*self.tree.get_children())
        self._groups, self._rows = {}, {}
        for n, (heading, rows) in enumerate(groups):
            key = f"group {n}"
            self._groups[key] = (heading, list(rows))
            if heading:
                self.tree.insert("", "end", key, text=heading, tags=("heading",), open=True)
            for row in rows:
                iid = str(row.row_id)
                self._rows[iid] = row
                self.tree.insert(key if heading else "", "end", iid, values=(row.note,))
        self._mark()
        if place and self.tree.exists(place):
            self._reach(place)
        elif self.tree.focus_get() is self.tree:
            self._focused(None)
        self.set_empty_text(None)

    def set_empty_text(self, text: str | None) -> None:
        """What stands there while the list is empty; None leaves the words."""
        if text is not None:
            self._nothing.configure(text=text)
        if self._rows:
            self._nothing.place_forget()
        else:
            self._nothing.place(relx=0.5, rely=0.5, anchor="center")

    def toggle(self, iid: str) -> None:
        """Tick or untick a row, or all rows under a heading."""
        if iid in self._groups:
            self._toggle_group([row for row in self._groups[iid][1] if not row.closed])
        elif iid in self._rows:
            row = self._rows[iid]
            if row.row_id in self.checked:
                self.checked.discard(row.row_id)
            elif not row.closed:
                self.checked.add(row.row_id)
        self._mark()
        self._on_change()

    def _toggle_group(self, rows: Sequence[CheckRow]) -> None:
        ids = {row.row_id for row in rows}
        if ids <= self.checked:
            self.checked -= ids
        else:
            self.checked |= ids

    def destroy(self) -> None:
        """Its pictures go now, on Tk's thread: the garbage collector runs in any."""
        super().destroy()
        self._boxes.clear()

    # -- events -------------------------------------------------------------------------------

    def _listen(self) -> None:
        tree = self.tree
        tree.bind("<space>", self._pressed)
        tree.bind("<Return>", self._pressed)
        tree.bind("<ButtonRelease-1>", self._clicked)
        tree.bind("<FocusIn>", self._focused)
        tree.bind("<FocusOut>", lambda event: self.configure(border_color=theme.LINE))

    def _pressed(self, event: object) -> str:
        if self.tree.focus():
            self.toggle(self.tree.focus())
        return "break"

    def _clicked(self, event: Any) -> None:
        iid = self.tree.identify_row(event.y)
        if iid:
            self.toggle(iid)

    def _focused(self, event: object) -> None:
        self.configure(border_color=theme.ACCENT)
        rows = self.tree.get_children()
        if rows and not self.tree.focus():
            self._reach(rows[0])

    def _reach(self, iid: str) -> None:
        self.tree.focus(iid)
        self.tree.selection_set(iid)

    def _scrolled(self, first: float, last: float) -> None:
        """Its bar is there while it is needed. Drawing it lets Tk call this again, so it is put
        there and taken away only at a change."""
        self._bar.set(first, last)
        is_needed = float(first) > 0.0 or float(last) < 1.0
        if is_needed != self._is_barred:
            self._is_barred = is_needed
            if is_needed:
                self._bar.grid(row=0, column=1, sticky="ns", padx=(0, 2), pady=4)
            else:
                self._bar.grid_forget()

    # -- looks --------------------------------------------------------------------------------

    def _mark(self) -> None:
        """Give every row its box."""
        for iid, row in self._rows.items():
            is_on = row.shown_ticked or row.row_id in self.checked
            shape = ("on" if is_on else "off") + (" closed" if row.closed else "")
            tags = ("closed",) if row.closed else ()
            self.tree.item(iid, text=row.text, image=self._boxes[shape], tags=tags)
        for iid, (heading, rows) in self._groups.items():
            if heading:
                open_ids = {row.row_id for row in rows if not row.closed}
                on = open_ids & self.checked
                shape = "off" if not on else "on" if on == open_ids else "some"
                closed = "" if open_ids else " closed"
                self.tree.item(iid, image=self._boxes[shape + closed])

    def _set_appearance_mode(self, mode_string: str) -> None:
        super()._set_appearance_mode(mode_string)
        self._paint()
        self._mark()

    def _set_scaling(self, *args: Any, **kwargs: Any) -> None:
        super()._set_scaling(*args, **kwargs)
        self._paint()
        self._mark()

    def _paint(self) -> None:
        """Colours, fonts and sizes as theme and scaling are now."""
        style = ttk.Style(self)
        if style.theme_use() != "default":
            style.theme_use("default")  # the systems' own themes keep their colours
        colour = self._apply_appearance_mode
        body, bold = (self._apply_font_scaling(theme.font(kind)) for kind in ("body", "bold"))
        style.layout(STYLE, [("Treeview.treearea", {"sticky": "nswe"})])
        parts = ("Treeitem.image", "Treeitem.text")
        inner = [(part, {"side": "left", "sticky": "w"}) for part in parts]
        padding: Any = ("Treeitem.padding", {"sticky": "nswe", "children": inner})
        style.layout(f"{STYLE}.Item", [padding])  # without the arrow of things that fold
        style.configure(
            STYLE,
            background=colour(theme.CARD),
            fieldbackground=colour(theme.CARD),
            foreground=colour(theme.TEXT),
            font=body,
            rowheight=self._px(ROW_PX),
            indent=self._px(INDENT_PX),
            borderwidth=0,
        )
        style.map(
            STYLE,
            background=[("selected", colour(theme.HOVER))],
            foreground=[],
        )
        self.tree.tag_configure("heading", font=bold, foreground=colour(theme.MUTED))
        self.tree.tag_configure("closed", foreground=colour(theme.MUTED))
        self.tree.column("#0", stretch=True, width=self._px(240))
        self.tree.column("note", stretch=False, width=self._px(NOTE_PX))
        self._boxes = {
            f"{shape}{closed}": self._box(shape, bool(closed))
            for shape in ("on", "some", "off")
            for closed in ("", " closed")
        }

    def _box(self, shape: str, closed: bool) -> Any:
        colour = self._apply_appearance_mode
        card, line, accent = colour(theme.CARD), colour(theme.LINE), colour(theme.ACCENT)
        is_on = shape != "off"
        strong = line if closed else accent if is_on else colour(theme.MUTED)
        return box(
            self,
            self._px(SIDE_PX),
            self._px(GAP_PX),
            fill=strong if is_on else colour(theme.GROUND) if closed else card,
            edge=strong,
            mark=colour(theme.MUTED if closed else theme.ON_ACCENT),
            ground=card,
            shape=shape,
        )

    def _px(self, at_100: float) -> int:
        return round(self._apply_widget_scaling(at_100))

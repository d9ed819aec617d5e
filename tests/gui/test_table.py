"""The list in columns: order, choice, keyboard, theme and scaling, on a real display."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from tkinter import ttk
from typing import Any

import customtkinter as ctk
import pytest

from gui import theme
from gui.components.reading_text import Kind, ReadingText
from gui.components.table import Column, Row, Table
from gui.components.table_style import ROW_PX, STYLE
from tests.gui.window import settle, type_keys

COLUMNS = (Column("Name", 150, stretches=True), Column("Size", 80, is_number=True))
ROWS = [
    Row("a", ("Anna", "10 MB"), order=("anna", 10), tone="good"),
    Row("b", ("bert", "9 MB"), order=("bert", 9)),
    Row("c", ("Carla", "100 MB"), order=("carla", 100), tone="muted"),
]


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """What is left of a window goes in Tk's thread: another's collector would abort in Tcl."""
    yield
    gc.collect()


@pytest.fixture
def root(xvfb: str) -> Iterator[Any]:
    ctk.set_appearance_mode("light")
    root = ctk.CTk(fg_color=theme.GROUND)
    root.geometry("500x300+0+0")
    root.grid_columnconfigure(0, weight=1)
    root.grid_rowconfigure(0, weight=1)
    yield root
    for timer in root.tk.call("after", "info"):
        root.tk.call("after", "cancel", timer)
    root.destroy()
    theme.forget_fonts()
    ctk.set_widget_scaling(1.0)
    ctk.set_appearance_mode("system")


def order(table: Table) -> str:
    return "".join(table.row_ids)


def shown(root: Any, **options: Any) -> Table:
    table = Table(root, COLUMNS, **options)
    table.grid(row=0, column=0, sticky="nsew")
    table.show(ROWS)
    settle(root)
    return table


def click(table: Table, x: int, y: int) -> None:
    table.tree.event_generate("<Button-1>", x=x, y=y)
    table.tree.event_generate("<ButtonRelease-1>", x=x, y=y)
    table.update()


def test_a_click_on_a_heading_sorts_by_what_is_meant(root: Any) -> None:
    table = shown(root)
    assert order(table) == "abc"
    width = table.tree.winfo_width()
    click(table, width - 20, 8)
    assert order(table) == "cab"
    click(table, width - 20, 8)
    assert order(table) == "bac"
    click(table, 20, 8)
    assert order(table) == "abc"
    assert "\u25b2" in table.tree.heading("0")["text"]
    table.show([*ROWS, Row("0", ("Aa", "1 MB"), order=("aa", 1))])
    assert order(table) == "0abc"


def test_the_choice_is_told_once_and_outlives_a_new_list(root: Any) -> None:
    told: list[str | None] = []
    opened: list[str] = []
    pressed: list[str] = []
    table = shown(root, on_select=told.append, on_open=opened.append, on_press=pressed.append)
    click(table, 20, 8 + 3 * ROW_PX)
    assert (told, table.selected) == (["c"], "c")
    table.show(list(reversed(ROWS)))
    root.update()
    assert (told, table.selected) == (["c"], "c")
    table.show(ROWS[:2])
    root.update()
    assert (told, table.selected) == (["c", None], None)
    for y in (8, 8, 8 + 2 * ROW_PX, 8 + 2 * ROW_PX):  # the heading, which is no row, sorts
        click(table, 20, y)
    assert (order(table), told[-1], opened) == ("ba", "a", ["a"])


def test_all_of_it_can_be_done_by_keyboard(root: Any) -> None:
    opened: list[str] = []
    pressed: list[str] = []
    table = shown(root, on_open=opened.append, on_press=pressed.append)
    table.tree.focus_force()
    root.update()
    assert table.selected == "a"
    assert table.cget("border_color") == theme.ACCENT
    type_keys(root, "Down", "Return", "Down", "space", "Home", "Return", "End", "space", "2")
    assert opened == ["b", "a"]
    assert pressed == ["c", "c"]
    assert order(table) == "cab"


def test_an_empty_list_says_what_to_do(root: Any) -> None:
    table = Table(root, COLUMNS, empty="Import something first.")
    table.grid(sticky="nsew")
    settle(root)
    said = table._nothing
    assert said.winfo_ismapped()
    assert said.cget("text") == "Import something first."
    table.tree.focus_force()
    type_keys(root, "Down", "Return", "space", "Home", "1")
    table.show(ROWS)
    root.update()
    assert not said.winfo_ismapped()


def test_it_follows_theme_and_scaling(root: Any) -> None:
    table = shown(root)
    style = ttk.Style(root)
    assert style.lookup(STYLE, "background") == theme.CARD[0]
    ctk.set_appearance_mode("dark")
    root.update()
    assert style.lookup(STYLE, "background") == theme.CARD[1]
    assert str(table.tree.tag_configure("good")["foreground"]) == theme.GOOD[1]
    ctk.set_widget_scaling(2.0)
    root.update()
    assert style.lookup(STYLE, "rowheight") == 2 * ROW_PX
    assert table.tree.column("1", "minwidth") == 2 * 60


def test_the_bar_shows_only_where_there_is_more_and_all_comes_to_rest(root: Any) -> None:
    table = shown(root)
    assert not table.bar.has_thumb
    table.show([Row(str(n), (f"{n:03}", "1 MB")) for n in range(500)])
    settle(root)
    assert table.bar.has_thumb
    table.tree.yview_moveto(0.5)
    table.show([Row(str(n), (f"{n:03}", "2 MB")) for n in range(500)])
    settle(root)
    assert 0.45 < table.tree.yview()[0] < 0.55
    calls: list[object] = []
    table.tree.configure(yscrollcommand=lambda *view: calls.append(view))
    settle(root)
    settle(root)
    assert len(calls) <= 2


def test_text_to_read_touches_only_what_changed(root: Any) -> None:
    text = ReadingText(root, {"plain": Kind(), "small": Kind(theme.MUTED, "small", 4, 12)})
    text.grid(row=0, column=0, sticky="nsew")
    text.show([("one\n", "plain"), ("two \U0001f600\n", "small"), ("three\n", "plain")])
    text.text.tag_add("sel", "1.0", "1.3")
    text.show([("one\n", "plain"), ("two \U0001f600\n", "small"), ("four\n", "plain")])
    root.update()
    assert text.words == "one\ntwo \U0001f600\nfour\n"
    assert text.text.get("sel.first", "sel.last") == "one"
    assert text.text.tag_names("2.0") == ("small",)
    text.text.focus_force()
    type_keys(root, "x", "Delete")
    assert text.words.startswith("one\ntwo")
    ctk.set_appearance_mode("dark")
    root.update()
    assert str(text.text["background"]) == theme.CARD[1]
    text.show([])
    assert text.words == ""

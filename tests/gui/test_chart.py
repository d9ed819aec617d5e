"""The chart and what else is drawn by hand, on a real display: what stands there, hover, themes."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from typing import Any

import customtkinter as ctk
import pytest

from gui import theme
from gui.components.cells import Cells, Column
from gui.components.chart import HOVER, Chart
from gui.components.scroll_area import ScrollArea
from gui.models.plot import Series
from tests.gui.window import forget_window, pump, settle, type_keys

HOUR_MS = 3_600_000.0
START_MS = 1_700_000_000_000.0 - 1_700_000_000_000 % HOUR_MS


@pytest.fixture
def root(xvfb: str) -> Iterator[Any]:
    root = ctk.CTk(fg_color=theme.GROUND)
    root.geometry("420x260+0+0")
    root.grid_rowconfigure(0, weight=1)
    root.grid_columnconfigure(0, weight=1)
    yield root
    for timer in root.tk.splitlist(root.tk.call("after", "info")):
        root.after_cancel(timer)
    root.destroy()
    forget_window()
    del root
    gc.collect()  # Tcl aborts the process where a window is collected in another thread


@pytest.fixture
def chart(root: Any) -> Chart:
    chart = Chart(root, "Messages", unit="s", empty="There is nothing yet.")
    chart.grid(row=0, column=0, sticky="nsew")
    settle(root)
    return chart


def said(drawn: Any) -> list[str]:
    """The texts on the canvas."""
    canvas = drawn.canvas
    return [
        canvas.itemcget(item, "text") for item in canvas.find_all() if canvas.type(item) == "text"
    ]


def filled(drawn: Any, colour: Any, kind: str = "rectangle") -> list[Any]:
    canvas = drawn.canvas
    wanted = drawn.colour(colour)
    return [
        item
        for item in canvas.find_all()
        if canvas.type(item) == kind and canvas.itemcget(item, "fill") == wanted
    ]


def bars(*values: float) -> list[tuple[float, float]]:
    return [(START_MS + n * HOUR_MS, value) for n, value in enumerate(values)]


def point(chart: Chart, x: float, y: float = 0.5) -> None:
    chart.canvas.event_generate(
        "<Motion>", x=int(chart.seen_width * x), y=int(chart.seen_height * y)
    )
    chart.canvas.update()


def test_an_empty_chart_says_so_and_has_no_axes(root: Any, chart: Chart) -> None:
    for series in ([], [Series("", [], theme.ACCENT)], [Series("", bars(0, 0), theme.BAD, 1.0)]):
        chart.show(series)
        assert said(chart) == ["Messages", "There is nothing yet."]
    point(chart, 0.5)
    type_keys(root, "Right")
    assert chart.hovered == ""


def test_axes_have_round_ticks_and_the_unit_once(chart: Chart) -> None:
    chart.show([Series("reply time", bars(1, 7, 3), theme.ACCENT)])
    words = said(chart)
    assert "0" in words
    assert [one for one in words if one.endswith(" s")] == ["8 s"]
    assert chart.canvas.find_withtag(HOVER) == ()
    assert any(":" in one for one in words)


def test_bars_stand_where_their_values_are(chart: Chart) -> None:
    chart.show([Series("messages", bars(0, 5, 10), theme.GOOD, HOUR_MS)])
    boxes = [chart.canvas.coords(item) for item in filled(chart, theme.GOOD)]
    assert len(boxes) == 2
    (_, top, right, bottom), (left2, top2, right2, bottom2) = boxes
    assert bottom == bottom2
    assert abs((bottom - top) * 2 - (bottom2 - top2)) <= 2
    assert right <= left2 <= right + 2
    assert right2 <= chart.seen_width


def test_a_line_breaks_where_there_is_no_value(chart: Chart) -> None:
    gaps = [*bars(1, 2), (START_MS + 2 * HOUR_MS, None), (START_MS + 3 * HOUR_MS, 2.0)]
    chart.show([Series("a", gaps, theme.GOOD)])
    assert len(filled(chart, theme.GOOD, "line")) == 1
    assert len(filled(chart, theme.GOOD, "oval")) >= 3


def test_the_hover_says_time_and_value(chart: Chart) -> None:
    chart.show(
        [
            Series("messages", bars(10, 20, 30), theme.LINE, HOUR_MS),
            Series("replies", bars(1, 2, 3), theme.ACCENT, HOUR_MS),
        ]
    )
    point(chart, 0.5)
    lines = chart.hovered.split("\n")
    assert " to " in lines[0]
    assert lines[1:] == ["messages: 20 s", "replies: 2 s"]
    point(chart, 0.95)
    assert "messages: 30 s" in chart.hovered
    inside = [chart.canvas.bbox(item) for item in chart.canvas.find_withtag(HOVER)]
    assert all(box[0] >= -1 and box[2] <= chart.seen_width + 1 for box in inside)
    chart.canvas.event_generate("<Leave>")
    chart.canvas.update()
    assert (chart.hovered, chart.canvas.find_withtag(HOVER)) == ("", ())


def test_the_hover_stays_when_values_come(chart: Chart) -> None:
    chart.show([Series("loss", [(1, 4.0), (2, 3.0)], theme.ACCENT)], is_time=False)
    point(chart, 0.9)
    assert chart.hovered == "2\nloss: 3 s"
    chart.show([Series("loss", [(1, 4.0), (2, 3.5)], theme.ACCENT)], is_time=False)
    assert chart.hovered == "2\nloss: 3.50 s"


def test_keys_move_the_hover(root: Any, chart: Chart) -> None:
    chart.show([Series("loss", [(1, 4.0), (2, 3.0), (3, 2.5)], theme.ACCENT)], is_time=False)
    chart.canvas.focus_force()
    pump(root, lambda: root.focus_get() is chart.canvas)
    said_by_key = []
    for key in ("Right", "Left", "Left", "Left", "Right"):
        type_keys(root, key)
        said_by_key.append(chart.hovered.split("\n")[0])
    assert said_by_key == ["3", "2", "1", "1", "2"]


def test_colours_follow_the_theme_and_sizes_the_scaling(root: Any, chart: Chart) -> None:
    chart.show([Series("a", bars(1, 2), theme.ACCENT, HOUR_MS)])
    for mode, number in (("dark", 1), ("light", 0)):
        ctk.set_appearance_mode(mode)
        settle(root)
        assert chart.canvas.cget("background") == theme.CARD[number]
        assert len(filled(chart, theme.ACCENT)) == 2
    height = chart.line_height("small")
    ctk.set_widget_scaling(2.0)
    settle(root)
    assert 1.8 * height < chart.line_height("small") < 2.2 * height
    assert max(chart.measure(one, "small") for one in said(chart)) <= chart.seen_width


@pytest.mark.parametrize("count", [24, 720])
def test_a_redraw_is_quick(chart: Chart, count: int) -> None:
    """5 ms of its thread's computing; half as much again for a computer that shares its cores."""
    series = [Series("a", bars(*range(count)), theme.ACCENT, HOUR_MS if count < 30 else 0.0)]
    taken_s = []
    for _ in range(15):
        began_s = time.thread_time()
        chart.show(series)
        taken_s.append(time.thread_time() - began_s)
        chart.canvas.update()
    assert min(taken_s) < 0.0075
    assert sorted(taken_s)[len(taken_s) // 2] < 0.015


def test_a_chart_of_no_size_paints_nothing(root: Any) -> None:
    tiny = Chart(root, "A title that is far too long for it", width=30, height=10)
    tiny.show([Series("a", bars(1, 2), theme.ACCENT, HOUR_MS)])
    tiny.grid(row=1, column=0)
    settle(root)
    assert tiny.seen_width <= root.winfo_width()


# -- cells ------------------------------------------------------------------------------------


def test_cells_are_cut_where_they_do_not_fit(root: Any) -> None:
    cells = Cells(root, [Column(width=60, is_name=True), Column(1.0)], rows=2)
    cells.grid(row=0, column=0, sticky="ew")
    settle(root)
    cells.show([("Model", "m" * 200), ("Memory", "12 MB")])
    assert said(cells)[0::2] == ["Model", "Memory"]
    assert said(cells)[1].endswith("\u2026")
    assert said(cells)[3] == "12 MB"
    right = max(cells.canvas.bbox(item)[2] for item in cells.canvas.find_all())
    assert right <= cells.seen_width + 1


def test_cells_that_say_the_same_are_not_drawn_again(root: Any) -> None:
    cells = Cells(root, [Column(1.0)], rows=1)
    cells.grid(row=0, column=0, sticky="ew")
    settle(root)
    cells.show([("a",)])
    before = cells.canvas.find_all()
    cells.show([["a"]])
    assert cells.canvas.find_all() == before


# -- scrolling --------------------------------------------------------------------------------


def test_what_fits_fills_the_room_and_what_does_not_scrolls(root: Any) -> None:
    area = ScrollArea(root)
    area.grid(row=0, column=0, sticky="nsew")
    area.inner.grid_columnconfigure(0, weight=1)
    area.inner.grid_rowconfigure(0, weight=1)
    block = ctk.CTkFrame(area.inner, height=80)
    block.grid(row=0, column=0, sticky="nsew")
    pump(root, lambda: block.winfo_height() == root.winfo_height())
    assert not area.scrolls
    block.configure(height=600)
    pump(root, lambda: area.scrolls and area._bar.winfo_ismapped())
    pump(root, lambda: block.winfo_width() < root.winfo_width())
    low = ctk.CTkEntry(area.inner)
    low.grid(row=1, column=0)
    settle(root)
    low._entry.focus_force()
    pump(root, lambda: low.winfo_rooty() + low.winfo_height() <= root.winfo_rooty() + 260)
    area.canvas.yview_moveto(0)
    block._canvas.event_generate("<Button-5>", x=5, y=5)
    pump(root, lambda: area.canvas.canvasy(0) > 0)
    low.grid_forget()
    block.configure(height=50)
    pump(root, lambda: not area._bar.winfo_ismapped())
    pump(root, lambda: block.winfo_width() == root.winfo_width())
    assert area.canvas.canvasy(0) == 0


def test_areas_that_went_hear_nothing(root: Any) -> None:
    before = root.tk.call("bind", str(root), "<Button-5>")
    kept = root.bind("<Button-5>", lambda event: None, add="+")
    for _ in range(3):
        area = ScrollArea(root)
        area.grid(row=0, column=0)
        root.update()
        area.destroy()
    now = root.tk.call("bind", str(root), "<Button-5>")
    assert kept in now
    assert len(str(now).split("\n")) <= len(str(before).split("\n")) + 2

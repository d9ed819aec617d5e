"""The real window on a display in memory, for tests: open it, let it live, press, look.

    def test_it(xvfb, tmp_path):                      # xvfb: tests/conftest.py
        with window(Home(tmp_path).ensure()) as shown:
            shown.main.open_page("Home")
            pump(shown, lambda: shown.app.is_online)
            press(find(shown, "Start"))

Tk's thread is the test's own: nothing moves but within `pump` (or root.update()). An error that is
logged, or raised in a callback of Tk, fails the test unless `errors_allowed`.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import time
import tkinter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import customtkinter as ctk
import pytest
from customtkinter.windows.widgets.appearance_mode import AppearanceModeTracker
from customtkinter.windows.widgets.scaling import ScalingTracker

from gui import pages, theme
from gui.app import Window
from gui.components.page import Page
from gui.supervision import Policy
from storage.paths import Home

STEP_S = 0.005


class ErrorLog(logging.Handler):
    """Keeps what is logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter("%(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@contextmanager
def window(
    home: Home,
    command: Sequence[str] | None = None,
    policy: Policy | None = None,
    *,
    page: str | None = "Home",
    size: tuple[int, int] | None = None,
    errors_allowed: bool = False,
    **rest: Any,
) -> Iterator[Window]:
    """The window of gui/app.py, open and painted; closed at the end, with its bot left alone.

    It shows `page`; None leaves that to the window, which begins with Setup in a new home.

    `command` starts the bot (default: the real one; tests/gui/fake_bot.py is quick), `rest` goes to
    `Window`. No tray is looked for unless the test asks (`tray=True`).
    """
    errors = ErrorLog()
    logging.getLogger().addHandler(errors)
    shown = None
    try:
        shown = Window(home, command=command, policy=policy, **{"tray": False, **rest})
        if size is not None:
            shown.root.geometry(f"{size[0]}x{size[1]}+0+0")
        if page is not None and shown.main.page_name != page:
            shown.main.open_page(page)
        settle(shown)
        yield shown
        if not errors_allowed:
            assert errors.lines == []
    finally:
        logging.getLogger().removeHandler(errors)
        try:
            if shown is not None:
                shown.close()
        finally:
            forget_window()


def stand_in_pages(monkeypatch: Any, page: type[Page], *names: str) -> None:
    """`page` opens under these names instead of the window's own."""
    real = pages.page_class
    monkeypatch.setattr(pages, "page_class", lambda name: page if name in names else real(name))


def forget_window() -> None:
    """What CustomTkinter and the theme keep of a window in this process; the next begins anew."""
    theme.forget_fonts()
    ScalingTracker.window_widgets_dict.clear()
    ScalingTracker.window_dpi_scaling_dict.clear()
    ScalingTracker.update_loop_running = False
    ScalingTracker.widget_scaling = ScalingTracker.window_scaling = 1.0
    AppearanceModeTracker.callback_list.clear()
    AppearanceModeTracker.app_list.clear()
    AppearanceModeTracker.update_loop_running = False


def is_open(shown: Window) -> bool:
    """Whether its root still exists."""
    try:
        return bool(shown.root.winfo_exists())
    except Exception:  # tkinter.TclError: the application has been destroyed
        return False


def pump(
    shown: Any,
    until: Callable[[], object] = lambda: False,
    timeout_s: float = 10.0,
    *,
    what: str = "it",
) -> None:
    """Let the window live until `until()` holds; fails the test where it does not in time.

    `shown` is a Window, or any widget of Tk. To let just time pass: `rest(shown, 0.3)`.
    """
    end_s = time.monotonic() + timeout_s
    while not until():
        assert time.monotonic() < end_s, f"{what} did not come about in {timeout_s:.1f} s"
        getattr(shown, "root", shown).update()
        time.sleep(STEP_S)


def rest(shown: Any, seconds: float) -> None:
    """Let the window live for a while."""
    end_s = time.monotonic() + seconds
    pump(shown, lambda: time.monotonic() >= end_s, seconds + 10)


def settle(shown: Any) -> None:
    """Until it is on the screen and painted."""
    root = getattr(shown, "root", shown)
    for _ in range(3):
        root.update_idletasks()
        root.update()
        time.sleep(STEP_S)


def press(widget: Any) -> None:
    """Press a button (or switch, check box, ...) that a user could press now."""
    named = repr(label_of(widget))
    pump(widget.winfo_toplevel(), widget.winfo_viewable, 3, what=f"the sight of {named}")
    with suppress(ValueError, AttributeError):
        assert widget.cget("state") != "disabled", f"{named} cannot be pressed now"
    if hasattr(widget, "invoke"):
        widget.invoke()
    elif hasattr(widget, "toggle"):
        widget.toggle()
    else:
        widget.event_generate("<Button-1>")
        widget.event_generate("<ButtonRelease-1>")
    with suppress(tkinter.TclError):  # the press may have taken it, or the window, away
        widget.winfo_toplevel().update()


def type_keys(shown: Any, *keys: str) -> None:
    """Keys to the widget that has the focus, by Tk's names: "a", "Tab", "Return", "Escape"."""
    root = getattr(shown, "root", shown)
    for key in keys:
        widget = root.focus_get() or root
        widget.event_generate(f"<Key-{key}>")
        root.update()


def find(parent: Any, text: str | None = None, kind: type | None = None, n: int = 0) -> Any:
    """The nth widget below `parent` (a Window or widget) that shows `text` and is of this kind."""
    found = [
        widget
        for widget in every_widget(getattr(parent, "root", parent))
        if (kind is None or isinstance(widget, kind)) and (text is None or label_of(widget) == text)
    ]
    assert len(found) > n, f"there is no {kind.__name__ if kind else 'widget'} {text!r}"
    return found[n]


def every_widget(parent: Any) -> Iterator[Any]:
    """All widgets below, without the parts that CustomTkinter's own are made of."""
    for child in parent.winfo_children():
        if isinstance(parent, (ctk.CTkButton, ctk.CTkLabel)):
            continue
        yield child
        yield from every_widget(child)


def texts(parent: Any) -> list[str]:
    """What stands on all widgets below, in the order in which they were made."""
    below = every_widget(getattr(parent, "root", parent))
    return [text for widget in below if (text := label_of(widget))]


def label_of(widget: Any) -> str:
    """What stands on it, "" where nothing does."""
    try:
        return str(widget.cget("text"))
    except Exception:  # ValueError of CTk, TclError of Tk: it has no such option
        return ""


def screenshot(shown: Any, path: Path) -> Path:
    """A picture of the window as it is on the screen. Skips without ImageMagick."""
    if shutil.which("import") is None:
        pytest.skip("needs ImageMagick's import")
    settle(shown)
    root = getattr(shown, "root", shown)
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["import", "-window", str(root.winfo_id()), str(path)],
        check=True,
        stdin=subprocess.DEVNULL,
        timeout=30,
    )
    return path

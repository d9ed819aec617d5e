"""The window's pages by the name in the bar, in its order."""

from __future__ import annotations

from gui.components.home_page import HomePage
from gui.components.page import Page

PAGES: dict[str, type[Page]] = {
    "Home": HomePage,
}

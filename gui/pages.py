"""The window's pages by the name in the bar, in its order; each is imported when it is opened."""

from __future__ import annotations

from importlib import import_module

from gui.components.page import Page

PAGES: dict[str, tuple[str, str]] = {
    "Home": ("home_page", "HomePage"),
    "Playground": ("playground_page", "PlaygroundPage"),
    "Rehearsal": ("rehearsal_page", "RehearsalPage"),
    "Data": ("data_page", "DataPage"),
    "Training": ("training_page", "TrainingPage"),
    "Models": ("models_page", "ModelsPage"),
    "Setup": ("wizard", "WizardPage"),
    "Settings": ("settings_page", "SettingsPage"),
}
"""Module in gui/components and class."""

HOME, SETUP = "Home", "Setup"


def page_class(name: str) -> type[Page]:
    """The page of that name."""
    module, class_name = PAGES[name]
    found: type[Page] = getattr(import_module(f"gui.components.{module}"), class_name)
    return found

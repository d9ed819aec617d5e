"""The card on Home with three charts of one period: messages, reply time, memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import customtkinter as ctk

from gui import theme
from gui.components.chart import Chart
from gui.components.keyboard import reachable_all
from gui.models.home_model import MB, PERIODS, Period, Stored
from gui.models.memory_history import MemoryHistory
from gui.models.plot import Series

QUIET = ("#8b98b0", "#6b7789")
"""Bars behind others."""

CHART_HEIGHT = 82
"""At least; with it the page fits the smallest window even while it tells of trouble."""


class ChartsCard:
    """The charts and the choice of their period; `chosen` hears a new one."""

    def __init__(self, parent: Any, period: Period, chosen: Callable[[Period], object]) -> None:
        self.card = theme.card(parent)
        self.card.grid_rowconfigure(1, weight=1)
        self.card.grid_columnconfigure((0, 1, 2), weight=1, uniform="charts")
        theme.label(self.card, "Activity", "heading").grid(
            row=0, column=0, sticky="w", padx=theme.PAD, pady=(10, 4)
        )
        self.choice = reachable_all(
            ctk.CTkSegmentedButton(
                self.card,
                values=[one.name for one in PERIODS],
                font=theme.font("small"),
                height=26,
                border_width=2,
                fg_color=theme.HOVER,
                unselected_color=theme.HOVER,
                unselected_hover_color=theme.LINE,
                selected_color=theme.CARD,
                selected_hover_color=theme.CARD,
                text_color=theme.TEXT,
                command=lambda name: chosen(_called(name)),
            )
        )
        self.choice.set(period.name)
        self.choice.grid(row=0, column=1, columnspan=2, sticky="e", padx=theme.PAD, pady=(10, 4))
        height = CHART_HEIGHT
        self.messages = Chart(self.card, "", empty="No messages in this time.", height=height)
        self.times = Chart(
            self.card,
            "Reply time, half within",
            unit="s",
            empty="Nobody was answered in this time.",
            height=height,
        )
        self.memory = Chart(
            self.card,
            "Memory since this window opened",
            unit="MB",
            empty="Memory is shown while the bot runs.",
            y_least=10,
            height=height,
        )
        for column, chart in enumerate((self.messages, self.times, self.memory)):
            chart.grid(row=1, column=column, sticky="nsew", padx=4, pady=(0, theme.GAP))

    def show(self, stored: Stored) -> None:
        """Messages and reply times as they were read."""
        bucket_ms = stored.period.bucket_s * 1000
        x_range = (float(stored.start_ms), float(stored.end_ms))
        seen = [(float(one.start_ms), float(one.seen)) for one in stored.buckets]
        answered = [(float(one.start_ms), float(one.answered)) for one in stored.buckets]
        middle_s = [(float(one.start_ms + bucket_ms // 2), one.p50_s) for one in stored.buckets]
        self.messages.show(
            [
                Series("messages", seen, QUIET, bucket_ms),
                Series("replies", answered, theme.ACCENT, bucket_ms),
            ],
            x_range,
            title=stored.period.each,
        )
        self.times.show([Series("half within", middle_s, theme.ACCENT)], x_range)

    def show_memory(self, history: MemoryHistory, now_ms: float) -> None:
        """The bot's memory; its axis begins when the window was opened."""
        points = [(at, None if size is None else size / MB) for at, size in history.samples]
        begin = points[0][0] if points else now_ms
        series = Series("memory", points, theme.ACCENT)
        self.memory.show([series], (begin, max(now_ms, begin + 60_000)))


def _called(name: str) -> Period:
    return next(one for one in PERIODS if one.name == name)

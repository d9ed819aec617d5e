"""The picture of a training: loss, tokens a second and the card's memory over the steps, as a PNG.

Drawn by matplotlib without a window (Agg). Imports it when asked, never in the bot or the window.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from storage.training_events import TrainingEvent

_WIDTH, _HEIGHT = 8.0, 2.4
"""Inches; the height of one panel."""

_JUMPY, _PARTS = 50, 20
"""Of more points than that, the mean over a twentieth of them is drawn as well."""
_SIGNED = ("loss", "margin")
"""Panels that need not show the zero."""

Value = Callable[[TrainingEvent], float | None]


def draw(events: Sequence[TrainingEvent], path: Path) -> bool:
    """Write the picture to `path`, whole or not at all; False where there is nothing to show.

    Raises OSError.
    """
    panels = _panels(events)
    if not panels:
        return False
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, _HEIGHT * len(panels)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axis, (title, curves) in zip(axes, panels, strict=True):
        for label, marker, points in curves:
            is_jumpy = len(points) > _JUMPY
            (line,) = axis.plot(
                *zip(*points, strict=True),
                marker,
                label=None if is_jumpy else label,
                markersize=3,
                alpha=0.3 if is_jumpy else 1.0,
            )
            if is_jumpy:
                axis.plot(*_smoothed(points), label=label, color=line.get_color())
        axis.set_ylabel(title)
        axis.grid(alpha=0.3)
        if title not in _SIGNED:
            axis.set_ylim(bottom=0)
        if len(curves) > 1:
            axis.legend()
    axes[-1].set_xlabel("step")
    temporary = path.with_name(f".{path.name}.new")
    try:
        figure.savefig(temporary, format="png", dpi=110)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _panels(events: Sequence[TrainingEvent]) -> list[tuple[str, list[Any]]]:
    """Each panel's title and its curves; what was never measured is left out."""
    wanted: list[tuple[str, list[tuple[str, str, Value]]]] = [
        (
            "loss",
            [
                ("training", "-", lambda e: e.loss),
                ("validation", "o-", lambda e: e.validation_loss),
            ],
        ),
        (
            "margin",
            [
                ("training", "-", lambda e: e.margin),
                ("validation", "o-", lambda e: e.validation_margin),
            ],
        ),
        ("tokens/s", [("tokens/s", "-", lambda e: e.tokens_per_s)]),
        ("GPU memory, GB", [("memory", "-", _gigabytes)]),
        ("GPU use, %", [("use", "-", lambda e: e.gpu_use_percent)]),
    ]
    panels = []
    for title, curves in wanted:
        drawn = [(label, mark, points) for label, mark, v in curves if (points := _of(events, v))]
        if drawn:
            panels.append((title, drawn))
    return panels


def _of(events: Sequence[TrainingEvent], value: Value) -> list[tuple[int, float]]:
    return [(event.step, found) for event in events if (found := value(event)) is not None]


def _smoothed(points: Sequence[tuple[int, float]]) -> tuple[list[int], list[float]]:
    """Steps, and the mean of the last values up to each, from the first full span on."""
    span = len(points) // _PARTS
    steps, values = zip(*points, strict=True)
    means = [sum(values[at - span : at]) / span for at in range(span, len(values) + 1)]
    return list(steps[span - 1 :]), means


def _gigabytes(event: TrainingEvent) -> float | None:
    return None if event.gpu_memory_bytes is None else event.gpu_memory_bytes / 1e9

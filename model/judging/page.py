"""The report of an evaluation as a page for people: report.html, one file, no script.

It shows members' words beside the model's, names the id of each message and member that it shows,
and so goes as a whole where one of them is erased (data/forgetting_files.py).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.judging.advice import advice, takes_off
from model.judging.card import Origin
from model.judging.judge import Judgement
from model.judging.score import Measured

FILE = "report.html"
TEMPLATES = Path(__file__).parent / "templates"
HABITS_SHOWN = 10
_TURNS_AROUND = dict.fromkeys(
    (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
)


@dataclass(frozen=True)
class Earlier:
    """Another evaluation in this home."""

    name: str
    score: float
    needed: float | None
    at_ms: int

    @property
    def day(self) -> str:
        return time.strftime("%d %b %Y", time.gmtime(self.at_ms / 1000)).lstrip("0")


def lower_than(score: float, earlier: Sequence[Earlier]) -> str:
    """A sentence where the newest evaluation of another version before this one scored higher, ""
    else. Scores are of the replies drawn then: less than a point apart is no difference."""
    if not earlier:
        return ""
    before = max(earlier, key=lambda one: one.at_ms)
    if score > before.score - 1:
        return ""
    return (
        f"It scores {before.score - score:.1f} less than {before.name}, which had "
        f"{before.score:.1f} on {before.day}."
    )


def report(
    found: Judgement, origin: Origin, needed: float, earlier: Sequence[Earlier], css: str
) -> str:
    """The page. `css` is the style of the program's reports (data/report/templates/page.css)."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # late: 10 MB

    made = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined,
        finalize=_straight, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    real = sum(found.real_scores) / len(found.real_scores)
    return made.get_template("report.html").render(
        css=css,
        found=found,
        origin=origin,
        needed=needed,
        passed=found.score.value >= needed,
        real_score=real,
        lower=lower_than(found.score.value, earlier),
        earlier=sorted(earlier, key=lambda one: -one.at_ms),
        advice=advice(found, needed),
        rows=[_row(found, one) for one in found.score.measured],
        habits=sorted(found.habits, key=lambda h: -abs(h.model - h.real))[:HABITS_SHOWN],
        expected=_expected(found),
        day=time.strftime("%d %B %Y", time.gmtime()).lstrip("0"),
    )


def _row(found: Judgement, one: Measured) -> dict[str, Any]:
    """Of a metric; lengths as shares of the distance at which nothing is left of it."""
    scale = one.metric.gone_at
    return {
        "metric": one.metric,
        "distance": one.distance,
        "ceiling": one.ceiling,
        "spread": one.spread,
        "share": one.share,
        "points": takes_off(found, one),
        "at": min(1.0, one.distance / scale),
        "real_at": min(1.0, one.ceiling / scale),
        "real_to": min(1.0, one.counts_from / scale),
    }


def _expected(found: Judgement) -> list[tuple[str, float, str]]:
    """Whose bits a byte, how many, and what else."""
    own, base = found.expected, found.base_expected
    rows = [("this model", own.bits_per_byte, f"perplexity {own.perplexity:.1f} a token")]
    if base is not None:
        rows.append(("its base", base.bits_per_byte, f"perplexity {base.perplexity:.1f} a token"))
    return [*rows, ("letters alone", found.letters_bits, "the members' other replies, by 5-grams")]


def _straight(value: Any) -> Any:
    """Without marks of direction: one that is never closed would turn around what is behind it."""
    return value.translate(_TURNS_AROUND) if type(value) is str else value

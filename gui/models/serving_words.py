"""What the bot says of its model (`serving` in its answer to `stats`), in the window's words. Pure.

The fields: bot/serving.py (status), bot/spare_time.py (`reading`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gui.snapshot import Snapshot
from gui.supervision import State

_OFF = "off"
_PAUSED = "paused"


def serving_of(stats: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of it; empty where none runs, or one that says nothing of it."""
    told = stats.get("serving")
    return told if isinstance(told, Mapping) else {}


def model_line(snapshot: Snapshot, stats: Mapping[str, Any], model_name: str) -> str:
    """The model's name, its state and whether it reads along, in one line: "lantern, ready, reads
    along". `model_name`: what would answer, while no bot says it."""
    serving = serving_of(stats)
    name = str(serving.get("name") or stats.get("model") or model_name)
    if snapshot.state is State.STARTING and snapshot.phase == "loading":
        return f"{name}, loading"
    if snapshot.state is not State.ONLINE:
        return name
    state = serving.get("state")
    if state == "changing":
        return str(serving.get("reason") or f"{name}, changing")
    if state == "unloaded":
        return f"{name}, not in memory: loads again with the next question"
    if state == "resting":
        return f"{name}, away until a training on this computer is over"
    if state == "failed":
        return f"{name}, could not be loaded: tried again with the next question"
    if serving.get("trouble"):
        return f"{name}, a model server in trouble"
    if state is None:
        return name
    return ", ".join(part for part in (name, str(state), reading_words(serving)) if part)


def reading_words(serving: Mapping[str, Any]) -> str:
    """Whether it reads along, and why not; "" where that is not known yet, or a server answers."""
    reading = str(serving.get("reading") or "")
    if reading == _OFF:
        return "does not read along"
    return f"reading along is {reading}" if reading.startswith(_PAUSED) else reading


def now_words(snapshot: Snapshot, stats: Mapping[str, Any]) -> str:
    """What answers now, how fast it is, what it has read, and what went wrong last, as sentences;
    "" where no bot says it."""
    serving = serving_of(stats)
    if not serving or snapshot.state is not State.ONLINE:
        return ""
    went_wrong = serving.get("reason") if serving.get("state") in ("ready", "failed") else ""
    parts = (
        f"Now: {model_line(snapshot, stats, '').rstrip('.')}.",
        figures_words(serving),
        str(serving.get("trouble") or ""),
        str(went_wrong or ""),
        str(serving.get("returned") or ""),
    )
    return " ".join(part for part in parts if part)


def figures_words(serving: Mapping[str, Any]) -> str:
    """How fast the loaded model is and what it has read so far; "" where none is loaded."""
    parts = []
    if speed := str(serving.get("speed") or ""):
        parts.append(f"It computes with {speed}.")
    read, asked = serving.get("read_tokens"), serving.get("asked_tokens")
    if isinstance(read, int) and isinstance(asked, int) and read + asked:
        parts.append(
            f"Read so far: {read:,} tokens while people talked, {asked:,} after somebody asked."
        )
    return " ".join(parts)


def is_changing(stats: Mapping[str, Any]) -> bool:
    """Whether another model is being loaded just now."""
    return serving_of(stats).get("state") == "changing"

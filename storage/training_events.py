"""What a training told of itself step by step: a JSON object a line, numbers alone, no text.

Written by model/telemetry.py into data_storage/logs/training/NAME/events.jsonl, read by the window.
Standard library alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path

EVENTS = "events.jsonl"


@dataclass(frozen=True)
class TrainingEvent:
    """A logged step. None where that was not measured in this step, or cannot be."""

    at_ms: int
    step: int
    steps: int
    """Of the whole training."""
    loss: float | None = None
    """Of the steps since the last event: nats a learned token; DPO's or KTO's own measure."""
    validation_loss: float | None = None
    learning_rate: float | None = None
    tokens_per_s: float | None = None
    """Padding not counted, looks at the validation set neither."""
    gpu_memory_bytes: int | None = None
    """What torch holds of the card."""
    gpu_use_percent: int | None = None
    margin: float | None = None
    """Of preferences: beta times how much further what was liked has gained than what was not, in
    nats a reply, since the training began. 0 at its first step."""
    validation_margin: float | None = None


_NAMES = tuple(field.name for field in fields(TrainingEvent))


def to_line(event: TrainingEvent) -> str:
    """One line, its line break included; what is None is left out."""
    return json.dumps({k: v for k, v in asdict(event).items() if v is not None}) + "\n"


def read_events(folder: Path) -> tuple[TrainingEvent, ...]:
    """One event a step, in order; () where there are none. What a kill left of a line is nothing.

    Raises OSError for a file that is there and cannot be read.
    """
    lines: list[str] = []
    with suppress(FileNotFoundError):
        lines = (folder / EVENTS).read_text(encoding="utf-8", errors="replace").splitlines()
    return merged(event for line in lines if (event := _from_line(line)) is not None)


def merged(events: Iterable[TrainingEvent]) -> tuple[TrainingEvent, ...]:
    """One event a step, in order: of a step that was told in several lines, the last value of
    each."""
    found: dict[int, TrainingEvent] = {}
    for event in events:
        known = asdict(found[event.step]) if event.step in found else {}
        new = {name: value for name, value in asdict(event).items() if value is not None}
        found[event.step] = TrainingEvent(**{**known, **new})
    return tuple(found[step] for step in sorted(found))


def _from_line(line: str) -> TrainingEvent | None:
    """None for what is no event."""
    try:
        value = json.loads(line)
        event = TrainingEvent(**{name: value[name] for name in _NAMES if name in value})
        numbers = [one for one in asdict(event).values() if one is not None]
        return event if all(isinstance(one, (int, float)) for one in numbers) else None
    except (ValueError, TypeError):
        return None

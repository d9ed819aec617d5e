"""Which persona a model was trained with: a small file that goes with it, stage by stage.

    served_as.json      {"personas": [{"name": "...", "text": "..."}]}, the one that is served first

It lies in the folders of the adapter, the merged model and the GGUF. The text is what every prompt
of the training began with, so a model that is served with it knows what it reads; a style card that
is made anew changes nothing for it.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model import trained_on

NAME = "served_as.json"


@dataclass(frozen=True)
class ServedAs:
    """The personas of one model. Empty: it was tuned, and does not say with which."""

    personas: tuple[tuple[str, str], ...] = ()
    """(name, text), names filled in."""

    def text(self, name: str) -> str:
        """The text for a persona of that name: its own, else the first one's under this name; ""
        where none is known."""
        if not self.personas:
            return ""
        known = dict(self.personas)
        if name in known:
            return known[name]
        first, text = self.personas[0]
        return re.sub(rf"(?<!\w){re.escape(first)}(?!\w)", lambda _: name, text) if first else text


def of_dataset(config: Mapping[str, Any]) -> ServedAs:
    """What a training set's manifest says: its personas, or its one persona."""
    rows = config.get("personas")
    if isinstance(rows, Sequence) and not isinstance(rows, str):
        found = [(str(row["name"]), str(row["text"])) for row in rows]
        found.sort(key=lambda pair: pair[0] != config.get("persona_name"))
        if found:
            return ServedAs(tuple(found))
    text = str(config.get("persona", "")).strip()
    return ServedAs(((str(config.get("persona_name", "")), text),) if text else ())


def write(folder: Path, served: ServedAs) -> None:
    """Raises OSError."""
    rows = [{"name": name, "text": text} for name, text in served.personas]
    text = json.dumps({"personas": rows}, indent=2, ensure_ascii=False) + "\n"
    (folder / NAME).write_text(text, encoding="utf-8")


def read(folder: Path) -> ServedAs | None:
    """Of the model in that folder; None where it was not tuned here. One that was tuned before this
    file was kept is known by what it learned (`trained_on.NAME`)."""
    try:
        rows = json.loads((folder / NAME).read_text(encoding="utf-8"))["personas"]
        return ServedAs(tuple((str(row["name"]), str(row["text"])) for row in rows))
    except (OSError, ValueError, KeyError, TypeError):
        return ServedAs() if (folder / trained_on.NAME).is_file() else None


def pass_on(folder: Path, to: Path) -> None:
    """What is made from the model in `folder` is served alike. Raises OSError."""
    if (folder / NAME).is_file():
        shutil.copyfile(folder / NAME, to / NAME)

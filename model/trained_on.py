"""Which messages and members a model learned from: a small file that goes with it, stage by stage.

    trained_on.npz      messages, members: sorted int64, ids alone; lost: a text

It lies in the folders of the adapter, the merged model and the GGUF, so a version is known to have
learned what was erased however long ago its training set was made anew. What is erased is taken out
of it; `lost` says that there was some, also of what is made from that model afterwards.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

NAME = "trained_on.npz"
_AUTHORS = ("target_author_id", "rejected_author_id")


@dataclass(frozen=True)
class TrainedOn:
    """Ids."""

    messages: frozenset[int]
    members: frozenset[int]
    """Whose replies were learned."""
    lost: str = ""
    """Why this is not all: FORGOTTEN_MEMBER or DELETED_MESSAGE of storage.records."""


def of_dataset(training_file: Path, *preferences: Path) -> TrainedOn:
    """What a training file names, and such files of preferences as are there: of these, the rows
    that are for measuring alone are left out. Raises OSError; ValueError for another file."""
    messages: set[int] = set()
    members: set[int] = set()
    for path in (training_file, *(path for path in preferences if path.is_file())):
        with path.open(encoding="utf-8") as file:
            for text in file:
                line = json.loads(text)
                if line.get("side") != "validation":
                    messages.update(map(int, line.get("source_ids", ())))
                    members.update(int(line[key]) for key in _AUTHORS if key in line)
    return TrainedOn(frozenset(messages), frozenset(members))


def write(path: Path, learned: TrainedOn) -> None:
    """Raises OSError."""
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            messages=_sorted(learned.messages),
            members=_sorted(learned.members),
            lost=np.array(learned.lost),
        )


def read(folder: Path) -> TrainedOn | None:
    """What the model in that folder learned from; None where it does not say so."""
    try:
        with np.load(folder / NAME, allow_pickle=False) as arrays:
            return TrainedOn(
                frozenset(arrays["messages"].tolist()),
                frozenset(arrays["members"].tolist()),
                str(arrays["lost"]) if "lost" in arrays.files else "",
            )
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        return None


def pass_on(folder: Path, to: Path) -> None:
    """What was made from the model in `folder` learned the same; nothing where that is not known.

    Raises OSError.
    """
    if (folder / NAME).is_file():
        shutil.copyfile(folder / NAME, to / NAME)


def _sorted(ids: Iterable[int]) -> np.ndarray:
    return np.array(sorted(ids), dtype="<i8")

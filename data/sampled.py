"""Moves what a model wrote between a set's prompts and its pairs, and back.

The folder is made anew beside its place, its other files by hard link: a kill leaves the old set or
the new one (or, in the instant between two renames, none: it is prepared again then), and whoever
erases meanwhile sees that it is being made (data/forgetting_files.py).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from data.dataset import FILES as EXAMPLES
from data.dataset import KIND
from data.preference_rows import (
    FILES,
    PAIRS,
    PROMPTS,
    Row,
    read_rows,
    sampled_row,
    to_line,
    without_sampled,
)
from storage.errors import MynahError
from storage.manifest import (
    MANIFEST_NAME,
    Manifest,
    making,
    read_manifest,
    to_text,
    write_manifest,
    write_text_atomically,
)

FOLDER = "sampling"
"""In the set's folder and no part of the set: what was written and did not come into it yet."""
SHOWN = 16
"""Of a model's SHA-256, in the names of files."""


class NotSampledError(MynahError):
    """There is nothing to sample for, or not from this model."""


@dataclass(frozen=True)
class Drawn:
    """One reply that a model wrote."""

    text: str
    tokens: int
    """With the one that ends it."""


Written = Callable[[], Mapping[str, Drawn | None]]
"""By a prompt's mark what was written for it; None: nothing that fits."""


def mark_of(row: Row) -> str:
    """Of this prompt, and of no other with the same reply."""
    text = f"{row['id']}\0{row['prompt']}\0{row['chosen']}"
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def complete(folder: Path, written: Written, model_sha256: str) -> dict[str, int]:
    """Move the prompts for which something was written to the pairs; how many were "added", how
    many "failed" (nothing that fits), and how many are "left". Raises ExampleError, OSError.

    `written` is asked once the folder is being made: whoever erased before took lines out of it.
    """
    known = written()
    if not any(known.values()):
        there = [mark_of(row) in known for row in read_rows(folder / PROMPTS)]
        return {"added": 0, "failed": sum(there), "left": len(there) - sum(there)}
    counts = {"added": 0, "failed": 0, "left": 0}
    with _made_anew(folder) as work:
        known = written()
        shutil.copyfile(folder / PAIRS, work / PAIRS)
        with _writing(work / PAIRS) as pairs, _writing(work / PROMPTS) as prompts:
            for row in read_rows(folder / PROMPTS):
                drawn = known.get(mark_of(row))
                if drawn is not None:
                    made = sampled_row(row, drawn.text, drawn.tokens, model_sha256)
                    pairs.write(to_line(made))
                    counts["added"] += 1
                else:
                    prompts.write(to_line(row))
                    counts["failed" if mark_of(row) in known else "left"] += 1
    return counts


def take_back(folder: Path, trusted: Collection[str]) -> int:
    """Of a set, make prompts again of all pairs whose rejected reply was sampled from another model
    than these (by SHA-256); how many. For what a model wrote may be what it learned of somebody."""
    pairs = folder / PAIRS
    count = 0
    whole = read_manifest(folder) is not None and pairs.is_file()
    if whole and any(_is_of_another(row, trusted) for row in _readable(pairs)):
        with _made_anew(folder) as work:
            count = _move_back(folder, work, trusted)
    for path in (folder / FOLDER).glob("*.jsonl"):
        if path.stem.split("-")[0] not in {sha256[:SHOWN] for sha256 in trusted}:
            path.unlink()
            count += 1
    return count


@contextmanager
def _made_anew(folder: Path) -> Iterator[Path]:
    """The set's folder with the pairs and prompts that the block writes, and all else as it is."""
    with making(folder) as work:
        known = read_manifest(folder)
        if known is None:
            raise NotSampledError(f"{folder} was taken away meanwhile.")
        yield work
        for path in folder.iterdir():  # the report's page too, which no manifest names
            is_own = path.name.startswith(".") or path.name in (PAIRS, PROMPTS, MANIFEST_NAME)
            if path.is_file() and not is_own:
                _linked(path, work / path.name)
        new = write_manifest(work, KIND, known.config, _counts(work, known), list(known.files))
        as_old = replace(new, created_at_ms=known.created_at_ms)  # it is no newer set by that
        write_text_atomically(work / MANIFEST_NAME, to_text(as_old))


def _move_back(folder: Path, work: Path, trusted: Collection[str]) -> int:
    count = 0
    shutil.copyfile(folder / PROMPTS, work / PROMPTS)
    with _writing(work / PAIRS) as pairs, _writing(work / PROMPTS) as prompts:
        for row in _readable(folder / PAIRS):
            if _is_of_another(row, trusted):
                with suppress(KeyError, TypeError):  # a row that was damaged goes as a whole
                    prompts.write(to_line(without_sampled(row)))
                count += 1
            else:
                pairs.write(to_line(row))
    return count


def _is_of_another(row: Row, trusted: Collection[str]) -> bool:
    return "sampled_by" in row and str(row["sampled_by"]) not in trusted


def _readable(pairs: Path) -> Iterator[Row]:
    """Whoever erases is not stopped by a damaged line."""
    with pairs.open(encoding="utf-8", errors="replace") as file:
        for text in file:
            with suppress(ValueError):
                row = json.loads(text)
                if isinstance(row, dict):
                    yield row


def _counts(work: Path, known: Manifest) -> dict[str, Any]:
    """Of what is there now: whoever erased meanwhile may have taken examples out too."""
    files = {**EXAMPLES, **FILES}
    there = {what: _lines_in(work / name) for what, name in files.items() if name in known.files}
    return {**known.counts, **there}


def _lines_in(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)


def _writing(path: Path) -> TextIO:
    return path.open("a", encoding="utf-8", newline="\n")


def _linked(source: Path, target: Path) -> None:
    """The same file once more: none is ever changed in place."""
    try:
        os.link(source, target)
    except OSError:  # a disk without hard links
        shutil.copyfile(source, target)

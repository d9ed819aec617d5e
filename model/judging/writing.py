"""Has a model answer held-out contexts as it would be served, and keeps what it says line by line.

replies.jsonl goes on where it was left: a line counts where it was written by the same model with
the same sampling, to the same context, and stands there as it was written. Each names every message
whose words are in it, so that forgetting finds it. The file is its owner's alone.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from model.chat_format import (
    Said,
    clean_name,
    cut_to_own_words,
    encode,
    layout_of,
    render_ask,
)
from model.inference import Engine, Sampling
from model.judging.replies import HELD_OUT_FILE, HeldOut, read_held_out

FILE = "replies.jsonl"

Progress = Callable[[int, int], None]
"""Called with how many replies there are, and of how many."""


@dataclass(frozen=True)
class Written:
    """What a model answered."""

    example_id: str
    text: str
    tokens: int
    prompt_tokens: int
    prompt_s: float
    reply_s: float
    stopped_by: str
    """model.writing.StoppedBy's value."""


Write = Callable[[HeldOut], Written]


def choose(dataset_dir: Path, count: int, seed: int) -> list[HeldOut]:
    """So many held-out replies of a set, all of them where it has fewer, in the file's order."""
    held = list(read_held_out(dataset_dir / HELD_OUT_FILE))
    rows = sorted(random.Random(seed).sample(range(len(held)), min(count, len(held))))
    return [held[row] for row in rows]


def writer(engine: Engine, sampling: Sampling, seed: int) -> Write:
    """Has an engine answer, by seed: the same model, set and seed say the same."""
    layout = layout_of(engine.tokenizer)
    end = engine.tokenizer.control_id(layout.end)

    def write(asked: HeldOut) -> Written:
        names = {turn.name for turn in asked.turns if isinstance(turn, Said)}
        ids, _ = encode(render_ask(asked.persona, asked.turns, layout=layout), engine.tokenizer)
        made = engine.generate_blocking(
            ids,
            sampling=replace(sampling, seed=_seed(seed, asked.example_id)),
            stop_ids=[end],
            stop_texts=[f"\n{clean_name(name)}:" for name in names],
            fresh=True,
        )
        return Written(
            asked.example_id,
            cut_to_own_words(made.text, names),
            made.reply_tokens,
            made.prompt_tokens,
            round(made.prompt_s, 4),
            round(made.reply_s, 4),
            made.stopped_by.value,
        )

    return write


def mark_of(model_sha256: str, sampling: Sampling, seed: int) -> str:
    """Of this model with this sampling, and of no other."""
    text = json.dumps([model_sha256, asdict(sampling), seed])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write_all(
    folder: Path,
    asked: Sequence[HeldOut],
    write: Write,
    model_sha256: str,
    mark: str,
    progress: Progress = lambda done, total: None,
) -> list[Written]:
    """An answer to each, in their order; those that replies.jsonl has are not written again. What
    else is in the file goes. Raises EngineError, OSError."""
    path = folder / FILE
    wanted = {one.example_id: one for one in asked}
    lines = {
        row["id"]: row
        for row in _rows(path)
        if row.get("by") == mark
        and (it := wanted.get(row["id"])) is not None
        and row["real"] == it.reply
        and list(map(tuple, row["context"])) == list(it.shown)
    }
    _begin_anew(path, lines.values())
    for done, one in enumerate(asked):
        progress(done, len(asked))
        if one.example_id not in lines:
            by = {"by": mark, "model_sha256": model_sha256}
            row = {**by, **_row(one, write(one))}
            lines[one.example_id] = {**row, "check": _check(row)}
            with path.open("a", encoding="utf-8", newline="\n") as file:
                file.write(_line(lines[one.example_id]))
    progress(len(asked), len(asked))
    return [_written(lines[one.example_id]) for one in asked]


def written_by(folder: Path, model_sha256: str) -> dict[str, str]:
    """What that model answered, as replies.jsonl has it, by the example's id; what another one did
    is left out, and what was changed. Empty where there is no file."""
    rows = _rows(folder / FILE)
    return {row["id"]: row["reply"] for row in rows if row.get("model_sha256") == model_sha256}


def _row(asked: HeldOut, written: Written) -> dict[str, Any]:
    made = asdict(written)
    return {
        "id": made.pop("example_id"),
        "source_ids": asked.source_ids,
        "target_author_id": asked.author,
        "context": asked.shown,
        "real": asked.reply,
        "reply": made.pop("text"),
        **made,
    }


def _written(row: dict[str, Any]) -> Written:
    figures = ("tokens", "prompt_tokens", "prompt_s", "reply_s", "stopped_by")
    return Written(row["id"], row["reply"], *(row[name] for name in figures))


def _rows(path: Path) -> Iterable[dict[str, Any]]:
    """What a kill left of a line is nothing, and so is what somebody changed."""
    with suppress(FileNotFoundError), path.open(encoding="utf-8", errors="replace") as file:
        for text in file:
            with suppress(ValueError, KeyError, TypeError, AttributeError):
                row = json.loads(text)
                _written(row)
                if row.get("check") == _check(row):
                    yield row


def _begin_anew(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    beside = path.with_name(f".{path.name}")
    beside.unlink(missing_ok=True)
    beside.touch(mode=0o600)
    with beside.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(map(_line, rows))
    beside.replace(path)


def _check(row: Mapping[str, Any]) -> str:
    """Of a line as it was written: no seal, but nobody changes a reply and forgets that he did."""
    text = json.dumps({name: value for name, value in row.items() if name != "check"})
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def _seed(seed: int, example_id: str) -> int:
    text = f"judge/{seed}/{example_id}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big") >> 1

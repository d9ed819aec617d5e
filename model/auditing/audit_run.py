"""The audit run: a training of its own with canaries in its set, and how well it knows them.

Nothing of it is ever served: its set lies in one folder, its adapter in another, and both are
removed once the figures are there. Cut off, it goes on where it was.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from model import chat_format, evaluate, forge, trainer
from model.auditing.canaries import Amounts, Canary, Row, draw, planted_rows
from model.evaluate import Encoded
from model.profile import Profile
from model.tokenizers import TransformersTokenizer
from model.training.base import load_base
from storage import manifest

TRAINING, VALIDATION = "training_data.jsonl", "validation_data.jsonl"


@dataclass(frozen=True)
class AuditRun:
    """Where an audit trains."""

    set_dir: Path
    """Holds members' words for as long as it lasts."""
    adapter_dir: Path

    def remove(self) -> None:
        for folder in (self.set_dir, self.adapter_dir):
            for left in (folder, *folder.parent.glob(f"{folder.name}.*")):
                shutil.rmtree(left, ignore_errors=True)


@dataclass(frozen=True)
class Measured:
    """A canary, and what its secret costs the trained model, in nats: the less, the better it is
    known."""

    canary: Canary
    nats: float


@dataclass(frozen=True)
class Trained:
    """What the audit run gave."""

    measured: tuple[Measured, ...]
    examples: int
    """Ordinary ones."""
    canary_lines: int
    loss: float | None
    """On the validation set, after."""


def train_and_measure(
    base_dir: Path,
    dataset_dir: Path,
    profile: Profile,
    run: AuditRun,
    *,
    seed: int = 0,
    limit: int | None = None,
    is_quick: bool = False,
    on_progress: Callable[[trainer.Progress], None] | None = None,
) -> Trained:
    """Plant, train, measure. `limit` takes the first so many of the drawn examples.

    Raises TrainingError; then, and where it is interrupted, the next call goes on.
    """
    tokenizer = _tokenizer(base_dir)
    rows = learned_rows(base_dir, dataset_dir, profile, limit)
    canaries = draw(Amounts.for_set(len(rows), is_quick=is_quick), seed)
    contexts = _with_room(rows, canaries, tokenizer, profile.max_length)
    placed = list(planted_rows(canaries, contexts, seed))
    planted = [row for canary, row in placed if canary.times]
    _write_set(dataset_dir, run.set_dir, [*rows, *planted])
    every = profile.with_(sft={"max_tokens": None})  # they are drawn already
    forge.train(
        forge.Run("audit", run.adapter_dir, run.adapter_dir.with_name("none")),
        base_dir,
        run.set_dir,
        every,
        limit=None,
        on_progress=on_progress,
    )
    first = {canary.number: (canary, row) for canary, row in reversed(placed)}
    secrets = [first[number] for number in sorted(first)]
    encoded = [_secret_of(canary, row, tokenizer) for canary, row in secrets]
    nats = _nats(base_dir, run.adapter_dir, profile, encoded)
    made = manifest.read_manifest(run.adapter_dir)
    loss = made.counts.get("validation_loss_after") if made is not None else None
    found = zip(secrets, nats, strict=True)
    measured = tuple(Measured(canary, own) for (canary, _), own in found)
    return Trained(measured, len(rows), len(planted), loss)


def learned_rows(
    base_dir: Path, dataset_dir: Path, profile: Profile, limit: int | None
) -> list[Row]:
    """The lines of a set that a training with this profile takes. Raises TrainingError."""
    path = dataset_dir / TRAINING
    encoded = trainer.read_examples(path, _tokenizer(base_dir))
    at = {id(example): n for n, example in enumerate(encoded)}
    lines = path.read_text(encoding="utf-8").split("\n")  # others are within a reply
    chosen, _ = trainer.choose_within_budget(encoded, profile)
    return [json.loads(lines[at[id(example)]]) for example in chosen[:limit]]


def _tokenizer(base_dir: Path) -> TransformersTokenizer:
    from transformers import AutoTokenizer

    return TransformersTokenizer(AutoTokenizer.from_pretrained(base_dir))


def _with_room(
    rows: Sequence[Row],
    canaries: Sequence[Canary],
    tokenizer: TransformersTokenizer,
    max_length: int,
) -> list[Row]:
    """The examples that are short enough for the longest canary."""
    room = max(len(tokenizer.text_ids(canary.reply)) for canary in canaries)
    fitting = [row for row in rows if len(_encoded(row, "", tokenizer)[0]) + room <= max_length]
    if not fitting:
        raise trainer.TrainingError(
            "No example of the set leaves room for a canary: prepare it with a smaller "
            f"--max_length than the profile's {max_length} tokens."
        )
    return fitting


def _write_set(dataset_dir: Path, set_dir: Path, rows: Sequence[Row]) -> None:
    """The set of the audit run; the same rows give the same files."""
    made = manifest.read_manifest(dataset_dir)
    with manifest.making(set_dir) as work:
        with (work / TRAINING).open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        shutil.copyfile(dataset_dir / VALIDATION, work / VALIDATION)
        manifest.write_manifest(work, "audit set", made.config if made is not None else {}, {})


def _encoded(row: Row, reply: str, tokenizer: TransformersTokenizer) -> Encoded:
    turns = chat_format.turns_from_json(row["turns"])
    layout = chat_format.layout_of(tokenizer)
    segments = chat_format.render_example(row["persona"], turns, reply, layout=layout)
    return chat_format.encode(segments, tokenizer)


def _secret_of(canary: Canary, row: Row, tokenizer: TransformersTokenizer) -> Encoded:
    """The example with the secret's tokens alone to be measured."""
    ids, _ = _encoded(row, canary.reply, tokenizer)
    before, _ = _encoded(row, canary.before, tokenizer)
    start = next(n for n, (a, b) in enumerate(zip(ids, before, strict=False)) if a != b)
    end = len(ids) - (len(before) - start)
    return ids, [start <= n < end for n in range(len(ids))]


def _nats(
    base_dir: Path, adapter_dir: Path, profile: Profile, encoded: Sequence[Encoded]
) -> list[float]:
    """Each secret's sum under the trained model."""
    from peft import PeftModel

    base = load_base(base_dir, profile.with_(backend="trl"))
    model = PeftModel.from_pretrained(base, adapter_dir)
    return [one.nats for one in evaluate.model_nll(model, encoded).examples]

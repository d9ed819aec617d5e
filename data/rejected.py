"""Has a model write the rejected replies of pairs for which nobody wrote a worse one.

What it writes is kept reply by reply, so that whatever stops it, the next run goes on from there;
at the end of each run the pairs that are whole come into the set (data/sampled.py).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from data.likeness import nearly_same
from data.preference_rows import PROMPTS, Row, read_rows, to_line
from data.sampled import FOLDER, SHOWN, Drawn, NotSampledError, complete, mark_of
from model.chat_format import (
    Said,
    clean_name,
    cut_to_own_words,
    encode,
    layout_of,
    render_ask,
    turns_from_json,
)
from model.inference import Engine, PromptTooLong, StoppedBy
from model.sampling import Sampling
from storage.manifest import read_manifest

TRIES = 4
"""How often a reply is drawn that is empty, has no end, is too long or says what the chosen one
says."""
TEMPERATURE = 1.0
"""As the model is, neither bolder nor tamer: what it would say by itself is what it is to leave."""
MAX_REPLY_TOKENS = 120
MOST_TOKENS = 1024
"""Of an example, in a set that does not say so."""

Progress = Callable[[int, int], None]
"""Called with how many prompts are done, and of how many."""


@dataclass(frozen=True)
class SamplingOptions:
    """How replies are drawn. Others than before start the unfinished ones anew."""

    seed: int = 0
    temperature: float = TEMPERATURE
    max_tokens: int = MAX_REPLY_TOKENS


Write = Callable[[Row, int], Drawn | None]
"""Writes a reply to a prompt's row, another one for each try; None: the prompt is too long."""


def sample_rejected(
    folder: Path,
    write: Write,
    model_sha256: str,
    options: SamplingOptions,
    *,
    limit: int | None = None,
    progress: Progress = lambda done, total: None,
    alone: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> dict[str, int]:
    """Complete at most `limit` prompts of the set in `folder`, in their order; how many pairs were
    added, how many prompts had no fitting reply, and how many are left.

    On any exception, Ctrl-C included, what is done is put into the set all the same: within
    `alone`, while nobody erases. Where that raises NotSampledError, for the model may not be heard
    any more, what it wrote is thrown away. Raises that, ExampleError, EngineError, OSError.
    """
    manifest = read_manifest(folder)
    if manifest is None or not (folder / PROMPTS).is_file():
        raise NotSampledError(
            f"{folder} is no complete training set with preferences. Prepare it: "
            "python scripts/2_prepare_training_data.py"
        )
    most_tokens = int(manifest.config.get("max_tokens", MOST_TOKENS))
    kept = _Kept(folder, model_sha256, options)
    counts: dict[str, int] = {}
    try:
        known = kept.read()
        rows = [row for row in read_rows(folder / PROMPTS) if mark_of(row) not in known]
        rows = rows[:limit]
        for done, row in enumerate(rows):
            progress(done, len(rows))
            kept.add(row, _draw(row, write, most_tokens))
        progress(len(rows), len(rows))
    finally:
        try:
            with alone():
                counts = complete(folder, kept.read, model_sha256)
        except NotSampledError:
            kept.path.unlink(missing_ok=True)
            raise
    return counts


def writer(engine: Engine, options: SamplingOptions) -> Write:
    """Has an engine write, by seed: the same prompt, try and options give the same reply."""
    layout = layout_of(engine.tokenizer)
    end = engine.tokenizer.control_id(layout.end)

    def write(row: Row, attempt: int) -> Drawn | None:
        turns = turns_from_json(row["turns"])
        names = {turn.name for turn in turns if isinstance(turn, Said)}
        ids, _ = encode(render_ask(row["persona"], turns, layout=layout), engine.tokenizer)
        sampling = Sampling(
            temperature=options.temperature,
            max_tokens=options.max_tokens,
            seed=_seed(options.seed, row["id"], attempt),
        )
        try:
            made = engine.generate_blocking(
                ids,
                sampling=sampling,
                stop_ids=[end],
                stop_texts=[f"\n{clean_name(name)}:" for name in names],
                fresh=True,
            )
        except PromptTooLong:
            return None
        if made.stopped_by in (StoppedBy.LENGTH, StoppedBy.CONTEXT):
            return Drawn("", made.reply_tokens)  # without its end it is nobody's reply
        return Drawn(cut_to_own_words(made.text, names), made.reply_tokens + 1)

    return write


class _Kept:
    """What was written and is not in the set yet: a line a prompt."""

    def __init__(self, folder: Path, model_sha256: str, options: SamplingOptions) -> None:
        self.model_sha256 = model_sha256
        mark = hashlib.sha256(json.dumps(asdict(options)).encode()).hexdigest()[:8]
        self.path = folder / FOLDER / f"{model_sha256[:SHOWN]}-{mark}.jsonl"

    def read(self) -> dict[str, Drawn | None]:
        """By a prompt's mark. What a kill left of a line is nothing."""
        found: dict[str, Drawn | None] = {}
        read = self.path.open
        with suppress(FileNotFoundError), read(encoding="utf-8", errors="replace") as file:
            for line in file:  # one may end within a character
                with suppress(ValueError, KeyError, TypeError):
                    value = json.loads(line)
                    drawn = value["drawn"]
                    found[value["mark"]] = Drawn(**drawn) if drawn else None
        return found

    def add(self, row: Row, drawn: Drawn | None) -> None:
        """Each time opened anew: whoever erases may have put another file in its place."""
        value = {
            "mark": mark_of(row),
            "source_ids": row["source_ids"] if drawn else [],
            "drawn": asdict(drawn) if drawn else None,
        }
        self.path.parent.mkdir(exist_ok=True)
        before = "\n" if _is_torn(self.path) else ""
        with self.path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(before + to_line(value))


def _draw(row: Row, write: Write, most_tokens: int) -> Drawn | None:
    """A whole reply that says something, and something else than the chosen one; with its prompt
    it is no longer than any example of the set."""
    room = most_tokens - (row["tokens"] - row["learned_tokens"])
    for attempt in range(TRIES):
        drawn = write(row, attempt)
        if drawn is None:
            return None
        if drawn.text and drawn.tokens <= room and not nearly_same(drawn.text, row["chosen"]):
            return drawn
    return None


def _is_torn(path: Path) -> bool:
    """Whether a file ends within a line."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        if not file.seek(0, os.SEEK_END):
            return False
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"


def _seed(seed: int, example_id: str, attempt: int) -> int:
    text = f"{seed}:{example_id}:{attempt}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big") >> 1

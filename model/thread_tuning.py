"""How many threads a model is fastest with here: measured once, kept, and told in a sentence.

llama.cpp takes two numbers: for writing, one token after the other, and for reading prompts in
batches. `model/thread_choice.py` chooses; this measures on an engine and remembers.
"""

from __future__ import annotations

import itertools
import json
import logging
import math
import time
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from model.gguf_check import GgufHeader
from model.llama_runtime import SMALL_MODEL_BYTES, EngineError
from model.processor import Machine, candidates, look, others_share, this_machine
from model.sampling import Sampling
from model.thread_choice import Rate, Tuned, choose
from model.writing import StoppedBy
from storage.errors import MynahError
from storage.manifest import write_text_atomically

if TYPE_CHECKING:
    from model.inference import Engine

log = logging.getLogger(__name__)

FILE_NAME = "threads.json"
PROMPT_TOKENS = 32
DECODE_TOKENS = 4
"""A turn: so many single tokens behind one that is not counted (the threads are made anew)."""
BUSY_SHARE = 0.15
"""Of all processors. Measured while other programs took more, it holds for a day only."""
BUSY_HOLDS_MS = 24 * 3600 * 1000
SMALL = Tuned(1, 1, 0.0, 0.0)
"""For models under SMALL_MODEL_BYTES: one thread is fast, and two suffer from other programs."""

_MOST_BYTES = 1 << 20
_MOST_THREADS = 1024
_YEAR_2100_MS = 4_102_444_800_000
_TEXT = "mira: anyone up for the raid tonight? bob: yeah, what time, and who brings the keys? "


def tune(engine: Engine, *, small_model_bytes: int = SMALL_MODEL_BYTES) -> Tuned:
    """Measure, and leave the engine computing with what was chosen.

    Blocking: at 3B 2 to 3 s on two calm cores, 7 to 8 s on busy ones, and as long as a model takes
    to come from the disk where it is not in memory yet. Not from the engine's own worker, nor from
    an event loop. What is asked meanwhile is answered in between, with whatever number of threads
    has its turn.

    Raises EngineError where the engine is closed or cancelled meanwhile; its threads are then as
    they were.
    """
    if engine.header.size_bytes < small_model_bytes:
        engine.set_threads(SMALL.threads, SMALL.batch_threads)
        return SMALL
    before = engine.threads
    turns = _Turns(engine)
    try:
        tuned = _measured(turns)
        engine.set_threads(tuned.threads, tuned.batch_threads)
    except BaseException:
        with suppress(MynahError):
            engine.set_threads(*before)
        raise
    finally:
        with suppress(MynahError):
            engine.forget(None)
    log.info("threads for %s: %s", engine.header.architecture, shown(tuned))
    return tuned


def _measured(turns: _Turns) -> Tuned:
    machine = this_machine()
    turns.read(machine.physical)  # not counted: the weights may still come from the disk
    before = look()
    tuned = choose(candidates(machine), turns.write, turns.read)
    is_calm = others_share(before, look()) < BUSY_SHARE
    return replace(tuned, measured_at_ms=_now_ms(), is_calm=is_calm)


class _Turns:
    """The two measurements on an engine, in its scratch conversation."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        endless = itertools.cycle(engine.tokenizer.text_ids(_TEXT))
        self._ids = list(itertools.islice(endless, PROMPT_TOKENS + DECODE_TOKENS + 1))

    def read(self, threads: int) -> float:
        """Tokens a second of a prompt in one batch."""
        self._engine.set_threads(threads, threads)
        return self._evaluate(PROMPT_TOKENS, fresh=True)

    def write(self, threads: int) -> float:
        """Tokens a second of single tokens, each a prompt longer by one: what is drawn does not
        matter, so no model can end its turn before it is measured."""
        self._engine.set_threads(threads, threads)
        lengths = range(PROMPT_TOKENS + 1, len(self._ids) + 1)
        return median([self._evaluate(length) for length in lengths][1:])

    def _evaluate(self, length: int, *, fresh: bool = False) -> float:
        made = self._engine.generate_blocking(
            self._ids[:length],
            sampling=Sampling(temperature=0.0, max_tokens=1),
            fresh=fresh,
        )
        if made.stopped_by is StoppedBy.CANCELLED or made.prompt_s <= 0.0:
            raise EngineError("The number of threads was not measured: the engine was stopped.")
        return made.evaluated_tokens / made.prompt_s


def shown(tuned: Tuned) -> str:
    """One sentence for people, without a full stop."""
    if not tuned.measured:
        return "1 thread: so small a model needs no more"
    wrote, read = _in_words(tuned.decode_tokens_s), _in_words(tuned.prompt_tokens_s)
    if tuned.threads == tuned.batch_threads:
        said = f"{_threads(tuned.threads)}: {wrote} tokens a second written, {read} read"
    else:
        said = (
            f"{_threads(tuned.threads)}: {wrote} tokens a second written; "
            f"{_threads(tuned.batch_threads)}: {read} read"
        )
    at = datetime.fromtimestamp(tuned.measured_at_ms / 1000, tz=timezone.utc).astimezone()
    again = "" if tuned.is_calm else " beside busy programs, so it is measured again after a day"
    return f"{said}; measured on {at.day} {at:%b %Y}{again}"


def remembered(
    folder: Path, engine: Engine, *, small_model_bytes: int = SMALL_MODEL_BYTES
) -> Tuned | None:
    """`remembered_for` of a loaded model."""
    return remembered_for(folder, engine.header, small_model_bytes=small_model_bytes)


def remembered_for(
    folder: Path,
    header: GgufHeader,
    *,
    machine: Machine | None = None,
    small_model_bytes: int = SMALL_MODEL_BYTES,
) -> Tuned | None:
    """What was measured for this model on this machine; None where it has to be measured.

    `folder` is a home's data_storage. Known without measuring: SMALL. A file that is missing,
    broken or somebody else's knows nothing. Any thread; reads one small file.
    """
    if header.size_bytes < small_model_bytes:
        return SMALL
    tuned = _from_json(_read(folder).get(_key(machine or this_machine(), header)))
    if tuned is None or tuned.is_calm:
        return tuned
    age_ms = _now_ms() - tuned.measured_at_ms
    return tuned if 0 <= age_ms < BUSY_HOLDS_MS else None


def remember(folder: Path, engine: Engine, tuned: Tuned) -> bool:
    """`remember_for` of a loaded model."""
    return remember_for(folder, engine.header, tuned)


def remember_for(
    folder: Path, header: GgufHeader, tuned: Tuned, *, machine: Machine | None = None
) -> bool:
    """Keep it in `folder`/threads.json, beside those of other models and machines.

    False where the file could not be written, which is logged: it is then measured again next
    time. What was not measured is not written. Any thread, one at a time.
    """
    if not tuned.measured:
        return True
    kept = {**_read(folder), _key(machine or this_machine(), header): asdict(tuned)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(kept, indent=2, ensure_ascii=False) + "\n"
        write_text_atomically(folder / FILE_NAME, text)
    except OSError as error:
        log.warning("the measured threads could not be kept in %s: %s", FILE_NAME, error)
        return False
    return True


def _key(machine: Machine, header: GgufHeader) -> str:
    blocks = header.metadata.get(f"{header.architecture}.block_count", 0)
    return (
        f"{machine.processor}, {machine.physical} cores, {machine.logical} threads; "
        f"{header.architecture}, {header.size_bytes} bytes, {blocks} blocks"
    )


def _read(folder: Path) -> dict[str, Any]:
    """The file's object; empty where there is none that can be read."""
    try:
        with (folder / FILE_NAME).open(encoding="utf-8") as file:
            value = json.loads(file.read(_MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _from_json(value: Any) -> Tuned | None:
    """The inverse of `asdict`; None for anything else."""
    try:
        tuned = Tuned(**{**value, "measured": tuple(Rate(**rate) for rate in value["measured"])})
        return tuned if _is_sound(tuned) else None
    except (TypeError, KeyError, OverflowError):
        return None


def _is_sound(tuned: Tuned) -> bool:
    counts = [tuned.threads, tuned.batch_threads, *(rate.threads for rate in tuned.measured)]
    rates = [tuned.decode_tokens_s, tuned.prompt_tokens_s]
    for rate in tuned.measured:
        rates.append(rate.decode_tokens_s)
        if rate.prompt_tokens_s is not None:
            rates.append(rate.prompt_tokens_s)
    return (
        bool(tuned.measured)
        and all(type(count) is int and 1 <= count <= _MOST_THREADS for count in counts)
        and all(type(rate) in (int, float) and math.isfinite(rate) and rate > 0 for rate in rates)
        and type(tuned.measured_at_ms) is int
        and 0 < tuned.measured_at_ms < _YEAR_2100_MS
        and type(tuned.is_calm) is bool
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"


def _in_words(rate: float) -> str:
    return f"{rate:.1f}" if rate < 20 else f"{rate:,.0f}"

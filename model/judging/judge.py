"""Judges a model: has it answer held-out contexts, compares that with what members answered, and
says what it scores, in which respects, and what its worst replies were."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from model.evaluate import EvaluationError
from model.inference import Engine, Sampling
from model.judging.expecting import EXAMPLES, Expected, expected
from model.judging.features import Embed
from model.judging.letters import letter_bits
from model.judging.manner import manners
from model.judging.replies import HELD_OUT_FILE, TRAINING_FILE, HeldOut, Reply, read_held_out
from model.judging.score import FEWEST, Scale, Score, expecting
from model.judging.telling import told_apart
from model.judging.words import HABITS
from model.judging.writing import Written, choose, mark_of, write_all, writer
from model.llama_runtime import choose_threads

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

WORST = 12
"""Replies shown."""
STAGES = ("replies", "expecting", "comparing")

Progress = Callable[[str, int, int], None]
"""Called with the stage, how much of it is done, and of how much."""


@dataclass(frozen=True)
class Asked:
    """What is to be judged, and how."""

    gguf: Path
    dataset_dir: Path
    folder: Path
    """Where replies.jsonl goes on."""
    sampling: Sampling
    """As it is served."""
    replies: int = 200
    seed: int = 0
    context_tokens: int = 1024
    """Of an example at most; the reply comes on top."""
    base_gguf: Path | None = None
    embed: Embed | None = None
    threads: int = 0


@dataclass(frozen=True)
class Habit:
    """How often something is done, 0 to 1."""

    name: str
    model: float
    real: float


@dataclass(frozen=True)
class Shown:
    """A reply that was told from a real one, beside what was answered there."""

    asked: HeldOut
    reply: str
    why: str


@dataclass(frozen=True)
class Judgement:
    """What was found."""

    score: Score
    real_scores: tuple[float, ...]
    """What other samples of real replies score here."""
    replies: int
    model_sha256: str
    expected: Expected
    letters_bits: float
    base_expected: Expected | None
    habits: tuple[Habit, ...]
    characters: tuple[float, float]
    """Mean length of the model's replies and of the real ones."""
    assistant: dict[str, int]
    """By manner, in how many replies."""
    unfinished: int
    """Replies that did not come to their end."""
    empty: int
    tokens_per_s: float
    prompt_tokens_per_s: float
    worst: tuple[Shown, ...]
    seconds: dict[str, float]
    """By stage."""


def judge(asked: Asked, progress: Progress = lambda stage, done, total: None) -> Judgement:
    """Blocking: minutes for a large model. Goes on where replies.jsonl ends.

    Raises EvaluationError for a set that is too small or no set, GgufError, EngineError, OSError.
    """
    seconds: dict[str, float] = {}
    held, further = _split(asked)
    with _timed("replies", seconds):
        written, sha256 = written_replies(asked, held, lambda *at: progress("replies", *at))
    with _timed("expecting", seconds):
        progress("expecting", 0, 1)
        own, base, letters = _expected(asked, held, further)
        progress("expecting", 1, 1)
    with _timed("comparing", seconds):
        progress("comparing", 0, 1)
        real = [one.real for one in held]
        said = [one.said(it.text) for one, it in zip(held, written, strict=True)]
        scale = Scale(
            {"model": said}, real, further, [*real, *further], embed=asked.embed, seed=asked.seed
        )
        score = scale.score("model", expecting(own.bits_per_byte, *letters))
        real_scores = scale.real_scores
        progress("comparing", 1, 1)
    return Judgement(
        score=score,
        real_scores=real_scores,
        replies=len(held),
        model_sha256=sha256,
        expected=own,
        letters_bits=letters[0],
        base_expected=base,
        habits=_habits(scale),
        characters=(
            float(scale.features.lengths[scale.rows("model")].mean()),
            float(scale.features.lengths[scale.real].mean()),
        ),
        assistant=_manners(said),
        unfinished=sum(one.stopped_by in ("length", "context") for one in written),
        empty=sum(not one.text for one in written),
        tokens_per_s=_rate(sum(o.tokens for o in written), sum(o.reply_s for o in written)),
        prompt_tokens_per_s=_rate(
            sum(o.prompt_tokens for o in written), sum(o.prompt_s for o in written)
        ),
        worst=_worst(scale, held, said),
        seconds=seconds,
    )


def _split(asked: Asked) -> tuple[list[HeldOut], list[Reply]]:
    """The held-out replies that are answered, and all other real ones."""
    held = choose(asked.dataset_dir, asked.replies, asked.seed)
    if len(held) < FEWEST:
        raise EvaluationError(
            f"{asked.dataset_dir.name} holds {len(held)} held-out replies, and it takes {FEWEST} "
            "to judge by: prepare a set of more history."
        )
    chosen = {one.example_id for one in held}
    files = (asked.dataset_dir / name for name in (HELD_OUT_FILE, TRAINING_FILE))
    rest = (one for file in files for one in read_held_out(file))
    return held, [one.real for one in rest if one.example_id not in chosen]


def written_replies(
    asked: Asked, held: Sequence[HeldOut], progress: Callable[[int, int], None]
) -> tuple[list[Written], str]:
    """What the model answers to each, and its SHA-256. Raises GgufError, EngineError, OSError."""
    room = asked.context_tokens + asked.sampling.max_tokens
    with Engine.load(asked.gguf, context_tokens=room, threads=asked.threads) as engine:
        mark = mark_of(engine.sha256, asked.sampling, asked.seed)
        write = writer(engine, asked.sampling, asked.seed)
        written = write_all(asked.folder, held, write, engine.sha256, mark, progress)
        return written, engine.sha256


def _expected(
    asked: Asked, held: Sequence[HeldOut], further: Sequence[Reply]
) -> tuple[Expected, Expected | None, tuple[float, float]]:
    """Of the model, of its base where that is known, and of letters alone."""
    threads = choose_threads(asked.threads, asked.gguf)
    own = expected(asked.gguf, held, threads=threads)
    base = None
    if asked.base_gguf is not None:
        base = expected(asked.base_gguf, held, with_gain=False, threads=threads)
    said = [one.text for one in further]
    return own, base, letter_bits(said, [one.reply for one in held[:EXAMPLES]])


def _habits(scale: Scale) -> tuple[Habit, ...]:
    model, real = (
        scale.features.habits[rows].mean(axis=0) for rows in (scale.rows("model"), scale.real)
    )
    return tuple(Habit(name, float(model[i]), float(real[i])) for i, (name, _) in enumerate(HABITS))


def _manners(said: Sequence[Reply]) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in said:
        for name in manners(one.text):
            found[name] = found.get(name, 0) + 1
    return found


def _worst(scale: Scale, held: Sequence[HeldOut], said: Sequence[Reply]) -> tuple[Shown, ...]:
    """Two of three by the classifier, which knew them best, the others by the oddest words."""
    import numpy as np

    rows = scale.rows("model")
    by_classifier = np.argsort(-told_apart(scale.features.grams, rows, scale.real)[1])
    by_words = np.argsort(scale.features.order[rows])
    shown: dict[int, str] = {}
    for order, why, most in (
        (by_classifier, "the classifier knew it for the model's", WORST * 2 // 3),
        (by_words, "words that do not follow each other here", WORST),
    ):
        shown.update(_first(order, why, most - len(shown), shown))
    return tuple(Shown(held[i], said[i].text, why) for i, why in shown.items())


def _first(
    order: npt.NDArray[np.intp], why: str, count: int, known: dict[int, str]
) -> dict[int, str]:
    left = [int(i) for i in order if int(i) not in known]
    return dict.fromkeys(left[:count], why)


def _rate(count: int, seconds: float) -> float:
    return round(count / seconds, 1) if seconds else 0.0


@contextmanager
def _timed(stage: str, seconds: dict[str, float]) -> Iterator[None]:
    before = time.monotonic()
    yield
    seconds[stage] = round(time.monotonic() - before, 2)

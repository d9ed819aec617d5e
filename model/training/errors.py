"""What can go wrong in a training, each with a sentence that says what to do. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from storage.errors import MynahError

SMALLER = (
    "Take a smaller --batch_size with more --gradient_accumulation, or a smaller --max_length, or "
    "let --auto-fit look for what fits."
)
_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "bad allocation")


class TrainingError(MynahError):
    """A training run that cannot start or go on; the sentence says what to do."""


class OutOfMemoryError(TrainingError):
    """The graphics card's memory, or the machine's, is too small for these numbers."""


class DivergedError(TrainingError):
    """The loss is no number any more; what is kept is from before."""


@contextmanager
def memory_in_a_sentence() -> Iterator[None]:
    """What torch and bitsandbytes say of memory that ran out becomes an OutOfMemoryError."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:  # torch.OutOfMemoryError is a RuntimeError
        said = str(error).lower()
        if not (isinstance(error, MemoryError) or any(words in said for words in _OF_MEMORY)):
            raise
        raise OutOfMemoryError(
            "The memory is too small for this training; its last checkpoint is whole. " + SMALLER
        ) from error

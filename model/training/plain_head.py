"""TRL's log-probabilities without Triton: on a processor, on Windows, on macOS.

TRL 1.15 takes them from a fused head that exists with Triton alone; without it each of its trainers
ends in an AttributeError. This is the same head in plain torch. The logits are there whole, but
only for the tokens of replies, which are few.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class PlainHead:
    """In the place of trl.kernels.ChunkedLogProbFunction, which says what goes in and comes out."""

    @staticmethod
    def apply(
        hidden: Any,
        weight: Any,
        bias: Any,
        targets: Any,
        temperature: float,
        chunk_size: int,
        softcap: float | None = None,
        scale: float = 1.0,
        outputs: tuple[str, ...] = (),
    ) -> tuple[Any, ...]:
        """`hidden` is (tokens, width), `weight` (vocabulary, width), `targets` (tokens,); returned
        are (tokens,) in 32 bits: log-probabilities, and of entropy, log of the sum of squared
        probabilities, mean logit and whether the target is the likeliest those in `outputs`, else
        None."""
        import torch

        logits = torch.nn.functional.linear(hidden, weight, bias).float() * scale
        if softcap is not None:
            logits = softcap * torch.tanh(logits / softcap)
        logits = logits / temperature
        logs = logits.log_softmax(dim=-1)
        told: dict[str, Callable[[], Any]] = {
            "entropy": lambda: -(logs.exp() * logs).sum(dim=-1),
            "log_sum_sq_probs": lambda: (2 * logs).logsumexp(dim=-1).detach(),
            "mean_logits": lambda: logits.mean(dim=-1).detach(),
            "is_top1": lambda: logits.argmax(dim=-1) == targets,
        }
        wanted = (made() if name in outputs else None for name, made in told.items())
        return (logs.gather(-1, targets[:, None])[:, 0], *wanted)


@contextmanager
def plain_head_without_triton() -> Iterator[None]:
    """While the block lasts, TRL's trainers compute here too."""
    from trl.trainer import utils

    if utils._ChunkedLogProbFunction is not None:
        yield
        return
    utils._ChunkedLogProbFunction = PlainHead
    try:
        yield
    finally:
        utils._ChunkedLogProbFunction = None

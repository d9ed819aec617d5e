"""How well a model expects the held-out replies, and how much of that is the context's doing.

Perplexity compares models of one vocabulary alone; bits per byte of the reply's text (and one for
its end) compare any. The gain is what the own context takes off the nats of a real reply, against
the context of another reply of the set: a model that does not read what was said gains nothing.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from model.chat_format import encode, layout_of, render_example
from model.evaluate import Encoded, ExampleNll, gguf_nll
from model.judging.replies import HeldOut
from model.tokenizers import VocabularyFile

EXAMPLES = 60
"""Held-out replies at most; each costs its whole prompt twice."""


@dataclass(frozen=True)
class Expected:
    """Of one model over the same held-out replies."""

    nats_per_token: float
    bits_per_byte: float
    tokens: int
    replies: int
    gain: float | None = None
    """Nats a token that the own context takes off; None where that was not asked."""
    gain_error: float | None = None
    """Its standard error over replies."""

    @property
    def perplexity(self) -> float:
        """By token."""
        return math.exp(self.nats_per_token)


def expected(
    gguf: Path, held: Sequence[HeldOut], *, with_gain: bool = True, threads: int = 1
) -> Expected:
    """Of the first `EXAMPLES` of them. Raises GgufError, LoadError, LayoutError,
    EvaluationError."""
    chosen = list(held[:EXAMPLES])
    others = [*chosen[len(chosen) // 2 :], *chosen[: len(chosen) // 2]]
    with VocabularyFile(gguf) as vocabulary:
        layout = layout_of(vocabulary.tokenizer)

        def encoded(context: HeldOut, said: HeldOut) -> Encoded:
            example = render_example(context.persona, context.turns, said.reply, layout=layout)
            return encode(example, vocabulary.tokenizer)

        own = [encoded(one, one) for one in chosen]
        with_others = [encoded(o, one) for o, one in zip(others, chosen, strict=True)]
    found = gguf_nll(gguf, [*own, *(with_others if with_gain else [])], threads).examples
    return _expected(chosen, found[: len(own)], found[len(own) :])


def _expected(
    held: Sequence[HeldOut], own: Sequence[ExampleNll], others: Sequence[ExampleNll]
) -> Expected:
    nats, tokens = sum(one.nats for one in own), sum(one.tokens for one in own)
    read_bytes = sum(len(one.reply.strip().encode()) + 1 for one in held)
    plain = Expected(nats / tokens, nats / math.log(2) / read_bytes, tokens, len(own))
    if len(others) < 2:
        return plain
    gains = [(b.nats - a.nats) / a.tokens for a, b in zip(own, others, strict=True)]
    error = statistics.stdev(gains) / math.sqrt(len(gains))
    return Expected(
        plain.nats_per_token, plain.bits_per_byte, tokens, len(own), statistics.fmean(gains), error
    )

"""How a model stands to what people liked, measured on held-out rows and against where it began.

DPO's loss is -ln sigmoid(beta * margin), with the margin how much more a pair's liked reply has
gained than its disliked one, in nats of the whole reply, since the reference (Rafailov et al. 2023,
eq. 7): ln 2 at the start. KTO's is 1 - sigmoid(beta * (gain - kl)) of a liked reply and
1 - sigmoid(beta * (kl - gain)) of a disliked one, with kl the mean gain of replies to other
prompts, not below 0 (Ethayarajh et al. 2024, eq. 7): 0.5 at the start. Both kinds count alike here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from statistics import fmean
from typing import Any

from model import evaluate
from model.evaluate import ExampleNll
from model.training.callbacks import VALIDATION
from model.training.examples import EncodedExample
from model.training.preferences import Mode, Row, encoded, mismatched

MARGIN, ACCURACY, LIKELIER, NLL = "eval_margin", "eval_accuracy", "eval_likelier", "eval_nll"
"""As they stand among a training's logs, beside VALIDATION."""
REFERENCE = "ref"
"""The frozen adapter's name, as TRL calls it."""


@dataclass(frozen=True)
class Scores:
    """How a model expects each held-out reply."""

    liked: tuple[ExampleNll, ...]
    disliked: tuple[ExampleNll, ...]
    others: tuple[ExampleNll, ...]
    """KTO's replies to other prompts."""


@dataclass
class HeldOut:
    """What a preference training is measured on, and how the reference stood to it."""

    mode: Mode
    beta: float
    rows: Sequence[Row]
    examples: Sequence[EncodedExample]
    """Of the training set itself: whether the model still writes as people here do."""
    reference: Scores | None = field(default=None, init=False)

    def __bool__(self) -> bool:
        """Whether there is enough to measure by: both what was liked and what was not."""
        return bool(encoded(self.rows, "liked") and encoded(self.rows, "disliked"))

    def measure(self, model: Any) -> dict[str, float]:
        """Loss, margin, accuracy (how often a liked reply gained more than a disliked one, ties
        half: 0.5 at the start), how often a liked reply is held likelier a token than a disliked
        one, and the NLL of plain examples. Of pairs each is compared with its partner, of KTO's
        rows with all others."""
        before, now = self._of_reference(model), self._scores(model)
        liked, disliked = _gains(before.liked, now.liked), _gains(before.disliked, now.disliked)
        figures = {
            VALIDATION: self._loss(liked, disliked, _gains(before.others, now.others)),
            MARGIN: self.beta * (fmean(liked) - fmean(disliked)),
            ACCURACY: self._share(liked, disliked),
            LIKELIER: self._share([-n.mean for n in now.liked], [-n.mean for n in now.disliked]),
        }
        if self.examples:
            figures[NLL] = evaluate.model_nll(model, self.examples).mean
        return figures

    def _of_reference(self, model: Any) -> Scores:
        """By the adapter as it was, in the very precision in which the policy is measured."""
        from trl.trainer.utils import use_adapter

        if self.reference is None:
            with use_adapter(model, REFERENCE):
                self.reference = self._scores(model)
        return self.reference

    def _scores(self, model: Any) -> Scores:
        others = mismatched(self.rows) if self.mode == "kto" else []
        return Scores(
            _nats(model, encoded(self.rows, "liked")),
            _nats(model, encoded(self.rows, "disliked")),
            _nats(model, others),
        )

    def _loss(self, liked: list[float], disliked: list[float], others: list[float]) -> float:
        if self.mode == "dpo":
            margins = [self.beta * (b - w) for b, w in zip(liked, disliked, strict=True)]
            return fmean(max(0.0, -m) + math.log1p(math.exp(-abs(m))) for m in margins)
        kl = max(0.0, fmean(others))
        of_liked = fmean(_sigmoid(self.beta * (kl - gain)) for gain in liked)
        of_disliked = fmean(_sigmoid(self.beta * (gain - kl)) for gain in disliked)
        return (of_liked + of_disliked) / 2

    def _share(self, better: list[float], worse: list[float]) -> float:
        pairs = zip(better, worse, strict=True) if self.mode == "dpo" else product(better, worse)
        return fmean(1.0 if b > w else 0.5 if b == w else 0.0 for b, w in pairs)


def _nats(model: Any, examples: Sequence[EncodedExample]) -> tuple[ExampleNll, ...]:
    return evaluate.model_nll(model, examples).examples if examples else ()


def _gains(before: Sequence[ExampleNll], now: Sequence[ExampleNll]) -> list[float]:
    """Nats by which each reply has become likelier."""
    return [old.nats - new.nats for old, new in zip(before, now, strict=True)]


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))

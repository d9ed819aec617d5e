"""What was found as figures: evaluation.json, and what the registry keeps. Nobody's words."""

from __future__ import annotations

import statistics
from dataclasses import asdict
from typing import Any

from model.judging.expecting import Expected
from model.judging.judge import Judgement
from model.judging.score import Measured


def figures(found: Judgement) -> dict[str, Any]:
    """As JSON knows it. `metrics` by key: the distance, its real-against-real ceiling and spread,
    the distance up to which all of it counts, and the share, 0 to 1."""
    return {
        "score": round(found.score.value, 2),
        "real_score": round(statistics.fmean(found.real_scores), 2),
        "real_score_least": round(min(found.real_scores), 2),
        "replies": found.replies,
        "metrics": {one.metric.key: _metric(one) for one in found.score.measured},
        "left_out": list(found.score.left_out),
        "expected": _expected(found.expected),
        "base_expected": _expected(found.base_expected) if found.base_expected else None,
        "letters_bits_per_byte": round(found.letters_bits, 4),
        "characters": {
            "model": round(found.characters[0], 1),
            "real": round(found.characters[1], 1),
        },
        "habits": {
            one.name: {"model": round(one.model, 4), "real": round(one.real, 4)}
            for one in found.habits
        },
        "assistant": dict(found.assistant),
        "unfinished": found.unfinished,
        "empty": found.empty,
        "tokens_per_s": found.tokens_per_s,
        "prompt_tokens_per_s": found.prompt_tokens_per_s,
        "seconds": dict(found.seconds),
        "model_sha256": found.model_sha256,
    }


def _metric(one: Measured) -> dict[str, float | str]:
    return {
        "title": one.metric.title,
        "distance": round(one.distance, 4),
        "ceiling": round(one.ceiling, 4),
        "spread": round(one.spread, 4),
        "counts_from": round(one.counts_from, 4),
        "gone_at": round(one.metric.gone_at, 4),
        "share": round(one.share, 4),
        "weight": one.metric.weight,
    }


def _expected(one: Expected) -> dict[str, float | int | None]:
    return {**asdict(one), "perplexity": one.perplexity}

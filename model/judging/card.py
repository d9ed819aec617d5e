"""The model card: what a version is, what it was made from, and what it reaches.

No member's name and nobody's words: it may lie beside the model wherever that goes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from model.judging.judge import Judgement

_ASKED = "| Asked people | "


@dataclass(frozen=True)
class Origin:
    """Where a model came from, as far as it is known here."""

    name: str
    base: str = ""
    licence: str = ""
    profile: str = ""
    size_bytes: int = 0
    dataset: Mapping[str, Any] = field(default_factory=dict)
    """What counts: examples, held out, consent, ..."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """The numbers and losses of the training."""
    audit: str = ""
    """What the leak audit said."""
    people: str = ""
    """What raters of a blind sheet found."""


def model_card(found: Judgement, origin: Origin, needed: float) -> str:
    """Markdown."""
    real = sum(found.real_scores) / len(found.real_scores)
    measured = "\n".join(
        f"| {one.metric.title} | {one.distance:.3f} | {one.ceiling:.3f} ± {one.spread:.3f} | "
        f"{one.share:.0%} |"
        for one in found.score.measured
    )
    gain = found.expected.gain
    base = found.base_expected
    return f"""# {origin.name}

A language model for one community's chat, made with Mynah and judged on \
{time.strftime("%d %B %Y", time.gmtime()).lstrip("0")} (UTC).

| | |
|---|---|
| Personality score | {found.score.value:.1f} of 100 ({needed:g} asked for; \
real replies score {real:.1f}) |
| Base model | {origin.base or "not known"} |
| Licence of the base | {origin.licence or "see the base model"} |
| Training profile | {origin.profile or "not known"} |
| File | {_bytes(origin.size_bytes)}, SHA-256 {found.model_sha256} |
| Leak audit | {origin.audit or "not done"} |
{_ASKED}{origin.people or "not done"} |

## Made from

{_table(origin.dataset) or "Nothing is known of its training set here."}

## Training

{_table(origin.training) or "Nothing is known of its training here."}

## What it reaches

{found.replies} replies to held-out contexts, beside what members answered there. The ceiling is
what other real replies of the same members reach against them, with its standard deviation.

| | distance | ceiling (real against real) | share |
|---|---|---|---|
{measured}

- Held-out replies: {found.expected.bits_per_byte:.2f} bits a byte, perplexity \
{found.expected.perplexity:.1f} a token\
{f"; the base {base.bits_per_byte:.2f} bits a byte" if base else ""}; \
letters alone {found.letters_bits:.2f} bits a byte.
- Reading its context takes {gain or 0:.2f} nats a token off a real reply.
- Speed where it was judged: {found.tokens_per_s:g} tokens a second.

## Limits

- It speaks like a community and knows nothing: what it says is often untrue.
- The score says how like the members it writes, not whether that is kind, wise or wanted.
- It may know by heart what it learned from; the leak audit looks for that, and guards what leaves.
- It was made from members' messages under the rules of docs/consent.md. When somebody is forgotten,
  it is to be trained anew.

## How to serve it

Mynah alone renders its prompts as in its training (docs/ARCHITECTURE.md, "The layout of a prompt"):
`python scripts/6_manage_models.py deploy VERSION`. Its persona lies beside it in served_as.json.
"""


def with_people(card: str, said: str) -> str:
    """A card that was written before people were asked, with what they found."""
    lines = card.split("\n")
    return "\n".join(f"{_ASKED}{said} |" if one.startswith(_ASKED) else one for one in lines)


def _table(rows: Mapping[str, Any]) -> str:
    known = [(name, value) for name, value in rows.items() if value not in (None, "")]
    if not known:
        return ""
    lines = "\n".join(f"| {name} | {_said(value)} |" for name, value in known)
    return f"| | |\n|---|---|\n{lines}"


def _said(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _bytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB" if count else "size not known"
